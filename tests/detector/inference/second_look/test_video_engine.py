"""What is no video network is refused when it is loaded, by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.errors import ModelError
from detector.inference.second_look.video_engine import VideoEngine
from detector.inference.weights import load_classifier, shipped_weights


def test_a_network_of_single_views_is_refused() -> None:
    sidecar = load_classifier().sidecar
    file = shipped_weights().parent / sidecar.engines["litert"].file
    with pytest.raises(ModelError, match=rf"{file.name}: not a video network"):
        VideoEngine(file)


def test_a_broken_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "video.tflite"
    file.write_bytes(b"nothing")
    with pytest.raises(ModelError, match=r"video\.tflite: LiteRT cannot run this model"):
        VideoEngine(file)
