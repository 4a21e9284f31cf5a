"""Alerts to an MQTT broker, and the states of the cameras and of the daemon.

Topics (QoS 1): each alert, camera notices included, goes to `topic`. Retained are the state of
each camera, JSON, on `jikimi/{site}/{camera}/state`, and the daemon's own on
`jikimi/{site}/availability`: the plain words `online` and `offline`, the latter also as last
will. A camera's state is cleared by an empty retained message when the camera is removed and
when the sink is closed; after a crash it stays, and holds only while the daemon is online.

paho keeps the connection, in a thread of its own; what of it an operator should know is
`alerts.sinks.mqtt.connection`'s business.
"""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Callable
from typing import Any, ClassVar

import structlog
from paho.mqtt.client import Client, DisconnectFlags
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from pydantic import BaseModel

from alerts.liveness import LiveThread
from alerts.message import Alert, AlertPhase, CameraNotice
from alerts.schema import alert_json
from alerts.sink import (
    DeferredError,
    RefusedError,
    TimedOutError,
    TooLargeError,
    UnclearError,
)
from alerts.sinks.mqtt.connection import Connection, Limits, new_client, packet_bytes
from alerts.sinks.mqtt.options import MqttOptions, alert_topic, availability_topic, state_topic
from alerts.sinks.mqtt.probe import Probe
from alerts.sinks.mqtt.reasons import About, of_answer, words
from config.errors import DeliveryError
from config.secrets import register_secret

KEEPALIVE_S = 10
"""A broker that vanished without a word is noticed after two of these (paho asks after one)."""

CONNECT_WAIT_S = 2.0
"""How long an alert waits for a connection that is being made, before it fails."""

CLOSE_WAIT_S = 0.5
"""How long `close` waits for the broker to take `offline` and the cleared states."""

END_WAIT_S = 1.0
"""How long paho's thread may take to end; one that asks a name server takes longer."""

_ONE_AT_A_TIME = threading.Lock()
"""paho's new thread is told by its name, which two clients of one id share."""

HANG_UPS = 5
"""A broker that hung up so often at one alert, and not at others, refuses it."""

CLEARED = b""
"""The payload by which a broker forgets a retained message (MQTT 5, 3.3.1.3)."""


