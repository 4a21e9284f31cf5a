"""The cluster as its coordinator has last told the daemon."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SharedCamera:
    """A camera of the cluster. `live`: its box has pictures of it."""

    name: str
    site: str
    live: bool


@dataclass(frozen=True, slots=True)
class UnwatchedCamera:
    """A camera that nobody watches, and why."""

    name: str
    site: str
    reason: str


@dataclass(frozen=True, slots=True)
class BoxView:
    """A box as it stood when that was told.

    `state`: `works`, `draining`, `empty` (drained, so that it may be stopped), `stopped` (and gone)
    or `dead`. `for_s`: how long it had been so. `sites`: whose cameras it reaches; none: all.
    `load`: share of its room that its cameras take. `address`: host and port of its console.
    """

    name: str
    state: str
    for_s: float
    sites: tuple[str, ...]
    load: float
    cameras: tuple[SharedCamera, ...]
    address: str | None = None


@dataclass(frozen=True, slots=True)
class LossView:
    """What it would mean, were any one box lost.

    `box`: the one whose loss would leave another with most to do, which is `load` of its room.
    `unwatched`: how many cameras nobody would watch, by the box that is lost.
    """

    may_die: bool
    box: str | None
    load: float
    unwatched: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class ClusterView:
    """All of it. `box`: the daemon's own. `age_s`: how long ago it was told.

    `cut_off`: for so long that the coordinator, or the way to it, must be lost. `unknown_boxes`: by
    sink that hangs on one box, its name where no such box has joined.
    """

    box: str
    age_s: float
    cut_off: bool
    boxes: tuple[BoxView, ...]
    unwatched: tuple[UnwatchedCamera, ...]
    loss: LossView
    unknown_boxes: Mapping[str, str]
