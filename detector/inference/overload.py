"""Whether more views come than can be scored, and which go first while that lasts. Pure.

Every camera has one place, so an overloaded worker scores each of them less often, all alike.
Two things are added: cameras with an open incident go first, and the operator hears of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

WINDOW_S = 10.0
OVERLOADED_SHARE = 0.05
"""More than this share of views lost within a window: overloaded."""
RECOVERED_SHARE = 0.01

ROUND_S = 0.1
"""A round of inference takes no longer, so that those who go first are scored at 8 Hz."""

T = TypeVar("T")


class LoadMeter:
    """Follows what becomes of the views; `overloaded` is its judgement on the last window."""

    def __init__(self, now_s: float) -> None:
        self.overloaded = False
        self._since_s = now_s
        self._scored = 0
        self._lost = 0

    def scored(self, views: int) -> None:
        """So many views have been scored."""
        self._scored += views

    def lost(self, views: int = 1) -> None:
        """So many views were replaced before their turn, or too old at it."""
        self._lost += views

    def changed(self, now_s: float) -> bool:
        """Whether, as a window ends, the judgement has become another one."""
        if now_s - self._since_s < WINDOW_S:
            return False
        total = self._scored + self._lost
        share = self._lost / total if total else 0.0
        before = self.overloaded
        self.overloaded = share > (RECOVERED_SHARE if before else OVERLOADED_SHARE)
        self._since_s = now_s
        self._scored = 0
        self._lost = 0
        return self.overloaded is not before


def this_round(
    waiting: Sequence[T],
    camera_of: Callable[[T], str],
    view_s: float,
    urgent: Callable[[str], bool],
    scored_s: Mapping[str, float],
) -> list[T]:
    """Of the views waiting those that fit into a round, if each takes `view_s`.

    Cameras with an open incident first, then who was scored longest ago (`scored_s`).
    """
    room = max(1, int(ROUND_S / view_s)) if view_s > 0 else len(waiting)
    if len(waiting) <= room:
        return list(waiting)
    return sorted(
        waiting,
        key=lambda view: (not urgent(camera_of(view)), scored_s.get(camera_of(view), 0.0)),
    )[:room]
