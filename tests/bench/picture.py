"""Draws README's picture: the rendered brawl with score and crop, what the network sees, scores.

`PYTHONPATH=tests .venv/bin/python tests/bench/picture.py deploy/demo.png`
"""

from __future__ import annotations

import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from config.settings import DetectionSettings
from detector.capture.demo.stream import render
from detector.footage.drawing import draw, plot
from detector.footage.recording import recorded_samples
from detector.footage.scoring import score_file
from detector.inference.weights import load_classifier
from detector.motion.view import MotionTracker

SECONDS = 45
WIDTH, HEIGHT = 640, 360


def main() -> None:
    """Write the picture to the path given."""
    classifier = load_classifier()  # alone: what is rendered is not looked at a second time
    with TemporaryDirectory() as folder:
        video = Path(folder) / "scuffle.mp4"
        encode(video)
        score = score_file(video, classifier, DetectionSettings(), lambda _: None)
        peak = max(score.moments, key=lambda moment: moment.smoothed)
        frame = render("scuffle", peak.at_s)
        draw(frame, peak, inside=True)
        chart = Path(folder) / "chart.png"
        thresholds = {label: rule.open_threshold for label, rule in classifier.rules().items()}
        plot([replace(score, video="pattern://scuffle")], thresholds, chart)
        below = cv2.imread(str(chart))
        beside = view_picture(video, peak.at_s)
    assert below is not None
    top = np.hstack([frame, beside])
    below = cv2.resize(below, (top.shape[1], round(below.shape[0] * top.shape[1] / below.shape[1])))
    cv2.imwrite(sys.argv[1], np.vstack([top, below]))


def encode(path: Path) -> None:
    """Encode the scene as a camera would."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.options = {"bf": "0", "g": "50"}
        for index in range(SECONDS * 25):
            frame = av.VideoFrame.from_ndarray(render("scuffle", index / 25), format="bgr24")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(stream.encode(frame.reformat(format="yuv420p")))
        container.mux(stream.encode(None))


def view_picture(video: Path, at_s: float) -> NDArray[np.uint8]:
    """The motion view at `at_s`, as high as the frame: mid-grey is what does not move."""
    motion = MotionTracker()
    for sample in recorded_samples(video):
        view = motion.view_of(sample)
        if view is not None and sample.pts_s >= at_s:
            picture = ((view.pixels + 1) * 127.5).astype(np.uint8)
            return cv2.resize(picture, (HEIGHT, HEIGHT), interpolation=cv2.INTER_NEAREST)
    raise AssertionError(at_s)


main()
