"""What the operator states, as typed, frozen values with units and ranges.

Only shapes and defaults: `config.load` reads them from YAML, environment and
command line and turns every mistake into one line that names file, line and key.
"""

from __future__ import annotations

import os
import re
from datetime import time
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    FilePath,
    SecretStr,
    SerializeAsAny,
    ValidationInfo,
    field_validator,
    model_validator,
)

from config.hosts import Address, Host, PublicUrl, ServeUrl
from config.urls import StreamUrl

NAME_PATTERN = r"^\w[\w.-]{0,62}$"
"""Camera, site and sink names: they become MQTT topic levels, metric labels and file names."""

ARGON2_PATTERN = r"\$argon2id\$v=19\$m=\d{1,8},t=\d{1,3},p=\d{1,3}\$[\w+/]{11,}\$[\w+/]{16,}"
"""An encoded hash (RFC 9106; the PHC string format)."""

Name = Annotated[str, Field(pattern=NAME_PATTERN)]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Timeout = Annotated[float, Field(gt=0, le=120, allow_inf_nan=False)]
Probability = Annotated[float, Field(ge=0, le=1)]
Polygon = Annotated[list[tuple[Probability, Probability]], Field(min_length=3)]
"""Corners (x, y) relative to the picture: 0,0 is top left, 1,1 bottom right."""


class Section(BaseModel):
    """A group of settings: frozen, and an unknown key is a mistake."""

    # hide_input: pydantic's own messages would quote passwords
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Location(Section):
    """Where a camera is mounted, for the people sent there."""

    text: str = ""
    latitude: float | None = Field(default=None, ge=-90, le=90)
    longitude: float | None = Field(default=None, ge=-180, le=180)


class CaptureSettings(Section):
    """How streams are opened and when they count as lost."""

    transport: Literal["tcp", "udp"] = "tcp"
    open_timeout_s: Timeout = Field(default=10.0, description="connect, log in and probe")
    read_timeout_s: Timeout = Field(default=5.0, description="no packet for so long: stalled")
    activity_gate: bool = Field(
        default=True, description="leave a camera undecoded while its packets say nothing moves"
    )
    hardware_decoding: bool = Field(
        default=False, description="decode on an NVIDIA GPU where there is one (NVDEC)"
    )
    offline_grace_s: Seconds = Field(
        default=300.0, description="a camera lost for so long is told to the sinks, once"
    )


class DetectionSettings(Section):
    """When scores become an incident. Thresholds left out come from the weights' sidecar."""

    open_threshold: Probability | None = Field(
        default=None,
        description="left out: each camera learns its own, starting from the weights'",
    )
    false_alarms_per_day: float = Field(
        default=1.0,
        gt=0,
        le=1000,
        description="what a camera that learns its threshold may raise on an ordinary day",
    )
    close_threshold: Probability | None = None
    min_duration_s: Seconds | None = None
    merge_gap_s: Seconds | None = Field(
        default=None,
        description="a fight that flares up again within this time is the same incident",
    )
    second_look: bool = Field(
        default=True,
        description="look at the people themselves before an alarm; off: motion alone decides, by "
        "a stricter threshold (as with rendered cameras, unless stated)",
    )
    watch: list[Polygon] = Field(default=[], description="only motion inside these counts")
    ignore: list[Polygon] = Field(default=[], description="motion inside these never counts")


class CameraSettings(Section):
    """One camera. `capture` and `detection` hold the global values with its own laid over."""

    name: Name
    url: StreamUrl
    site: Name
    station: str | None = None
    location: Location = Location()
    capture: CaptureSettings = CaptureSettings()
    detection: DetectionSettings = Field(default=DetectionSettings(), validate_default=True)

    @field_validator("detection")
    @classmethod
    def _by_motion_where_drawn(
        cls, detection: DetectionSettings, info: ValidationInfo
    ) -> DetectionSettings:
        """Drawn people are nothing that a second look was taught: it misses a brawl of six."""
        url = info.data.get("url")
        if url is None or url.kind != "pattern" or "second_look" in detection.model_fields_set:
            return detection
        return detection.model_copy(update={"second_look": False})


