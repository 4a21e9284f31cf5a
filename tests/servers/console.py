"""The console without its server, over a small monitor, with accounts of every role."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx
from argon2 import PasswordHasher
from pydantic import SecretStr

from config.settings import AccountSettings, CameraSettings, HttpSettings, TokenSettings
from config.urls import StreamUrl
from detector.console.access.access import Access
from detector.console.access.accounts import Accounts
from detector.console.access.key_file import KEY_FILE
from detector.console.access.links import OneTimeLinks
from detector.console.access.passwords import hash_token
from detector.console.access.sessions import Sessions
from detector.console.access.throttle import Throttle
from detector.console.app import build
from servers.small_monitor import SmallMonitor

HOST = "http://127.0.0.1:8780"
PASSWORDS = {"vera": "viewer's password", "otto": "operator's one", "anna": "admin's password"}
ROLES = {"vera": "viewer", "otto": "operator", "anna": "admin"}
TOKENS = {role: f"jikimi_token-of-the-{role}" for role in ("viewer", "operator", "admin")}

_quick = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
HASHES = {name: _quick.hash(password) for name, password in PASSWORDS.items()}


def cameras() -> list[CameraSettings]:
    """Two at the harbour, one in town."""
    sites = {"gate": "harbour", "quay": "harbour", "plaza": "town"}
    url = StreamUrl.parse("pattern://calm")
    return [CameraSettings(name=name, url=url, site=site) for name, site in sites.items()]


def http(**stated: Any) -> HttpSettings:
    """With an account of each role, and a token."""
    accounts = {
        name: AccountSettings(password=SecretStr(HASHES[name]), role=ROLES[name])
        for name in PASSWORDS
    }
    tokens = {
        role: TokenSettings(sha256=SecretStr(hash_token(token)), role=role)
        for role, token in TOKENS.items()
    }
    return HttpSettings(**{"accounts": accounts, "tokens": tokens, **stated})


@dataclass
class Console:
    """An application, and what it was made of."""

    monitor: SmallMonitor
    folder: Path
    is_local: bool
    now_s: list[float] = field(default_factory=lambda: [1_700_000_000.0])
    links: OneTimeLinks = field(default_factory=OneTimeLinks)

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """As a daemon that is started anew on the same state directory."""
        self.access = Access(
            Accounts(lambda: self.monitor.settings, self.is_local),
            Sessions(self.folder / KEY_FILE, lambda: self.now_s[0]),
            self.links,
            lambda: self.monitor.settings.http.names,
            8780,
        )
        self.access.throttle = Throttle(lambda: self.now_s[0])
        self.app = build(self.monitor, self.access)

    def reload(self, **stated: Any) -> None:
        """As the daemon does with a changed configuration."""
        settings = self.monitor.settings
        self.monitor.settings = settings.model_copy(update={"http": http(**stated)})

    def browser(self, address: str = "192.0.2.1") -> Browser:
        """Nobody yet."""
        return Browser(self.app, address)


class _Transport(httpx.BaseTransport):
    """Asks `app` as uvicorn would, for a client at `address`."""

    def __init__(self, app: Any, address: str) -> None:
        self._app = app
        self._address = address

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        path, _, query = request.url.raw_path.partition(b"?")
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": request.method,
            "path": unquote(path.decode("ascii")),
            "raw_path": path,
            "root_path": "",
            "query_string": query,
            "scheme": request.url.scheme,
            "headers": [(key.lower(), value) for key, value in request.headers.raw],
            "client": (self._address, 50000),
            "server": ("127.0.0.1", 8780),
        }
        request.read()
        return asyncio.run(self._asked(scope, request.content))

    async def _asked(self, scope: dict[str, Any], body: bytes) -> httpx.Response:
        sent: list[dict[str, Any]] = []
        given = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> dict[str, Any]:
            if not given:
                await asyncio.Event().wait()
            return given.pop()

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        await self._app(scope, receive, send)
        content = b"".join(message.get("body", b"") for message in sent[1:])
        return httpx.Response(sent[0]["status"], headers=sent[0]["headers"], content=content)


class Browser(httpx.Client):
    """Keeps cookies, asks for pages, and follows no redirect."""

    def __init__(self, app: Any, address: str) -> None:
        super().__init__(
            transport=_Transport(app, address), base_url=HOST, headers={"Accept": "text/html"}
        )

    def plant(self, what: str, value: str) -> None:
        """Have a cookie of another origin."""
        self.cookies.set(f"jikimi-{what}-8780", value, domain="127.0.0.1")

    def csrf(self, page: str = "/nothing") -> str:
        """Of a form on `page`."""
        found = re.search(r'<body data-csrf="(\w+)"', self.get(page).text)
        assert found
        return found[1]

    def log_in(self, name: str, password: str = "", **more: str) -> Any:
        """Send the form; as `name` with the right password, if none is given."""
        fields = {"name": name, "password": password or PASSWORDS[name], "csrf": self.csrf()}
        return self.post("/login", data={**fields, **more})
