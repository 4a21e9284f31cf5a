"""The activity gate: whether anything moves, told from packet sizes alone, before decoding.

An encoder spends bytes on what changes. On a still scene its P-frames sit at a floor of
noise that repeats from GOP to GOP, so the gate learns that floor, position by position in
the GOP, from GOPs in which the motion view saw nothing move, and sleeps: packets are kept,
not decoded. A cumulative sum over the excess (Page 1954, "Continuous inspection schemes")
wakes it within a packet or two of motion. A recording that was compressed twice pulses: where
the first encoder had its key frames, one packet is 10 times as large. There the least of three
packets in a row is weighed, since motion lasts and a pulse does not. When in doubt it stays
awake. Pure logic: it knows sizes and times, no codec and no picture.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

QUIET_S = 4.0
"""Nothing has moved for so long before it sleeps: a fight's pauses are shorter."""

LOOK_VIEWS = 6
"""Woken out of a long sleep by packets, it sleeps again after so many views in which nothing
moves: a false alarm then costs 40 pictures, and 140 if it waited for `QUIET_S`."""

GOPS_TO_LEARN = 4
"""Still GOPs that a floor stands on; the newest `GOPS_KEPT` are remembered."""

GOPS_KEPT = 12

CATCH_UP_S = 0.2
"""Decoding the longest GOP that may be kept must take no longer: it delays the alarm."""

LEAST_MOTION_BITS = 0.01
"""Bits a pixel of the whole picture that the least motion worth waking for adds to a P-frame:
a tenth of the picture at a tenth of a bit. A fight of a tenth to a fifth added four times that
(x264 and x265, 720p)."""

LEAST_SHIFT = 4.0
"""That motion must stand out of the floor by so many deviations, or the gate stays awake. With
constant bit rate it does not: the rate control makes sizes wander as far. At half of it 2 of 24
fights behind constant bit rate never woke the gate."""

LASTING = 3
"""Where single packets stand out of a still scene, the least of so many P-frames in a row is
weighed instead of each. Motion wakes it two packets later then."""

PULSE, MOST_PULSES = 0.75, 0.2
"""A packet larger than the floor by this share of the least motion pulses; and how many may. More
are no pulses but the pictures themselves, every second or third of them a copy of the one before
(a slow sensor in a stream of 25): motion would never last there."""

LEAST_BETWEEN = 3.0
"""As `LEAST_SHIFT`, of the packets between pulses, one by one; 3.1 to 4 in the recording."""

FINEST = 1 / 24
"""Share of the least motion that a deviation is at least: finer, and a scene of hardly any bytes
woke 6 times a minute at 720p because of 200 of them."""

DRIFT, ALARM, CLIP = 1.0, 8.0, 10.0
"""Of the cumulative sum, in deviations: one packet 9 above the floor wakes it, or three 4 above.
Gaussian noise alone does so once in e^16 packets."""

KEY_CHANGE = 0.08
"""A key frame this much larger or smaller than the still ones shows another picture; or, where
still ones differ by more than half of it, twice as much as they do."""

STALE_S = 30.0
"""Packets above the floor for so long, and no view in which anything moves: a stale floor."""

MOST_RISE = 1.5
"""A floor that crept up by this factor in its sleep is learnt anew, awake."""


class Wake(StrEnum):
    """Why the gate is awake; `UNSUITABLE`: this stream's packets do not tell."""

    LEARNING = "learning"
    PACKETS = "packets"
    KEY_FRAME = "key frame"
    LOOK = "look"
    IRREGULAR = "irregular"
    UNSUITABLE = "unsuitable"


@dataclass(frozen=True, slots=True, eq=False)
class _Floor:
    """What a still scene's packets weigh: `sizes` [GOP − 1] bytes, by position; one key frame.

    `lasting`: these are of the least of `LASTING` P-frames in a row.
    """

    sizes: list[float]
    deviation: float
    key: float
    key_change: float
    lasting: bool


