"""Opening a camera: logging in by whatever it asks for, and what is said where that fails."""

from __future__ import annotations

import re
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from config.errors import StreamError, UnauthorisedError
from config.settings import CaptureSettings
from config.urls import StreamUrl
from detector.capture.opening.challenge import Answers, Challenge, best, challenges
from detector.capture.opening.relay import LoginRelay, ask
from detector.capture.source import open_stream
from detector.capture.streams import Stream
from servers.faults import SilentServer
from servers.ports import free_port
from servers.relay import TcpServer
from servers.rtsp import make_clip
from servers.scripted_rtsp import ScriptedCamera

CAPTURE = CaptureSettings(open_timeout_s=3, read_timeout_s=2)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip(tmp_path_factory.mktemp("clips") / "small.mp4", size=(320, 192), seconds=1)


def received(camera: ScriptedCamera, url: str | None = None, pictures: int = 30) -> int:
    """How many pictures come, up to `pictures`."""
    return shown(open_stream(StreamUrl.parse(url or camera.url()), CAPTURE), pictures)


def shown(stream: Stream, pictures: int) -> int:
    """How many pictures it gives, up to `pictures`; then it is closed."""
    count = 0
    try:
        while count < pictures and stream.receive():
            count += len(list(stream.pictures()))
    finally:
        stream.close()
    return count


def failure(camera: ScriptedCamera, url: str | None = None) -> StreamError:
    with pytest.raises(StreamError) as caught:
        open_stream(StreamUrl.parse(url or camera.url()), CAPTURE)
    shown = f"{caught.value!r} {caught.value.__cause__!r} {caught.value.__context__!r}"
    assert camera.password not in shown
    return caught.value


@pytest.mark.parametrize("qop", ['qop="auth,auth-int"', ""])
@pytest.mark.parametrize(
    "digests",
    [["MD5"], ["SHA-256"], ["MD5", "SHA-256"], ["SHA-256", "MD5"], ["SHA-512-256", "MD5"]],
)
def test_a_camera_is_logged_in_to_by_any_digest_it_offers(
    small: Path, digests: list[str], qop: str
) -> None:
    with ScriptedCamera(small, digests=digests, qop=qop) as camera:
        assert received(camera, pictures=3) >= 3


@pytest.mark.slow
def test_a_nonce_that_is_renewed_amid_the_dialogue_is_answered(small: Path) -> None:
    with ScriptedCamera(small, digests=["SHA-256"], nonce_lasts=2) as camera:
        assert received(camera) >= 30


def test_a_wrong_password_is_refused_and_said_not_to_be_the_only_cause(small: Path) -> None:
    with ScriptedCamera(small, digests=["SHA-256"]) as camera:
        error = failure(camera, camera.url("guessed"))
    assert isinstance(error, UnauthorisedError)
    assert "refused the log-in by SHA-256 digest; check user name and password" in str(error)
    with ScriptedCamera(small, digests=["MD5"]) as camera:
        error = failure(camera, camera.url("guessed"))
    assert "user name or password refused" in str(error)
    assert camera.requests.count("DESCRIBE") <= 3  # a camera locks out who guesses often


def test_a_digest_that_nobody_knows_is_named(small: Path) -> None:
    with ScriptedCamera(small, digests=["SHA-512-256"]) as camera:
        error = failure(camera)
    assert isinstance(error, UnauthorisedError)
    assert "log-in by SHA-512-256 digest, which is not supported; set" in str(error)


