"""Writes what `detector.inference.weights` reads: a head and the sidecar that ties it together."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from detector.incidents.tracker import IncidentRules
from detector.inference.head import LinearHead
from detector.motion.view import VIEW_RECIPE

FORMAT = 1

SHIPPED_LABEL = "violence"

OPEN_THRESHOLD = 0.725
"""Where the first stage alone opens an incident, measured for violence; a label of your own starts
with it too."""

CLOSE_SHARE = 0.9
"""Where it closes, as a share of that; the merge gap holds the pauses of a fight."""


def write_sidecar(
    folder: Path,
    name: str,
    engines: Mapping[str, Path],
    head: LinearHead,
    facts: Mapping[str, Mapping[str, Any]],
    incident: Mapping[str, IncidentRules] | None = None,
) -> Path:
    """Write head and sidecar into `folder`; the sidecar's path.

    `name`: of the weights, for people. `engines`: the network's file of each engine, in
    `folder` or elsewhere: fold models share one. `facts`: the sections `training` and
    `figures`. `incident`: rules of each label; left out: the usual ones.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{weights_name(head.labels)}.json"
    head_file = path.with_suffix(".npz")
    np.savez(head_file, mean=head.mean, scale=head.scale, weight=head.weight, bias=head.bias)
    usual = rules_at(OPEN_THRESHOLD)
    rules = incident or {}
    sidecar = {
        "format": FORMAT,
        "name": name,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "labels": list(head.labels),
        "view": VIEW_RECIPE,
        "engines": {engine: _entry(file, folder) for engine, file in engines.items()},
        "head": {"kind": "linear", **_entry(head_file, folder)},
        "calibration": {
            label: {"slope": float(slope), "intercept": float(intercept)}
            for label, slope, intercept in zip(head.labels, head.slope, head.intercept, strict=True)
        },
        "incident": {label: asdict(rules.get(label, usual)) for label in head.labels},
        "training": {},
        "figures": {},
        **facts,
    }
    write_json(path, sidecar)
    return path


def rules_at(open_threshold: float) -> IncidentRules:
    """The rules of an open threshold.

    No minimum duration: the smoother already looks back, and holding longer lay on the same
    curve as a higher threshold.
    """
    return IncidentRules(open_threshold, round(CLOSE_SHARE * open_threshold, 3), 0.0, 10.0)


def weights_name(labels: Iterable[str]) -> str:
    """What the files of weights for these labels are called, without suffix."""
    return SHIPPED_LABEL if tuple(labels) == (SHIPPED_LABEL,) else "classifier"


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """`content` as readable JSON, whole or not at all."""
    unfinished = path.with_suffix(".unfinished")
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    unfinished.write_text(text, encoding="utf-8")
    unfinished.replace(path)


def sha256_of(path: Path) -> str:
    """Of a file's content; names a network in the cache of embeddings."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _entry(file: Path, folder: Path) -> dict[str, str]:
    return {"file": Path(os.path.relpath(file, folder)).as_posix(), "sha256": sha256_of(file)}
