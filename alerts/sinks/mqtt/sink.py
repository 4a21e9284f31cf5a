"""Alerts to an MQTT broker, and the states of the cameras and of the daemon.

Topics (QoS 1): each alert, camera notices included, goes to `topic`. Retained are what is shown of
each camera (`cameras.py`), such as `jikimi/{site}/{camera}/state`, and the daemon's own state on
`jikimi/{site}/availability`: the plain words `online` and `offline`, the latter also as last
will. What is shown is cleared by an empty retained message when the camera is removed and when
the sink is closed; after a crash it stays, and holds only while the daemon is online.

paho keeps the connection, in a thread of its own; what of it an operator should know is
`alerts.sinks.mqtt.connection`'s business.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

import structlog
from paho.mqtt.client import Client, DisconnectFlags
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from pydantic import BaseModel

from alerts.liveness import LiveThread
from alerts.message import Alert, AlertPhase, CameraNotice
from alerts.schema import alert_json
from alerts.sink import CommandHandler, RefusedError, TimedOutError, TooLargeError
from alerts.sinks.mqtt.board import Board, Post
from alerts.sinks.mqtt.cameras import ShownCameras, event_of
from alerts.sinks.mqtt.commands import CommandRunner
from alerts.sinks.mqtt.connection import Connection, Limits, new_client, start_loop
from alerts.sinks.mqtt.failures import Failures
from alerts.sinks.mqtt.incoming import Incoming
from alerts.sinks.mqtt.options import MqttOptions, alert_topic, availability_topic
from alerts.sinks.mqtt.probe import Probe
from alerts.sinks.mqtt.reasons import words
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
        self._board = Board(self._availability)
        self._posting = False
        self._posted: dict[int, str] = {}
        self._is_refused_beside = False
        self._cameras = ShownCameras(options, self._board)
        self._commands = CommandRunner(self._is_shown, self._answer, self._log)
        again = partial(self._change, self._board.show_again)
        self._incoming = Incoming(options, self._commands, again, self._log)
        self._remark: str | None = None
        self._failures = Failures(options.host)
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
        self._thread = start_loop(client, self._client_id)
        self.thread.adopt(self._thread)

    def on_command(self, handler: CommandHandler) -> None:
        """Run by `handler` what is asked on the cameras' topics, where `commands` is set."""
        self._commands.handler = handler

    def deliver(self, alert: Alert) -> None:
        """Publish it and wait for the broker's acknowledgement; raises DeliveryError."""
        if self._client is None or not self._is_running():
            self.start()
        self._remark = None
        payload = alert_json(alert, image=self._options.image)
        try:
            self._publish(
                alert, Post(alert_topic(self._options.topic, alert), payload, retain=False)
            )
            if event := event_of(alert, self._options):
                self._publish(alert, Post(*event, retain=not self._cameras.is_forgotten(alert)))
        except RefusedError as error:
            if isinstance(error, TooLargeError) and alert.image is not None:
                raise  # it comes again without its picture
            self._change(
                partial(self._cameras.delivered, alert)
            )  # set aside: whoever looks at states alone hears of it
            raise
        self._change(partial(self._cameras.delivered, alert))

    def remark(self) -> str | None:
        """What the broker's acknowledgement of the last exercise leaves open."""
        return self._remark

    def show_camera(self, notice: CameraNotice) -> None:
        """Publish the state, retained, now and again after each reconnection."""
        with self._changed:
            client = self._client if self._connection.is_open else None
        self._incoming.add_site(notice.site, client)
        self._change(partial(self._cameras.show, notice))

    def forget_camera(self, name: str, site: str) -> None:
        """Clear what is shown of it on the broker, now or when it is back."""
        self._change(partial(self._cameras.forget, name, site))

    def close(self) -> None:
        """Say `offline` and clear the cameras' states, if the broker listens, and leave."""
        self._change(self._board.clear)
        with self._changed:
            self._changed.wait_for(
                lambda: (
                    not self._connection.is_open
                    or (self._board.is_empty and self._free == self._limits.at_once)
                ),
                CLOSE_WAIT_S,
            )
        self._end_client()

    # --- alerts

    def _publish(self, alert: Alert, post: Post) -> None:
        """Publish one message of `alert` and wait for its acknowledgement; raises DeliveryError."""
        client, number = self._slot()
        self._check_size(post)
        is_first = alert.exercise and alert.phase is AlertPhase.OPENED
        is_probed = is_first and self._options.protocol == "3.1.1"
        probe = Probe(client, post.topic, post.payload) if is_probed else None
        retain = post.retain and self._limits.retain
        try:
            info = client.publish(post.topic, post.payload, self._limits.qos, retain=retain)
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
            self._failures.answered(alert)
            if answer.is_failure:
                raise self._failures.refusal(alert, post.topic, answer.value)
            self._remark = (probe and probe.remark()) or self._remark
        elif ended:
            raise self._failures.hang_up(alert, self._connection.loss)
        else:
            # paho would send it again by itself when the broker is back: without the mark that
            # it is late, and beside our own attempt. A new client does not.
            self.start()
            raise TimedOutError(f"broker {self._options.host} did not acknowledge the alert")

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

    def _check_size(self, post: Post) -> None:
        if excess := self._limits.excess(post.topic, post.payload):
            with self._changed:
                self._free += 1
                self._awaiting = False
            raise TooLargeError(f"broker {self._options.host} {excess}")

    # --- what is shown beside

    def _change(self, change: Callable[[], None]) -> None:
        """Make `change` to the board, and publish what follows from it."""
        with self._changed:
            change()
        self._publish_posts()

    def _answer(self, topic: str, payload: bytes) -> None:
        self._change(partial(self._board.say, topic, payload))

    def _is_shown(self, camera: str, site: str) -> bool:
        with self._changed:
            return self._cameras.is_shown(camera, site)

    def _publish_posts(self) -> None:
        """Publish what the broker takes of the board; the rest follows as it acknowledges.

        One slot is left for an alert. Only one thread at a time, or an old state might come last;
        without the lock, for paho holds one of its own while it calls `_on_publish`.
        """
        with self._changed:
            if self._posting:
                return
            self._posting = True
        try:
            while (posted := self._next_post()) is not None:
                client, post = posted
                retain = post.retain and self._limits.retain
                info = client.publish(post.topic, post.payload, self._limits.qos, retain=retain)
                self._posted[info.mid] = post.topic
        except BaseException:
            self._posting = False
            raise

    def _next_post(self) -> tuple[Client, Post] | None:
        """What to publish now; None where nothing is to be, or can be: then posting is over."""
        with self._changed:
            least = min(2, self._limits.at_once)
            is_ready = self._connection.is_open and self._free >= least
            is_idle = self._free == self._limits.at_once
            while self._client is not None and is_ready and (post := self._board.next(is_idle)):
                if excess := self._limits.excess(post.topic, post.payload):
                    self._board.drop(post)
                    self._log.warning("picture not shown", topic=post.topic, reason=excess)
                    continue
                self._free -= 1
                return self._client, post
            self._posting = False
            return None

    # --- the connection

    def _new_client(self) -> Client:
        client = new_client(self._options, self._client_id)
        self._set_will(client)
        client.on_pre_connect = self._on_pre_connect
        client.on_connect = self._on_connect
        client.on_connect_fail = self._on_connect_fail
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        self._incoming.hear(client)
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
            self._board.connection_lost()
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
            self._board.show_again()
            self._posted.clear()
            self._is_refused_beside = False
            self._changed.notify_all()
        self._log.info("broker connected")
        self._incoming.connected(client)
        if not self._limits.retain:
            self._log.warning("broker keeps no retained messages: late comers see no states")
        self._publish_posts()
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
                self._board.connection_lost()
                from_broker = flags.is_disconnect_packet_from_server
                self._told(self._connection.lost(reason.value, from_broker, self._awaiting))

    def _on_publish(
        self, client: Client, _data: Any, mid: int, reason: ReasonCode, _properties: Any
    ) -> None:
        with self._changed:
            if client is not self._client:
                return
            self._free = min(self._free + 1, self._limits.at_once)
            if self._free == self._limits.at_once:
                self._board.acknowledged()
            if self._awaiting:
                self._answers[mid] = reason
            topic = self._posted.pop(mid, None)
            is_news = topic is not None and reason.is_failure and not self._is_refused_beside
            self._is_refused_beside |= is_news
            self._changed.notify_all()
        if is_news:
            said = words(reason.value)
            self._log.warning(
                "broker refuses what is shown beside alerts", topic=topic, reason=said
            )
        self._publish_posts()

    def _told(self, news: str | None) -> None:
        """Log what is newly wrong; under the lock."""
        self._changed.notify_all()
        if news is not None:
            self._log.warning("broker not connected", reason=news)
