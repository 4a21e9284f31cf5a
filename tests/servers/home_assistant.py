"""A real Home Assistant without its screens, connected to a test's broker, for tests.

Its `hass` command is named by the environment variable `HOME_ASSISTANT`. It lives in a virtual
environment of its own: its pinned dependencies are not Jikimi's. The last release for Python 3.11
needs, beside itself, what its parts would install when they are first used:

    homeassistant==2024.3.3 paho-mqtt==1.6.1 home-assistant-frontend==20240307.0 janus==1.0.0
    Pillow==10.2.0 psutil-home-assistant==0.0.1 securetar==2024.2.1 SQLAlchemy==2.0.27
    fnv-hash-fast==0.5.0 numpy==1.26.0 PyTurboJPEG==1.7.1 ha-av==10.1.1 PyNaCl==1.5.0
    hassil==1.6.1 home-assistant-intents==2024.3.12 mutagen==1.47.0 ha-ffmpeg==3.1.0
    webrtc-noise-gain==1.2.3 josepy<2
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from servers.ports import free_port

HASS = os.environ.get("HOME_ASSISTANT")
START_S = 120.0

_USER, _TOKEN, _KEY = "u" * 32, "t" * 32, "k" * 64


class HomeAssistant:
    """Runs in `folder`, which may hold what an earlier one has left."""

    def __init__(self, folder: Path, broker_port: int) -> None:
        self.folder = folder
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        if not (folder / ".storage").exists():
            self._prepare(broker_port)
        (folder / "configuration.yaml").write_text(
            f"api:\nhttp:\n  server_host: 127.0.0.1\n  server_port: {self.port}\n"
            "logger:\n  default: warning\nautomation: !include automations.yaml\nmobile_app:\n"
        )

    def __enter__(self) -> Self:
        with (self.folder / "hass.log").open("ab") as log:
            command = [str(HASS), "--config", str(self.folder), "--skip-pip"]
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        self.wait_until(lambda: self.get("config")["state"] == "RUNNING", START_S)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        self._process.terminate()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)

    @property
    def log(self) -> str:
        """What it has said so far."""
        return (self.folder / "hass.log").read_text()

    def get(self, path: str) -> Any:
        """The answer of its REST API, decoded."""
        return json.loads(self.get_bytes(path))

    def get_bytes(self, path: str) -> bytes:
        """The same, as it is."""
        return self._ask(path, None)

    def post(self, path: str, body: dict[str, Any]) -> bytes:
        """The answer of its REST API to a POST, as it is."""
        return self._ask(path, body)

    def call(self, service: str, entity: str) -> None:
        """Call a service, such as `switch/turn_on`."""
        self.post(f"services/{service}", {"entity_id": entity})

    def add_phone(self, push_url: str) -> str:
        """A phone with the app, to which messages go at `push_url`; the id of its device."""
        app = {"device_id": "phone", "app_id": "test", "app_name": "test", "app_version": "1"}
        app |= {"device_name": "phone", "manufacturer": "test", "model": "test"}
        app |= {"os_name": "test", "os_version": "1", "supports_encryption": False}
        pushed = {"app_data": {"push_token": "token", "push_url": push_url}}
        webhook = json.loads(self.post("mobile_app/registrations", {**app, **pushed}))["webhook_id"]
        sensor = {"name": "battery", "state": 50, "type": "sensor", "unique_id": "battery"}
        self.post(f"webhook/{webhook}", {"type": "register_sensor", "data": sensor})
        found = {"template": "{{ device_id('sensor.phone_battery') }}"}
        return self.wait_until(lambda: self.post("template", found).decode().replace("None", ""))

    def states(self) -> dict[str, str]:
        """The state of each entity."""
        return {one["entity_id"]: one["state"] for one in self.get("states")}

    def attributes(self, entity: str) -> dict[str, Any]:
        """Those of one entity."""
        found: dict[str, Any] = self.get(f"states/{entity}")["attributes"]
        return found

    def wait_until(self, met: Callable[[], Any], timeout_s: float = 30.0) -> Any:
        """What `met` returns once that is true; an API that does not answer yet is not."""
        pause = threading.Event()
        until_s = time.monotonic() + timeout_s
        while time.monotonic() < until_s:
            try:
                if result := met():
                    return result
            except (OSError, KeyError):
                assert self._process is None or self._process.poll() is None, self.log
            pause.wait(0.1)
        raise AssertionError(f"not so after {timeout_s} s; Home Assistant says: {self.log}")

    def _ask(self, path: str, body: dict[str, Any] | None) -> bytes:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/api/{path}", data)
        request.add_header("Authorization", f"Bearer {_access_token()}")
        request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=10) as answer:
            found: bytes = answer.read()
            return found

    def _prepare(self, broker_port: int) -> None:
        """An owner with an access token, and the MQTT integration, as if set up by hand."""
        user = {"id": _USER, "group_ids": ["system-admin"], "is_owner": True, "is_active": True}
        user |= {"name": "Owner", "system_generated": False, "local_only": False}
        token = {"id": _TOKEN, "user_id": _USER, "client_id": None, "client_name": "test"}
        token |= {"client_icon": None, "token_type": "long_lived_access_token"}
        token |= {"created_at": "2026-01-01T00:00:00+00:00", "access_token_expiration": 3e9}
        token |= {"token": "x" * 64, "jwt_key": _KEY, "last_used_at": None, "last_used_ip": None}
        token |= {"expire_at": None, "credential_id": None, "version": "1"}
        groups = [{"id": f"system-{name}", "name": name} for name in ("admin", "users")]
        auth = {"users": [user], "groups": groups, "credentials": [], "refresh_tokens": [token]}
        entry = {"entry_id": "e" * 32, "version": 1, "minor_version": 1, "domain": "mqtt"}
        entry |= {"title": "broker", "options": {}, "source": "user", "unique_id": None}
        entry |= {"data": {"broker": "127.0.0.1", "port": broker_port, "discovery": True}}
        entry |= {"pref_disable_new_entities": False, "pref_disable_polling": False}
        entry |= {"disabled_by": None}
        done = {"done": ["user", "core_config", "analytics", "integration"]}
        storage = self.folder / ".storage"
        storage.mkdir(parents=True)
        for key, version, data in (
            ("auth", 1, auth),
            ("onboarding", 4, done),
            ("core.config_entries", 1, {"entries": [entry]}),
        ):
            kept = {"version": version, "minor_version": 1, "key": key, "data": data}
            (storage / key).write_text(json.dumps(kept))
        (self.folder / "automations.yaml").write_text("[]\n")


def _access_token() -> str:
    """A JSON Web Token (RFC 7519, HS256) of the owner's long-lived token."""
    now = int(time.time())
    claims = {"iss": _TOKEN, "iat": now, "exp": now + 3600}
    parts = [_base64(json.dumps(one).encode()) for one in ({"alg": "HS256", "typ": "JWT"}, claims)]
    signed = ".".join(parts)
    signature = hmac.digest(_KEY.encode(), signed.encode(), hashlib.sha256)
    return f"{signed}.{_base64(signature)}"


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
