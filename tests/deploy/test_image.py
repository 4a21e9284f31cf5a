"""The built image as a container runs it: as its own user, on a read-only root, by environment.

`make image-check` builds it and says where it lies; what docker would do with namespaces is done
here with unshare, chroot and setpriv. The network is the host's, as with `--network host`.
"""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from servers.daemon import wait_until
from servers.ports import free_port
from servers.rtsp import Feed, RtspServer, gst_available, make_clip

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(
        "JIKIMI_IMAGE_ROOT" not in os.environ, reason="builds an image first: make image-check"
    ),
]

DATA = Path(__file__).parents[3] / "shared/data"
FIGHT_SCENE = "yt_gZDH9kWucNM"

ENTER = """set -e
root=$1 state=$2 user=$3 folder=$4; shift 4
mount --bind "$root" "$root"
mount --bind "$state" "$root/var/lib/jikimi"
mount -t proc proc "$root/proc"
mount -t tmpfs tmpfs "$root/tmp"
mount -t tmpfs tmpfs "$root/dev"
for node in null zero random urandom; do
    touch "$root/dev/$node"; mount --bind /dev/$node "$root/dev/$node"
done
mount -o remount,ro,bind "$root"
exec chroot "$root" setpriv --reuid "${user%:*}" --regid "${user#*:}" --clear-groups \
    --bounding-set=-all --no-new-privs env -i -C "$folder" "$@"
"""

Enter = Callable[..., list[str]]


@pytest.fixture
def image() -> dict[str, Any]:
    """The image's configuration: Env, User, Entrypoint, Cmd, Healthcheck and more."""
    told = json.loads(Path(os.environ["JIKIMI_IMAGE_JSON"]).read_text())
    found: dict[str, Any] = told["Docker"]["config"]
    return found


@pytest.fixture
def enter(image: dict[str, Any], tmp_path: Path) -> Enter:
    """A command line that runs another inside the image, as the image says."""
    state = tmp_path / "state"
    state.mkdir()
    user, group = map(int, image["User"].split(":"))
    os.chown(state, user, group)

    def command(inner: list[str], **environment: str) -> list[str]:
        given = [f"{name}={value}" for name, value in environment.items()]
        return [
            *("unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", ENTER, "sh"),
            *(os.environ["JIKIMI_IMAGE_ROOT"], str(state), image["User"], image["WorkingDir"]),
            *(*image["Env"], *given, *inner),
        ]

    return command


@contextmanager
def running(command: list[str], log: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """The process of unshare, and the id of the container's first process."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    try:
        first = int(wait_until(children.read_text, "the container's first process"))
        yield process, first
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def cameras(tmp_path: Path) -> Iterator[str]:
    """What `JIKIMI_CAMERAS` gets: a fight over RTSP, or else a stream of RTSP and a drawn fight."""
    manifest = DATA / "manifest.csv"
    if manifest.exists() and gst_available():
        with manifest.open() as file:
            rows = [row for row in csv.DictReader(file) if row["scene"] == FIGHT_SCENE]
        calm, fight = (
            sorted(DATA / row["path"] for row in rows if row["label"] == label)
            for label in ("normal", "violence")
        )
        with RtspServer({"gate": Feed((*calm[:8], *fight[:4], *calm[:9]))}) as server:
            yield f"gate={server.url('gate')}"
    else:
        with RtspServer({"gate": make_clip(tmp_path / "walk.mp4")}) as server:
            yield f"gate={server.url('gate')} yard=pattern://scuffle"


def test_it_watches_raises_an_incident_and_stops_in_time(
    image: dict[str, Any], enter: Enter, cameras: str, tmp_path: Path
) -> None:
    port = str(free_port())
    settings = {"JIKIMI_CAMERAS": cameras, "JIKIMI_HTTP__PORT": port}
    log = tmp_path / "log.txt"

    def get(path: str) -> str:
        try:
            with urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
                return str(answer.read().decode())
        except (URLError, OSError):
            assert process.poll() is None, log.read_text()
            return ""

    def gate_is_live() -> bool:
        cameras = json.loads(get("/healthz"))["cameras"]
        return any(camera["name"] == "gate" and camera["state"] == "live" for camera in cameras)

    def incidents() -> bool:
        lines = get("/metrics").splitlines()
        counts = [line for line in lines if line.startswith("jikimi_incidents_total{")]
        return any(float(line.rpartition(" ")[2]) > 0 for line in counts)

    entry = [*image["Entrypoint"], *image["Cmd"]]
    with running(enter(entry, **settings), log) as (process, first):
        wait_until(lambda: get("/livez") == "ok\n", "/livez")
        health = enter(image["Healthcheck"]["Test"][1:], **settings)
        assert subprocess.run(health, check=False).returncode == 0
        status = Path(f"/proc/{first}/status").read_text()
        wait_until(gate_is_live, "the stream")
        wait_until(incidents, "an incident", 120)
        os.kill(first, signal.SIGTERM)
        asked_s = time.monotonic()
        assert process.wait(10) == 0, log.read_text()
        took_s = time.monotonic() - asked_s

    # the record of `make image-check`, which shows what is printed
    print(f"stopped in {took_s:.1f} s; the log:\n{log.read_text()}")  # noqa: T201 - see above
    assert took_s < 5
    assert "Uid:\t10001\t10001\t10001\t10001" in status
    assert "NoNewPrivs:\t1" in status
    assert "CapBnd:\t0000000000000000" in status
    assert '"phase": "opened"' in log.read_text()


def test_it_is_unhealthy_when_nothing_answers(image: dict[str, Any], enter: Enter) -> None:
    health = enter(image["Healthcheck"]["Test"][1:], JIKIMI_HTTP__PORT=str(free_port()))
    assert subprocess.run(health, check=False, capture_output=True).returncode == 1


def test_its_user_can_write_the_state_and_nothing_else(enter: Enter) -> None:
    script = "touch /var/lib/jikimi/x && ! touch /opt/jikimi/x /etc/x 2>/dev/null && id -u"
    done = subprocess.run(enter(["sh", "-c", script]), check=True, capture_output=True, text=True)
    assert done.stdout == "10001\n"


def test_relays_can_be_driven_and_nothing_that_built_it_is_left(enter: Enter) -> None:
    script = (
        "import importlib.util as u, lgpio, pigpio, detector.daemon.daemon;"
        "print([m for m in ('pip', 'hatchling', 'tests') if u.find_spec(m)])"
    )
    done = subprocess.run(
        enter(["python", "-c", script]), check=True, capture_output=True, text=True
    )
    assert done.stdout == "[]\n"
