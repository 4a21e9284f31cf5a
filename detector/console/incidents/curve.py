"""The curve of an incident's scores, as points of an SVG picture. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH = 800.0
HEIGHT = 180.0
MOST_POINTS = 800

STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600)
MOST_TICKS = 10


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark on the axis of time: `x`, and seconds from the opening."""

    x: float
    seconds: int


@dataclass(frozen=True, slots=True)
class Drawing:
    """The picture. `line`: of the smoothed score, `points` of an SVG polyline.

    `opened_x`, `closed_x`: where it opened and was over; `threshold_y`: None where it is not known.
    """

    line: str
    opened_x: float
    closed_x: float | None
    threshold_y: float | None
    ticks: tuple[Tick, ...]
    width: float = WIDTH
    height: float = HEIGHT


def draw(
    times_s: Sequence[float],
    scores: Sequence[float],
    closed_s: float | None,
    threshold: float | None,
) -> Drawing | None:
    """The picture of `scores` (0…1) at `times_s`, seconds since it opened; None without any."""
    if not times_s:
        return None
    begin_s, end_s = min(0.0, times_s[0]), max(times_s[-1], closed_s or 0.0, times_s[0] + 1)
    scale = WIDTH / (end_s - begin_s)

    def x(at_s: float) -> float:
        return round((at_s - begin_s) * scale, 1)

    def y(score: float) -> float:
        return round(HEIGHT * (1 - min(1.0, max(0.0, score))), 1)

    step = -(-len(times_s) // MOST_POINTS)
    chosen = [  # of each few points the highest, so that a peak stays one
        max(range(at, min(at + step, len(times_s))), key=lambda i: scores[i])
        for at in range(0, len(times_s), step)
    ]
    every_s = next((s for s in STEPS_S if (end_s - begin_s) / s <= MOST_TICKS), STEPS_S[-1])
    first = int(-(-begin_s // every_s))
    return Drawing(
        line=" ".join(f"{x(times_s[i])},{y(scores[i])}" for i in chosen),
        opened_x=x(0.0),
        closed_x=None if closed_s is None else x(closed_s),
        threshold_y=None if threshold is None else y(threshold),
        ticks=tuple(
            Tick(x(number * every_s), number * every_s)
            for number in range(first, int(end_s // every_s) + 1)
        ),
    )
