"""Which cameras whoever asks may see, and how they stand, in words."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar

from starlette.exceptions import HTTPException
from starlette.requests import Request

from config.errors import ControlError
from detector.console.access.user import User
from detector.console.monitor import CameraView, Monitor
from detector.console.rendering import language_of
from detector.console.words import Language, text
from detector.console.words.reasons import said
from detector.types import CameraState

OLD_S = 5.0
"""A picture older than that is told with its age; a key frame every 4 s is not."""

ANEW_S = 3.0
"""A camera whose zones or settings have changed is watched again before that is over."""

POLL_S = 0.1

DIGITS = 4
"""Of a box's sides: enough for any screen."""


_never = threading.Event()

T = TypeVar("T")


def user_of(request: Request) -> User:
    """Who asks."""
    user: User = request.scope["user"]
    return user


def seen_cameras(request: Request) -> list[CameraView]:
    """Those that the account may see, in the configuration's order. Takes locks: for a thread."""
    monitor, user = request.app.state.monitor, user_of(request)
    order = {camera.name: index for index, camera in enumerate(monitor.settings.cameras)}
    seen = [view for view in monitor.cameras() if user.sees(view.name)]
    return sorted(seen, key=lambda view: order.get(view.name, len(order)))


def seen_name(request: Request) -> str:
    """The camera in the path; raises HTTPException (404) where the account may not see it."""
    name: str = request.path_params["name"]
    if not user_of(request).sees(name):
        raise HTTPException(404)
    return name


def seen_camera(request: Request) -> CameraView:
    """The camera in the path; 404 where there is none that may be seen. For a thread."""
    name, monitor = seen_name(request), request.app.state.monitor

    def look() -> CameraView:
        found: list[CameraView] = [view for view in monitor.cameras() if view.name == name]
        if not found:
            raise ControlError(f"there is no camera {name!r}")
        return found[0]

    return once_back(monitor, name, look)


def once_back(monitor: Monitor, name: str, look: Callable[[], T]) -> T:
    """What `look` finds of a camera, which may be about to begin anew; 404 where there is none."""
    until_s = time.monotonic() + ANEW_S
    while True:
        try:
            return look()
        except ControlError:
            is_stated = any(camera.name == name for camera in monitor.settings.cameras)
            if not is_stated or time.monotonic() > until_s:
                raise HTTPException(404) from None
        _never.wait(POLL_S)


def shown(request: Request, view: CameraView) -> dict[str, Any]:
    """A camera as pages and their scripts show it; texts in the language of whoever asks."""
    language, now = language_of(request), datetime.now(UTC)
    t = partial(_text, language)
    asleep = view.asleep and view.state == CameraState.LIVE.value
    state = t("state_asleep" if asleep else f"state_{view.state}")
    age_s = (now - view.pictured_at).total_seconds() if view.pictured_at else 0.0
    muted_s = (view.silent_until - now).total_seconds() if view.silent_until else 0.0
    box = view.box
    return {
        "name": view.name,
        "site": view.site,
        "place": view.place,
        "look": _look(view),
        "state": t("state_for", state=state, time=lasting(language, now, view.since)),
        "reason": said(view.reason, language),
        "scores": [
            {
                "label": label,
                "score": round(view.scores.get(label, 0.0), 3),
                "threshold": round(threshold, 3),
                "told": t("score_told", label=label, score=_percent(view.scores.get(label, 0.0)),
                          threshold=_percent(threshold)),
            }
            for label, threshold in view.thresholds.items()
        ],
        "box": box and [round(side, DIGITS) for side in (box.left, box.top, box.width, box.height)],
        "incident": view.open_incidents[0] if view.open_incidents else None,
        "muted": t("muted_for", time=_countdown(muted_s)) if muted_s > 0 else "",
        "picture": view.picture,
        "stale": age_s > OLD_S,
        "age": t("picture_age", time=span(language, age_s)) if age_s > OLD_S else "",
    }  # fmt: skip


def lasting(language: Language, now: datetime, since: datetime) -> str:
    """How long ago `since` is."""
    return span(language, max(0.0, (now - since).total_seconds()))


def span(language: Language, seconds: float) -> str:
    """`40 s`, `3 min`, `2 h`, `5 d`."""
    for unit, length_s in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length_s:
            return text(f"camera.span_{unit}", language, n=int(seconds // length_s))
    return text("camera.span_s", language, n=int(seconds))


def _look(view: CameraView) -> str:
    """What a tile looks like: `incident` before `trouble`, and that before `live` or `asleep`."""
    if view.open_incidents:
        return "incident"
    if view.lost or view.state != CameraState.LIVE.value:
        return "trouble"
    return "asleep" if view.asleep else "live"


def _countdown(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _percent(share: float) -> str:
    return f"{share:.0%}"


def _text(language: Language, key: str, **values: object) -> str:
    return text(f"camera.{key}", language, **values)