@pytest.mark.parametrize(
    ("method", "status", "words"),
    [
        ("SETUP", "453 Not Enough Bandwidth", r"too many viewers \(453\); close others"),
        ("SETUP", "461 Unsupported Transport", r"not send by tcp \(461\); set transport: udp"),
        ("PLAY", "454 Session Not Found", r"session \(454\); restart it"),
        ("PLAY", "455 Method Not Valid in This State", r"cannot play .* \(455\)"),
        ("SETUP", "459 Aggregate Operation Not Allowed", r"refused the request \(459\); check"),
        ("DESCRIBE", "403 Forbidden", r"forbids it \(403\); check that the account"),
        ("DESCRIBE", "404 Not Found", r"no such stream \(404\); check the path"),
        ("PLAY", "503 Service Unavailable", r"fault of its own; restart"),
    ],
)
@pytest.mark.parametrize("digests", [[], ["MD5"], ["SHA-256"]])
def test_a_refusal_is_told_in_words_that_help(
    small: Path, digests: list[str], method: str, status: str, words: str
) -> None:
    with ScriptedCamera(small, answers={method: status}, digests=digests) as camera:
        error = failure(camera)
    if "503" in status and digests == ["SHA-256"]:
        words = r"overloaded \(503\); close other viewers"
    assert re.search(words, str(error)), error
    assert "password refused" not in str(error)


@pytest.mark.slow
def test_who_is_sent_round_in_circles_says_so_and_soon_gives_up_from_then_on(small: Path) -> None:
    with ScriptedCamera(small, answers={"DESCRIBE": "302 Moved Temporarily"}) as camera:
        quick = CaptureSettings(open_timeout_s=0.3)
        url = StreamUrl.parse(camera.url())
        for _ in range(2):
            before = len(camera.requests)
            with pytest.raises(StreamError, match="another address, in a circle; check"):
                open_stream(url, quick)
        assert len(camera.requests) - before == 5
        camera.answers = {}  # it is mended
        assert received(camera) >= 30


@pytest.mark.slow
def test_a_camera_that_sends_on_to_another_is_followed_however_late_that_is_there(
    small: Path,
) -> None:
    quick = CaptureSettings(open_timeout_s=0.3)
    with (
        ScriptedCamera(small, answers={"DESCRIBE": "302 Moved Temporarily"}) as first,
        ScriptedCamera(small) as second,
        SilentServer() as silent,
    ):
        first.address = f"rtsp://127.0.0.1:{silent.port}/live"
        url = f"rtsp://127.0.0.1:{first.port}/live"
        with pytest.raises(StreamError, match="no answer within"):
            open_stream(StreamUrl.parse(url), quick)
        first.address = second.address
        assert received(first, url) >= 30


@pytest.mark.slow
def test_a_codec_that_nobody_knows_is_told_and_the_connection_closed(small: Path) -> None:
    with ScriptedCamera(small, rtpmap="X-VENDOR/90000") as camera:
        error = failure(camera)
        assert "its codec is not supported; set the camera to H.264" in str(error)
        assert camera.torn_down.wait(5)


