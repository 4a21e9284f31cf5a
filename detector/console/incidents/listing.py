"""What the page *Now* shows: what is open, what is not judged, what is muted, what is wrong."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from detector.console.access.user import User
from detector.console.incidents import seeing
from detector.console.incidents.deliveries import Told, told
from detector.console.incidents.kept import Kept, kept_of
from detector.console.monitor import CameraView, Monitor
from detector.journal.queries import IncidentFilter
from detector.journal.records import IncidentRecord

MOST_SHOWN = 50


@dataclass(frozen=True, slots=True)
class Item:
    """An incident to be judged. `score`: smoothed, as it is now; None where it is over."""

    incident: IncidentRecord
    camera: CameraView | None
    kept: Kept
    told: list[Told]
    score: float | None
    awaits: bool
    verified: bool | None


@dataclass(frozen=True, slots=True)
class Mute:
    """`camera`: "" for all of them."""

    camera: str
    until: datetime


@dataclass(frozen=True, slots=True)
class Listing:
    """`judged`: open, and judged already. `more`: there are others that nobody has judged."""

    open: list[Item]
    unjudged: list[Item]
    judged: list[IncidentRecord]
    more: bool
    mutes: list[Mute]
    troubles: list[str]
    cameras: int


def listing(monitor: Monitor, user: User, again: UUID | None = None) -> Listing:
    """As it stands; `again`: an incident that is to be judged once more."""
    seen = [one for one in monitor.cameras() if user.sees(one.name)]
    opened = seeing.incidents(monitor, user, IncidentFilter(is_open=True), MOST_SHOWN)
    asked = IncidentFilter(judged=False, is_open=False)
    waiting = seeing.incidents(monitor, user, asked, MOST_SHOWN + 1)
    more = len(waiting) > MOST_SHOWN
    judged = [one for one in opened if one.judgement and one.id != again]
    opened = [one for one in opened if one not in judged]
    waiting = waiting[:MOST_SHOWN]
    if again and all(one.id != again for one in [*opened, *waiting]):
        found = seeing.incident(monitor, user, again)
        waiting = [*([found.incident] if found else []), *waiting]
    health = monitor.health()
    made = _items(monitor, {one.name: one for one in seen}, [*opened, *waiting])
    return Listing(
        open=made[: len(opened)],
        unjudged=made[len(opened) :],
        judged=judged,
        more=more,
        mutes=_mutes(health, user),
        troubles=troubles(monitor, health, user),
        cameras=len(seen),
    )


def items(monitor: Monitor, user: User, incidents: list[IncidentRecord]) -> list[Item]:
    """All there is to show of `incidents`."""
    seen = {one.name: one for one in monitor.cameras() if user.sees(one.name)}
    return _items(monitor, seen, incidents)


def troubles(monitor: Monitor, health: dict[str, Any], user: User) -> list[str]:
    """What is not as it should be, and what could not be written, as far as `user` may know."""
    hidden = {
        f"camera {one['name']} is {one['state']}"
        for one in health["cameras"]
        if not user.sees(one["name"])
    }
    found = [reason for reason in health["reasons"] if reason not in hidden]
    if trouble := monitor.journal.trouble:
        found.append(f"journal: {trouble}")
    return list(dict.fromkeys(found))


def _items(
    monitor: Monitor, seen: dict[str, CameraView], incidents: list[IncidentRecord]
) -> list[Item]:
    if not incidents:
        return []
    done = monitor.journal.deliveries([one.id for one in incidents])
    waiting = monitor.ask("outbox", "console")["messages"]
    awaiting = monitor.awaiting()
    found = []
    for one in incidents:
        key = str(one.id)
        camera = seen.get(one.camera)
        kept = kept_of(monitor.evidence, one)
        found.append(
            Item(
                incident=one,
                camera=camera,
                kept=kept,
                told=told(
                    done[one.id],
                    [message for message in waiting if message["incident"] == key],
                    awaiting.get(key, {}),
                ),
                score=camera.scores.get(one.label) if camera and one.closed_at is None else None,
                awaits=key in awaiting,
                verified=kept.record.verified if kept.record else None,
            )
        )
    return found


def _mutes(health: dict[str, Any], user: User) -> list[Mute]:
    found = [
        Mute(one["camera"] or "", datetime.fromisoformat(one["until"]))
        for one in health["silences"]
        if one["camera"] is None or user.sees(one["camera"])
    ]
    return sorted(found, key=lambda one: (one.camera, one.until))
