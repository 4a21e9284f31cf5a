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
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from config.errors import ConfigError, ModelError
from detector.incidents.second_look import Fusion, SecondLookRules
from detector.incidents.tracker import IncidentRules
from detector.inference.second_look.head import FusedHead
from detector.inference.second_look.weights import read_fused_head
from detector.inference.weights import intact, read_sidecar
from detector.motion.window import WINDOW_RECIPE
from models.weights.sidecar import rules_at, sha256_of, write_json
from models.weights.video_sidecar import (
    Seen,
    VideoWeights,
    read_video_sidecar,
    write_video_sidecar,
)

NAME = "second-look.json"
NETWORK = "video.json"

CANDIDATE = 0.2
"""Smoothed probability of the first stage from which on a camera is looked at; see README."""

OPEN_THRESHOLD = 0.65
"""Where an incident opens, on the fused probability; see README."""


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    label: str
    video: str
    head: str
    head_sha256: str
    candidate: float
    open_threshold: float
    clip_sha256: list[str]


@dataclass(frozen=True, slots=True, eq=False)
class SecondLook:
    """What looks at a window, network and head, of one label, and when.

    `candidate`, `incident`: as `SecondLookRules` has them. `fitted`: digests of the clips that the
    head was fitted on.
    """

    label: str
    weights: VideoWeights
    head: FusedHead
    candidate: float
    incident: IncidentRules
    fitted: frozenset[str]

    def rules(self, alone: float) -> SecondLookRules:
        """The daemon's rules, where the first stage alone opens at `alone`."""
        fusion = Fusion(self.head.first, self.head.second, self.head.intercept)
        return SecondLookRules(self.candidate, alone, self.incident, fusion)


def keep_network(weights: VideoWeights, run: Path) -> VideoWeights:
    """Copy the video network and its sidecar into the run; the copy."""
    kept = replace(weights, network=run / "video.tflite", licence_file=run / "video-licence.txt")
    shutil.copyfile(weights.licence_file, kept.licence_file)
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
        candidate=CANDIDATE,
        open_threshold=OPEN_THRESHOLD,
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
        head = read_fused_head(arrays)
    except OSError as error:
        raise ConfigError(f"{error.filename}: cannot be read ({error.strerror})") from error
    except (ValidationError, ValueError) as error:
        raise ConfigError(f"{path}: is no second look of a training run; train again") from error
    return SecondLook(
        label=told.label,
        weights=read_video_sidecar((path.parent / told.video).resolve()),
        head=head,
        candidate=told.candidate,
        incident=rules_at(told.open_threshold),
        fitted=frozenset(told.clip_sha256),
    )


def exported_second_look(sidecar: Path) -> SecondLook | None:
    """The second look of exported weights; None where they have none. Raises ModelError."""
    told = read_sidecar(sidecar).second_look
    if told is None:
        return None
    return SecondLook(
        label=told.label,
        weights=VideoWeights(
            name=Path(told.network.file).stem,
            network=intact(sidecar, told.network),
            sha256=told.network.sha256,
            licence=told.licence,
            licence_file=sidecar.parent / told.licence_file,
            source=told.source,
            seen=Seen(frozenset(told.seen), frozenset(told.seen_sha256)),
        ),
        head=read_fused_head(intact(sidecar, told.head)),
        candidate=told.rules.candidate,
        incident=IncidentRules(**told.rules.incident.model_dump()),
        fitted=frozenset(told.clip_sha256),
    )


def export_second_look(look: SecondLook, folder: Path) -> dict[str, Any]:
    """Copy network, head and licence into `folder`; the sidecar's section `second_look`."""
    network, head = folder / "second-look.tflite", folder / "second-look.npz"
    licence = folder / "second-look-licence.txt"
    shutil.copyfile(look.weights.network, network)
    shutil.copyfile(look.weights.licence_file, licence)
    np.savez(head, **asdict(look.head))
    return {
        "label": look.label,
        "network": {"file": network.name, "sha256": sha256_of(network)},
        "head": {"file": head.name, "sha256": sha256_of(head)},
        "window": dict(WINDOW_RECIPE),
        "rules": {"candidate": look.candidate, "incident": asdict(look.incident)},
        "seen": sorted(look.weights.seen.sets),
        "seen_sha256": sorted(look.weights.seen.clips),
        "clip_sha256": sorted(look.fitted),
        "licence": look.weights.licence,
        "licence_file": licence.name,
        "source": look.weights.source,
    }
