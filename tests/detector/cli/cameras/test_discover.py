"""`jikimi discover`: what it prints and writes, and that no password is in it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

pytest.importorskip("onvif", reason="needs pip install 'jikimi[onvif]'")

from alerts.registry import sink_options
from config.load import load_settings
from config.settings import CameraSettings
from servers.onvif_answers import Stream
from servers.onvif_camera import MAIN, OnvifCamera
from servers.onvif_network import in_own_network
from servers.ports import free_port
from servers.rtsp import RtspServer, gst_available, make_clip

Run = Callable[..., tuple[int, str, str]]

PASSWORD = "kan4ry9x7q"
VARIABLE = "JIKIMI_ONVIF_PASSWORD"


def camera(host: str = "127.0.0.1", **more: object) -> OnvifCamera:
    return OnvifCamera(host, **{"password": PASSWORD, **more})  # type: ignore[arg-type]


def host(of: OnvifCamera) -> str:
    return f"{of.host}:{of.port}"


def watched(path: Path) -> list[CameraSettings]:
    return load_settings(path, {VARIABLE: PASSWORD}, [], sink_options()).cameras


def test_what_is_printed_is_a_configuration(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, PASSWORD)
    with camera() as one, camera("127.0.0.2", names_host="10.0.0.9") as other:
        code, out, err = run("discover", host(one), host(other), "--user", "viewer")
    assert (code, err) == (0, "")
    file = tmp_path / "jikimi.yaml"
    file.write_text(out)
    assert [(each.name, each.url.url) for each in watched(file)] == [
        ("front-gate-127.0.0.1", f"rtsp://viewer:{PASSWORD}@127.0.0.1/sub"),
        ("front-gate-127.0.0.2", f"rtsp://viewer:{PASSWORD}@127.0.0.2/sub"),
    ]
    assert run("check", file)[0] == 0
    assert "# watched: sub stream 640x360 H264, 15 pictures a second" in out
    assert "# not watched: main stream 1920x1080 H264, 25 pictures a second" in out
    assert out.count("10.0.0.9") == 1
    assert PASSWORD not in out


def test_a_file_is_written_for_its_owner_alone_and_none_is_replaced(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret, file = tmp_path / "password", tmp_path / "jikimi.yaml"
    secret.write_text(f"{PASSWORD}\n")
    own = Stream("sub", 640, 360, url="rtsp://{host}/user=admin_password=tlJwpbo6_channel=1")
    options = ("--user", "viewer", "--password-file", secret)
    with camera(streams=[own]) as one:
        _, printed, _ = run("discover", host(one), *options)
        code, out, err = run("discover", host(one), *options, "--write", file)
        written = file.read_text()
        again = run("discover", host(one), *options, "--write", file)
    assert (code, err) == (0, "")
    assert "tlJwpbo6" not in printed + out
    assert "--write" in printed
    assert file.stat().st_mode & 0o777 == 0o600
    assert watched(file)[0].url.url.endswith("@127.0.0.1/user=admin_password=tlJwpbo6_channel=1")
    assert PASSWORD not in written
    assert again[0] == 64
    assert "name a new file" in again[2]
    assert file.read_text() == written


def test_a_variable_for_discover_is_no_mistake_of_a_configuration(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, PASSWORD)
    file = tmp_path / "jikimi.yaml"
    file.write_text("cameras: {yard: 'pattern://calm'}\n")
    assert run("check", file)[0] == 0


def test_one_that_fails_is_told_in_one_line_and_the_others_are_written(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, PASSWORD)
    nothing = f"127.0.0.1:{free_port()}"
    with camera() as good, camera(password="another") as refuses, camera(behaviour="html") as html:
        hosts = map(host, (refuses, good, html))
        code, out, err = run("discover", *hosts, nothing, "--user", "viewer")
    assert code == 0
    assert list(yaml.safe_load(out)["cameras"]) == ["front-gate"]
    lines = err.splitlines()
    assert len(lines) == 3
    assert "refuses the log-in" in lines[0]
    assert "not as an ONVIF camera" in lines[1]
    assert lines[2].endswith(f"{nothing}/onvif/device_service: connection refused")


def test_where_none_can_be_asked_nothing_is_printed(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "jikimi.yaml"
    with camera() as one:
        code, out, err = run("discover", host(one), "--write", file)
    assert (code, out) == (3, "")
    assert "give --user" in err
    assert not file.exists()


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--user", "viewer"], 64, f"set {VARIABLE}"),
        (["--user", "view:er"], 64, "colon"),
        (["--password-file", "x"], 64, "without --user"),
        (["--user", "viewer", "--password-file", "empty"], 2, "is empty"),
        (["--user", "viewer", "--password-file", "/"], 2, "cannot be read"),
        (["--user", "viewer", "--password", PASSWORD], 2, "name a file"),
        ([f"viewer:{PASSWORD}@192.0.2.10"], 64, "--user"),
        (["192.0.2.10:999999"], 64, "name or address"),
    ],
)
def test_wrong_usage_is_told_before_anybody_waits(
    arguments: list[str],
    code: int,
    words: str,
    run: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").write_text("\n")
    found, out, err = run("discover", *arguments)
    assert (found, out) == (code, "")
    assert words in err
    assert PASSWORD not in err


def test_without_the_extra_it_says_how_to_install_it(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onvif", None)
    assert run("discover") == (
        1,
        "",
        "jikimi: discover needs an ONVIF client: pip install 'jikimi[onvif]'\n",
    )


@pytest.mark.slow
def test_a_password_is_asked_for_and_not_echoed() -> None:
    outside, inside = os.openpty()
    with camera() as one:
        command = [sys.executable, "-m", "detector.cli", "discover", host(one), "--user", "viewer"]
        asked = subprocess.Popen(
            ["setsid", "--ctty", "--wait", *command], stdin=inside, stdout=inside, stderr=inside
        )
        os.close(inside)
        shown = b""
        while b"Password of the cameras: " not in shown:
            shown += os.read(outside, 1000)
        os.write(outside, f"{PASSWORD}\n".encode())
        try:
            while more := os.read(outside, 1000):
                shown += more
        except OSError:  # nobody has it open any more
            pass
        assert asked.wait() == 0
    os.close(outside)
    assert b"password: {env: JIKIMI_ONVIF_PASSWORD}" in shown
    assert PASSWORD.encode() not in shown


@pytest.mark.parametrize(
    "trap",
    [
        {"scopes": [f"name/{PASSWORD}", f"hardware/{PASSWORD}"]},
        {"scopes": [f"name/x%0A{PASSWORD}"], "password": "another"},
        {"fault": f"not {PASSWORD}, viewer", "password": "another"},
        {"streams": [Stream(PASSWORD, 640, 360)]},
        {"streams": [Stream("s", 640, 360, encoding=PASSWORD)]},
        {"streams": [Stream("s", 640, 360, url=f"rtsp://viewer:{PASSWORD}@{{host}}/s")]},
        {"streams": [Stream("s", 640, 360, url=f"rtsp://{{host}}/s?a=1&pwd={PASSWORD}")]},
        {"streams": [Stream("s", 640, 360, url=f"rtsp://{{host}}/{PASSWORD}/s?a={PASSWORD}")]},
        {"streams": [Stream("s", 640, 360, url=f"rtsp://{PASSWORD}/s")]},
        {"streams": [Stream("s", 640, 360, url=f"{PASSWORD}")]},
        {"streams": [Stream("s", 640, 360, url=f"file:///{PASSWORD}")]},
        {"names_host": PASSWORD},
        {"behaviour": "garbage"},
        {"log_in": "digest"},
        {"log_in": "digest", "password": "another"},
    ],
    ids=str,
)
def test_a_camera_that_repeats_the_password_has_it_shown_nowhere(
    trap: dict[str, object], run: Run, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    secret = tmp_path / "secret"
    secret.write_text(PASSWORD)
    with camera(**trap) as one:
        code, out, err = run("discover", host(one), "--user", "viewer", "--password-file", secret)
    assert code in {0, 3}
    assert out + err
    assert PASSWORD not in out + err
    ours = [record for record in caplog.records if record.name.startswith(("detector", "config"))]
    assert ours == []


GARBLED = """\
<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"
  xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing"
  xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery"><s:Header>
  <a:Action>http://schemas.xmlsoap.org/ws/2005/04/discovery/ProbeMatches</a:Action>
  <a:MessageID>m</a:MessageID><a:RelatesTo>r</a:RelatesTo>
  <d:AppSequence InstanceId="one" MessageNumber="x"/></s:Header><s:Body/></s:Envelope>"""


@pytest.mark.slow
def test_cameras_of_the_network_are_found_by_multicast(tmp_path: Path) -> None:
    done = in_own_network(
        [
            {"host": "127.0.0.9", "datagram": "\x00\xff garbage"},
            {"host": "127.0.0.8", "datagram": GARBLED},
            {"host": "127.0.0.2", "scopes": ["name/Gate"], "password": PASSWORD},
            {"host": "127.0.0.3", "scopes": ["name/Yard"], "password": PASSWORD}
            | {"log_in": "digest", "clock_off_s": -7200},
            {"host": "127.0.0.4", "scopes": ["name/Roof"], "names_host": "192.168.1.64"}
            | {"password": PASSWORD},
            {"host": "127.0.0.5", "scopes": [f"name/Door {PASSWORD}"], "password": "another"},
        ],
        ["discover", "--user", "viewer"],
        {**os.environ, VARIABLE: PASSWORD},
    )
    assert done.returncode == 0, done.stderr
    file = tmp_path / "jikimi.yaml"
    file.write_text(done.stdout)
    assert [(each.name, each.url.url.partition("@")[2]) for each in watched(file)] == [
        ("gate", "127.0.0.2/sub"),
        ("yard", "127.0.0.3/sub"),
        ("roof", "127.0.0.4/sub"),
    ]
    assert len(done.stderr.splitlines()) == 1
    assert "(Door ***): refuses the log-in" in done.stderr
    assert PASSWORD not in done.stdout + done.stderr


@pytest.mark.slow
def test_what_is_found_can_be_watched(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, PASSWORD)
    clip = make_clip(tmp_path / "moving.mp4", seconds=4)
    login = ("viewer", PASSWORD) if gst_available() else (None, None)
    with RtspServer({"gate": clip}, *login) as server:
        plain = server.url("gate").replace(f"viewer:{PASSWORD}@", "")
        found = plain.replace("127.0.0.1", "192.168.1.64")  # as cameras behind NAT have it
        with camera(streams=[Stream("sub", 640, 360, url=found), MAIN]) as one:
            _, out, _ = run("discover", host(one), "--user", "viewer")
        file = tmp_path / "jikimi.yaml"
        file.write_text(out)
        code, report, err = run("probe", watched(file)[0].url.url)
    assert (code, err) == (0, "")
    assert report.startswith("video      h264")
    assert "640x360" in report
