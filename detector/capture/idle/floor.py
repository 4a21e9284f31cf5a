"""What a still scene's packets weigh: the floor of noise, learnt from GOPs in which nothing moved.

An encoder spends bytes on what changes. On a still scene its P-frames sit at a floor that repeats
from GOP to GOP, so it is learnt position by position in the GOP. A recording that was compressed
twice pulses: where the first encoder had its key frames, one packet is 10 times as large. There
the least of three packets in a row is weighed, since motion lasts and a pulse does not.
Pure logic: it knows sizes, no time, no codec and no picture.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

GOPS_TO_LEARN = 4
"""Still GOPs that a floor stands on; the newest `GOPS_KEPT` are remembered."""

GOPS_KEPT = 12

LEAST_MOTION_BITS = 0.01
"""Bits a pixel of the whole picture that the least motion worth waking for adds to a P-frame."""

LEAST_SHIFT = 4.0
"""That motion must stand out of the floor by so many deviations; with constant bit rate it does
not."""

LASTING = 3
"""P-frames in a row of which the least is weighed, where single packets pulse."""

PULSE = 0.75
"""A packet larger than the floor by this share of the least motion is a pulse."""

MOST_PULSES = 0.2
"""Share of packets that may be pulses: more are the pictures themselves, as of a slow sensor."""

LEAST_BETWEEN = 3.0
"""As `LEAST_SHIFT`, of the packets between pulses, one by one."""

FINEST = 1 / 24
"""Share of the least motion that a deviation is at least: a scene of hardly any bytes must not
wake because of 200 of them."""

KEY_CHANGE = 0.08
"""A key frame this much larger or smaller than the still ones shows another picture; or, where
still ones differ by more than half of it, twice as much as they do."""

MOST_RISE = 1.5
"""A floor that crept up by this factor while nothing was decoded is learnt anew."""


@dataclass(frozen=True, slots=True, eq=False)
class Floor:
    """What a still scene's packets weigh: `sizes` [GOP − 1] bytes, by position; one key frame.

    `deviation`: bytes; `key_change`: share of `key`, bytes, that shows another picture.
    `lasting`: these are of the least of `LASTING` P-frames in a row.
    """

    sizes: list[float]
    deviation: float
    key: float
    key_change: float
    lasting: bool


class FloorLearner:
    """Learns the floor of one connection, GOP by GOP.

    `floor`: what has been learnt, None as yet. `pixels`: of a picture, 0 while not known.
    """

    def __init__(self) -> None:
        self.floor: Floor | None = None
        self.pixels = 0
        self._gop: list[int] = []  # the key frame's size and the P-frames'
        self._leasts: list[int] = []  # the same, each P-frame's the least of `LASTING`
        self._latest: deque[int] = deque(maxlen=LASTING)  # P-frames in a row, whatever GOP
        self._still: deque[tuple[list[int], list[int]]] = deque(maxlen=GOPS_KEPT)
        self._mean_awake = 0.0

    def begin_gop(self, size: int) -> bool:
        """A key frame of `size` bytes; whether it shows another picture than the still ones."""
        self._gop = [size]
        self._leasts = [size]
        floor = self.floor
        return floor is not None and abs(size / floor.key - 1) > floor.key_change

    def add(self, size: int) -> None:
        """A P-frame of `size` bytes."""
        self._gop.append(size)
        self._latest.append(size)
        self._leasts.append(min(self._latest))

    def excess(self) -> float | None:
        """How far the newest P-frame lies above the `floor` that is known, in its deviations.

        None where its GOP is longer than those that were learnt from.
        """
        assert self.floor is not None
        position = len(self._gop) - 2
        if not 0 <= position < len(self.floor.sizes):
            return None
        size = (self._leasts if self.floor.lasting else self._gop)[-1]
        return (size - self.floor.sizes[position]) / self.floor.deviation

    def learn(self, *, awake: bool) -> bool:
        """Learn from the GOP that is over, in which nothing moved; `awake`: it was decoded.

        False where its length differs from those before: then nothing repeats by position, and
        learning starts over. A floor that crept up too far while not `awake` is forgotten.
        """
        if len(self._gop) < 2:
            return True
        regular = not self._still or len(self._gop) == len(self._still[-1][0])
        if not regular:
            self._still.clear()
        self._still.append((self._gop, self._leasts))
        if len(self._still) >= GOPS_TO_LEARN:
            self._learn(awake)
        return regular

    def forget(self) -> None:
        """Learn anew, from the next still GOP on."""
        self._still.clear()
        self.floor = None

    def stands_out(self, floor: Floor) -> bool:
        """Whether the least motion worth waking for stands out of `floor`."""
        return floor.deviation * LEAST_SHIFT <= self._least

    @property
    def _least(self) -> float:
        """Bytes that the least motion worth waking for adds to a packet."""
        return LEAST_MOTION_BITS * self.pixels / 8

    def _learn(self, awake: bool) -> None:
        each, leasts = np.array(self._still, np.float64).transpose(1, 0, 2)
        self.floor = _floor(each, self._least, lasting=False)
        if not self.stands_out(self.floor):
            lasting = _floor(leasts, self._least, lasting=True)
            if _only_pulses(each, lasting, self._least):
                self.floor = lasting
        mean = float(each[:, 1:].mean())
        if awake:
            self._mean_awake = mean
        elif mean > MOST_RISE * self._mean_awake:
            self.forget()


def _floor(table: NDArray[np.float64], least: float, *, lasting: bool) -> Floor:
    """What still GOPs, [GOPs, packets] bytes, have in common; `least`: bytes worth waking for."""
    # Sorted once: np.median and np.quantile took a tenth of what a sleeping camera costs.
    ranked = np.sort(table, axis=0)
    middle = (ranked[len(ranked) // 2] + ranked[(len(ranked) - 1) // 2]) / 2
    key, sizes = float(middle[0]), middle[1:]
    residuals = np.sort(np.abs(table[:, 1:] - sizes), axis=None)
    deviation = max(
        1.4826 * float(residuals[len(residuals) // 2]),
        float(residuals[int(0.98 * len(residuals))]) / 3,
        0.02 * float(sizes.mean()),
        FINEST * least,
    )
    spread = float(np.abs(table[:, 0] / key - 1).max())
    return Floor(sizes.tolist(), deviation, key, max(KEY_CHANGE, 2 * spread), lasting)


def _only_pulses(table: NDArray[np.float64], floor: Floor, least: float) -> bool:
    """Whether a few single packets are all that stands out of `floor` in still GOPs."""
    above = table[:, 1:] - floor.sizes
    pulses = float((above > PULSE * least).mean())
    wander = 1.4826 * float(np.median(np.abs(above - np.median(above))))
    return pulses <= MOST_PULSES and wander * LEAST_BETWEEN <= least
