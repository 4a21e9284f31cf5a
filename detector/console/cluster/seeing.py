"""The cluster as a user may see it: all boxes, and of cameras those within the account."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from detector.console.access.user import User
from detector.console.cluster.view import BoxView, LossView, SharedCamera, UnwatchedCamera
from detector.console.monitor import Monitor
from detector.console.server import is_loopback


@dataclass(frozen=True, slots=True)
class SeenCamera:
    """`page`: where it is shown; None where only another box could, at an address unknown here."""

    name: str
    site: str
    live: bool
    page: str | None


@dataclass(frozen=True, slots=True)
class SeenBox:
    """See `BoxView`. `is_own`: the one whose console this is; `console`: the address of its own."""

    name: str
    is_own: bool
    state: str
    since: datetime
    sites: tuple[str, ...]
    load: float
    console: str | None
    cameras: tuple[SeenCamera, ...]


@dataclass(frozen=True, slots=True)
class SeenCluster:
    """See `ClusterView`. `told_at`: when all this held.

    `unknown_boxes`: none for who sees a part of the cameras, for a sink may be of others.
    """

    box: str
    told_at: datetime
    cut_off: bool
    boxes: tuple[SeenBox, ...]
    unwatched: tuple[UnwatchedCamera, ...]
    loss: LossView
    unknown_boxes: Mapping[str, str]


def seen(monitor: Monitor, user: User) -> SeenCluster | None:
    """What `user` may see; None where the coordinator has told nothing yet. For a thread."""
    view = monitor.cluster()
    if view is None:
        return None
    told_at = datetime.now(UTC) - timedelta(seconds=view.age_s)
    own = {one.name for one in monitor.cameras()}
    boxes = []
    for box in view.boxes:
        is_own = box.name == view.box
        console = None if is_own else _console(monitor, box)
        cameras = tuple(
            SeenCamera(one.name, one.site, one.live, _page(one, own, console))
            for one in box.cameras
            if user.sees_at(one.name, one.site)
        )
        since = told_at - timedelta(seconds=box.for_s)
        sites = _sites(box, cameras) if user.limited else box.sites
        boxes.append(SeenBox(box.name, is_own, box.state, since, sites, box.load, console, cameras))
    unwatched = tuple(one for one in view.unwatched if user.sees_at(one.name, one.site))
    return SeenCluster(
        view.box,
        told_at,
        view.cut_off,
        tuple(boxes),
        unwatched,
        view.loss,
        {} if user.limited else view.unknown_boxes,
    )


def _console(monitor: Monitor, box: BoxView) -> str | None:
    """The boxes have one configuration: others are reached from elsewhere if this one is."""
    http = monitor.settings.http
    if box.address is None or box.state in {"dead", "stopped"} or is_loopback(http.host):
        return None
    return f"{'https' if http.tls_certificate else 'http'}://{box.address}"


def _page(camera: SharedCamera, own: set[str], console: str | None) -> str | None:
    if camera.name in own:
        return f"/camera/{quote(camera.name)}"
    return f"{console}/camera/{quote(camera.name)}" if console else None


def _sites(box: BoxView, cameras: tuple[SeenCamera, ...]) -> tuple[str, ...]:
    """Those of cameras that may be seen: others are nobody's business."""
    known = {one.site for one in cameras}
    return tuple(site for site in box.sites if site in known)
