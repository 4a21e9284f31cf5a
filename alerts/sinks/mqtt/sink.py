"""Alerts to an MQTT broker, and the states of the cameras and of the daemon.

Topics (QoS 1): each alert, camera notices included, goes to `topic`. Retained are what is shown of
each camera (`cameras.py`), such as `jikimi/{site}/{camera}/state`, and the daemon's own state on
`jikimi/{site}/availability`, of a cluster `jikimi/{site}/{box}/availability`: the plain words
`online` and `offline`, the latter also as last will. What is shown is cleared by an empty retained
message when the camera is removed and when the sink is closed, but for a camera that another box
of the cluster watches by now; after a crash it stays, and holds only while the daemon is online.

paho keeps the connection, in a thread of its own (`session.py`). What this module sends waits for
the broker's acknowledgement, what is shown beside does not (`board_publisher.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import ClassVar

import structlog
from paho.mqtt.client import Client
from pydantic import BaseModel

from alerts.message import Alert, AlertPhase, CameraNotice
from alerts.schema import alert_json
from alerts.sink import CommandHandler, RefusedError, TimedOutError, TooLargeError
from alerts.sinks.mqtt.board import Board, Post
from alerts.sinks.mqtt.board_publisher import BoardPublisher
from alerts.sinks.mqtt.cameras import ShownCameras, event_of
from alerts.sinks.mqtt.commands import CommandRunner
from alerts.sinks.mqtt.failures import Failures
from alerts.sinks.mqtt.incoming import Incoming
from alerts.sinks.mqtt.options import MqttOptions, alert_topic
from alerts.sinks.mqtt.outgoing import Outgoing
from alerts.sinks.mqtt.probe import Probe
from alerts.sinks.mqtt.session import Session
from config.secrets import register_secret

CLOSE_WAIT_S = 0.5
"""How long `close` waits for the broker to take `offline` and the cleared states."""


class MqttSink:
    """Publishes alerts, and has the board published beside."""

    Options: ClassVar[type[BaseModel]] = MqttOptions
    default_expiry_s: ClassVar[float | None] = None
    phases: ClassVar[frozenset[str]] = frozenset(AlertPhase)

    def __init__(self, name: str, options: MqttOptions) -> None:
        log = structlog.get_logger().bind(sink=name, broker=options.host)
        self._options = options
        self._outgoing = Outgoing(options)
        self._board = Board(options.availability)
        self._shown = BoardPublisher(self._board, self._outgoing, log)
        self._cameras = ShownCameras(options, self._board)
        self._commands = CommandRunner(self._is_shown, self._answer, log)
        again = partial(self._shown.change, self._board.show_again)
        self._incoming = Incoming(options, self._commands, again, log)
        self._session = Session(name, options, self._outgoing, self._shown, self._incoming, log)
        self.thread = self._session.thread
        self._failures = Failures(options.host)
        self._remark: str | None = None
        if options.password:
            register_secret(options.password.get_secret_value())

    def on_ready(self, wake: Callable[[], None]) -> None:
        """Call `wake` whenever the broker has accepted a connection."""
        self._session.on_ready = wake

    def connected(self) -> bool:
        """Whether the broker has accepted the connection that there is now."""
        with self._outgoing.changed:
            return self._outgoing.connection.is_open

    def trouble(self) -> str | None:
        """Why there is no good connection; None where there is one or the first is being made."""
        return self._session.trouble()

    def start(self) -> None:
        """Begin to connect, anew too; raises DeliveryError where the TLS files are no good."""
        self._session.start()

    def on_command(self, handler: CommandHandler) -> None:
        """Run by `handler` what is asked on the cameras' topics, where `commands` is set."""
        self._commands.handler = handler

    def deliver(self, alert: Alert) -> None:
        """Publish it and wait for the broker's acknowledgement; raises DeliveryError."""
        if not self._session.is_running:
            self.start()
        self._remark = None
        payload = alert_json(alert, image=self._options.image)
        try:
            self._publish(
                alert, Post(alert_topic(self._options.topic, alert), payload, retain=False)
            )
            if event := event_of(alert, self._options):
                self._publish(alert, Post(*event, retain=self._cameras.is_retained(alert)))
        except RefusedError as error:
            if isinstance(error, TooLargeError) and alert.image is not None:
                raise  # it comes again without its picture
            self._shown.change(
                partial(self._cameras.delivered, alert)
            )  # set aside: whoever looks at states alone hears of it
            raise
        self._shown.change(partial(self._cameras.delivered, alert))

    def remark(self) -> str | None:
        """What the broker's acknowledgement of the last exercise leaves open."""
        return self._remark

    def show_camera(self, notice: CameraNotice) -> None:
        """Publish the state, retained, now and again after each reconnection."""
        with self._outgoing.changed:
            client = self._outgoing.client if self._outgoing.connection.is_open else None
        self._incoming.add_site(notice.site, client)
        self._shown.change(partial(self._cameras.show, notice))

    def forget_camera(self, name: str, site: str) -> None:
        """Clear what is shown of it on the broker, now or when it is back."""
        self._shown.change(partial(self._cameras.forget, name, site))

    def watched_elsewhere(self, cameras: frozenset[str]) -> None:
        """Leave what is shown of these on the broker as it is: other boxes show them by now."""
        self._shown.change(partial(self._cameras.watched_elsewhere, cameras))

    def close(self) -> None:
        """Say `offline` and clear the cameras' states, if the broker listens, and leave."""
        self._shown.change(self._board.clear)
        self._shown.flush(CLOSE_WAIT_S)
        self._session.end()

    def _publish(self, alert: Alert, post: Post) -> None:
        """Publish one message of `alert` and wait for its acknowledgement; raises DeliveryError."""
        client, number = self._outgoing.claim(post)
        try:
            probe = self._probe(client, alert, post)
            mid = self._outgoing.publish(client, post)
            answer, ended = self._outgoing.answer(mid, number)
        finally:
            self._outgoing.release()
        if answer is not None:
            self._failures.answered(alert)
            if answer.is_failure:
                raise self._failures.refusal(alert, post.topic, answer.value)
            self._remark = (probe and probe.remark()) or self._remark
        elif ended:
            raise self._failures.hang_up(alert, self._outgoing.connection.loss)
        else:
            # paho would send it again by itself when the broker is back: without the mark that
            # it is late, and beside our own attempt. A new client does not.
            self.start()
            raise TimedOutError(f"broker {self._options.host} did not acknowledge the alert")

    def _probe(self, client: Client, alert: Alert, post: Post) -> Probe | None:
        """Of an exercise, where the broker cannot refuse it."""
        is_first = alert.exercise and alert.phase is AlertPhase.OPENED
        is_probed = is_first and self._options.protocol == "3.1.1"
        return Probe(client, post.topic, post.payload) if is_probed else None

    def _answer(self, topic: str, payload: bytes) -> None:
        self._shown.change(partial(self._board.say, topic, payload))

    def _is_shown(self, camera: str, site: str) -> bool:
        with self._outgoing.changed:
            return self._cameras.is_shown(camera, site)
