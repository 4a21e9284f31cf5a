"""What `jikimi evaluate` leaves behind: metrics.json, pictures and one page.

Everything is drawn from the metrics alone, so a page can be made again from metrics.json.
The page stands by itself (no scripts, no links outside, pictures inside) and is written
for the engineer of a city, not for one of machine learning. Measures nothing.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from config.errors import ConfigError, JikimiError
from models.report.page import page
from models.report.plots import draw_plots

NO_PICTURES = "no pictures were drawn: they need matplotlib (pip install 'jikimi[plot]')"


def read_prototype(path: Path) -> dict[str, Any]:
    """The prototype's figures as training wrote them; raises ConfigError."""
    try:
        given = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise ConfigError(f"{path}: is no JSON file ({error})") from error
    if not isinstance(given, dict):
        raise ConfigError(f"{path}: holds no figures by name; give the file that training wrote")
    return given


def write_report(metrics: Mapping[str, Any], out: Path) -> str:
    """Write metrics.json, PNGs and report.html to the folder `out`; a line that says so.

    Without matplotlib there are no PNGs, and the line says what to install. Raises
    JikimiError where the folder cannot be written.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        text = json.dumps(metrics, indent=1, ensure_ascii=False, allow_nan=False)
        (out / "metrics.json").write_text(text + "\n", encoding="utf-8")
        pictures = draw_plots(metrics, out)
        inside = {name: _data_uri(out / f"{name}.png") for name in pictures or ()}
        (out / "report.html").write_text(page(metrics, inside), encoding="utf-8")
    except OSError as error:
        raise JikimiError(
            f"{out}: cannot be written ({error.strerror}); name a folder for the report"
        ) from error
    lines = [f"written: {out / 'metrics.json'}, {out / 'report.html'}"]
    return "\n".join(lines if pictures is not None else [*lines, NO_PICTURES])


def _data_uri(picture: Path) -> str:
    return "data:image/png;base64," + base64.b64encode(picture.read_bytes()).decode()
