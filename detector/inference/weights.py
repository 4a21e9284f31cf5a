"""The sidecar JSON beside the weights, and how a classifier is loaded from it.

One sidecar serves every engine. Weights made for another view recipe are refused: they
would give confident nonsense. Training and export write what is read here.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from dataclasses import dataclass
from importlib.metadata import entry_points
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from structlog import get_logger

from config.errors import ModelError
from config.files import UnfitFileError, read_file
from detector.incidents.tracker import IncidentRules
from detector.inference.engine import Engine, LiteRTEngine, TensorFlowEngine
from detector.inference.fastest import quickest
from detector.inference.head import Floats, Head, LinearHead
from detector.inference.native_messages import native_messages_logged
from detector.motion.view import VIEW_RECIPE, VIEW_SIDE

AUTOMATIC = ("litert", "litert-int8")
"""TensorFlow takes 600 MB and, without a GPU, three times as long: it has to be asked for."""

SIDECAR_BYTES = 256 * 1024
"""The shipped one has 4 kB."""

log = get_logger()

REMEDY = "use the weights of this version, or train and export again"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class WeightsFile(_Part):
    """A file beside the sidecar."""

    file: str
    sha256: str


class HeadFile(WeightsFile):
    """The head: an .npz with `mean`, `scale`, `weight` and `bias`."""

    kind: Literal["linear"]


class Platt(_Part):
    """Calibration of one label's logits."""

    slope: float
    intercept: float


class Rules(_Part):
    """When one label becomes an incident, chosen with these weights."""

    open_threshold: float
    close_threshold: float
    min_duration_s: float
    merge_gap_s: float


class SecondLookThresholds(_Part):
    """When a camera is looked at again, and what then opens an incident.

    Where a look is not to be had, `Sidecar.incident` does.
    """

    candidate: float = Field(gt=0, lt=1)
    incident: Rules


class SecondLookPart(_Part):
    """What looks a second time, and the footage that its network was trained on (`seen`)."""

    label: str
    network: WeightsFile
    head: WeightsFile
    window: dict[str, Any]
    rules: SecondLookThresholds
    seen: list[str]
    seen_sha256: list[str]
    clip_sha256: list[str]
    licence: str
    licence_file: str
    source: str


class Sidecar(_Part):
    """Everything the daemon must know about a set of weights."""

    format: Literal[1]
    name: str
    created: str
    labels: list[str] = Field(min_length=1)
    view: dict[str, Any]
    engines: dict[str, WeightsFile]
    head: HeadFile
    calibration: dict[str, Platt]
    incident: dict[str, Rules]
    training: dict[str, Any]
    figures: dict[str, Any]
    second_look: SecondLookPart | None = None


@dataclass(frozen=True, slots=True)
class Classifier:
    """Loaded weights, ready to score."""

    sidecar: Sidecar
    engine: Engine
    head: Head

    def rules(self) -> dict[str, IncidentRules]:
        """The incident rules of each label, in the labels' order."""
        return {
            label: IncidentRules(**self.sidecar.incident[label].model_dump())
            for label in self.sidecar.labels
        }


def shipped_weights() -> Path:
    """The sidecar that comes with Jikimi: of the package that stands in `jikimi.weights`.

    An entry point, for the detector imports no models.
    """
    package = next(iter(entry_points(group="jikimi.weights", name="violence"))).module
    return Path(str(files(package))) / "violence.json"


def load_classifier(
    path: Path | None = None, threads: int = 1, engine: str = "litert"
) -> Classifier:
    """Load the weights whose sidecar is `path` (the shipped ones if None).

    `engine`: one that the sidecar has a file for: `litert`, `litert-int8` or `tensorflow`;
    `auto`: of the first two what loads and is quickest here.
    Raises ModelError, naming the file and what to do, where anything does not fit.
    """
    path = path or shipped_weights()
    sidecar, head = _described(path)
    if engine == "auto":
        return Classifier(sidecar, _quickest(path, sidecar, head, threads), head)
    return Classifier(sidecar, _loaded(path, sidecar, head, engine, threads), head)


def check_weights(path: Path | None, engine: str) -> None:
    """Whether `load_classifier` would find its files whole; no engine is loaded.

    Raises ModelError as it does.
    """
    path = path or shipped_weights()
    sidecar, _ = _described(path)
    if engine == "auto":
        engine = next((name for name in AUTOMATIC if name in sidecar.engines), AUTOMATIC[0])
    _model(path, sidecar, engine)


def _described(path: Path) -> tuple[Sidecar, LinearHead]:
    """The sidecar, if it is for this version, and its head."""
    sidecar = read_sidecar(path)
    if sidecar.view != VIEW_RECIPE:
        raise ModelError(
            f"{path}: made for view recipe {sidecar.view.get('name')} "
            f"{sidecar.view.get('version')}, this version computes {VIEW_RECIPE['name']} "
            f"{VIEW_RECIPE['version']}; {REMEDY}"
        )
    for group in (sidecar.calibration, sidecar.incident):
        if missing := set(sidecar.labels) - set(group):
            raise ModelError(f"{path}: nothing is said of label {min(missing)!r}; {REMEDY}")
    return sidecar, _linear_head(path, sidecar)


