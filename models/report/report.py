"""What `jikimi evaluate` leaves behind: metrics.json, pictures and one page.

Everything is drawn from the evaluation alone, whose JSON metrics.json is.
The page stands by itself (no scripts, no links outside, pictures inside) and is written
for the engineer of a city, not for one of machine learning. Measures nothing.
"""

from __future__ import annotations

import base64
import json
from dataclasses import asdict
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from config.errors import ConfigError, JikimiError
from models.evaluation.result import Evaluation, Prototype
from models.report.page import page
from models.report.plots import draw_plots

NO_PICTURES = "no pictures are drawn: they need matplotlib (pip install 'jikimi[plot]')"


PROTOTYPE = TypeAdapter[Prototype](Prototype)


def read_prototype(path: Path) -> Prototype:
    """The prototype's figures as training wrote them; raises ConfigError."""
    try:
        given = json.loads(path.read_text(encoding="utf-8"))
        return PROTOTYPE.validate_python(given)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from error
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise ConfigError(
            f"{path}: {where or 'it'} holds no figures by name; give the prototype.json that "
            "training wrote"
        ) from error
    except ValueError as error:
        raise ConfigError(f"{path}: is no JSON file ({error})") from error


def write_report(evaluation: Evaluation, out: Path) -> str:
    """Write metrics.json, PNGs and report.html to the folder `out`; a line that says so.

    Without matplotlib there are no PNGs, and the line says what to install. Raises
    JikimiError where the folder cannot be written.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        text = json.dumps(asdict(evaluation), indent=1, ensure_ascii=False, allow_nan=False)
        (out / "metrics.json").write_text(text + "\n", encoding="utf-8")
        pictures = draw_plots(evaluation, out)
        inside = {name: _data_uri(out / f"{name}.png") for name in pictures or ()}
        (out / "report.html").write_text(page(evaluation, inside), encoding="utf-8")
    except OSError as error:
        raise JikimiError(
            f"{out}: cannot be written ({error.strerror}); name a folder for the report"
        ) from error
    lines = [f"written: {out / 'metrics.json'}, {out / 'report.html'}"]
    return "\n".join(lines if pictures is not None else [*lines, NO_PICTURES])


def _data_uri(picture: Path) -> str:
    return "data:image/png;base64," + base64.b64encode(picture.read_bytes()).decode()
