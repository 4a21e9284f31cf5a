"""When a camera counts as lost, and as back: told once each, after a grace time.

A camera that drops out for a minute every hour shows in the metrics; only of one that stays away
people are told. Pure logic, time (monotonic seconds) as an argument.
"""

from __future__ import annotations

from enum import Enum

from detector.types import CameraState

BACK_AFTER_S = 10.0
"""A lost camera is back once it has been live for so long: one picture is not enough."""


class Notice(Enum):
    """What to tell."""

    LOST = "lost"
    BACK = "back"


class LossTracker:
    """Follows one camera's states."""

    def __init__(self, grace_s: float, now_s: float) -> None:
        self._grace_s = grace_s
        self._live = False
        self._since_s = now_s
        self._lost = False

    def enter(self, state: CameraState, now_s: float) -> None:
        """The camera is in `state` from `now_s` on."""
        if (live := state is CameraState.LIVE) != self._live:
            self._live = live
            self._since_s = now_s

    def tick(self, now_s: float) -> Notice | None:
        """What has become due by `now_s`."""
        for_s = now_s - self._since_s
        if not self._lost and not self._live and for_s >= self._grace_s:
            self._lost = True
            return Notice.LOST
        if self._lost and self._live and for_s >= min(BACK_AFTER_S, self._grace_s):
            self._lost = False
            return Notice.BACK
        return None

    @property
    def lost(self) -> bool:
        """Whether the camera has been told lost and not yet back."""
        return self._lost