def _quickest(path: Path, sidecar: Sidecar, head: LinearHead, threads: int) -> Engine:
    loaded: list[Engine] = []
    failures: list[ModelError] = []
    for name in [name for name in AUTOMATIC if name in sidecar.engines] or AUTOMATIC[:1]:
        try:
            loaded.append(_loaded(path, sidecar, head, name, threads))
        except ModelError as error:
            failures.append(error)
    if not loaded:
        raise failures[0]
    for failure in failures:
        log.warning("engine passed over", reason=str(failure))
    return quickest(loaded)


def _loaded(path: Path, sidecar: Sidecar, head: LinearHead, engine: str, threads: int) -> Engine:
    """One engine, tried once."""
    model = _model(path, sidecar, engine)
    with native_messages_logged():
        loaded = _engine(model, engine, threads)
        _check_fit(model, loaded, head)
    return loaded


def _model(path: Path, sidecar: Sidecar, engine: str) -> Path:
    """The engine's file, as it was written."""
    if engine not in sidecar.engines:
        there = ", ".join(sidecar.engines) or "none"
        raise ModelError(
            f"{path}: holds no weights for the engine {engine}, only for: {there}; set `engine` "
            f"to one of these, or make them with `jikimi export`, else {REMEDY}"
        )
    return intact(path, sidecar.engines[engine])


def read_sidecar(path: Path) -> Sidecar:
    """The sidecar at `path`; raises ModelError, naming what is wrong and what to do."""
    try:
        return Sidecar.model_validate_json(read_file(path, SIDECAR_BYTES))
    except UnfitFileError as error:
        raise ModelError(f"{path}: {error}") from error
    except OSError as error:
        raise ModelError(
            f"{path}: cannot read the weights' sidecar ({error.strerror}); name an exported "
            "sidecar .json, or leave `weights` out to use the shipped ones"
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "file"
        raise ModelError(f"{path}: {where}: {first['msg']}; {REMEDY}") from error


def intact(sidecar: Path, entry: WeightsFile) -> Path:
    """The file of `entry` beside the sidecar, as it was written; raises ModelError."""
    path = sidecar.parent / entry.file
    try:
        found = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror}); {REMEDY}") from error
    if found != entry.sha256:
        raise ModelError(f"{path}: is not the file its sidecar was written for; {REMEDY}")
    return path


def _engine(model: Path, name: str, threads: int) -> Engine:
    try:
        if name == "tensorflow":
            return TensorFlowEngine(model)
        return LiteRTEngine(model, threads, name)
    except ModelError as error:
        raise ModelError(f"{error}; {REMEDY}") from error


def _linear_head(path: Path, sidecar: Sidecar) -> LinearHead:
    head_path = intact(path, sidecar.head)
    try:
        parts = _head_arrays(head_path, len(sidecar.labels))
    except (KeyError, ValueError, TypeError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise ModelError(f"{head_path}: is not a linear head ({error}); {REMEDY}") from error
    platt = [sidecar.calibration[label] for label in sidecar.labels]
    return LinearHead(
        labels=tuple(sidecar.labels),
        slope=np.array([p.slope for p in platt], np.float32),
        intercept=np.array([p.intercept for p in platt], np.float32),
        **parts,
    )


def _head_arrays(path: Path, labels: int) -> dict[str, Floats]:
    """The arrays of a head; raises ValueError (or what NumPy raises) where they cannot score."""
    # From memory: np.load leaves a file open that it cannot make sense of.
    with np.load(io.BytesIO(path.read_bytes())) as arrays:
        parts = {key: arrays[key].astype(np.float32) for key in ("mean", "scale", "weight", "bias")}
    size = len(parts["mean"])
    wanted = {"mean": (size,), "scale": (size,), "weight": (size, labels), "bias": (labels,)}
    for key, shape in wanted.items():
        if parts[key].shape != shape:
            raise ValueError(f"{key} has the shape {parts[key].shape} instead of {shape}")
        if not np.isfinite(parts[key]).all():
            raise ValueError(f"{key} holds what is no number")
    if not (parts["scale"] > 0).all():
        raise ValueError("scale is not above 0")
    return parts


def _check_fit(model: Path, engine: Engine, head: LinearHead) -> None:
    """Score one empty view: what cannot be scored now would fail at every view later."""
    try:
        size = engine.embed(np.zeros((1, VIEW_SIDE, VIEW_SIDE, 3), np.float32)).shape[1:]
    except (ValueError, RuntimeError) as error:
        raise ModelError(f"{model}: takes no motion views ({error}); {REMEDY}") from error
    if size != head.mean.shape:
        raise ModelError(
            f"{model}: gives embeddings of {size} numbers, its head takes {head.mean.shape}; "
            f"{REMEDY}"
        )
