"""paho's client and its thread: it connects, again and again, and tells what becomes of that.

What of the connection an operator should know is `alerts.sinks.mqtt.connection`'s business.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from typing import Any

from paho.mqtt.client import Client, DisconnectFlags
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from structlog.typing import FilteringBoundLogger

from alerts.liveness import LiveThread
from alerts.sinks.mqtt.board_publisher import BoardPublisher
from alerts.sinks.mqtt.connection import new_client, start_loop
from alerts.sinks.mqtt.incoming import Incoming
from alerts.sinks.mqtt.options import MqttOptions
from alerts.sinks.mqtt.outgoing import Outgoing
from alerts.sinks.mqtt.reasons import words
from config.errors import DeliveryError

KEEPALIVE_S = 10
"""A broker that vanished without a word is noticed after two of these (paho asks after one)."""

END_WAIT_S = 1.0
"""How long paho's thread may take to end; one that asks a name server takes longer."""


class Session:
    """A clean session with a broker, by one client after another."""

    def __init__(
        self,
        name: str,
        options: MqttOptions,
        outgoing: Outgoing,
        shown: BoardPublisher,
        incoming: Incoming,
        log: FilteringBoundLogger,
    ) -> None:
        """`name`: of the sink."""
        self.thread = LiveThread(f"mqtt-{name}", lambda: None)
        """Stands for paho's."""
        self.on_ready: Callable[[], None] = lambda: None
        """Called whenever the broker has accepted a connection."""
        self._options = options
        self._outgoing = outgoing
        self._shown = shown
        self._incoming = incoming
        self._log = log
        self._client_id = options.client_id or f"jikimi-{uuid.uuid4().hex[:12]}"
        self._running: threading.Thread | None = None
        self._leaving: threading.Thread | None = None

    @property
    def is_running(self) -> bool:
        """Whether there is a client whose thread lives, as far as that can be told."""
        has_thread = self._running is None or self._running.is_alive()
        return self._outgoing.client is not None and has_thread

    def trouble(self) -> str | None:
        """Why there is no good connection; None where there is one or the first is being made."""
        with self._outgoing.changed:
            if self._outgoing.client is not None and not self.is_running:
                return "the thread of its connection has ended; it is started anew"
            return self._outgoing.connection.trouble()

    def start(self) -> None:
        """Begin to connect, anew too; raises DeliveryError where the TLS files are no good."""
        options = self._options
        if self._outgoing.client is not None:
            self.end()
        if self._leaving is not None and self._leaving.is_alive():
            raise DeliveryError(
                f"broker {options.host}: the attempt before still waits for a name server"
            )
        try:
            client = self._new_client()
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            raise DeliveryError(f"TLS of {options.host}: {error}") from error
        port = options.port or (8883 if options.tls else 1883)
        client.connect_async(options.host, port, keepalive=KEEPALIVE_S)
        with self._outgoing.changed:
            self._outgoing.client = client
        self._running = start_loop(client, self._client_id)
        self.thread.adopt(self._running)

    def end(self) -> None:
        """Disconnect, and wait for paho's thread for a moment."""
        self.thread.adopt(None)
        with self._outgoing.changed:
            client = self._outgoing.client
            self._outgoing.client = None
            self._outgoing.connection.close()
            self._shown.lost()
        if client:
            client.disconnect()
            # Not from here: it waits for paho's thread, which may wait for a name server.
            self._leaving = threading.Thread(target=client.loop_stop, name="mqtt-end", daemon=True)
            self._leaving.start()
            self._leaving.join(END_WAIT_S)

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
        limits = self._outgoing.limits
        topic = self._options.availability
        client.will_set(topic, b"offline", limits.qos, retain=limits.retain)

    def _on_pre_connect(self, _client: Client, _data: Any) -> None:
        with self._outgoing.changed:
            self._outgoing.connection.begin()

    def _on_connect(
        self,
        client: Client,
        _data: Any,
        _flags: Any,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        client.drop_out_messages()  # they would come again, late and without saying so
        with self._outgoing.changed:
            if client is not self._outgoing.client:
                client.disconnect()
                return
            if reason.is_failure:
                trouble = self._outgoing.refused(reason.value)
                self._set_will(client)
                self._told(trouble)
                return
            self._told(self._outgoing.opened(properties))
            self._shown.opened()
        self._log.info("broker connected")
        self._incoming.connected(client)
        if not self._outgoing.limits.retain:
            self._log.warning("broker keeps no retained messages: late comers see no states")
        self._shown.publish()
        self.on_ready()

    def _on_connect_fail(self, client: Client, _data: Any) -> None:
        # paho calls this while it handles the error, and keeps the error to itself.
        with self._outgoing.changed:
            if client is self._outgoing.client:
                self._told(self._outgoing.connection.failed())

    def _on_disconnect(
        self, client: Client, _data: Any, flags: DisconnectFlags, reason: ReasonCode, _props: Any
    ) -> None:
        with self._outgoing.changed:
            if client is self._outgoing.client:
                self._shown.lost()
                from_broker = flags.is_disconnect_packet_from_server
                self._told(self._outgoing.lost(reason.value, from_broker))

    def _on_publish(
        self, client: Client, _data: Any, mid: int, reason: ReasonCode, _properties: Any
    ) -> None:
        with self._outgoing.changed:
            if client is not self._outgoing.client:
                return
            self._outgoing.acknowledged(mid, reason)
            refused = self._shown.acknowledged(mid, reason)
        if refused is not None:
            said = words(reason.value)
            self._log.warning(
                "broker refuses what is shown beside alerts", topic=refused, reason=said
            )
        self._shown.publish()

    def _told(self, news: str | None) -> None:
        """Log what is newly wrong; under the lock."""
        self._outgoing.changed.notify_all()
        if news is not None:
            self._log.warning("broker not connected", reason=news)
