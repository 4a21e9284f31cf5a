"""What a camera has: its profiles, and the address of the one that Jikimi should watch."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import aiohttp

from config.secrets import MASK, MIN_LENGTH
from config.urls import StreamUrl
from detector.onvif.addresses import host_of, service_at, stream_at
from detector.onvif.discovery import Device, named
from detector.onvif.profiles import Profile, by_source, recommended
from detector.onvif.soap import (
    STRANGE,
    AskError,
    Caller,
    FaultError,
    Login,
    RefusedError,
    Service,
    load_documents,
)
from detector.onvif.words import plain

DEADLINE_S = 10.0
"""For all calls to one camera, of which there are five to seven; each takes up to a second."""

AT_ONCE = 32
"""Cameras asked at the same time: reading their answers shares one core."""


@dataclass(frozen=True, slots=True)
class Camera:
    """What one source of a device sends; `watch` is the profile in `profiles` to watch.

    `url`: its stream, as a camera's `url` in the configuration, without user and password.
    `shown`: the same for people, with `***` for a password that the camera puts into path or query
    all the same. What else stands there may be shown: without it the address is worth nothing.
    `elsewhere`: the host that the camera named for it, where it was another than the one asked.
    """

    device: Device
    profiles: tuple[Profile, ...]
    watch: Profile
    url: StreamUrl
    shown: str
    elsewhere: str | None = None


@dataclass(frozen=True, slots=True)
class Silent:
    """A device, or a source of it, that could not be asked, and why, in the operator's words."""

    device: Device
    reason: str


def look_at(
    devices: Sequence[Device], login: Login | None, deadline_s: float = DEADLINE_S
) -> list[Camera | Silent]:
    """The sources of each of `devices`, in their order; all are asked at once.

    `deadline_s`: for all calls to one device.
    """
    return asyncio.run(_look_at(devices, login, deadline_s))


async def _look_at(
    devices: Sequence[Device], login: Login | None, deadline_s: float
) -> list[Camera | Silent]:
    documents = load_documents()
    at_once = asyncio.Semaphore(AT_ONCE)

    async def look(device: Device) -> Sequence[Camera | Silent]:
        async with at_once:
            try:
                async with asyncio.timeout(deadline_s):
                    return await _ask(device, Caller(session, documents, login), login)
            except TimeoutError:
                reason = f"gave no whole answer within {deadline_s:g} s"
            except AskError as error:
                reason = str(error)
            except (AttributeError, TypeError, ValueError):  # parts of an answer are missing
                reason = STRANGE
            return [Silent(device, reason)]

    # Cameras certify themselves, and a password is never sent: a certificate proves nothing here.
    connector = aiohttp.TCPConnector(ssl=False, limit=0)
    jar = aiohttp.DummyCookieJar()
    async with aiohttp.ClientSession(
        connector=connector, cookie_jar=jar, auto_decompress=False
    ) as session:
        return [each for found in await asyncio.gather(*map(look, devices)) for each in found]


async def _ask(device: Device, call: Caller, login: Login | None) -> list[Camera | Silent]:
    call.log_in(await _clock_ahead(device, call))
    same = await _same_host(device)
    media = await _media_services(device, call, same)
    if not device.name:
        device = await _with_name(device, call)
    service, profiles = await _profiles(media, call)
    found: list[Camera | Silent] = []
    for offered in by_source(profiles):
        watch = recommended(offered)
        try:
            given = await _stream_uri(service, media[service], watch, call)
            url, elsewhere = _address(given, device.address, same)
        except AskError as error:  # a channel of a recorder without a camera
            found.append(Silent(device, f"{watch}: {error}"))
        else:
            found.append(Camera(device, offered, watch, url, _shown(url, login), elsewhere))
    return found


async def _profiles(media: dict[Service, str], call: Caller) -> tuple[Service, list[Profile]]:
    """Those with video, and the service that told them: the newest that knows any."""
    for service, address in media.items():
        try:
            told = await call(service, address, "GetProfiles", **_ALL[service])
        except FaultError:
            continue
        if profiles := _read(told):
            return service, profiles
    raise AskError("has no profile with video; set one in its web page")


