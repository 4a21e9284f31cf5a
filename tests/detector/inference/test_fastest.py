"""`engine: auto` takes what is quickest on this machine, and what loads at all."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from structlog.testing import capture_logs

from config.errors import ModelError
from config.settings import Settings
from detector.inference.fastest import quickest
from detector.inference.weights import load_classifier


class Timed:
    """An engine that takes as long as it is told."""

    def __init__(self, name: str, seconds: float) -> None:
        self.name = name
        self._seconds = seconds

    def embed(self, views: np.ndarray) -> np.ndarray:
        threading.Event().wait(self._seconds)
        return np.zeros((len(views), 3), np.float32)


def test_the_quickest_is_taken_and_said() -> None:
    with capture_logs() as logs:
        chosen = quickest([Timed("litert", 0.02), Timed("litert-int8", 0.001)])
    assert chosen.name == "litert-int8"
    [line] = logs
    assert line["engine"] == "litert-int8"
    assert line["ms_per_view"]["litert"] > line["ms_per_view"]["litert-int8"]


def test_a_draw_goes_to_the_first() -> None:
    class Draw(Timed):
        def embed(self, views: np.ndarray) -> np.ndarray:
            raise AssertionError("a single engine needs no trying")

    assert quickest([Draw("litert", 0)]).name == "litert"
    assert quickest([Timed("litert", 0.01), Timed("litert-int8", 0.01)]).name == "litert"


@pytest.mark.slow
def test_shipped_weights_run_on_an_engine_of_litert() -> None:
    assert load_classifier(engine="auto").engine.name in {"litert", "litert-int8"}


def test_weights_with_one_engine_are_simply_loaded(make_weights: Any) -> None:
    assert load_classifier(make_weights(), engine="auto").engine.name == "litert"


def test_an_engine_that_cannot_be_loaded_is_passed_over(make_weights: Any) -> None:
    missing = {"file": "gone.tflite", "sha256": "0" * 64}
    sidecar: Path = make_weights()
    text = sidecar.read_text().replace(
        '"engines": {', f'"engines": {{"litert-int8": {json.dumps(missing)}, '
    )
    sidecar.write_text(text)
    with capture_logs() as logs:
        assert load_classifier(sidecar, engine="auto").engine.name == "litert"
    assert "gone.tflite" in str(logs)


def test_where_no_engine_loads_the_reason_is_said(make_weights: Any) -> None:
    sidecar: Path = make_weights()
    for model in sidecar.parent.glob("*.tflite"):
        model.unlink()
    with pytest.raises(ModelError, match="cannot be read"):
        load_classifier(sidecar, engine="auto")


def test_it_is_the_default() -> None:
    assert Settings.model_fields["engine"].default == "auto"
