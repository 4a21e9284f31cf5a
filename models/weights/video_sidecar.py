"""The sidecar of a video network: its file, its licence, and the footage that it has seen.

A network that was trained on a public set ranks it too well, and so does every head that is fitted
on its embeddings of that set. So the sidecar names the sets (`seen`) and their clips by content,
and training and evaluation leave those out, whatever they are called.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from config.errors import ConfigError, ModelError
from detector.motion.window import WINDOW_RECIPE
from models.data.clips import Clip
from models.weights.sidecar import sha256_of, write_json

FORMAT = 1


class VideoSidecar(BaseModel):
    """What it says; `network`, `licence_file`: names of files beside the sidecar."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    format: Literal[1]
    name: str
    window: dict[str, Any]
    network: str
    sha256: str
    licence: str
    licence_file: str
    source: str
    seen: list[str]
    seen_sha256: list[str]


@dataclass(frozen=True, slots=True)
class Seen:
    """What a network has seen: data sets by name, clips by digest (`models.data.digests`)."""

    sets: frozenset[str] = frozenset()
    clips: frozenset[str] = frozenset()

    def unseen(self, clips: Iterable[Clip], digests: Mapping[Clip, str]) -> list[Clip]:
        """Those of `clips` that the network has not seen, by set and by content."""
        return [
            clip
            for clip in clips
            if clip.dataset not in self.sets and digests.get(clip) not in self.clips
        ]


@dataclass(frozen=True, slots=True)
class VideoWeights:
    """A video network as its sidecar describes it.

    `network`, `licence_file`: where they lie.
    """

    name: str
    network: Path
    sha256: str
    licence: str
    licence_file: Path
    source: str
    seen: Seen


def write_video_sidecar(path: Path, weights: VideoWeights) -> None:
    """Write the sidecar of `weights`, whose files lie beside it."""
    sidecar = VideoSidecar(
        format=FORMAT,
        name=weights.name,
        window=dict(WINDOW_RECIPE),
        network=weights.network.name,
        sha256=sha256_of(weights.network),
        licence=weights.licence,
        licence_file=weights.licence_file.name,
        source=weights.source,
        seen=sorted(weights.seen.sets),
        seen_sha256=sorted(weights.seen.clips),
    )
    write_json(path, sidecar.model_dump())


def read_video_sidecar(path: Path) -> VideoWeights:
    """The network that `path` describes.

    Raises ConfigError where it is no such sidecar, ModelError where its network is another file
    or was made for other windows.
    """
    try:
        sidecar = VideoSidecar.model_validate(json.loads(path.read_text(encoding="utf-8")))
        network, licence_file = path.parent / sidecar.network, path.parent / sidecar.licence_file
        found = sha256_of(network)
        licence_file.read_bytes()  # what comes with the network goes with it
    except OSError as error:
        raise ConfigError(f"{error.filename}: cannot be read ({error.strerror})") from error
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise ConfigError(
            f"{path}: is no sidecar of a video network ({where or 'it'}: "
            f"{error.errors()[0]['msg']})"
        ) from error
    except ValueError as error:
        raise ConfigError(f"{path}: is no JSON file ({error})") from error
    if found != sidecar.sha256:
        raise ModelError(f"{network}: is not the network that {path} describes (another SHA-256)")
    if sidecar.window != WINDOW_RECIPE:
        raise ModelError(
            f"{path}: was made for windows {sidecar.window}, this version cuts {WINDOW_RECIPE}; "
            "use the network of this version"
        )
    return VideoWeights(
        name=sidecar.name,
        network=network,
        sha256=found,
        licence=sidecar.licence,
        licence_file=licence_file,
        source=sidecar.source,
        seen=Seen(frozenset(sidecar.seen), frozenset(sidecar.seen_sha256)),
    )