async def _clock_ahead(device: Device, call: Caller) -> timedelta:
    """How far the device's clock, by which it judges a log-in, is ahead of ours.

    0 where it does not tell: some, as Axis, want a log-in even for that.
    """
    with suppress(FaultError, RefusedError, AttributeError, TypeError, ValueError):
        told = await call(Service.DEVICE, device.address, "GetSystemDateAndTime")
        day, time = told.UTCDateTime.Date, told.UTCDateTime.Time
        shown = datetime(
            day.Year, day.Month, day.Day, time.Hour, time.Minute, time.Second, tzinfo=UTC
        )
        return shown - datetime.now(UTC)
    return timedelta(0)


async def _same_host(device: Device) -> set[str]:
    """The host that is asked, by its name and by its addresses."""
    host = host_of(device.address)
    same = {host}
    with suppress(OSError):
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
        same |= {str(address[0]) for *_, address in found}
    return same


async def _media_services(device: Device, call: Caller, same: set[str]) -> dict[Service, str]:
    """Where the media services are, the newer first; older devices know GetCapabilities only."""
    try:
        told = await call(Service.DEVICE, device.address, "GetServices", IncludeCapability=False)
        given = {service.Namespace: service.XAddr for service in told or []}
    except FaultError:
        told = await call(Service.DEVICE, device.address, "GetCapabilities", Category=["Media"])
        given = {Service.MEDIA.value: told.Media.XAddr} if told and told.Media else {}
    found = {}
    for service in (Service.MEDIA2, Service.MEDIA):
        with suppress(KeyError, ValueError, TypeError, AttributeError):
            found[service] = service_at(given[service.value], device.address, same)
    if not found:
        raise AskError("has no media service; it may be no camera")
    return found


async def _with_name(device: Device, call: Caller) -> Device:
    """`device` with what its scopes tell, for one that multicast did not find."""
    try:
        told = await call(Service.DEVICE, device.address, "GetScopes")
    except FaultError:
        return device
    name, hardware = named(str(scope.ScopeItem) for scope in told or [])
    return replace(device, name=name, hardware=hardware)


_ALL: dict[Service, dict[str, Any]] = {
    Service.MEDIA2: {"Type": ["VideoSource", "VideoEncoder"]},
    Service.MEDIA: {},
}


def _read(told: Any) -> list[Profile]:
    """The profiles with video in an answer of either media service."""
    found = []
    for profile in told or []:
        if configurations := getattr(profile, "Configurations", None):
            video, source = configurations.VideoEncoder, configurations.VideoSource
        else:
            video = getattr(profile, "VideoEncoderConfiguration", None)
            source = getattr(profile, "VideoSourceConfiguration", None)
        if video is None or video.Resolution is None:
            continue
        limit = video.RateControl and video.RateControl.FrameRateLimit
        found.append(
            Profile(
                token=profile.token,
                source=source.SourceToken if source else "",
                name=plain(profile.Name),
                encoding=plain(video.Encoding),
                width=video.Resolution.Width,
                height=video.Resolution.Height,
                fps=float(limit) if limit else None,
            )
        )
    return found


async def _stream_uri(service: Service, address: str, watch: Profile, call: Caller) -> str:
    """RTSP with RTP interleaved over TCP, which is how Jikimi reads unless told otherwise."""
    if service is Service.MEDIA2:
        told = await call(
            service, address, "GetStreamUri", Protocol="RTSP", ProfileToken=watch.token
        )
        return str(told)
    setup = {"Stream": "RTP-Unicast", "Transport": {"Protocol": "RTSP"}}
    told = await call(service, address, "GetStreamUri", StreamSetup=setup, ProfileToken=watch.token)
    return str(told.Uri)


def _address(given: str, asked: str, same: set[str]) -> tuple[StreamUrl, str | None]:
    """A stream's address and, if it named another host, that; raises AskError."""
    try:
        StreamUrl.parse(given)  # makes a password in it known to scrub
        text, elsewhere = stream_at(given, asked, same)
        url = StreamUrl.parse(text)
    except ValueError:
        url = None
    if url is None or url.kind != "network":
        raise AskError("gives no address of a stream that can be read")
    return url, plain(elsewhere) or None


def _shown(url: StreamUrl, login: Login | None) -> str:
    shown = url.identity
    if login is not None and len(login.password) >= MIN_LENGTH:
        for form in (login.password, quote(login.password, safe=""), quote(login.password)):
            shown = shown.replace(form, MASK)
    return shown
