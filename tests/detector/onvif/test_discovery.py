"""What is read of the answers to multicast."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("wsdiscovery", reason="needs pip install 'jikimi[onvif]'")

from detector.onvif.discovery import Device, named, read_answer
from servers.onvif_camera import GARBAGE, OnvifCamera

SENDER = "192.0.2.10"


def answer(
    names_host: str = SENDER, scopes: tuple[str, ...] = ("name/Gate%20%EC%A0%95%EB%AC%B8",)
) -> bytes:
    with OnvifCamera(names_host=names_host, scopes=scopes) as camera:
        return camera.probe_match("urn:uuid:1").replace(b":%d/" % camera.port, b":8000/")


def test_a_device_and_its_name() -> None:
    address = "http://192.0.2.10:8000/onvif/device_service"
    assert read_answer(answer(), SENDER) == [Device(address, "Gate 정문", "")]


def test_one_that_names_another_host_is_asked_where_it_answered() -> None:
    found = read_answer(answer(names_host="10.0.0.1"), SENDER)
    assert [device.address for device in found] == ["http://192.0.2.10:8000/onvif/device_service"]


def test_what_is_no_camera_is_left_out() -> None:
    told = answer(scopes=()).replace(b"onvif", b"print").replace(b"NetworkVideo", b"Print")
    assert read_answer(told, SENDER) == []


def test_a_name_cannot_steer_a_terminal_or_begin_a_line() -> None:
    name, hardware = named(
        [
            "onvif://www.onvif.org/name/Gate%1B%5B31m%0Asinks:%20x",
            "onvif://www.onvif.org/name/second",
            "onvif://www.onvif.org/hardware/" + "x" * 200,
            "onvif://www.onvif.org/type/ptz",
        ]
    )
    assert name == "Gate [31m sinks: x"
    assert hardware == "x" * 64


@given(st.data())
def test_damaged_answers_are_no_devices_or_some(data: st.DataObject) -> None:
    whole = PROPER
    start = data.draw(st.integers(0, len(whole)))
    length = data.draw(st.integers(0, 60))
    put_in = data.draw(st.binary(max_size=20))
    for device in read_answer(whole[:start] + put_in + whole[start + length :], SENDER):
        assert device.address.startswith(f"http://{SENDER}")


PROPER = answer()


@pytest.mark.parametrize(
    "told",
    [
        b"",
        GARBAGE,
        b"<a/>",
        PROPER.replace(b"ProbeMatches", b"Hello"),
        PROPER.replace(b"RelatesTo", b"Unknown"),
        PROPER.replace(b"Action", b"Unknown"),
        PROPER.replace(b"MetadataVersion", b"Unknown"),
    ],
)
def test_garbage_is_no_device(told: bytes) -> None:
    assert read_answer(told, SENDER) == []
