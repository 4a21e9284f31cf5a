"""Time stamps of a clip's packets: the camera's own, where they can be gone by. Pure.

A camera counts from anywhere, wraps round, jumps when it is set, and may leave stamps out.
In a file decoding times must rise and begin at 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

TICKS_HZ: Final = 90_000
"""Of RTP video (RFC 3551), so that nothing is rounded."""

AHEAD_S = 5.0
"""Stamps that go on further than time has passed by this have jumped, as in `capture.timing`."""

USUAL_STEP_S = 0.04

REORDERED_S = 2.0
"""Pictures are shown later than they are decoded by less than this."""


@dataclass(frozen=True, slots=True)
class Stamps:
    """Of one packet, seconds: when it is shown, decoded, has arrived; `believed`: the first two."""

    pts_s: float | None
    dts_s: float | None
    arrived_s: float
    believed: bool


class Timeline:
    """Places the packets of one file, in the order received."""

    def __init__(self) -> None:
        self._offset_s = 0.0
        self._last: Stamps | None = None
        self._stamped = False
        self._last_stamp_s = 0.0
        self._last_ticks = -1

    def place(self, stamps: Stamps) -> tuple[int, int]:
        """When the packet is shown and decoded: ticks of 90 kHz from the file's beginning."""
        pts_s, dts_s = (stamps.pts_s, stamps.dts_s) if stamps.believed else (None, None)
        decoded_s = pts_s if dts_s is None else dts_s
        stamped = decoded_s is not None
        stamp_s = stamps.arrived_s if decoded_s is None else decoded_s
        last = self._last
        if last is None:
            self._offset_s = -stamp_s
        else:
            passed_s = max(0.0, stamps.arrived_s - last.arrived_s)
            step_s = stamp_s - self._last_stamp_s
            same_clock = stamped == self._stamped
            if not same_clock or step_s < 0 or step_s - passed_s > AHEAD_S:
                # Begin anew where the clip stands, as much later as has passed.
                reached_s = self._last_ticks / TICKS_HZ
                self._offset_s = reached_s + (passed_s or USUAL_STEP_S) - stamp_s
        self._last = stamps
        self._stamped = stamped
        self._last_stamp_s = stamp_s
        dts = max(round((stamp_s + self._offset_s) * TICKS_HZ), self._last_ticks + 1)
        self._last_ticks = dts
        if pts_s is None or dts_s is None or not 0 <= pts_s - dts_s <= REORDERED_S:
            return dts, dts
        return max(dts, round((pts_s + self._offset_s) * TICKS_HZ)), dts
