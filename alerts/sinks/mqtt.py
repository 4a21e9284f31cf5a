"""Alerts to an MQTT broker, and the states of the cameras and of the daemon.

Topics (QoS 1): each alert, camera notices included, goes to `topic`. Retained are the state of
each camera, JSON, on `jikimi/{site}/{camera}/state`, and the daemon's own on
`jikimi/{site}/availability`: the plain words `online` and `offline`, the latter also as last
will. A camera's state is cleared by an empty retained message when the camera is removed and
when the sink is closed; after a crash it stays, and holds only while the daemon is online.
"""

from __future__ import annotations

import json
import sys
import threading
import time
import uuid
from collections.abc import Callable
from string import Formatter
from typing import Any, ClassVar, Literal

import structlog
from paho.mqtt.client import Client, MQTTMessageInfo
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode
from pydantic import BaseModel, Field, FilePath, SecretStr, field_validator, model_validator

from alerts.message import Alert, AlertPhase, CameraNotice
from alerts.schema import alert_json
from alerts.sink import Problem
from alerts.sinks.certificates import client_context, tls_problems
from config.errors import DeliveryError
from config.secrets import register_secret, scrub
from config.settings import Name, Section

FIELDS = ("site", "station", "camera", "label")
QOS = 1

KEEPALIVE_S = 15
"""A broker that vanished without a word is noticed after about one and a half of these."""

RECONNECT_S = (1, 5)
"""First and longest wait between attempts to connect: short, for an alarm may wait."""

CONNECT_WAIT_S = 2.0
"""How long an alert waits for a first connection that is being made, before it fails."""

CLOSE_WAIT_S = 0.5
"""How long `close` waits for the broker to take `offline` and the cleared states."""

CLEARED = b""
"""The payload by which a broker forgets a retained message (MQTT 5, 3.3.1.3)."""


class TlsOptions(Section):
    """Encryption; an empty section uses the system's certificate authorities."""

    ca: FilePath | None = Field(default=None, description="PEM of the authority to trust")
    certificate: FilePath | None = Field(default=None, description="PEM of this client")
    key: FilePath | None = Field(default=None, description="PEM of this client's private key")
    insecure: bool = Field(default=False, description="true: do not check the broker's name")


class MqttOptions(Section):
    """Which broker, as whom, and under which topics."""

    host: str = Field(min_length=1)
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
    site: Name | None = Field(
        default=None, description="of the availability topic; left out: the global site"
    )
    timeout_s: float = Field(default=10.0, gt=0, le=120, description="for an acknowledgement")

    @field_validator("protocol", mode="before")
    @classmethod
    def _as_text(cls, value: Any) -> Any:
        return str(value) if isinstance(value, int) else value

    @field_validator("topic")
    @classmethod
    def _is_topic(cls, value: str) -> str:
        try:
            fields = [part for _, part, _, _ in Formatter().parse(value) if part is not None]
        except ValueError as error:
            raise ValueError(f"is no template ({error}); use {_list(FIELDS)}") from None
        if unknown := [field for field in fields if field not in FIELDS]:
            raise ValueError(f"has an unknown field {{{unknown[0]}}}; there are {_list(FIELDS)}")
        if "+" in value or "#" in value or value.startswith("$"):
            raise ValueError("must not hold + or #, nor begin with $; those are for subscribers")
        return value

    @model_validator(mode="after")
    def _password_needs_name(self) -> MqttOptions:
        if self.password is not None and self.username is None:
            raise ValueError("password needs a username beside it")
        return self

    def problems(self) -> list[Problem]:
        """What is wrong with the files in `tls`."""
        tls = self.tls
        return tls_problems(tls.ca, tls.certificate, tls.key, time.time()) if tls else []


