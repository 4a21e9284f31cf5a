"""How the second look is loaded: from the section `second_look` of the weights' sidecar.

Training and export write what is read here (`models.weights`).
"""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from config.errors import ModelError
from detector.incidents.second_look import Fusion, SecondLookRules
from detector.incidents.tracker import IncidentRules
from detector.inference.native_messages import native_messages_logged
from detector.inference.second_look.head import FusedHead
from detector.inference.second_look.video_engine import VideoEngine
from detector.inference.weights import (
    REMEDY,
    SecondLookPart,
    Sidecar,
    intact,
    read_sidecar,
    shipped_weights,
)
from detector.motion.window import FRAMES, WINDOW_RECIPE

ARRAYS = ("mean", "scale", "weight")
NUMBERS = ("bias", "first", "second", "intercept")


@dataclass(frozen=True, slots=True, eq=False)
class SecondLook:
    """Loaded and tried, ready to look at windows; of one label."""

    label: str
    engine: VideoEngine
    head: FusedHead
    rules: SecondLookRules


def load_second_look(path: Path | None = None, threads: int = 1) -> SecondLook | None:
    """The second look of the weights whose sidecar is `path` (the shipped ones if None).

    None where the weights have none. Raises ModelError, naming the file and what to do, where
    anything does not fit.
    """
    path = path or shipped_weights()
    sidecar = read_sidecar(path)
    told = sidecar.second_look
    if told is None:
        return None
    network, head_path, head = _checked(path, sidecar, told)
    with native_messages_logged():
        engine = _engine(network, threads)
    if (engine.numbers,) != head.mean.shape:
        raise ModelError(
            f"{network}: gives embeddings of {engine.numbers} numbers, {head_path} takes "
            f"{head.mean.shape}; {REMEDY}"
        )
    return SecondLook(told.label, engine, head, _rules(sidecar, told, head))


def check_second_look(path: Path | None = None) -> None:
    """Whether `load_second_look` would find its files whole; nothing is loaded.

    Raises ModelError as it does.
    """
    path = path or shipped_weights()
    sidecar = read_sidecar(path)
    if sidecar.second_look is not None:
        _checked(path, sidecar, sidecar.second_look)


def second_look_rules(path: Path | None = None) -> dict[str, SecondLookRules]:
    """By label, the rules of the second look of the weights; empty where they have none.

    Raises ModelError as `load_second_look` does; the network is not loaded.
    """
    path = path or shipped_weights()
    sidecar = read_sidecar(path)
    told = sidecar.second_look
    if told is None:
        return {}
    _, _, head = _checked(path, sidecar, told)
    return {told.label: _rules(sidecar, told, head)}


def _rules(sidecar: Sidecar, told: SecondLookPart, head: FusedHead) -> SecondLookRules:
    """The first stage alone goes by the rules that it has without a second look."""
    return SecondLookRules(
        candidate=told.rules.candidate,
        alone=sidecar.incident[told.label].open_threshold,
        incident=IncidentRules(**told.rules.incident.model_dump()),
        fusion=Fusion(head.first, head.second, head.intercept),
    )


def read_fused_head(path: Path) -> FusedHead:
    """The head in an .npz; raises ModelError where it is none."""
    try:
        # From memory: np.load leaves a file open that it cannot make sense of.
        with np.load(io.BytesIO(path.read_bytes())) as found:
            arrays = {name: found[name].astype(np.float32) for name in ARRAYS}
            head = FusedHead(
                arrays["mean"],
                arrays["scale"],
                arrays["weight"],
                *(float(found[name]) for name in NUMBERS),
            )
        _check(head)
    except (KeyError, ValueError, TypeError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise ModelError(f"{path}: is not the head of a second look ({error}); {REMEDY}") from error
    return head


def _checked(path: Path, sidecar: Sidecar, told: SecondLookPart) -> tuple[Path, Path, FusedHead]:
    """Network and head as they were written, if they are for this version."""
    if told.label not in sidecar.incident:
        raise ModelError(f"{path}: second look of label {told.label!r}, unknown to it; {REMEDY}")
    if told.window != WINDOW_RECIPE:
        raise ModelError(
            f"{path}: second look made for window recipe {told.window.get('name')} "
            f"{told.window.get('version')}, this version cuts {WINDOW_RECIPE['name']} "
            f"{WINDOW_RECIPE['version']}; {REMEDY}"
        )
    head_path = intact(path, told.head)
    return intact(path, told.network), head_path, read_fused_head(head_path)


def _engine(network: Path, threads: int) -> VideoEngine:
    """The network, tried once."""
    try:
        engine = VideoEngine(network, threads)
        engine.look(np.zeros((FRAMES, engine.side, engine.side, 3), np.uint8))
    except ModelError as error:
        raise ModelError(f"{error}; {REMEDY}") from error
    except (ValueError, RuntimeError) as error:
        raise ModelError(f"{network}: takes no windows of {FRAMES} ({error}); {REMEDY}") from error
    return engine


def _check(head: FusedHead) -> None:
    """Raise ValueError where its parts cannot score."""
    size = len(head.mean)
    for name in (*ARRAYS, *NUMBERS):
        part = np.asarray(getattr(head, name))
        if name in ARRAYS and part.shape != (size,):
            raise ValueError(f"{name} has the shape {part.shape} instead of {(size,)}")
        if not np.isfinite(part).all():
            raise ValueError(f"{name} holds what is no number")
    if not (head.scale > 0).all():
        raise ValueError("scale is not above 0")
