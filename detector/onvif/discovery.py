"""ONVIF cameras of the network, by WS-Discovery (OASIS, April 2005; ONVIF Core, chapter 7).

Messages are made and read by the library WSDiscovery. Its threads are not used: one answer that is
no proper one ends them, and what comes behind it is lost.
"""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any
from urllib.parse import unquote

import ifaddr
from wsdiscovery.actions import constructProbe
from wsdiscovery.message import createSOAPMessage, parseSOAPMessage
from wsdiscovery.namespaces import NS_ACTION_PROBE_MATCH
from wsdiscovery.qname import QName

from config.errors import StreamError
from detector.onvif.addresses import nearest
from detector.onvif.words import plain

WAIT_S = 4.0
"""Devices answer within 0.5 s (APP_MAX_DELAY); cheap ones take 2."""

ROUNDS = 2
"""UDP loses packets: SOAP-over-UDP sends each message twice."""

GROUP = ("239.255.255.250", 3702)
TYPES = (
    QName("http://www.onvif.org/ver10/network/wsdl", "NetworkVideoTransmitter", "dn"),
    QName("http://www.onvif.org/ver10/device/wsdl", "Device", "tds"),
)
"""The first is what cameras have always answered to, the second what recorders and newer do."""

SCOPE = "onvif://www.onvif.org/"
LARGEST = 65_535


@dataclass(frozen=True, slots=True)
class Device:
    """A camera at `address`, the URL of its device service; `name` and `hardware` may be empty."""

    address: str
    name: str = ""
    hardware: str = ""

    def __str__(self) -> str:
        """`http://192.0.2.10/onvif/device_service (Gate, DS-2CD2043)`."""
        told = ", ".join(dict.fromkeys(word for word in (self.name, self.hardware) if word))
        return f"{self.address} ({told})" if told else self.address


def find_devices(wait_s: float = WAIT_S) -> list[Device]:
    """The ONVIF devices that answer within `wait_s` seconds on any interface, by address.

    IPv4 only. Raises StreamError where no interface takes multicast.
    """
    probes = [createSOAPMessage(constructProbe([kind], [])).encode() for kind in TYPES]
    found: dict[str, Device] = {}
    with ExitStack() as stack:
        selector = stack.enter_context(selectors.DefaultSelector())
        for address in _own_addresses():
            with suppress(OSError):
                out = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
                out.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, address.packed)
                out.setblocking(False)
                selector.register(out, selectors.EVENT_READ)
        for _ in range(ROUNDS):
            if not _send(selector, probes):
                raise StreamError("no network interface takes multicast; name the cameras: HOST …")
            for answer, sender in _answers(selector, wait_s / ROUNDS):
                for device in read_answer(answer, sender):
                    found.setdefault(device.address, device)
    return [found[address] for address in sorted(found)]


def read_answer(answer: bytes, sender: str) -> list[Device]:
    """The ONVIF devices that `answer`, a datagram from `sender`, tells of; of garbage none."""
    try:
        envelope = parseSOAPMessage(answer, sender)
        if envelope is None or envelope.getAction() != NS_ACTION_PROBE_MATCH:
            return []
        return [
            _device(match, sender)
            for match in envelope.getProbeResolveMatches()
            if _is_onvif(match)
        ]
    except Exception:  # noqa: BLE001 - the parser raises whatever a strange answer makes it raise
        return []


def named(scopes: Iterable[str]) -> tuple[str, str]:
    """Name and hardware in a device's scopes, each empty where it is not told."""
    told = {"name": "", "hardware": ""}
    for scope in scopes:
        kind, _, value = scope.removeprefix(SCOPE).partition("/")
        if scope.startswith(SCOPE) and told.get(kind) == "":
            told[kind] = plain(unquote(value))
    return told["name"], told["hardware"]


def _is_onvif(match: Any) -> bool:
    """A printer answers, too, where it does not understand the question."""
    known = {(kind.getNamespace(), kind.getLocalname()) for kind in TYPES}
    types = {(kind.getNamespace(), kind.getLocalname()) for kind in match.getTypes()}
    return bool(types & known) or any(
        scope.getValue().startswith(SCOPE) for scope in match.getScopes()
    )


def _device(match: Any, sender: str) -> Device:
    name, hardware = named(scope.getValue() for scope in match.getScopes())
    return Device(nearest(match.getXAddrs(), sender), name, hardware)


def _own_addresses() -> Iterator[IPv4Address]:
    for adapter in ifaddr.get_adapters():
        for ip in adapter.ips:
            if isinstance(ip.ip, str):
                yield IPv4Address(ip.ip)


def _send(selector: selectors.BaseSelector, messages: list[bytes]) -> bool:
    """Whether any interface took them: a VPN's takes no multicast."""
    taken = False
    for key in selector.get_map().values():
        with suppress(OSError):
            for message in messages:
                key.fileobj.sendto(message, GROUP)  # type: ignore[union-attr] # a socket
            taken = True
    return taken


def _answers(selector: selectors.BaseSelector, wait_s: float) -> Iterator[tuple[bytes, str]]:
    """What comes within `wait_s`, with the IP address that it came from."""
    until_s = time.monotonic() + wait_s
    while (left_s := until_s - time.monotonic()) > 0:
        for key, _ in selector.select(left_s):
            with suppress(OSError):
                answer, (sender, _) = key.fileobj.recvfrom(LARGEST)  # type: ignore[union-attr]
                yield answer, sender