class ActivityGate:
    """Follows the packets of one connection. Times are seconds on one clock, any."""

    def __init__(self) -> None:
        self.asleep = False
        self.why = Wake.LEARNING
        self._pixels = 0
        self._gop: list[int] = []  # the key frame's size and the P-frames'
        self._leasts: list[int] = []  # the same, each P-frame's the least of `LASTING`
        self._latest: deque[int] = deque(maxlen=LASTING)  # P-frames in a row, whatever GOP
        self._still: deque[tuple[list[int], list[int]]] = deque(maxlen=GOPS_KEPT)
        self._floor: _Floor | None = None
        self._learnt_mean = 0.0
        self._high = 0.0
        self._low = 0.0
        self._last_pts_s: float | None = None
        self._moved_at_s: float | None = None  # by views
        self._alarmed_at_s = float("-inf")
        self._slept_at_s = float("-inf")
        self._views_since_alarm = 0
        self._brief = False  # woken out of a long sleep, and no view has moved since
        self._stale_from_s = 0.0
        self._motion_in_gop = True  # the first GOP was joined in its middle, or never judged
        self._picture_cost_s = 0.0
        self._reordered = False

    def decoded(self, pictures: int, seconds: float, pixels: int) -> None:
        """`pictures` of `pixels` pixels each were decoded in `seconds`."""
        if pixels != self._pixels:
            self._forget(Wake.LEARNING)
            self._pixels = pixels
        if pictures:
            cost_s = seconds / pictures
            known_s = self._picture_cost_s or cost_s
            self._picture_cost_s = known_s + 0.05 * (cost_s - known_s)

    def seen(self, moving: bool, at_s: float) -> None:
        """A motion view was made of a picture that arrived at `at_s`."""
        if self._moved_at_s is None or moving:
            self._moved_at_s = at_s
            self._stale_from_s = at_s
        self._views_since_alarm += 1
        if moving:
            self._motion_in_gop = True
            self._brief = False

    def changed(self) -> None:
        """A key frame that was looked at in its sleep shows that something has changed."""
        self._wake(Wake.LOOK)

    def packet(self, size: int, key: bool, pts_s: float | None, at_s: float) -> bool:
        """Take the next packet; whether what is kept should be decoded now."""
        if pts_s is not None and self._last_pts_s is not None and pts_s < self._last_pts_s:
            self._reordered = True  # B-frames: sizes mean another thing at every position
        self._last_pts_s = pts_s
        if key:
            self._end_gop()
            self._gop = [size]
            self._leasts = [size]
            if self._floor and abs(size / self._floor.key - 1) > self._floor.key_change:
                self._alarm(Wake.KEY_FRAME, at_s)
        else:
            self._gop.append(size)
            self._latest.append(size)
            self._leasts.append(min(self._latest))
            self._weigh(at_s)
        if not self.asleep:
            self._fall_asleep(at_s)
        return not self.asleep

    def _weigh(self, at_s: float) -> None:
        if self._floor is None:
            return
        position = len(self._gop) - 2
        if not 0 <= position < len(self._floor.sizes):
            self._alarm(Wake.IRREGULAR, at_s)  # a GOP longer than those it knows
            return
        size = (self._leasts if self._floor.lasting else self._gop)[-1]
        excess = (size - self._floor.sizes[position]) / self._floor.deviation
        self._high = max(0.0, self._high + min(excess, CLIP) - DRIFT)
        self._low = max(0.0, self._low + min(-excess, CLIP) - DRIFT)
        if self._high >= ALARM:
            self._alarm(Wake.PACKETS, at_s)
        elif self._low >= 4 * ALARM:
            self._alarm(Wake.IRREGULAR, at_s)  # too small for long: another rate, a frozen camera

    def _end_gop(self) -> None:
        """A GOP is over: one in which nothing moved teaches what still looks like."""
        gop, moved = self._gop, self._motion_in_gop
        self._motion_in_gop = not self.asleep and self._moved_at_s is None
        if moved or self._high >= ALARM / 2 or len(gop) < 2:
            return
        if self._still and len(gop) != len(self._still[-1][0]):
            self._still.clear()  # GOPs of varying length: nothing repeats by position
            self._alarm(Wake.IRREGULAR, None)
        self._still.append((gop, self._leasts))
        self._learn()

    def _learn(self) -> None:
        if len(self._still) < GOPS_TO_LEARN:
            return
        each, leasts = np.array(self._still, np.float64).transpose(1, 0, 2)
        self._floor = _floor(each, self._least, lasting=False)
        if not self._stands_out(self._floor):
            lasting = _floor(leasts, self._least, lasting=True)
            if _only_pulses(each, lasting, self._least):
                self._floor = lasting
        mean = float(each[:, 1:].mean())
        if not self.asleep:
            self._learnt_mean = mean
        elif mean > MOST_RISE * self._learnt_mean:
            self._forget(Wake.LEARNING)

    @property
    def _least(self) -> float:
        """Bytes that the least motion worth waking for adds to a packet."""
        return LEAST_MOTION_BITS * self._pixels / 8

    def _stands_out(self, floor: _Floor) -> bool:
        return floor.deviation * LEAST_SHIFT <= self._least

    def _fall_asleep(self, at_s: float) -> None:
        if self._reordered or self._floor is None or self._moved_at_s is None:
            self.why = Wake.UNSUITABLE if self._reordered else Wake.LEARNING
            return
        catch_up_s = len(self._floor.sizes) * self._picture_cost_s
        if not self._stands_out(self._floor) or catch_up_s > CATCH_UP_S:
            self.why = Wake.UNSUITABLE
        elif at_s - self._moved_at_s >= QUIET_S and self._settled(at_s):
            self.asleep = True
            self._slept_at_s = at_s

    def _settled(self, at_s: float) -> bool:
        """Whether what packets alarmed of is over, or was nothing to begin with."""
        if self._brief:
            return self._views_since_alarm >= LOOK_VIEWS
        return at_s - self._alarmed_at_s >= QUIET_S

    def _alarm(self, why: Wake, at_s: float | None) -> None:
        """Something does not look still: wake, or stay awake for a while."""
        self._high = 0.0
        self._low = 0.0
        self._motion_in_gop = True
        if at_s is not None and self._moved_at_s is not None:
            self._alarmed_at_s = at_s
            self._views_since_alarm = 0
            if self.asleep:
                self._stale_from_s = at_s
                self._brief = at_s - self._slept_at_s >= QUIET_S
            elif at_s - self._stale_from_s > STALE_S:
                self._stale_from_s = at_s
                self._forget(Wake.LEARNING)
                return
        self._wake(why)

    def _wake(self, why: Wake) -> None:
        self.asleep = False
        self.why = why

    def _forget(self, why: Wake) -> None:
        self._still.clear()
        self._floor = None
        self._wake(why)


def _floor(table: NDArray[np.float64], least: float, *, lasting: bool) -> _Floor:
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
    return _Floor(sizes.tolist(), deviation, key, max(KEY_CHANGE, 2 * spread), lasting)


def _only_pulses(table: NDArray[np.float64], floor: _Floor, least: float) -> bool:
    """Whether a few single packets are all that stands out of `floor` in still GOPs."""
    above = table[:, 1:] - floor.sizes
    pulses = float((above > PULSE * least).mean())
    wander = 1.4826 * float(np.median(np.abs(above - np.median(above))))
    return pulses <= MOST_PULSES and wander * LEAST_BETWEEN <= least