class MqttSink:
    """Publishes alerts; paho reconnects by itself, in a thread of its own."""

    Options: ClassVar[type[BaseModel]] = MqttOptions
    default_expiry_s: ClassVar[float | None] = None
    phases: ClassVar[frozenset[str]] = frozenset(AlertPhase)

    def __init__(self, name: str, options: MqttOptions) -> None:
        self._options = options
        self._log = structlog.get_logger().bind(sink=name, broker=options.host)
        self._availability = f"jikimi/{options.site or 'default'}/availability"
        self._client_id = options.client_id or f"jikimi-{uuid.uuid4().hex[:12]}"
        self._changed = threading.Condition()
        self._client: Client | None = None
        self._connected = False
        self._trouble: str | None = None
        self._answers: dict[int, ReasonCode] = {}
        self._states: dict[str, bytes] = {}
        self._online_mid: int | None = None
        self._wake: Callable[[], None] = lambda: None
        if options.password:
            register_secret(options.password.get_secret_value())

    def on_ready(self, wake: Callable[[], None]) -> None:
        """Call `wake` whenever the broker has accepted a connection."""
        self._wake = wake

    def trouble(self) -> str | None:
        """Why there is no connection; None where there is one or the first is being made."""
        return self._trouble

    def start(self) -> None:
        """Begin to connect; raises DeliveryError where the TLS files are no good."""
        try:
            client = self._new_client()
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            raise DeliveryError(f"TLS of {self._options.host}: {error}") from error
        port = self._options.port or (8883 if self._options.tls else 1883)
        client.connect_async(self._options.host, port, keepalive=KEEPALIVE_S)
        with self._changed:
            self._client = client
            self._trouble = None
        client.loop_start()

    def deliver(self, alert: Alert) -> None:
        """Publish it and wait for the broker's acknowledgement; raises DeliveryError."""
        payload = alert_json(alert, image=self._options.image)
        with self._changed:
            self._changed.wait_for(lambda: self._connected or self._trouble, CONNECT_WAIT_S)
            if not self._connected or self._client is None:
                trouble = self._trouble or "no answer yet"
                raise DeliveryError(f"broker {self._options.host}: {trouble}")
            client = self._client
            self._answers.clear()
        info = client.publish(_topic(self._options.topic, alert), payload, QOS)
        if not self._wait_for_answers([info], self._options.timeout_s):
            # paho would send it again by itself when the broker is back: without the mark that
            # it is late, and beside our own attempt. A new client does not.
            self._end_client()
            self.start()
            raise DeliveryError(f"broker {self._options.host} did not acknowledge the alert")
        answer = self._answers[info.mid]
        if answer.is_failure:
            raise DeliveryError(f"broker {self._options.host} refused the alert: {answer}")

    def show_camera(self, notice: CameraNotice) -> None:
        """Publish the state, retained, now and again after each reconnection."""
        since = notice.since.isoformat().replace("+00:00", "Z")
        state = {"schema_version": 1, "camera": notice.camera, "site": notice.site}
        payload = json.dumps({**state, "state": notice.state, "since": since}).encode()
        self._show(_state_topic(notice.camera, notice.site), payload)

    def forget_camera(self, name: str, site: str) -> None:
        """Clear the state on the broker, now or when it is back."""
        self._show(_state_topic(name, site), CLEARED)

    def close(self) -> None:
        """Say `offline` and clear the cameras' states, if the broker listens, and leave."""
        with self._changed:
            client = self._client if self._connected else None
            topics = [topic for topic, payload in self._states.items() if payload != CLEARED]
            self._answers.clear()
        if client:
            infos = [client.publish(self._availability, b"offline", QOS, retain=True)]
            infos += [client.publish(topic, CLEARED, QOS, retain=True) for topic in topics]
            self._wait_for_answers(infos, CLOSE_WAIT_S)
        self._end_client()

    def _show(self, topic: str, payload: bytes) -> None:
        with self._changed:
            self._states[topic] = payload
            client = self._client if self._connected else None
        if client:
            client.publish(topic, payload, QOS, retain=True)

    def _new_client(self) -> Client:
        options = self._options
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._client_id,
            protocol=(
                MQTTProtocolVersion.MQTTv5
                if options.protocol == "5"
                else MQTTProtocolVersion.MQTTv311
            ),
        )
        if options.username is not None:
            password = options.password.get_secret_value() if options.password else None
            client.username_pw_set(options.username, password)
        if options.tls is not None:
            context = client_context(options.tls.ca, options.tls.certificate, options.tls.key)
            if options.tls.insecure:
                context.check_hostname = False
            client.tls_set_context(context)
        client.will_set(self._availability, b"offline", QOS, retain=True)
        client.reconnect_delay_set(*RECONNECT_S)
        client.on_connect = self._on_connect
        client.on_connect_fail = self._on_connect_fail
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        return client

    def _end_client(self) -> None:
        with self._changed:
            client = self._client
            self._client = None
            self._connected = False
        if client:
            client.disconnect()
            client.loop_stop()

    def _wait_for_answers(self, infos: list[MQTTMessageInfo], timeout_s: float) -> bool:
        """Wait for the PUBACKs; False where the connection or the time ended first."""
        if any(info.rc is not MQTTErrorCode.MQTT_ERR_SUCCESS for info in infos):
            return False
        mids = {info.mid for info in infos}
        with self._changed:
            self._changed.wait_for(
                lambda: mids <= self._answers.keys() or not self._connected, timeout_s
            )
            return mids <= self._answers.keys()

    def _on_connect(
        self, client: Client, _data: Any, _flags: Any, reason: ReasonCode, _properties: Any
    ) -> None:
        if reason.is_failure:
            self._troubled(f"refused: {reason}; check username and password")
            return
        with self._changed:
            if client is not self._client:
                return
            self._connected = True
            self._trouble = None
            self._changed.notify_all()
        self._online_mid = client.publish(self._availability, b"online", QOS, retain=True).mid
        self._log.info("broker connected")
        self._wake()

    def _on_connect_fail(self, _client: Client, _data: Any) -> None:
        # paho calls this while it handles the error, and keeps the error to itself.
        self._troubled(f"cannot be reached ({sys.exception()})")

    def _on_disconnect(
        self, client: Client, _data: Any, _flags: Any, reason: ReasonCode, _properties: Any
    ) -> None:
        with self._changed:
            if client is not self._client:
                return
            was_connected = self._connected
            self._connected = False
            self._changed.notify_all()
        if was_connected:
            self._troubled(f"connection lost ({reason})")

    def _on_publish(
        self, client: Client, _data: Any, mid: int, reason: ReasonCode, _properties: Any
    ) -> None:
        with self._changed:
            self._answers[mid] = reason
            self._changed.notify_all()
            if mid != self._online_mid or client is not self._client:
                return
            # Not in `_on_connect`: paho sends again, right after it, what was unanswered when the
            # connection broke, and an old state would come last. Under the lock, so that a state
            # shown meanwhile comes after these.
            self._online_mid = None
            for topic, payload in self._states.items():
                client.publish(topic, payload, QOS, retain=True)

    def _troubled(self, trouble: str) -> None:
        trouble = scrub(trouble)
        with self._changed:
            is_new = trouble != self._trouble
            self._trouble = trouble
            self._changed.notify_all()
        if is_new:
            self._log.warning("broker not connected", reason=trouble)


def _state_topic(camera: str, site: str) -> str:
    return f"jikimi/{site}/{camera}/state"


def _topic(template: str, alert: Alert) -> str:
    """The template filled in; what would be more than one level, or a wildcard, becomes `-`."""
    values = {
        "site": alert.site,
        "station": alert.station or "-",
        "camera": alert.camera,
        "label": alert.label,
    }
    forbidden = str.maketrans(dict.fromkeys("/+#\0", "-"))
    return template.format(**{key: value.translate(forbidden) for key, value in values.items()})


def _list(fields: tuple[str, ...]) -> str:
    return ", ".join(f"{{{field}}}" for field in fields)
