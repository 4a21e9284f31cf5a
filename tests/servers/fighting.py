"""`jikimi` whose cameras fight by the clock, without a network: for attacks on all that follows.

Run as `python fighting.py FILE run …`; everything else is the daemon's own. In FILE stand two
numbers: for how many seconds each camera fights, and how often. Without FILE nobody fights.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from detector.cli import command
from detector.inference import weights
from detector.inference.engine import Floats

SHIFT_S = 0.7
"""So much later than the camera before it each camera fights."""


class NoEngine:
    """Takes no time."""

    name = "none"

    def embed(self, views: Floats) -> Floats:
        """Views [n, 96, 96, 3] → [n, 1] zeros."""
        return np.zeros((len(views), 1), np.float32)


class ClockHead:
    """A head by the clock; a camera's state is how many seconds it is behind the first."""

    def __init__(self, file: Path, labels: Sequence[str]) -> None:
        self.labels = tuple(labels)
        self._file = file
        self._cameras = 0
        self._fight_s = 0.0
        self._every_s = 1.0

    def new_state(self) -> float:
        """How far behind the next camera is."""
        self._cameras += 1
        return SHIFT_S * self._cameras

    def __call__(self, embeddings: Floats, states: Sequence[float]) -> Floats:
        """[n, d] and n states → [n, labels]: 1 where the camera fights, else 0."""
        return np.stack([self.rest(state) for state in states])

    def rest(self, state: float) -> Floats:
        """Nothing moves, which the script does not heed: [labels]."""
        try:
            self._fight_s, self._every_s = map(float, self._file.read_text().split())
        except FileNotFoundError:
            self._fight_s = 0.0
        except OSError:
            pass  # no file may be opened any more: as before
        fights = (time.monotonic() - state) % self._every_s < self._fight_s
        return np.full(len(self.labels), fights, np.float32)


def fight_by(file: Path) -> None:
    """Have every classifier that is loaded go by `file`."""
    shipped, _ = weights._described(weights.shipped_weights())
    sidecar = shipped.model_copy(update={"second_look": None})  # which would see nobody fight
    classifier = weights.Classifier(sidecar, NoEngine(), ClockHead(file, sidecar.labels))
    weights.load_classifier = lambda *_, **__: classifier


if __name__ == "__main__":
    import exact_kill  # run as a script, this folder is the path

    exact_kill.from_environment()
    fight_by(Path(sys.argv[1]))
    del sys.argv[1]
    command()
