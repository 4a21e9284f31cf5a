"""By what light a clip was filmed: colour, grey (infrared, no colour at all), or dark.

Told from three of its pictures, for tables that show on what kind of footage a classifier
fails. Nothing that decides an alarm looks at colour.
"""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np

from detector.footage.recording import recorded_samples

LIGHTINGS = ("colour", "grey", "dark")

PICTURES = 3
EVERY = 6
"""Three quarters of a second apart: a flash or a fade-in is one of three."""

SIDE = 96

GREY_CHROMA = 0.037
"""Distance of the strongest from the weakest channel, mean over the picture and as a share of
its mean grey level, below which a picture has no colour (the palest in colour: 0.041)."""

DARK_LUMA = 85.0
"""Mean grey level (0 to 255) below which a coloured picture is dark; streets at night: 60 to 90."""


def lighting_of(path: Path) -> str:
    """One of `LIGHTINGS`; raises StreamError where the file cannot be read."""
    chroma, luma = light(path)
    if chroma < GREY_CHROMA * luma:
        return "grey"
    return "dark" if luma < DARK_LUMA else "colour"


def light(path: Path) -> tuple[float, float]:
    """Median chroma and luma of the first pictures, grey levels."""
    chroma, luma = [], []
    for sample in islice(recorded_samples(path, whole=True), 0, PICTURES * EVERY, EVERY):
        luma.append(float(sample.grey.mean()))
        if sample.frame is not None:
            picture = sample.frame.bgr(SIDE)
            chroma.append(float(np.ptp(picture, axis=2).mean()))
    return float(np.median(chroma)), float(np.median(luma))
