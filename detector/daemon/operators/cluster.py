"""The cluster as the console sees it, from what `detector.cluster.summary` has put together."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter, ValidationError

from detector.console.cluster.view import (
    BoxView,
    ClusterView,
    LossView,
    SharedCamera,
    UnwatchedCamera,
)
from detector.daemon.observability.cluster_metrics import CUT_OFF_AFTER_S


@dataclass(frozen=True, slots=True)
class _Box:
    """`live`, `not_live`: by site, the names of its cameras."""

    name: str
    state: str
    for_s: float
    sites: tuple[str, ...]
    load: float
    live: Mapping[str, tuple[str, ...]]
    not_live: Mapping[str, tuple[str, ...]]

    def cameras(self) -> Iterator[SharedCamera]:
        for by_site, is_live in ((self.live, True), (self.not_live, False)):
            for site, names in by_site.items():
                yield from (SharedCamera(name, site, is_live) for name in names)


@dataclass(frozen=True, slots=True)
class _Nobody:
    site: str
    reason: str
    cameras: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Watching:
    at_s: float
    boxes: tuple[_Box, ...]
    unwatched: tuple[_Nobody, ...]
    loss: LossView
    unknown_boxes: Mapping[str, str] = field(default_factory=dict)  # an older coordinator says none


@dataclass(frozen=True, slots=True)
class _Told:
    box: str
    targets: Mapping[str, str]
    watching: _Watching


_file = TypeAdapter(_Told)


def cluster_view(content: Any) -> ClusterView | None:
    """What `ClusterFile.read` gives, to be shown; None where that does not say who watches what."""
    try:
        told = _file.validate_python(content)
    except ValidationError:
        return None
    age_s = time.monotonic() - told.watching.at_s
    if age_s < 0:  # of before the machine was started anew
        return None
    boxes = tuple(
        BoxView(
            one.name,
            one.state,
            one.for_s,
            one.sites,
            one.load,
            tuple(sorted(one.cameras(), key=lambda camera: camera.name)),
            told.targets.get(one.name),
        )
        for one in told.watching.boxes
    )
    unwatched = tuple(
        UnwatchedCamera(name, one.site, one.reason)
        for one in told.watching.unwatched
        for name in one.cameras
    )
    is_cut_off = age_s > CUT_OFF_AFTER_S
    watching = told.watching
    return ClusterView(
        told.box, age_s, is_cut_off, boxes, unwatched, watching.loss, watching.unknown_boxes
    )