class MqttSink:
    """Publishes alerts; paho reconnects by itself, in a thread of its own."""

    Options: ClassVar[type[BaseModel]] = MqttOptions
    default_expiry_s: ClassVar[float | None] = None
    phases: ClassVar[frozenset[str]] = frozenset(AlertPhase)

    def __init__(self, name: str, options: MqttOptions) -> None:
        self._options = options
        self._log = structlog.get_logger().bind(sink=name, broker=options.host)
        self._availability = availability_topic(options.site)
        self._client_id = options.client_id or f"jikimi-{uuid.uuid4().hex[:12]}"
        self._changed = threading.Condition()
        self._connection = Connection(options, self._availability)
        self._limits = Limits()
        self._client: Client | None = None
        self._thread: threading.Thread | None = None
        self.thread = LiveThread(f"mqtt-{name}", lambda: None)
        """Stands for paho's."""
        self._leaving: threading.Thread | None = None
        self._free = 0
        self._awaiting = False
        self._answers: dict[int, ReasonCode] = {}
        self._states: dict[str, bytes] = {}
        self._unshown: dict[str, bytes] = {}
        self._showing = False
        self._remark: str | None = None
        self._hang_ups: dict[uuid.UUID, int] = {}
        self._wake: Callable[[], None] = lambda: None
        if options.password:
            register_secret(options.password.get_secret_value())

    def on_ready(self, wake: Callable[[], None]) -> None:
        """Call `wake` whenever the broker has accepted a connection."""
        self._wake = wake

    def connected(self) -> bool:
        """Whether the broker has accepted the connection that there is now."""
        with self._changed:
            return self._connection.is_open

    def trouble(self) -> str | None:
        """Why there is no good connection; None where there is one or the first is being made."""
        with self._changed:
            if self._client is not None and not self._is_running():
                return "the thread of its connection has ended; it is started anew"
            return self._connection.trouble()

    def _is_running(self) -> bool:
        return self._thread is None or self._thread.is_alive()

    def start(self) -> None:
        """Begin to connect, anew too; raises DeliveryError where the TLS files are no good."""
        if self._client is not None:
            self._end_client()
        if self._leaving is not None and self._leaving.is_alive():
            raise DeliveryError(
                f"broker {self._options.host}: the attempt before still waits for a name server"
            )
        try:
            client = self._new_client()
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            raise DeliveryError(f"TLS of {self._options.host}: {error}") from error
        port = self._options.port or (8883 if self._options.tls else 1883)
        client.connect_async(self._options.host, port, keepalive=KEEPALIVE_S)
        with self._changed:
            self._client = client
        named = f"-{self._client_id}"
        with _ONE_AT_A_TIME:
            running = set(threading.enumerate())
            client.loop_start()
            self._thread = next(
                (t for t in threading.enumerate() if t not in running and t.name.endswith(named)),
                None,
            )
        self.thread.adopt(self._thread)

    def deliver(self, alert: Alert) -> None:
        """Publish it and wait for the broker's acknowledgement; raises DeliveryError."""
        if self._client is None or not self._is_running():
            self.start()
        payload = alert_json(alert, image=self._options.image)
        topic = alert_topic(self._options.topic, alert)
        client, number = self._slot()
        self._check_size(topic, payload)
        is_first = alert.exercise and alert.phase is AlertPhase.OPENED
        is_probed = is_first and self._options.protocol == "3.1.1"
        probe = Probe(client, topic, payload) if is_probed else None
        self._remark = None
        try:
            info = client.publish(topic, payload, self._limits.qos)
            with self._changed:
                self._changed.wait_for(
                    lambda: info.mid in self._answers or self._connection.ended(number),
                    self._options.timeout_s,
                )
                answer = self._answers.get(info.mid)
                ended = self._connection.ended(number)
        finally:
            with self._changed:
                self._awaiting = False
                self._answers.clear()
        if answer is not None:
            self._hang_ups.pop(alert.alert_id, None)
            if answer.is_failure:
                raise self._refusal(alert, topic, answer.value)
            self._remark = probe.remark() if probe else None
        elif ended:
            raise self._hang_up(alert)
        else:
            # paho would send it again by itself when the broker is back: without the mark that
            # it is late, and beside our own attempt. A new client does not.
            self.start()
            raise TimedOutError(f"broker {self._options.host} did not acknowledge the alert")

    def remark(self) -> str | None:
        """What the broker's acknowledgement of the last exercise leaves open."""
        return self._remark

    def show_camera(self, notice: CameraNotice) -> None:
        """Publish the state, retained, now and again after each reconnection."""
        since = notice.since.isoformat().replace("+00:00", "Z")
        state = {"schema_version": 1, "camera": notice.camera, "site": notice.site}
        payload = json.dumps({**state, "state": notice.state, "since": since}).encode()
        self._show(state_topic(notice.camera, notice.site), payload)

    def forget_camera(self, name: str, site: str) -> None:
        """Clear the state on the broker, now or when it is back."""
        self._show(state_topic(name, site), CLEARED)

    def close(self) -> None:
        """Say `offline` and clear the cameras' states, if the broker listens, and leave."""
        with self._changed:
            shown = [topic for topic, payload in self._states.items() if payload != CLEARED]
            self._unshown = {self._availability: b"offline", **dict.fromkeys(shown, CLEARED)}
        self._publish_states()
        with self._changed:
            self._changed.wait_for(
                lambda: (
                    not self._connection.is_open
                    or (not self._unshown and self._free == self._limits.at_once)
                ),
                CLOSE_WAIT_S,
            )
        self._end_client()

    # --- alerts

    def _slot(self) -> tuple[Client, int]:
        """The client, once it is connected and the broker takes one more; the connection's number.

        Raises DeliveryError where that takes too long.
        """
        with self._changed:
            self._changed.wait_for(
                lambda: (
                    (self._connection.is_open and self._free > 0)
                    or (not self._connection.is_open and self._connection.trouble())
                ),
                CONNECT_WAIT_S,
            )
            if not self._connection.is_open or self._client is None:
                trouble = self._connection.trouble() or "no answer yet"
                raise DeliveryError(f"broker {self._options.host}: {trouble}")
            if self._free < 1:
                raise DeliveryError(f"broker {self._options.host} acknowledges nothing")
            self._free -= 1
            self._awaiting = True
            self._answers.clear()
            return self._client, self._connection.number

    def _check_size(self, topic: str, payload: bytes) -> None:
        limit, size = self._limits.packet_bytes, packet_bytes(topic, payload)
        if limit is not None and size > limit:
            with self._changed:
                self._free += 1
                self._awaiting = False
            raise TooLargeError(
                f"broker {self._options.host} takes {limit} bytes at most, the alert has {size}"
            )

    def _refusal(self, alert: Alert, topic: str, code: int) -> DeliveryError:
        """What a PUBACK with `code` means, sorted."""
        text = f"broker {self._options.host} refused the alert to {topic}: {words(code)}"
        return _ERRORS[of_answer(code, with_image=alert.image is not None)](text)

    def _hang_up(self, alert: Alert) -> DeliveryError:
        """What the end of the connection means for the alert that was under way, sorted."""
        about, reason = self._connection.loss
        text = f"broker {self._options.host} hung up at the alert: {reason}"
        if about is not About.UNCLEAR:
            return _ERRORS[about](text)
        count = self._hang_ups[alert.alert_id] = self._hang_ups.get(alert.alert_id, 0) + 1
        if count < 2:
            return DeliveryError(text)
        if alert.image is not None:
            return TooLargeError(text)
        if count < HANG_UPS:  # or a bad line would set aside an alarm
            return DeferredError(text)
        del self._hang_ups[alert.alert_id]
        return RefusedError(f"{text}, {count} times")

    # --- states

    def _show(self, topic: str, payload: bytes) -> None:
        with self._changed:
            if self._states.get(topic) == payload:
                # Shown again after another sink of this site has left, which said `offline`.
                self._unshown[self._availability] = b"online"
            self._states[topic] = self._unshown[topic] = payload
        self._publish_states()

    def _publish_states(self) -> None:
        """Publish what the broker takes of `_unshown`; the rest follows as it acknowledges.

        One slot is left for an alert. Only one thread at a time, or an old state might come last;
        without the lock, for paho holds one of its own while it calls `_on_publish`.
        """
        with self._changed:
            if self._showing:
                return
            self._showing = True
        try:
            while (state := self._next_state()) is not None:
                client, topic, payload = state
                client.publish(topic, payload, self._limits.qos, retain=self._limits.retain)
        except BaseException:
            self._showing = False
            raise

    def _next_state(self) -> tuple[Client, str, bytes] | None:
        """What to publish now; None where nothing is to be, or can be: then showing is over."""
        with self._changed:
            least = min(2, self._limits.at_once)
            is_ready = self._connection.is_open and self._free >= least
            if self._client is None or not is_ready or not self._unshown:
                self._showing = False
                return None
            self._free -= 1
            topic = next(iter(self._unshown))
            return self._client, topic, self._unshown.pop(topic)

    # --- the connection

    def _new_client(self) -> Client:
        client = new_client(self._options, self._client_id)
        self._set_will(client)
        client.on_pre_connect = self._on_pre_connect
        client.on_connect = self._on_connect
        client.on_connect_fail = self._on_connect_fail
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        return client

    def _set_will(self, client: Client) -> None:
        limits = self._limits
        client.will_set(self._availability, b"offline", limits.qos, retain=limits.retain)

    def _end_client(self) -> None:
        self.thread.adopt(None)
        with self._changed:
            client = self._client
            self._client = None
            self._connection.close()
        if client:
            client.disconnect()
            # Not from here: it waits for paho's thread, which may wait for a name server.
            self._leaving = threading.Thread(target=client.loop_stop, name="mqtt-end", daemon=True)
            self._leaving.start()
            self._leaving.join(END_WAIT_S)

    def _on_pre_connect(self, _client: Client, _data: Any) -> None:
        with self._changed:
            self._connection.begin()

    def _on_connect(
        self,
        client: Client,
        _data: Any,
        _flags: Any,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        client.drop_out_messages()  # they would come again, late and without saying so
        with self._changed:
            if client is not self._client:
                client.disconnect()
                return
            if reason.is_failure:
                self._limits = self._limits.after_refusal(reason.value)
                self._set_will(client)
                self._told(self._connection.refused(reason.value))
                return
            self._limits = self._limits.of(properties)
            self._free = self._limits.at_once
            self._told(self._connection.opened(self._limits))
            self._unshown = {self._availability: b"online", **self._states}
            self._changed.notify_all()
        self._log.info("broker connected")
        if not self._limits.retain:
            self._log.warning("broker keeps no retained messages: late comers see no states")
        self._publish_states()
        self._wake()

    def _on_connect_fail(self, client: Client, _data: Any) -> None:
        # paho calls this while it handles the error, and keeps the error to itself.
        with self._changed:
            if client is self._client:
                self._told(self._connection.failed())

    def _on_disconnect(
        self, client: Client, _data: Any, flags: DisconnectFlags, reason: ReasonCode, _props: Any
    ) -> None:
        with self._changed:
            if client is self._client:
                from_broker = flags.is_disconnect_packet_from_server
                self._told(self._connection.lost(reason.value, from_broker, self._awaiting))

    def _on_publish(
        self, client: Client, _data: Any, mid: int, reason: ReasonCode, _properties: Any
    ) -> None:
        with self._changed:
            if client is not self._client:
                return
            self._free = min(self._free + 1, self._limits.at_once)
            if self._awaiting:
                self._answers[mid] = reason
            self._changed.notify_all()
        self._publish_states()

    def _told(self, news: str | None) -> None:
        """Log what is newly wrong; under the lock."""
        self._changed.notify_all()
        if news is not None:
            self._log.warning("broker not connected", reason=news)


_ERRORS: dict[About, type[DeliveryError]] = {
    About.CONNECTION: DeliveryError,
    About.ALERT: RefusedError,
    About.SIZE: TooLargeError,
    About.LATER: DeferredError,
    About.LOAD: UnclearError,
    About.UNCLEAR: DeliveryError,
}