class Hours(Section):
    """A daily span of local time; one that ends before it starts runs over midnight."""

    start: time
    end: time

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        if isinstance(value, str):
            start, dash, end = value.partition("-")
            if not dash:
                raise ValueError('is no span of time; write hours as "22:00-06:00"')
            value = {"start": start.strip(), "end": end.strip()}
        if isinstance(value, dict):
            for part in value.values():
                # pydantic would take a bare 22 for 22 seconds past midnight
                if isinstance(part, str | int) and not re.fullmatch(r"\d\d?:\d\d", str(part)):
                    raise ValueError('has a time without minutes; write hours as "22:00-06:00"')
            return {
                key: f"{part:0>5}" if isinstance(part, str) else part for key, part in value.items()
            }
        return value


class RouteSettings(Section):
    """Which alerts a sink receives; an empty list means all."""

    cameras: list[Name] = []
    sites: list[Name] = []
    labels: list[str] = []
    min_score: Probability = 0.0
    min_duration_s: Seconds = 0.0
    hours: Hours | None = None
    when: Literal["always", "dark"] = "always"


class ConfirmSettings(Section):
    """An alarm waits for somebody before the sink is told; `operator` stands for the defaults."""

    by: Literal["operator"] = "operator"
    within_s: float = Field(
        default=60.0, gt=0, le=3600, description="how long an alarm waits for the operator"
    )
    then: Literal["send", "drop"] = Field(
        default="send", description="what becomes of an alarm that nobody has confirmed by then"
    )

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        if value == "operator":
            return {}
        if isinstance(value, str | bool):
            raise ValueError("names nobody who can confirm; write confirm: operator")  # noqa: TRY004 - pydantic's
        return value


class SinkSettings(Section):
    """Where alerts go: a type (entry point of `jikimi.sinks`), its route and its delivery.

    `options` is the type's own model, validated by `config.load`; in YAML its keys stand
    directly beside `type`.
    """

    name: Name
    type: str
    route: RouteSettings = RouteSettings()
    expiry_s: Seconds | None = Field(
        default=None,
        description="older alerts are dropped by siren and floodlight, marked late by the rest; "
        "counts from the confirmation, where there is one to wait for",
    )
    cooldown_s: Seconds = Field(
        default=0.0,
        description="after a delivered alert, no new incident of that camera for so long",
    )
    confirm: ConfirmSettings | None = Field(
        default=None, description="tell this sink only of what an operator has confirmed"
    )
    options: SerializeAsAny[BaseModel]


class EvidenceSettings(Section):
    """What is kept of an incident: a clip from before it opened until after its end, and stills.

    `off` stands for `enabled: false`.
    """

    enabled: bool = True
    days: int = Field(default=30, ge=1, le=3650, description="older evidence is deleted")
    max_gb: float = Field(
        default=20.0, gt=0, le=1_000_000, description="beyond, the oldest evidence is deleted"
    )
    pre_roll_s: float = Field(
        default=10.0, ge=0, le=60, description="a clip begins so long before its incident opened"
    )
    post_roll_s: float = Field(
        default=20.0, ge=0, le=120, description="and ends so long after it was last seen"
    )

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        if value in ("off", False):
            return {"enabled": False}
        return value


class AccessSettings(Section):
    """What somebody may do in the console, and of which cameras he sees anything.

    `sites` and `cameras` limit as a route does: an empty list means all.
    """

    role: Literal["viewer", "operator", "admin"] = Field(
        default="viewer",
        description="viewer: sees; operator: judges, mutes, drills, too; admin: draws zones and "
        "reads the audit, too",
    )
    sites: list[Name] = []
    cameras: list[Name] = []


class AccountSettings(AccessSettings):
    """Somebody who logs in at the console."""

    password: SecretStr = Field(description="what `jikimi password` prints: an argon2id hash")

    @field_validator("password")
    @classmethod
    def _is_hash(cls, value: SecretStr) -> SecretStr:
        if not re.fullmatch(ARGON2_PATTERN, value.get_secret_value()):
            raise ValueError(
                "is no argon2id hash, which begins with $argon2id$; run `jikimi password` and put "
                "here, in quotes, what it prints"
            )
        return value


