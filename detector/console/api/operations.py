"""What the interface does: each operation with its path, role, and what it takes and gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from starlette.exceptions import HTTPException

from detector.console.access.user import Role, User
from detector.console.api import models
from detector.console.api.models import Answer, Asked, Nothing
from detector.console.cluster.seeing import seen
from detector.console.incidents import seeing
from detector.console.incidents.listing import troubles
from detector.console.monitor import Monitor
from detector.journal.queries import IncidentDetails

VIEWER, OPERATOR = Role.VIEWER, Role.OPERATOR


@dataclass(frozen=True, slots=True)
class Call:
    """Who asks for what. `incident`: of the path, where it has one."""

    monitor: Monitor
    user: User
    asked: Any
    incident: UUID | None


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation. `run` is called in a thread of its own; what is refused is an HTTPException.

    `asked`: a GET has it in its query, a POST as its body. What `run` says of itself describes it.
    """

    method: str
    path: str
    role: Role
    run: Callable[[Call], Answer]
    asked: type[Asked]
    answer: type[Answer]


def cameras(call: Call) -> models.CameraList:
    """Cameras as they stand."""
    seen = [one for one in call.monitor.cameras() if call.user.sees(one.name)]
    return models.CameraList(cameras=[models.CameraFound.model_validate(one) for one in seen])


def incidents(call: Call) -> models.IncidentList:
    """Incidents, the newest first."""
    asked: models.IncidentsAsked = call.asked
    before = seeing.position(call.monitor, call.user, asked.before) if asked.before else None
    if asked.before and before is None:
        raise HTTPException(404, f"before: there is no incident {asked.before}")
    found = seeing.incidents(call.monitor, call.user, asked.filter(), asked.limit + 1, before)
    shown = found[: asked.limit]
    more = len(found) > asked.limit
    return models.IncidentList(
        incidents=[models.IncidentFound.model_validate(one) for one in shown],
        next=shown[-1].id if more else None,
    )


def incident(call: Call) -> models.IncidentDetailsFound:
    """All that is known of an incident."""
    return models.details_of(_seen(call))


def judge(call: Call) -> models.Done:
    """Say what an incident was."""
    _seen(call)
    asked: models.VerdictAsked = call.asked
    return _done(call, "judge", incident=str(call.incident), **asked.model_dump(mode="json"))


def confirm(call: Call) -> models.Done:
    """Let the sinks that wait for the operator send the alert."""
    _seen(call)
    return _done(call, "confirm", incident=str(call.incident))


def dismiss(call: Call) -> models.Done:
    """Have the sinks that wait for the operator not send it."""
    _seen(call)
    return _done(call, "dismiss", incident=str(call.incident))


def deliveries(call: Call) -> models.DeliveryList:
    """What has become of the alerts of an incident or an exercise."""
    assert call.incident is not None
    found = call.monitor.journal.deliveries([call.incident])[call.incident]
    seen = [one for one in found if call.user.sees(one.camera)]
    if found and not seen:
        raise HTTPException(404)
    reached = call.monitor.ask("deliveries", call.user.name, incident=str(call.incident))
    return models.DeliveryList(
        exercise=reached["deliveries"],
        deliveries=[models.DeliveryFound.model_validate(one) for one in seen],
    )


def silence(call: Call) -> models.Silenced:
    """No alarms for a while."""
    asked: models.SilenceAsked = call.asked
    _check_camera(call, asked.camera)
    done = call.monitor.ask("silence", call.user.name, camera=asked.camera, for_s=asked.for_s)
    return models.Silenced.model_validate(done)


def unsilence(call: Call) -> models.Done:
    """Alarms again."""
    asked: models.UnsilenceAsked = call.asked
    _check_camera(call, asked.camera)
    return _done(call, "unsilence", camera=asked.camera)


def drill(call: Call) -> models.Drilled:
    """An exercise through every sink."""
    asked: models.DrillAsked = call.asked
    _check_camera(call, asked.camera)
    done = call.monitor.ask("drill", call.user.name, camera=asked.camera)
    return models.Drilled.model_validate(done)


def health(call: Call) -> models.Health:
    """How everything is."""
    found = call.monitor.health()
    return models.Health(
        live=found["live"],
        status=found["status"],
        reasons=troubles(call.monitor, found, call.user),
        sinks=[models.SinkFound.model_validate(one) for one in found["sinks"]],
        silences=[
            models.SilenceFound.model_validate(one)
            for one in found["silences"]
            if one["camera"] is None or call.user.sees(one["camera"])
        ],
    )


def cluster(call: Call) -> models.ClusterFound:
    """Boxes of the cluster, and which watches what."""
    if not call.monitor.in_cluster:
        raise HTTPException(404, "this box is in no cluster")
    found = seen(call.monitor, call.user)
    if found is None:
        raise HTTPException(409, "the coordinator has not told yet which box watches what")
    return models.ClusterFound.model_validate(found)


ALL = "/api/incidents"
ONE = "/api/incidents/{incident}"

OPERATIONS = (
    Operation("GET", "/api/cameras", VIEWER, cameras, Nothing, models.CameraList),
    Operation("GET", ALL, VIEWER, incidents, models.IncidentsAsked, models.IncidentList),
    Operation("GET", ONE, VIEWER, incident, Nothing, models.IncidentDetailsFound),
    Operation("POST", f"{ONE}/verdict", OPERATOR, judge, models.VerdictAsked, models.Done),
    Operation("POST", f"{ONE}/confirm", OPERATOR, confirm, Nothing, models.Done),
    Operation("POST", f"{ONE}/dismiss", OPERATOR, dismiss, Nothing, models.Done),
    Operation("GET", f"{ONE}/deliveries", VIEWER, deliveries, Nothing, models.DeliveryList),
    Operation("POST", "/api/silence", OPERATOR, silence, models.SilenceAsked, models.Silenced),
    Operation("POST", "/api/unsilence", OPERATOR, unsilence, models.UnsilenceAsked, models.Done),
    Operation("POST", "/api/drill", OPERATOR, drill, models.DrillAsked, models.Drilled),
    Operation("GET", "/api/cluster", VIEWER, cluster, Nothing, models.ClusterFound),
    Operation("GET", "/api/health", VIEWER, health, Nothing, models.Health),
)


def _seen(call: Call) -> IncidentDetails:
    """The incident; 404 where there is none that the asker may see."""
    assert call.incident is not None
    found = seeing.incident(call.monitor, call.user, call.incident)
    if found is None:
        raise HTTPException(404, f"there is no incident {call.incident}")
    return found


def _check_camera(call: Call, name: str | None) -> None:
    """404 where there is no such camera for the asker; 403 where not all are the asker's."""
    if name is not None and not call.user.sees(name):
        raise HTTPException(404, f"there is no camera {name!r}")
    if name is None and not all(call.user.sees(one.name) for one in call.monitor.cameras()):
        raise HTTPException(403, "name a camera: not all of them are within this account")


def _done(call: Call, command: str, **details: Any) -> models.Done:
    done = call.monitor.ask(command, call.user.name, **details)
    return models.Done(in_memory_only=done.get("in_memory_only"))
