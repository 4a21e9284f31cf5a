"""Which alerts a sink receives. Pure: what the rule needs to know is passed in.

What happens with a routed alert (cooldown, silence, order) is `alerts.admission`'s business.
"""

from __future__ import annotations

from datetime import time

from alerts.message import Alert, AlertContext, AlertPhase
from config.settings import Hours, RouteSettings

DARK_BELOW = 50.0
"""Mean grey (0…255) below which a picture is dark; a street under lamps has 50 to 90."""

CAMERA_NOTICES = frozenset({AlertPhase.CAMERA_LOST, AlertPhase.CAMERA_BACK})


def routes(route: RouteSettings, alert: Alert, context: AlertContext, local_time: time) -> bool:
    """Whether `alert` is for a sink with this `route`.

    Camera notices and exercises are held to cameras and sites alone: a lost camera has no
    score or darkness and concerns whoever is answerable for it at any hour, and a technician
    who drills by day has to hear the night's siren too.
    """
    if route.cameras and alert.camera not in route.cameras:
        return False
    if route.sites and alert.site not in route.sites:
        return False
    if alert.exercise or alert.phase in CAMERA_NOTICES:
        return True
    return (
        (not route.labels or alert.label in route.labels)
        and alert.score >= route.min_score
        and context.duration_s >= route.min_duration_s
        and (route.hours is None or within(route.hours, local_time))
        and (route.when == "always" or _is_dark(context))
    )


def within(hours: Hours, local_time: time) -> bool:
    """Whether `local_time` lies in the span, start included, end not; equal ends: all day."""
    now = local_time.replace(tzinfo=None)
    if hours.start < hours.end:
        return hours.start <= now < hours.end
    return now >= hours.start or now < hours.end


def _is_dark(context: AlertContext) -> bool:
    # A picture nobody could measure counts as dark: a light too many harms less than none.
    return context.mean_grey is None or context.mean_grey < DARK_BELOW
