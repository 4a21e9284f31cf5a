"""The relay that logs in for libav, met by a camera whose answers come in pieces."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest

from config.urls import StreamUrl
from detector.capture.opening.relay import LoginRelay

REFUSAL = (
    b'RTSP/1.0 401 Unauthorized\r\nCSeq: 1\r\nWWW-Authenticate: Digest realm="r", nonce="%s", '
    b"algorithm=SHA-256\r\n\r\n"
)


def read(connection: socket.socket, until: bytes = b"\r\n\r\n") -> bytes:
    data = b""
    while not data.endswith(until):
        received = connection.recv(1)
        assert received, f"closed after {data!r}"
        data += received
    return data


def met() -> tuple[socket.socket, LoginRelay]:
    """A camera's side of a connection, and the relay that it has asked to log in."""
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as pool:
        url = StreamUrl.parse(f"rtsp://user:secret@127.0.0.1:{listener.getsockname()[1]}/live")
        relay = pool.submit(LoginRelay, url, 10.0)
        camera, _ = listener.accept()
        read(camera)
        camera.sendall(REFUSAL % b"old")
        return camera, relay.result()


@pytest.mark.parametrize("cut", [5, 11, 30, 75])
def test_a_new_nonce_that_comes_in_two_pieces_is_taken(cut: int) -> None:
    camera, relay = met()
    with camera, socket.create_connection(("127.0.0.1", urlsplit(relay.url).port)) as libav:
        libav.settimeout(10)
        camera.settimeout(10)
        request = f"OPTIONS {relay.url} RTSP/1.0\r\nCSeq: 2\r\n\r\n".encode()
        libav.sendall(request)
        assert b'nonce="old"' in read(camera)
        refusal = REFUSAL % b"new"
        camera.sendall(refusal[:cut])
        assert read(libav, refusal[:cut]) == refusal[:cut]
        camera.sendall(refusal[cut:])
        read(libav)
        libav.sendall(request)
        assert b'nonce="new"' in read(camera)
