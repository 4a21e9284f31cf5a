"""One look: from the last second of a camera to what the video network and its head say of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from config.errors import ModelError
from detector.inference.second_look.budget import MOST_LOOK_S
from detector.inference.second_look.weights import SecondLook, load_second_look
from detector.motion.window import LastSecond

ROUNDS = 3
"""Looks that are timed at most; the quickest counts, for others may want this machine too."""


def loaded(weights: Path | None) -> tuple[Callable[[LastSecond], float], float]:
    """What looks (`logit_of`), and what a look takes here (`seconds_a_look`).

    Raises ModelError as `load_second_look` does, also where the weights have no second look.
    """
    second_look = load_second_look(weights)
    if second_look is None:
        raise ModelError(f"{weights or 'the shipped weights'}: they have no second look")
    return partial(logit_of, second_look), seconds_a_look(second_look, enough_s=MOST_LOOK_S)


def look_time(weights: Path | None) -> float | None:
    """Seconds of a core that a look takes here; None where the weights have no second look.

    Raises ModelError as `load_second_look` does.
    """
    second_look = load_second_look(weights)
    return None if second_look is None else seconds_a_look(second_look)


def logit_of(second_look: SecondLook, second: LastSecond) -> float:
    """The second stage's logit of `second`."""
    seen = second_look.engine.look(second.pixels(second_look.engine.side))
    return float(second_look.head.logits(seen.embedding[None])[0])


def seconds_a_look(second_look: SecondLook, enough_s: float = 0.0) -> float:
    """Seconds of a core that a look takes here, at best; cutting the window comes on top.

    The first that takes no more than `enough_s` is the last: a start need not take three.
    """
    engine = second_look.engine
    # Noise, not zeros: nothing in the network should be spared.
    shape = (engine.frames, engine.side, engine.side, 3)
    window = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    took_s = []
    for _ in range(ROUNDS):
        started_s = time.thread_time()
        engine.look(window)
        took_s.append(time.thread_time() - started_s)
        if took_s[-1] <= enough_s:
            break
    return min(took_s)
