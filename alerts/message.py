"""The message that is delivered: one JSON format for every sink (schema version 1)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal
from uuid import UUID

from pydantic import AwareDatetime, Base64Bytes, BaseModel, ConfigDict, Field

from config.settings import Location

CONFIRM_LINK = "confirm"
"""The link that an alert has only while a sink waits for an operator to confirm it."""


class AlertPhase(StrEnum):
    """What happened: an incident's life, or a camera lost and back again."""

    OPENED = "opened"
    UPDATED = "updated"
    CLOSED = "closed"
    CAMERA_LOST = "camera_lost"
    CAMERA_BACK = "camera_back"


class Alert(BaseModel):
    """One message about one incident (or camera), as documented in its JSON schema.

    `alert_id` is new for each message and stays the same over every attempt to deliver it, so
    a receiver that keeps the ids it has seen gets each exactly once. `sequence` counts the
    messages of one incident from 0. `late` says that it is delivered after the sink's expiry.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = Field(default=1, description="of this format")
    alert_id: UUID = Field(description="of this message; the same over every attempt to deliver it")
    incident_id: UUID = Field(
        description="of the incident, or of one loss of a camera; a UUIDv7, so it sorts by time"
    )
    sequence: int = Field(
        ge=0, description="of this message in its incident, from 0; a sink may skip some"
    )
    phase: AlertPhase = Field(
        description="opened, updated and closed of an incident, or a camera lost and back"
    )
    exercise: bool = Field(default=False, description="a drill: nothing has happened")
    late: bool = Field(default=False, description="delivered long after sent_at: no longer fresh")
    label: str = Field(description="violence, or another label; camera for camera notices")
    score: float = Field(ge=0, le=1, description="highest probability so far")
    camera: str = Field(description="name of the camera")
    site: str = Field(description="name of the site")
    location: Location = Field(description="where the camera hangs; null where it is not known")
    station: str | None = Field(default=None, description="whom the camera's alerts are for")
    opened_at: AwareDatetime = Field(description="when it began (UTC)")
    sent_at: AwareDatetime = Field(description="when the monitor wrote this message (UTC)")
    reason: str | None = Field(default=None, description="why it closed, or why the camera is lost")
    verified: bool | None = Field(
        default=None,
        description="whether the second look, at the people themselves, has found it too; false: "
        "motion alone opened it; null: not of an incident, or not known",
    )
    box: str | None = Field(
        default=None, description="of a cluster: the box that watched; null: there is but one"
    )
    epoch: int | None = Field(
        default=None,
        description="of the box's turn at this camera: an alert with a smaller one than the "
        "largest seen of its camera is of a box whose turn was over; null: there is but one box",
    )
    image: Base64Bytes | None = Field(default=None, description="JPEG, base64")
    links: dict[str, str] = Field(
        default={},
        description="name to URL, for people, of pages of the console: console (the incident's, or "
        "the camera's), mute, and confirm while a sink waits for an operator; opening one changes "
        "nothing; empty where http.public_url is not stated",
    )

    def without_link(self, name: str) -> Alert:
        """Itself, but for the link of that name."""
        if name not in self.links:
            return self
        links = {other: url for other, url in self.links.items() if other != name}
        return self.model_copy(update={"links": links})


@dataclass(frozen=True, slots=True)
class AlertContext:
    """What routing needs beyond the message: how dark it is and how long it has gone on.

    `mean_grey`: 0 (black) … 255 of the picture, None where there is none. `age_s`: how long ago it
    should have been told; sinks' expiry counts from then.
    """

    duration_s: float = 0.0
    mean_grey: float | None = None
    age_s: float = 0.0


@dataclass(frozen=True, slots=True)
class CameraNotice:
    """A camera's state for sinks that show it (retained on MQTT); best effort, latest wins.

    `silenced_until`: no alarms of it until then, by the box's clock; None: alarms go out.
    """

    camera: str
    site: str
    state: str
    since: datetime
    silenced_until: datetime | None = None
