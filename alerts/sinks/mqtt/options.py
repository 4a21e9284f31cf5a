"""What the configuration says of an MQTT broker, and the topics that follow from it."""

from __future__ import annotations

import time
from typing import Any, Literal, Self

from pydantic import Field, PrivateAttr, SecretStr, field_validator, model_validator

from alerts.message import Alert
from alerts.sink import Problem
from alerts.sinks.certificates import TlsOptions, tls_problems
from config.hosts import Host
from config.settings import Name, Section
from config.topics import checked_topic

DEFAULT_SITE = "default"
FIELDS = ("site", "station", "camera", "label")


class HomeAssistantOptions(Section):
    """Have Home Assistant find the cameras; an empty section fits its own settings."""

    prefix: str = Field(
        default="homeassistant", min_length=1, description="discovery prefix, as set there"
    )

    @field_validator("prefix")
    @classmethod
    def _is_topic(cls, value: str) -> str:
        return checked_topic(value, ())


class MqttOptions(Section):
    """Which broker, as whom, and under which topics."""

    host: Host
    port: int | None = Field(
        default=None, ge=1, le=65535, description="left out: 8883 with tls, else 1883"
    )
    protocol: Literal["5", "3.1.1"] = "5"
    tls: TlsOptions | None = None
    username: str | None = None
    password: SecretStr | None = None
    client_id: str | None = Field(
        default=None, min_length=1, description="left out: a random one; must be unique"
    )
    topic: str = Field(
        default="jikimi/{site}/{camera}/incident",
        min_length=1,
        description="may hold {site}, {station}, {camera}, {label}",
    )
    image: bool = Field(default=True, description="with the picture")
    snapshot: bool = Field(
        default=False, description="with each picture as JPEG, retained; homeassistant has it, too"
    )
    commands: bool = Field(
        default=False, description="whoever may publish there may silence and drill"
    )
    homeassistant: HomeAssistantOptions | None = None
    onvif_events: bool = Field(
        default=False, description="with ONVIF events as JSON, as of Profile M"
    )
    site: Name | None = Field(
        default=None, description="of the availability topic; left out: the global site"
    )
    timeout_s: float = Field(default=10.0, gt=0, le=120, description="for an acknowledgement")
    _box: str | None = PrivateAttr(default=None)

    @field_validator("protocol", mode="before")
    @classmethod
    def _as_text(cls, value: Any) -> Any:
        return str(value) if isinstance(value, int) else value

    @field_validator("topic")
    @classmethod
    def _is_topic(cls, value: str) -> str:
        return checked_topic(value, FIELDS)

    @model_validator(mode="after")
    def _password_needs_name(self) -> MqttOptions:
        if self.password is not None and self.username is None:
            raise ValueError("password needs a username beside it")
        return self

    @property
    def availability(self) -> str:
        """The topic where this daemon says that it is there; of a cluster, each box has its own."""
        levels = [self.site or DEFAULT_SITE] + ([self._box] if self._box else [])
        return "/".join(["jikimi", *map(_level, levels), "availability"])

    def in_box(self, box: str) -> Self:
        """The same on a box of a cluster."""
        found = self.model_copy()
        found._box = box  # noqa: SLF001 - its own
        return found

    def problems(self) -> list[Problem]:
        """What is wrong with the files in `tls`."""
        tls = self.tls
        return tls_problems(tls.ca, tls.certificate, tls.key, time.time()) if tls else []


_FORBIDDEN = str.maketrans("/+#\0", "----")


def alert_topic(template: str, alert: Alert) -> str:
    """The template filled in, each value as one level."""
    values = {
        "site": alert.site,
        "station": alert.station or "-",
        "camera": alert.camera,
        "label": alert.label,
    }
    return template.format(**{key: _level(value) for key, value in values.items()})


def camera_topic(camera: str, site: str, what: str) -> str:
    """Where something of `camera` is shown, or asked of it; `what` may have several levels."""
    return f"jikimi/{_level(site)}/{_level(camera)}/{what}"


def onvif_topic(site: str, topic: str) -> str:
    """Where an ONVIF event goes: the site is its TopicPrefix."""
    return f"jikimi/{_level(site)}/{topic}"


def _level(value: str) -> str:
    """What would be more than one level, or a wildcard, becomes `-`."""
    return value.translate(_FORBIDDEN)
