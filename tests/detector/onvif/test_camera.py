"""Cameras asked over SOAP: logged in to, and what is told of those that cannot be asked."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import pytest

pytest.importorskip("onvif", reason="needs pip install 'jikimi[onvif]'")

from detector.onvif import soap
from detector.onvif.camera import Camera, Silent, look_at
from detector.onvif.discovery import Device
from detector.onvif.soap import Login
from servers.onvif_answers import MEDIA, MEDIA2, Stream
from servers.onvif_camera import MAIN, SUB, OnvifCamera
from servers.ports import free_port

LOGIN = Login("viewer", "p@ss:wörd/9")
H265 = Stream("small", 640, 480, 12, "H265")


def asked(
    *cameras: OnvifCamera, login: Login | None = LOGIN, deadline_s: float = 10
) -> list[Camera | Silent]:
    with ExitStack() as stack:
        for camera in cameras:
            stack.enter_context(camera)
        return look_at([Device(camera.address) for camera in cameras], login, deadline_s)


def one(camera: OnvifCamera, login: Login | None = LOGIN) -> Camera:
    (found,) = asked(camera, login=login)
    assert isinstance(found, Camera), found
    return found


def why(camera: OnvifCamera, login: Login | None = LOGIN, deadline_s: float = 10) -> str:
    (found,) = asked(camera, login=login, deadline_s=deadline_s)
    assert isinstance(found, Silent), found
    return found.reason


@pytest.mark.parametrize("way", ["token", "digest"])
def test_the_smallest_stream_that_is_enough_is_found(way: Any) -> None:
    camera = OnvifCamera(log_in=way)
    found = one(camera)
    assert (found.watch.token, found.watch.width, found.watch.fps) == ("sub", 640, 15)
    assert [profile.token for profile in found.profiles] == ["main", "sub"]
    assert found.url.url == "rtsp://127.0.0.1/sub"
    assert (found.device.name, found.device.hardware) == ("Front gate", "DS-2CD2043")
    assert set(camera.log_ins) == {way}


@pytest.mark.parametrize("off_s", [-5 * 365 * 86_400, -3600, 90, 86_400])
def test_a_camera_whose_clock_is_off_lets_us_in(off_s: float) -> None:
    camera = OnvifCamera(clock_off_s=off_s)
    assert one(camera).watch.token == "sub"
    assert camera.refusals == 0


def test_one_that_tells_nothing_without_a_log_in_not_even_the_time() -> None:
    assert one(OnvifCamera(token_first=True)).watch.token == "sub"
    assert one(OnvifCamera(log_in="digest", token_first=True)).watch.token == "sub"


def test_one_that_wants_no_log_in_needs_none() -> None:
    assert one(OnvifCamera(log_in="none"), login=None).url.url == "rtsp://127.0.0.1/sub"


@pytest.mark.parametrize("way", ["token", "digest"])
def test_one_that_wants_a_log_in_says_so(way: Any) -> None:
    assert why(OnvifCamera(log_in=way), login=None) == "wants a log-in; give --user"


@pytest.mark.parametrize("way", ["token", "digest"])
def test_a_wrong_password_is_told_and_not_tried_on(way: Any) -> None:
    camera = OnvifCamera(log_in=way, password="another")
    assert "refuses the log-in" in why(camera)
    assert len(camera.log_ins) == 1  # most lock the user after five


def test_h265_is_found_where_the_camera_has_media2() -> None:
    assert one(OnvifCamera(streams=[MAIN, H265], services=[MEDIA, MEDIA2])).watch.encoding == "H265"
    assert one(OnvifCamera(streams=[MAIN, H265], services=[MEDIA])).watch.encoding == "H264"


@pytest.mark.parametrize("services", [[MEDIA], [MEDIA2]])
def test_a_recorder_is_as_many_cameras_as_it_has_channels(services: list[str]) -> None:
    streams = [
        Stream(f"{kind}{channel}", *size, source=f"channel{channel}")
        for channel in (1, 2, 3)
        for kind, size in (("main", (1920, 1080)), ("sub", (640, 360)))
    ]
    streams[3] = Stream("sub2", 640, 360, source="channel2", url="")  # nothing is plugged in
    first, second, third = asked(OnvifCamera(streams=streams, services=services))
    assert isinstance(first, Camera)
    assert isinstance(third, Camera)
    assert [first.watch.token, third.watch.token] == ["sub1", "sub3"]
    assert [profile.token for profile in third.profiles] == ["main3", "sub3"]
    assert isinstance(second, Silent)
    assert second.reason.startswith("sub2 stream 640x360 H264")


def test_one_of_old_firmware_is_asked_by_its_capabilities() -> None:
    camera = OnvifCamera(services=[])
    assert one(camera).watch.token == "sub"
    assert "GetCapabilities" in camera.calls


def test_a_frame_rate_that_is_not_told() -> None:
    assert one(OnvifCamera(streams=[Stream("only", 640, 360, None)])).watch.fps is None


def test_one_that_names_another_host_is_watched_where_it_answered() -> None:
    found = one(OnvifCamera(names_host="192.168.1.64"))
    assert found.url.url == "rtsp://127.0.0.1/sub"
    assert found.elsewhere == "192.168.1.64"


def test_a_host_by_its_name_is_the_same_as_by_its_address() -> None:
    with OnvifCamera() as camera:
        address = camera.address.replace("127.0.0.1", "localhost")
        (found,) = look_at([Device(address)], LOGIN)
    assert isinstance(found, Camera)
    assert (found.url.url, found.elsewhere) == ("rtsp://localhost/sub", None)


def test_a_log_in_in_the_address_of_a_stream_is_left_out() -> None:
    stream = Stream("sub", 640, 360, url="rtsp://admin:Kan4ry9x7q@{host}:8554/{token}?channel=1")
    assert one(OnvifCamera(streams=[stream])).url.url == "rtsp://127.0.0.1:8554/sub?channel=1"


def test_a_password_in_the_path_of_a_stream_is_kept_and_not_shown() -> None:
    own = Stream("sub", 640, 360, url="rtsp://{host}/user=admin_password=Kan4ry9x7q_channel=1")
    found = one(OnvifCamera(streams=[own]))
    assert found.url.url.endswith("password=Kan4ry9x7q_channel=1")
    assert "Kan4ry9x7q" not in found.shown + repr(found)
    ours = Stream("sub", 640, 360, url="rtsp://{host}/live/p%40ss%3Aw%C3%B6rd%2F9/1")
    assert one(OnvifCamera(streams=[ours])).shown == "rtsp://127.0.0.1/live/***/1"


@pytest.mark.parametrize(
    ("url", "streams"),
    [("", [SUB]), ("sub", [SUB]), ("file:///etc/passwd", [SUB]), ("rtsp://[::1/s", [SUB])],
)
def test_an_address_that_is_none_is_told(url: str, streams: list[Stream]) -> None:
    camera = OnvifCamera(streams=[Stream("sub", 640, 360, url=url)])
    assert "no address of a stream" in why(camera)


def test_one_without_video_is_told() -> None:
    assert "no profile with video" in why(OnvifCamera(streams=[]))


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        ("garbage", "not as an ONVIF camera"),
        ("html", "not as an ONVIF camera"),
        ("endless", "more than 1 MB"),
    ],
)
def test_what_answers_strangely_is_told(behaviour: Any, words: str) -> None:
    assert words in why(OnvifCamera(behaviour=behaviour))


def test_one_whose_profiles_lack_what_they_must_have_is_told() -> None:
    wide: Any = "wide"
    assert "not as an ONVIF camera" in why(OnvifCamera(streams=[Stream("sub", wide, 360)]))


def test_where_nothing_listens() -> None:
    address = f"http://127.0.0.1:{free_port()}/onvif/device_service"
    (found,) = look_at([Device(address)], LOGIN)
    assert isinstance(found, Silent)
    assert found.reason == "connection refused"


@pytest.mark.parametrize("behaviour", ["hangs", "drips"])
def test_what_gives_no_whole_answer_is_told(behaviour: Any) -> None:
    told = why(OnvifCamera(behaviour=behaviour), deadline_s=0.3)
    assert told == "gave no whole answer within 0.3 s"


@pytest.mark.slow
def test_those_that_hang_or_fail_harm_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("detector.onvif.camera.AT_ONCE", 100)
    bad = [OnvifCamera(behaviour=how) for how in ("hangs", "drips", "garbage", "endless")]
    good = [OnvifCamera(f"127.0.0.{number}") for number in range(2, 6)]
    found = asked(*bad, *good, OnvifCamera(password="another"), deadline_s=3)
    reasons = [each.reason for each in found if isinstance(each, Silent)]
    assert reasons[:2] == ["gave no whole answer within 3 s"] * 2
    assert len(reasons) == 5
    assert sum(isinstance(each, Camera) for each in found) == len(good)


@pytest.mark.parametrize("way", ["token", "digest"])
def test_no_request_holds_the_password(way: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[str] = []
    real = soap.etree_to_string

    def kept(envelope: Any) -> bytes:
        text: bytes = real(envelope)
        sent.append(text.decode())
        return text

    monkeypatch.setattr(soap, "etree_to_string", kept)
    camera = OnvifCamera(log_in=way, password="Kan4ry9x7q")
    one(camera, Login("viewer", "Kan4ry9x7q"))
    assert len(sent) >= 5
    assert "Kan4ry9x7q" not in "".join(sent)
