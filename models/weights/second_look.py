"""Writes and reads the second look of a run: `second-look.json` and its head, beside the weights.

All second looks of a run share one video network and its sidecar, which says what it has seen.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from config.errors import ConfigError, ModelError
from detector.inference.second_look.head import FusedHead
from models.weights.sidecar import sha256_of, write_json
from models.weights.video_sidecar import VideoWeights, read_video_sidecar, write_video_sidecar

NAME = "second-look.json"
NETWORK = "video.json"


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    label: str
    video: str
    head: str
    head_sha256: str
    clip_sha256: list[str]


@dataclass(frozen=True, slots=True, eq=False)
class SecondLook:
    """What looks at a window: network and head, of one label.

    `fitted`: digests of the clips that the head was fitted on.
    """

    label: str
    weights: VideoWeights
    head: FusedHead
    fitted: frozenset[str]


def keep_network(weights: VideoWeights, run: Path) -> VideoWeights:
    """Copy the video network and its sidecar into the run; the copy."""
    kept = replace(weights, network=run / "video.tflite")
    if not (kept.network.is_file() and sha256_of(kept.network) == weights.sha256):
        shutil.copyfile(weights.network, kept.network)
    write_video_sidecar(run / NETWORK, kept)
    return kept


def write_second_look(
    folder: Path, label: str, video: Path, head: FusedHead, fitted: Iterable[str]
) -> Path:
    """Write the second look into `folder`; its path. `video`: the network's sidecar."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / NAME
    arrays = path.with_suffix(".npz")
    np.savez(arrays, **asdict(head))
    told = _Told(
        label=label,
        video=Path(os.path.relpath(video, folder)).as_posix(),
        head=arrays.name,
        head_sha256=sha256_of(arrays),
        clip_sha256=sorted(fitted),
    )
    write_json(path, told.model_dump())
    return path


def read_second_look(path: Path) -> SecondLook:
    """The second look that `path` describes; raises ConfigError, or ModelError for its network."""
    try:
        told = _Told.model_validate(json.loads(path.read_text(encoding="utf-8")))
        arrays = path.parent / told.head
        if sha256_of(arrays) != told.head_sha256:
            raise ModelError(f"{arrays}: is not the head that {path} describes (another SHA-256)")
        with np.load(arrays) as found:
            head = FusedHead(
                *(found[name] for name in ("mean", "scale", "weight")),
                *(float(found[name]) for name in ("bias", "first", "second", "intercept")),
            )
    except OSError as error:
        raise ConfigError(f"{error.filename}: cannot be read ({error.strerror})") from error
    except (ValidationError, ValueError, KeyError) as error:
        raise ConfigError(f"{path}: is no second look of a training run; train again") from error
    return SecondLook(
        told.label,
        read_video_sidecar((path.parent / told.video).resolve()),
        head,
        frozenset(told.clip_sha256),
    )
