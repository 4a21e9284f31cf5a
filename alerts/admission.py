"""What becomes of one alert at one sink: sent (and as which phase), or held back and why.

Pure. A sink follows each incident through a `Stage` of its own: the first message that passes
its route is its `opened`, whatever phase the detector calls it (a sink with a minimum duration
hears of a fight by an `updated`); what follows goes only where that one went.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from alerts.message import Alert, AlertPhase
from alerts.routing import CAMERA_NOTICES


class Stage(StrEnum):
    """How far a sink is with an incident; None where it has not heard of it."""

    TOLD = "told"
    WITHHELD = "withheld"
    """A cooldown or an expiry kept its `opened` away: the rest is not sent either."""

    DISMISSED = "dismissed"
    """An operator dismissed it, or did not confirm it in time: nothing of it is sent."""

    CONFIRMED = "confirmed"
    """An operator has confirmed it already: its `opened`, once there is one, does not wait."""


class Decision(StrEnum):
    """What to do with the alert."""

    SEND = "send"
    HOLD = "hold"
    """Send it once an operator has confirmed it."""
    SKIP = "skip"
    SILENCED = "silenced"
    COOLDOWN = "cooldown"


@dataclass(frozen=True, slots=True)
class Admission:
    """`phase`: what the alert is for this sink; `stage`: where the incident then stands."""

    decision: Decision
    phase: AlertPhase
    stage: Stage | None


def admit(
    alert: Alert,
    *,
    stage: Stage | None,
    routed: bool,
    silenced: bool,
    in_cooldown: bool,
    to_confirm: bool = False,
) -> Admission:
    """Judge `alert` for one sink.

    `routed`: it passes the sink's route; `silenced`: the operator asked for quiet; `in_cooldown`:
    the sink's cooldown for this camera runs; `to_confirm`: the sink is told of what an operator
    has confirmed. Exercises and camera notices heed none of the last three. A silenced incident
    that outlasts the silence is told then. `closed` of an incident that was told passes silence,
    for the receiver would wait for it for ever; an incident of which it has heard nothing is not
    told by its `closed`.
    """
    silenced = silenced and not alert.exercise
    in_cooldown = in_cooldown and not alert.exercise
    phase, decision, after = alert.phase, Decision.SKIP, stage
    if phase in CAMERA_NOTICES:
        decision = Decision.SEND if routed else Decision.SKIP
    elif stage is Stage.TOLD:
        over = phase is AlertPhase.CLOSED
        phase = AlertPhase.CLOSED if over else AlertPhase.UPDATED
        decision = Decision.SILENCED if silenced and not over else Decision.SEND
    elif stage in {None, Stage.CONFIRMED} and routed and phase is not AlertPhase.CLOSED:
        phase = AlertPhase.OPENED
        if silenced:
            decision = Decision.SILENCED
        elif in_cooldown:
            decision, after = Decision.COOLDOWN, Stage.WITHHELD
        else:
            is_held = to_confirm and stage is None and not alert.exercise
            decision, after = Decision.HOLD if is_held else Decision.SEND, Stage.TOLD
    return Admission(decision, phase, after)
