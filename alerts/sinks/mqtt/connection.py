"""How the connection to a broker is made, and how it is doing, in the operator's words."""

from __future__ import annotations

import ssl
import sys
import threading
import time

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from alerts.sinks.certificates import client_context
from alerts.sinks.mqtt.limits import Limits
from alerts.sinks.mqtt.options import MqttOptions
from alerts.sinks.mqtt.reasons import About, of_disconnect, words
from config.secrets import scrub

RECONNECT_S = (1, 5)
"""First and longest wait between attempts to connect: short, for an alarm may wait."""

SHORT_S = 5.0
"""A connection that the broker ends sooner was short."""

SHORT_ONES = 3
"""So many in a row are no accident."""

PROTOCOL_ERROR = 0x82
KEEP_ALIVE_TIMEOUT = 0x8D

TAKES_QOS_0 = (
    "takes QoS 0 alone: it acknowledges nothing, and alarms may be lost unseen; "
    "use a broker with QoS 1"
)


def new_client(options: MqttOptions, client_id: str) -> Client:
    """A client that reconnects; raises OSError or ValueError where the TLS files are no good."""
    is_5 = options.protocol == "5"
    client = Client(
        CallbackAPIVersion.VERSION2,
        client_id=client_id,
        protocol=MQTTProtocolVersion.MQTTv5 if is_5 else MQTTProtocolVersion.MQTTv311,
    )
    if options.username is not None:
        password = options.password.get_secret_value() if options.password else None
        client.username_pw_set(options.username, password)
    if options.tls is not None:
        context = client_context(options.tls.ca, options.tls.certificate, options.tls.key)
        if options.tls.insecure:
            context.check_hostname = False
        client.tls_set_context(context)
    client.reconnect_delay_set(*RECONNECT_S)
    return client


_ONE_AT_A_TIME = threading.Lock()


def start_loop(client: Client, client_id: str) -> threading.Thread | None:
    """Have paho run `client` in a thread of its own; that thread, as far as it can be told."""
    named = f"-{client_id}"
    with _ONE_AT_A_TIME:  # paho's new thread is told by its name, which clients of one id share
        running = set(threading.enumerate())
        client.loop_start()
        return next(
            (t for t in threading.enumerate() if t not in running and t.name.endswith(named)), None
        )


class Connection:
    """The connection that there is, or why there is none. Not thread-safe: its owner locks.

    What changes it returns the trouble where that is news, for the log.
    """

    def __init__(self, options: MqttOptions) -> None:
        self.is_open = False
        self.number = 0
        """Counts the connections that the broker has accepted."""
        self.loss: tuple[About, str] = (About.CONNECTION, "not connected")
        """How the last one ended."""
        self._options = options
        self._opened_s = 0.0
        self._short_ones = 0
        self._is_refused = False
        self._trouble: str | None = None

    def ended(self, number: int) -> bool:
        """Whether the connection of that number is no more."""
        return not self.is_open or self.number != number

    def trouble(self) -> str | None:
        """What is wrong now; None also while the first connection is being made."""
        if self.is_open and self._short_ones >= SHORT_ONES:
            return self._trouble if time.monotonic() - self._opened_s < SHORT_S else None
        return self._trouble

    def begin(self) -> None:
        """Another attempt."""
        self._is_refused = False

    def close(self) -> None:
        """Given up from this side; there is no trouble known of the next."""
        self.is_open = False
        self._trouble = None

    def opened(self, limits: Limits) -> str | None:
        """The broker has accepted it."""
        self.is_open = True
        self.number += 1
        self._opened_s = time.monotonic()
        if limits.qos == 0:
            return self._troubled(TAKES_QOS_0)
        if self._short_ones < SHORT_ONES:
            self._trouble = None
        return None

    def refused(self, code: int) -> str | None:
        """The broker refuses it, by a CONNACK with `code`."""
        self._is_refused = True
        return self._troubled(f"refused: {words(code)}")

    def failed(self) -> str | None:
        """It could not be made, for the error that is being handled."""
        error = sys.exception()
        hint = ""
        is_tls = isinstance(error, (ssl.SSLError, ConnectionResetError)) or "handshake" in str(
            error
        )
        if self._options.tls and is_tls and not isinstance(error, ssl.SSLCertVerificationError):
            hint = "; does that port speak TLS? if not, take tls: out"
        return self._troubled(f"cannot be reached ({error}){hint}")

    def lost(self, code: int, from_broker: bool, under_way: bool) -> str | None:
        """It has ended; `from_broker`: by its DISCONNECT, `under_way`: with an alert unanswered."""
        was_open = self.is_open
        self.is_open = False
        if self._is_refused:
            return None
        silent = not from_broker and code == KEEP_ALIVE_TIMEOUT
        if not was_open:
            how = "takes the connection and does not answer" if silent else "hangs up unasked"
            return self._troubled(how + self._hints())
        if silent:
            reason = "does not answer any more"
        elif from_broker and code:
            reason = words(code)
        elif code == PROTOCOL_ERROR:
            reason = f"it sent what is no MQTT {self._options.protocol}"
        else:
            reason = "without a reason"
        about = of_disconnect(code) if from_broker and code else About.UNCLEAR
        self.loss = (About.CONNECTION if silent else about, reason)
        if not under_way:  # else it may have been about the alert
            is_short = time.monotonic() - self._opened_s < SHORT_S
            self._short_ones = self._short_ones + 1 if is_short else 0
        again = ""
        if self._short_ones >= SHORT_ONES:
            again = f", {SHORT_ONES} times or more right after it had accepted; {self._suspicion()}"
        return self._troubled(f"connection lost: {reason}{again}")

    def _hints(self) -> str:
        """What else it may be that listens there."""
        hints = [] if self._options.tls else ["if that port is one for TLS, add tls:"]
        if self._options.protocol == "5":
            hints.append("if the broker knows MQTT 3.1.1 alone, write protocol: 3.1.1")
        return "; ".join(["", *hints])

    def _suspicion(self) -> str:
        if self._options.client_id is not None:
            return f"does another client use client_id {self._options.client_id}, too?"
        return f"may this user publish to {self._options.availability}?"

    def _troubled(self, trouble: str) -> str | None:
        trouble = scrub(trouble)
        is_new = trouble != self._trouble
        self._trouble = trouble
        return trouble if is_new else None
