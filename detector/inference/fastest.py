"""Which engine to run where the operator leaves it open: the quickest here, by trying them."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
from structlog import get_logger

from detector.inference.engine import BATCH_SIZES, Engine
from detector.motion.view import VIEW_SIDE

ROUNDS = 15
"""Engines take turns, and of each the quickest turn counts: others may want this machine too.
Two engines take a quarter of a second."""

WARM_UP = 3

WORTH = 0.9
"""A later engine must take less than this share of an earlier one's time: int8 ranks fights 0.001
of AUC worse than float, so a draw goes to float."""

log = get_logger()


def milliseconds_a_view(engines: Sequence[Engine]) -> list[float]:
    """What each engine takes for a view of a full batch, at its best."""
    # Noise, not zeros: nothing in the network should be spared.
    side = VIEW_SIDE
    batch = np.random.default_rng(0).uniform(-1, 1, (max(BATCH_SIZES), side, side, 3))
    views = batch.astype(np.float32)
    least_s = [float("inf")] * len(engines)
    for turn in range(WARM_UP + ROUNDS):
        for number, engine in enumerate(engines):
            started_s = time.perf_counter()
            engine.embed(views)
            if turn >= WARM_UP:
                least_s[number] = min(least_s[number], time.perf_counter() - started_s)
    return [1000 * seconds / len(views) for seconds in least_s]


def quickest(engines: Sequence[Engine]) -> Engine:
    """The engine that takes least for a batch, of equals the first; logs what was found."""
    if len(engines) == 1:
        return engines[0]
    least_ms = milliseconds_a_view(engines)
    best = 0
    for number, own_ms in enumerate(least_ms):
        if own_ms < WORTH * least_ms[best]:
            best = number
    measured = {
        engine.name: round(own_ms, 2) for engine, own_ms in zip(engines, least_ms, strict=True)
    }
    log.info("engine chosen", engine=engines[best].name, ms_per_view=measured)
    return engines[best]
