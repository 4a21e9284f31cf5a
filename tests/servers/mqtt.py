"""A real MQTT broker and a real subscriber, for tests.

The broker is mosquitto where it is installed, else amqtt (which speaks 3.1.1 only) in a
process of its own. It can be stopped, killed, frozen and started again on the same port.
"""

from __future__ import annotations

import getpass
import json
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from servers.ports import free_port

MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
PROTOCOL = "5" if MOSQUITTO else "3.1.1"
"""What the broker on this machine speaks; for the sink's `protocol`."""

START_S = 20.0

_AMQTT = """
import asyncio, json, sys
from amqtt.broker import Broker
from servers.ports import free_port
async def serve():
    await Broker(json.loads(sys.argv[1])).start()
    await asyncio.Event().wait()
asyncio.run(serve())
"""


@dataclass(frozen=True)
class Tls:
    """PEM files of the broker's authority, certificate and key."""

    ca: Path
    certificate: Path
    key: Path

    @classmethod
    def make(cls, folder: Path) -> Tls:
        """A fresh certificate for `localhost`, signed by itself (needs openssl)."""
        key, certificate = folder / "broker.key", folder / "broker.pem"
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-nodes", "-days", "2"]
        command += ["-pkeyopt", "ec_paramgen_curve:prime256v1", "-subj", "/CN=localhost"]
        command += ["-addext", "subjectAltName=DNS:localhost"]
        command += ["-keyout", str(key), "-out", str(certificate)]
        subprocess.run(command, check=True, capture_output=True)
        return cls(certificate, certificate, key)


class MqttBroker:
    """A broker on 127.0.0.1; `users` (name → password) closes it to everyone else."""

    def __init__(
        self,
        folder: Path,
        *,
        users: dict[str, str] | None = None,
        tls: Tls | None = None,
        settings: Sequence[str] = (),
    ) -> None:
        """`settings`: more lines of mosquitto.conf(5), which amqtt does not know."""
        self.folder = folder
        self.settings = settings
        self.port = free_port()
        self.users = users or {}
        self.tls = tls
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start listening; returns once it does."""
        command = self._mosquitto() if MOSQUITTO else self._amqtt()
        with (self.folder / "broker.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        deadline = threading.Event()
        for _ in range(int(START_S / 0.05)):
            if self._process.poll() is not None:
                break
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            deadline.wait(0.05)
        raise RuntimeError(f"broker did not start: {(self.folder / 'broker.log').read_text()}")

    def stop(self) -> None:
        """End it properly."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a power cut would."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Stop, and start again on the same port."""
        self.stop()
        self.start()

    def freeze(self) -> None:
        """Connections stay open, nothing is answered any more."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Go on after `freeze`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            if how is not signal.SIGKILL:  # which a frozen one obeys, and nothing else
                self._process.send_signal(signal.SIGCONT)
            self._process.wait(10)
            self._process = None

    def _mosquitto(self) -> list[str]:
        # Run by root it would become another user, who cannot read a test's folder. It saves
        # sessions at every change, so that a subscriber misses nothing over a kill.
        lines = [f"user {getpass.getuser()}", f"listener {self.port} 127.0.0.1"]
        lines += ["persistence true", f"persistence_location {self.folder}/"]
        lines += ["autosave_on_changes true", "autosave_interval 1"]
        if self.users:
            passwords = self.folder / "passwords"
            passwords.write_text("".join(f"{name}:{word}\n" for name, word in self.users.items()))
            passwords.chmod(0o600)
            subprocess.run(["mosquitto_passwd", "-U", str(passwords)], check=True)
            lines += ["allow_anonymous false", f"password_file {passwords}"]
        else:
            lines += ["allow_anonymous true"]
        if self.tls:
            lines += [f"certfile {self.tls.certificate}", f"keyfile {self.tls.key}"]
        lines += self.settings
        file = self.folder / "mosquitto.conf"
        file.write_text("\n".join(lines) + "\n")
        return [str(MOSQUITTO), "-c", str(file)]

    def _amqtt(self) -> list[str]:
        listener: dict[str, Any] = {"type": "tcp", "bind": f"127.0.0.1:{self.port}"}
        if self.tls:
            listener |= {
                "ssl": True,
                "certfile": str(self.tls.certificate),
                "keyfile": str(self.tls.key),
            }
        config: dict[str, Any] = {"listeners": {"default": listener}, "plugins": {}}
        if self.users:
            from pwdlib.hashers.argon2 import Argon2Hasher

            passwords = self.folder / "passwords"
            hashed = (f"{name}:{Argon2Hasher().hash(word)}" for name, word in self.users.items())
            passwords.write_text("\n".join(hashed) + "\n")
            config["plugins"] = {
                "amqtt.plugins.authentication.FileAuthPlugin": {"password_file": str(passwords)}
            }
        else:
            config["plugins"] = {
                "amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}
            }
        return [sys.executable, "-c", _AMQTT, json.dumps(config)]