@pytest.fixture(scope="module")
def vast(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One picture of 41 megapixels."""
    path = tmp_path_factory.mktemp("clips") / "vast.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 8192, 5008, "yuv420p"
        stream.options = {"preset": "ultrafast", "threads": "1", "tune": "zerolatency"}
        container.mux(stream.encode(av.VideoFrame(8192, 5008, "yuv420p")))
        container.mux(stream.encode())
    return path


@pytest.mark.slow
def test_pictures_beyond_40_megapixels_are_refused_with_words(small: Path, vast: Path) -> None:
    words = "8192x5008 are larger than 40 megapixels"
    with pytest.raises(StreamError, match=f"{words}.*make them smaller"):
        open_stream(StreamUrl.parse(str(vast)), CAPTURE)
    with ScriptedCamera(vast) as camera:
        assert f"{words}, which are not decoded; use the camera's sub-stream" in str(
            failure(camera)
        )
    with (
        ScriptedCamera(small, vast) as camera,  # a second later it becomes so large
        pytest.raises(StreamError, match=f"{words}.*sub-stream"),
    ):
        received(camera, pictures=100)


class _Web(BaseHTTPRequestHandler):
    """A camera's or a proxy's web server that refuses all; `said`: its status and header."""

    said: tuple[int, str, str] = (403, "X", "Y")

    def do_GET(self) -> None:
        status, name, value = self.said
        self.send_response(status)
        self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_CONNECT = do_GET  # noqa: N815 - the handler's naming

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def web(status: int, name: str = "X", value: str = "Y") -> Iterator[int]:
    """A web server that answers so; its port."""
    own = type("Own", (_Web,), {"said": (status, name, value)})
    with ThreadingHTTPServer(("127.0.0.1", 0), own) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


@pytest.mark.parametrize("scheme", ["http", "https", "rtsp"])
def test_no_camera_is_asked_through_the_environments_proxy(
    scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with web(403) as proxy:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy}")
        with pytest.raises(StreamError, match="connection refused"):
            open_stream(StreamUrl.parse(f"{scheme}://127.0.0.1:{free_port()}/v"), CAPTURE)


def test_where_libav_takes_the_proxy_all_the_same_it_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with web(403) as proxy:
        monkeypatch.setenv("http_proxy", f"http://u:secret@127.0.0.1:{proxy}")
        with pytest.raises(StreamError, match="no_proxy") as caught:
            open_stream(StreamUrl.parse(f"rtsps://127.0.0.1:{free_port()}/v"), CAPTURE)
    assert "secret" not in str(caught.value)


def test_a_web_camera_that_wants_sha256_says_so() -> None:
    asked = 'Digest realm="cam", nonce="1", algorithm=SHA-256, qop="auth"'
    with web(401, "WWW-Authenticate", asked) as port:
        url = StreamUrl.parse(f"http://u:secret@127.0.0.1:{port}/video")
        with pytest.raises(UnauthorisedError, match="by SHA-256 digest, which is not supported"):
            open_stream(url, CAPTURE)
    with web(401, "WWW-Authenticate", 'Basic realm="cam"') as port:
        url = StreamUrl.parse(f"http://u:secret@127.0.0.1:{port}/video")
        with pytest.raises(UnauthorisedError, match="user name or password refused"):
            open_stream(url, CAPTURE)


class Dribbling(TcpServer):
    """Answers a byte every 10 ms, without end."""

    def _handle(self, client: socket.socket) -> None:
        with suppress(OSError):
            while not threading.Event().wait(0.01):
                client.sendall(b"R")


def test_who_dribbles_an_answer_is_not_waited_for() -> None:
    with Dribbling() as camera:
        url = StreamUrl.parse(f"rtsp://127.0.0.1:{camera.port}/live")
        with pytest.raises(TimeoutError):
            ask(url, 0.3)


def test_a_web_camera_that_redirects_in_circles_is_given_up_at_once() -> None:
    with (
        web(302, "Location", "/") as port,
        pytest.raises(StreamError, match="no connection came about, or it leads in a circle"),
    ):
        open_stream(StreamUrl.parse(f"http://127.0.0.1:{port}/"), CAPTURE)


def test_the_relay_serves_nobody_but_who_knows_its_address(small: Path) -> None:
    with ScriptedCamera(small, digests=["SHA-256"]) as camera:
        relay = LoginRelay(StreamUrl.parse(camera.url()), 3)
        port = int(relay.url.split(":")[2].split("/")[0])
        with socket.create_connection(("127.0.0.1", port), 5) as stranger:
            stranger.sendall(
                f"DESCRIBE rtsp://127.0.0.1:{port}/live?ch=1 RTSP/1.0\r\n\r\n".encode()
            )
            assert stranger.recv(100) == b""
        assert camera.requests == ["DESCRIBE"]


def test_the_relays_thread_ends_with_the_stream(small: Path) -> None:
    def relays() -> list[threading.Thread]:
        return [thread for thread in threading.enumerate() if thread.name == "login-relay"]

    with ScriptedCamera(small, digests=["SHA-256"]) as camera:
        stream = open_stream(StreamUrl.parse(camera.url()), CAPTURE)
        [relay] = relays()
        assert stream.receive()
        stream.close()
        relay.join(5)
        assert not relay.is_alive()
        failure(camera, camera.url("guessed"))
        for relay in relays():
            relay.join(5)
        assert not relays()


@pytest.mark.slow
def test_tls_is_spoken_by_the_relay_too(small: Path, tmp_path: Path) -> None:
    files = [str(tmp_path / "key.pem"), str(tmp_path / "cert.pem")]
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
    command += f" -days 2 -subj /CN=camera -keyout {files[0]} -out {files[1]}"
    subprocess.run(command.split(), check=True, capture_output=True)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(files[1], files[0])
    with ScriptedCamera(small, digests=["SHA-256"], tls=tls) as camera:
        assert received(camera) >= 30


def test_the_answers_are_those_of_the_standard() -> None:
    """RFC 7616, 3.9.1."""
    head = (
        "HTTP/1.1 401 Unauthorized\r\n"
        'WWW-Authenticate: Digest realm="http-auth@example.org", qop="auth, auth-int", '
        'algorithm=SHA-256, nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", '
        'opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"\r\n'
        'WWW-Authenticate: Digest realm="http-auth@example.org", qop="auth, auth-int", '
        'algorithm=MD5, nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", '
        'opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"\r\n\r\n'
    )
    sha, md5 = challenges(head)
    assert (sha.name, md5.name) == ("SHA-256 digest", "MD5 digest")
    assert best([sha, md5]) is md5
    for asked, response in (
        (sha, "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        (md5, "8ca523f5e9506fed4657c9700eebdbec"),
    ):
        answers = Answers(asked, "Mufasa", "Circle of Life")
        answers._cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
        assert f'response="{response}"' in answers.to("GET", "/dir/index.html")


def test_challenges_on_one_line_are_told_apart() -> None:
    line = 'WWW-Authenticate: Basic realm="a", Digest realm="b", nonce="n", algorithm=SHA-256\r\n'
    basic, digest = challenges(f"RTSP/1.0 401 Unauthorized\r\n{line}")
    assert (basic.digest, basic.realm) == (False, "a")
    assert (digest.digest, digest.realm, digest.algorithm) == (True, "b", "SHA-256")
    assert best([basic, digest]) is digest
    assert Answers(basic, "Aladdin", "open sesame").to("X", "/") == (
        "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
    )
    assert best([Challenge(digest=True, algorithm="SHA-512-256")]) is None


def test_jpeg_pictures_so_large_are_refused_with_words_too(tmp_path: Path) -> None:
    """Their size is known to nobody but the decoder, which does not tell what it refused."""
    _, jpeg = cv2.imencode(".jpg", np.zeros((8192, 5008), np.uint8))
    path = tmp_path / "vast.mjpeg"
    path.write_bytes(jpeg.tobytes() * 40)
    stream = open_stream(StreamUrl.parse(str(path)), CAPTURE)
    with pytest.raises(StreamError, match="no picture could be decoded: damaged, or larger than"):
        shown(stream, 40)


REFUSED_IN = """
import re, sys
from pathlib import Path
from config.settings import CaptureSettings
from config.urls import StreamUrl
from detector.capture.source import open_stream
small, vast = sys.argv[1:]

def most():
    return int(re.search(r"VmHWM:\\s*(\\d+)", Path("/proc/self/status").read_text())[1])

stream = open_stream(StreamUrl.parse(small), CaptureSettings())
stream.receive(), list(stream.pictures())
before = most()
try:
    open_stream(StreamUrl.parse(vast), CaptureSettings())
except Exception as error:
    print(most() - before, error)
"""


@pytest.mark.slow
def test_refusing_a_vast_picture_takes_no_memory_for_it(small: Path, vast: Path) -> None:
    command = [sys.executable, "-c", REFUSED_IN, str(small), str(vast)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    taken_kb, said = done.stdout.split(" ", maxsplit=1)
    assert "megapixels" in said
    assert int(taken_kb) < 30_000  # the picture alone is 61,000
