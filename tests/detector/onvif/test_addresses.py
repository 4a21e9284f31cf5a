"""Addresses as people type them and as cameras return them."""

from __future__ import annotations

import pytest

from config.errors import UsageError
from detector.onvif.addresses import device_service, nearest, service_at, stream_at

ASKED = "http://203.0.113.5:8081/onvif/device_service"
SAME = {"203.0.113.5"}


@pytest.mark.parametrize(
    ("typed", "address"),
    [
        ("192.0.2.10", "http://192.0.2.10/onvif/device_service"),
        ("192.0.2.10:8000", "http://192.0.2.10:8000/onvif/device_service"),
        ("gate.example", "http://gate.example/onvif/device_service"),
        ("2001:db8::5", "http://[2001:db8::5]/onvif/device_service"),
        ("[2001:db8::5]:8000", "http://[2001:db8::5]:8000/onvif/device_service"),
        ("https://192.0.2.10", "https://192.0.2.10/onvif/device_service"),
        ("http://192.0.2.10:88/onvif/devices", "http://192.0.2.10:88/onvif/devices"),
    ],
)
def test_a_host_is_asked_at_its_device_service(typed: str, address: str) -> None:
    assert device_service(typed) == address


@pytest.mark.parametrize(
    "typed",
    ["", "a b", "192.0.2.10:99999", "192.0.2.300", "rtsp://192.0.2.10/s", "http://h/?a=b", "[::1"],
)
def test_what_is_no_host_is_told(typed: str) -> None:
    with pytest.raises(UsageError, match="name or address"):
        device_service(typed)


def test_a_log_in_in_a_host_is_not_repeated() -> None:
    with pytest.raises(UsageError) as told:
        device_service("http://viewer:Kan4ry9x7q@192.0.2.10")
    assert "Kan4ry9x7q" not in str(told.value)
    assert "--user" in str(told.value)


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("http://203.0.113.5:8081/onvif/media", "http://203.0.113.5:8081/onvif/media"),
        ("http://203.0.113.5:90/onvif/media", "http://203.0.113.5:90/onvif/media"),
        ("http://192.168.1.64/onvif/media", "http://203.0.113.5:8081/onvif/media"),
        ("https://192.168.1.64:443/media?a=1", "http://203.0.113.5:8081/media?a=1"),
    ],
)
def test_a_service_is_asked_where_the_device_answered(given: str, found: str) -> None:
    assert service_at(given, ASKED, SAME) == found


@pytest.mark.parametrize("given", ["", "media", "ftp://203.0.113.5/media", "http://[::1/media"])
def test_what_is_no_address_of_a_service(given: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        service_at(given, ASKED, SAME)


@pytest.mark.parametrize(
    ("given", "found", "elsewhere"),
    [
        ("rtsp://203.0.113.5:554/s?a=1&b=2", "rtsp://203.0.113.5:554/s?a=1&b=2", None),
        ("rtsp://192.168.1.64/s", "rtsp://203.0.113.5/s", "192.168.1.64"),
        ("rtsp://192.168.1.64:8554/s", "rtsp://203.0.113.5:8554/s", "192.168.1.64"),
        ("rtsp://admin:Kan4ry9x7q@203.0.113.5/s", "rtsp://203.0.113.5/s", None),
        (" rtsp://203.0.113.5/s\n", "rtsp://203.0.113.5/s", None),
    ],
)
def test_a_stream_is_at_the_host_that_answered_without_a_log_in(
    given: str, found: str, elsewhere: str | None
) -> None:
    assert stream_at(given, ASKED, SAME) == (found, elsewhere)


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (["http://169.254.1.2/d", "http://192.0.2.10:80/d"], "http://192.0.2.10:80/d"),
        (["http://[fe80::1]/d", "http://192.168.1.64:88/d"], "http://192.0.2.10/d"),
        (["http://192.168.1.64:88/d"], "http://192.0.2.10:88/d"),
        (["what", "ftp://192.0.2.10/d"], "http://192.0.2.10/onvif/device_service"),
        ([], "http://192.0.2.10/onvif/device_service"),
    ],
)
def test_a_device_is_asked_where_its_answer_came_from(given: list[str], found: str) -> None:
    assert nearest(given, "192.0.2.10") == found