class TokenSettings(AccessSettings):
    """A program that asks the console's API."""

    sha256: SecretStr = Field(description="what `jikimi password --token` prints for the token")

    @field_validator("sha256")
    @classmethod
    def _is_hash(cls, value: SecretStr) -> SecretStr:
        if not re.fullmatch(r"[0-9a-f]{64}", value.get_secret_value()):
            raise ValueError(
                "is no SHA-256 in 64 hexadecimal digits; run `jikimi password --token` and put "
                "here what it prints, not the token itself"
            )
        return value


class HttpSettings(Section):
    """Where the console, /metrics, /livez and /healthz are served, and to whom."""

    host: Host = "127.0.0.1"
    port: int = Field(default=8780, ge=0, le=65535, description="0: any free port")
    tls_certificate: FilePath | None = Field(
        default=None, description="PEM file, with what leads to its root; left out: no TLS"
    )
    tls_key: FilePath | None = Field(
        default=None, description="PEM file without passphrase; left out: in the certificate's file"
    )
    host_names: list[Host] = Field(
        default=[],
        description="names under which browsers reach the console, beside addresses and localhost",
    )
    public_url: PublicUrl | None = Field(
        default=None,
        description="under which people reach the console, such as https://jikimi.example; alerts "
        "then have links to it; left out: none",
    )
    trusted_proxies: list[Address] = Field(
        default=[], description="whose X-Forwarded-For and X-Forwarded-Proto are believed"
    )
    accounts: dict[Name, AccountSettings] = Field(default={}, description="by name, who may log in")
    tokens: dict[Name, TokenSettings] = Field(
        default={}, description="by name, programs that may ask the API"
    )

    @property
    def names(self) -> list[str]:
        """`host_names`, and that of `public_url`."""
        public = urlsplit(self.public_url).hostname if self.public_url else None
        return [*self.host_names, public] if public else self.host_names


class JournalSettings(Section):
    """Where what has happened is kept for good."""

    url: SecretStr | None = Field(
        default=None,
        description="postgresql://user:password@host/database; left out: in the state directory",
    )

    @field_validator("url")
    @classmethod
    def _is_known(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            try:
                url = urlsplit(value.get_secret_value())
                known = url.scheme in {"postgresql", "postgres"} and url.port != 0
            except ValueError:  # whose text holds the URL
                known = False
            if not known or not url.path.strip("/"):
                raise ValueError(
                    "is no database that can be used; write postgresql://user:password@host/database"
                )
        return value


class LogSettings(Section):
    """How the daemon logs to standard error."""

    format: Literal["auto", "json", "console"] = "auto"
    level: Literal["debug", "info", "warning", "error"] = "info"


def default_state_dir() -> Path:
    """Systemd's StateDirectory, else the XDG state directory of the user.

    A user without a home, as in a container, has the system's.
    """
    if given := os.environ.get("STATE_DIRECTORY"):
        return Path(given.split(":")[0])
    if base := os.environ.get("XDG_STATE_HOME"):
        return Path(base) / "jikimi"
    try:
        return Path.home() / ".local/state/jikimi"
    except RuntimeError:
        return Path("/var/lib/jikimi")


class Settings(Section):
    """The whole configuration."""

    site: Name = "default"
    station: str | None = None
    state_dir: Path = Field(default_factory=default_state_dir)
    weights: Path | None = Field(
        default=None, description="sidecar JSON; left out: the shipped weights"
    )
    engine: Literal["auto", "litert", "litert-int8", "tensorflow", "serve"] = Field(
        default="auto",
        description="what runs the network; auto: what is quickest here, tried at the start; "
        "serve: a GPU box, and what is quickest here while that does not answer",
    )
    serve_url: ServeUrl | None = Field(
        default=None,
        description="of the GPU box, where `jikimi cluster serve` runs, for engine: serve",
    )
    capture: CaptureSettings = CaptureSettings()
    detection: DetectionSettings = DetectionSettings()
    cameras: list[CameraSettings] = []
    sinks: list[SinkSettings] = []
    evidence: EvidenceSettings = EvidenceSettings()
    http: HttpSettings = HttpSettings()
    journal: JournalSettings = JournalSettings()
    log: LogSettings = LogSettings()

    @property
    def local_engine(self) -> str:
        """What runs the network on this machine."""
        return "auto" if self.engine == "serve" else self.engine
