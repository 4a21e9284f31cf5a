"""The one configuration of a cluster: its cameras, and the part of it that a box gets.

Boxes are given its text, not what it refers to: `{file: …}`, `{env: …}` and `{credential: …}` are
read on each box, so paths in it are to be absolute.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from alerts.registry import sink_options
from alerts.sink import box_of
from config.load import load_settings
from config.settings import Settings
from detector.cluster.assignment import Camera
from detector.planning import CORE_MS, plan

PLANNED_COST_MS = plan(1, "360p", 0.2).load_cores * CORE_MS
"""Of a camera that nobody has measured yet."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """`text`: YAML; of two, the one with the larger `version` (milliseconds since 1970) counts."""

    text: str
    version: int


def read_settings(text: str) -> Settings:
    """What `text` says, with what it refers to on this machine; raises ConfigError."""
    with TemporaryDirectory(prefix="jikimi-") as folder:
        path = Path(folder) / "cluster.yaml"
        path.write_text(text, encoding="utf-8")
        return load_settings(path, os.environ, cameras=(), sink_options=sink_options())


def cameras_of(settings: Settings) -> list[Camera]:
    """All cameras, each at the planned cost."""
    return [Camera(camera.name, camera.site, PLANNED_COST_MS) for camera in settings.cameras]


def boxes_of(settings: Settings) -> dict[str, str]:
    """By sink that hangs on one box, the name of that box."""
    return {sink.name: box for sink in settings.sinks if (box := box_of(sink))}


def share_of(text: str, cameras: Collection[str]) -> str:
    """The configuration with these cameras only, in its order, for `jikimi run --config`.

    Each box has its own state directory, so that key is left out.
    """
    whole = _parsed(text)
    pairs = []
    for key, node in whole.value:
        if key.value == "cameras":
            own = [pair for pair in node.value if pair[0].value in cameras]
            pairs.append((key, yaml.MappingNode(node.tag, own, flow_style=node.flow_style)))
        elif key.value != "state_dir":
            pairs.append((key, node))
    dumped: str = yaml.serialize(
        yaml.MappingNode(whole.tag, pairs), Dumper=yaml.CSafeDumper, allow_unicode=True
    )
    return dumped


def sites_of(text: str) -> dict[str, str]:
    """By camera, its site as it is written: good for telling whether that has changed."""
    whole = _children(_parsed(text))
    site = whole.get("site")
    return {
        name: _written(_children(camera).get("site", site))
        for name, camera in _children(whole.get("cameras")).items()
    }


def _children(node: yaml.Node | None) -> dict[str, yaml.Node]:
    """By key; none of a camera that is a URL alone."""
    if not isinstance(node, yaml.MappingNode):
        return {}
    return {key.value: value for key, value in node.value}


def _written(node: yaml.Node | None) -> str:
    if node is None:
        return ""
    return str(node.value) if isinstance(node, yaml.ScalarNode) else yaml.serialize(node).strip()


@lru_cache(maxsize=1)
def _parsed(text: str) -> yaml.MappingNode:
    """As nodes, which keep how each text was written, and so what it means."""
    parsed = yaml.compose(text, Loader=yaml.CSafeLoader)
    assert isinstance(parsed, yaml.MappingNode)
    return parsed