@dataclass(frozen=True)
class Received:
    """One message as it came; `at_s`: when (`time.monotonic()`)."""

    topic: str
    payload: bytes
    retained: bool
    at_s: float

    @property
    def json(self) -> Any:
        """The payload, decoded."""
        return json.loads(self.payload)


class Subscriber:
    """Collects what the broker sends; keeps its session, so that nothing passes it by."""

    def __init__(self, broker: MqttBroker, topic: str = "jikimi/#") -> None:
        self._topic = topic
        self._changed = threading.Condition()
        self._messages: list[Received] = []
        self._ready = threading.Event()
        self._client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"subscriber-{uuid.uuid4().hex[:8]}",
            clean_session=None if MOSQUITTO else False,
            protocol=MQTTProtocolVersion.MQTTv5 if MOSQUITTO else MQTTProtocolVersion.MQTTv311,
        )
        for name, password in list(broker.users.items())[:1]:
            self._client.username_pw_set(name, password)
        if broker.tls:
            self._client.tls_set(str(broker.tls.ca))
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = lambda client, *_: client.subscribe(self._topic, 1)
        self._client.on_subscribe = lambda *_: self._ready.set()
        self._client.on_disconnect = lambda *_: self._ready.clear()
        self._client.on_message = self._on_message
        self._host = "localhost" if broker.tls else "127.0.0.1"
        self._port = broker.port

    def __enter__(self) -> Self:
        if MOSQUITTO:
            keep = Properties(PacketTypes.CONNECT)
            keep.SessionExpiryInterval = 3600
            self._client.connect_async(self._host, self._port, clean_start=False, properties=keep)
        else:
            self._client.connect_async(self._host, self._port)
        self._client.loop_start()
        self.wait_ready()
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def wait_ready(self, timeout_s: float = 20.0) -> None:
        """Wait until the broker has taken the subscription."""
        assert self._ready.wait(timeout_s), "not subscribed"

    def publish(self, topic: str, payload: bytes) -> None:
        """Send a message, not retained, QoS 1; does not wait for its acknowledgement."""
        self._client.publish(topic, payload, 1)

    def catch_up(self) -> None:
        """Wait until all has come that the broker has acknowledged by now: it sends in order."""
        marker = f"jikimi/marker/{uuid.uuid4().hex}"
        self.publish(marker, b"")
        self.wait_until(lambda messages: any(one.topic == marker for one in messages))

    @property
    def messages(self) -> list[Received]:
        """What came so far, in order."""
        with self._changed:
            return list(self._messages)

    def wait_until(
        self, met: Callable[[list[Received]], bool], timeout_s: float = 30.0
    ) -> list[Received]:
        """The messages as soon as `met` holds for them; fails after `timeout_s`."""
        with self._changed:
            ok = self._changed.wait_for(lambda: met(self._messages), timeout_s)
            assert ok, f"still missing after {timeout_s} s; came: {self._messages}"
            return list(self._messages)

    def incidents(self) -> list[dict[str, Any]]:
        """The alerts so far, decoded."""
        return [m.json for m in self.messages if m.topic.endswith("/incident")]

    def wait_for_incidents(self, count: int, timeout_s: float = 30.0) -> list[dict[str, Any]]:
        """The alerts, once there are `count`."""
        found = self.wait_until(
            lambda messages: sum(m.topic.endswith("/incident") for m in messages) >= count,
            timeout_s,
        )
        return [m.json for m in found if m.topic.endswith("/incident")]

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        at_s = time.monotonic()
        with self._changed:
            self._messages.append(
                Received(message.topic, bytes(message.payload), bool(message.retain), at_s)
            )
            self._changed.notify_all()


def retained(broker: MqttBroker) -> dict[str, bytes]:
    """What a subscriber that comes now gets, by topic (mosquitto)."""
    end = f"end/{uuid.uuid4()}"
    with Subscriber(broker, "#") as late_comer:
        late_comer.publish(end, b"end")
        messages = late_comer.wait_until(lambda found: any(m.topic == end for m in found))
    return {m.topic: m.payload for m in messages if m.retained}
