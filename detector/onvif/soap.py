"""Calls to an ONVIF device, by zeep and the WSDLs of onvif-zeep-async; no internet is needed.

Log-in by WS-UsernameToken (a digest; OASIS UsernameToken Profile 1.1) in every call and, where the
camera asks for it with a 401, by HTTP digest (RFC 7616). The password itself is never sent.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any

import aiohttp
import onvif  # also teaches zeep xs:anySimpleType, which stands in every profile with analytics
import zeep
from zeep.exceptions import Fault
from zeep.proxy import AsyncServiceProxy
from zeep.wsdl import Document
from zeep.wsdl.utils import etree_to_string
from zeep.wsse.username import UsernameToken

WSDLS = Path(onvif.__file__).parent / "wsdl"
MEDIA2_WSDL = Path(__file__).with_name("media2.wsdl")
"""The package has none."""

LARGEST = 1 << 20
"""Bytes of an answer; the profiles of a recorder with 32 channels take 300 kB."""

SETTINGS = zeep.Settings(strict=False, forbid_dtd=True, forbid_external=True)


class Service(Enum):
    """A service by the namespace of its WSDL; `wsdl` and `binding` are what zeep loads."""

    DEVICE = "http://www.onvif.org/ver10/device/wsdl"
    MEDIA = "http://www.onvif.org/ver10/media/wsdl"
    MEDIA2 = "http://www.onvif.org/ver20/media/wsdl"


_LOADED_FROM = {
    Service.DEVICE: (WSDLS / "devicemgmt.wsdl", "DeviceBinding"),
    Service.MEDIA: (WSDLS / "media.wsdl", "MediaBinding"),
    Service.MEDIA2: (MEDIA2_WSDL, "Media2Binding"),
}

Documents = Mapping[Service, Document]


STRANGE = "answers, but not as an ONVIF camera does"


class AskError(Exception):
    """A camera could not be asked; the text says why, and quotes nothing of the request."""


class RefusedError(AskError):
    """The camera refuses the log-in, or wants one."""


class FaultError(AskError):
    """The camera refuses this call, and may answer another."""


@dataclass(frozen=True, slots=True)
class Login:
    """A user of the cameras."""

    user: str
    password: str = field(repr=False)


@cache
def load_documents() -> Documents:
    """The WSDLs, read from files in 0.9 s, once a process."""
    return {
        service: Document(str(path), zeep.Transport(), settings=SETTINGS)
        for service, (path, _) in _LOADED_FROM.items()
    }


class Caller:
    """Calls one device with one log-in, or none."""

    def __init__(
        self, session: aiohttp.ClientSession, documents: Documents, login: Login | None
    ) -> None:
        self._documents = documents
        self._login = login
        self._transport = _Transport(session, login)
        self._ahead: timedelta | None = None

    def log_in(self, ahead: timedelta) -> None:
        """From now on calls carry a WS-UsernameToken, dated by a clock that is `ahead` of ours.

        A device takes none that is older or newer, by its own clock, than some seconds.
        """
        self._ahead = ahead

    async def __call__(
        self, service: Service, address: str, operation: str, **arguments: Any
    ) -> Any:
        """What the device answers, as zeep reads it; raises AskError."""
        document = self._documents[service]
        binding = document.bindings[f"{{{service.value}}}{_LOADED_FROM[service][1]}"]
        try:
            client = zeep.AsyncClient(
                document, wsse=self._token(), transport=self._transport, settings=SETTINGS
            )
            proxy = AsyncServiceProxy(client, binding, address=address)
            return await proxy[operation](**arguments)
        except (AskError, asyncio.CancelledError):
            raise
        except Fault as fault:
            if _is_about_login(fault):
                raise self._transport.refused() from None
            raise FaultError(f"does not answer {operation}") from None
        except (aiohttp.ClientError, OSError) as error:
            raise AskError(_reason(error)) from None
        except Exception:  # noqa: BLE001 - zeep raises whatever a strange answer makes it raise
            raise AskError(STRANGE) from None

    def _token(self) -> UsernameToken | None:
        """A new one for every call, with a nonce of its own: none is taken twice."""
        if self._login is None or self._ahead is None:
            return None
        return UsernameToken(
            self._login.user,
            self._login.password,
            use_digest=True,
            created=datetime.now(UTC) + self._ahead,
            zulu_timestamp=True,  # Hikvision refuses +00:00
        )


@dataclass(frozen=True, slots=True)
class _Answer:
    """What zeep wants to know of an answer."""

    status_code: int
    content: bytes
    headers: Mapping[str, str]
    encoding: str | None = None


class _Transport:
    """Posts envelopes for zeep. It follows no redirection: the log-in is for the host asked."""

    def __init__(self, session: aiohttp.ClientSession, login: Login | None) -> None:
        self._session = session
        self._middlewares = (
            () if login is None else (aiohttp.DigestAuthMiddleware(login.user, login.password),)
        )
        self._has_login = login is not None

    def refused(self) -> RefusedError:
        if self._has_login:
            return RefusedError(
                "refuses the log-in; check user and password (many cameras have users of their "
                "own for ONVIF, on its web page)"
            )
        return RefusedError("wants a log-in; give --user")

    async def post_xml(self, address: str, envelope: Any, headers: Mapping[str, str]) -> _Answer:
        request = self._session.post(
            address,
            data=etree_to_string(envelope),
            headers={**headers, "Accept-Encoding": "identity"},
            allow_redirects=False,
            middlewares=self._middlewares,
        )
        async with request as answer:
            if answer.status in {401, 403}:
                raise self.refused()
            try:
                content = await answer.content.readexactly(LARGEST)
            except asyncio.IncompleteReadError as whole:
                content = whole.partial
            else:
                raise AskError(f"answers with more than {LARGEST >> 20} MB")
            if answer.status != 200 and b"Fault" not in content:
                raise AskError(f"answers with HTTP status {answer.status}; check the address")
            return _Answer(answer.status, content, dict(answer.headers))


def _is_about_login(fault: Fault) -> bool:
    """Cameras differ in how they say it: by ONVIF's subcode, by WS-Security's, in words."""
    codes = [str(code) for code in (fault.code, *(fault.subcodes or []))]
    told = " ".join([*codes, str(fault.message)]).lower()
    return any(word in told for word in ("notauthorized", "authoriz", "authent", "password"))


def _reason(error: Exception) -> str:
    """Not str(error): it may quote the request."""
    if isinstance(error, aiohttp.ClientConnectorDNSError | socket.gaierror):
        return "its name is not known; check it, or the name server"
    if isinstance(error, aiohttp.ClientSSLError):
        return "no TLS; write http:// if its port speaks none"
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "hangs up without an answer"
    number = getattr(error, "errno", None)
    if number:
        return os.strerror(number).lower()
    return "answers, but not in HTTP; check the port"
