"""A password with every awkward character in it is used, and seen nowhere."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from urllib.parse import quote

import pytest

from servers.daemon import DaemonProcess, wait_until
from servers.mqtt import MqttBroker, Subscriber
from servers.ports import free_port
from servers.rtsp import RtspServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

PASSWORD = "p@ss:w/or#d%"
ENCODED = quote(PASSWORD, safe="")
TOKEN = "T0ken4Everything"
SIGNING = "whsec_S1gn1ngSecretS1gn1ngSecretS1gn1n"
ROOT = Path(__file__).parents[2]


def test_a_password_appears_in_nothing_that_is_written_or_sent(
    tmp_path: Path, walk_clip: Path
) -> None:
    folder = tmp_path / "broker"
    folder.mkdir()
    with (
        MqttBroker(folder, users={"jikimi": "Brok3r-s@cret"}) as broker,
        RtspServer({"a": walk_clip}, user="operator", password=PASSWORD) as server,
        Subscriber(broker) as station,
    ):
        address = f"127.0.0.1:{server.port}"
        config = f"""
capture: {{open_timeout_s: 3, read_timeout_s: 2}}
log: {{level: debug}}
cameras:
  right: 'rtsp://operator:{PASSWORD}@{address}/a'
  wrong: 'rtsp://operator:x{PASSWORD}@{address}/a'
  nowhere: 'rtsp://operator:{PASSWORD}@{address}/missing'
  refused: 'rtsp://operator:{PASSWORD}@127.0.0.1:{free_port()}/a'
  token: 'rtsp://{TOKEN}@127.0.0.1:{free_port()}/a'
  query: 'http://127.0.0.1:{free_port()}/a?channel=1&sid={TOKEN}&new={TOKEN}#{TOKEN}'
sinks:
  hook: {{type: webhook, url: 'http://127.0.0.1:{free_port()}/services/{TOKEN}?k={TOKEN}',
          headers: {{X-Key: {TOKEN}}}, bearer_token: {TOKEN}, signing_secret: {SIGNING}}}
  program: {{type: exec, command: [sh, -c, "env >&2; exit 1"]}}
  horn: {{type: siren, command: [sh, -c, "env >&2; exit 1"]}}
  police: {{type: mqtt, host: 127.0.0.1, port: {broker.port}, protocol: "3.1.1",
            username: jikimi, password: "Brok3r-s@cret"}}
  wrong-police: {{type: mqtt, host: 127.0.0.1, port: {broker.port}, protocol: "3.1.1",
            username: jikimi, password: "wr0ng-s@cret"}}
"""
        with DaemonProcess(tmp_path / "jikimi", config) as daemon:
            daemon.wait_state("right", "live")
            daemon.wait_state("wrong", "unauthorised")
            daemon.wait_state("nowhere", "offline")
            for name in ("refused", "token", "query"):
                daemon.wait_state(name, "offline")
            daemon.jikimi("drill")
            station.wait_for_incidents(2)
            seen = [daemon.metrics_text(), str(daemon.health())]
            for command in (["status"], ["incidents"], ["outbox", "list"]):
                done = daemon.jikimi(*command)
                seen += [done.stdout, done.stderr]
            probed = daemon.jikimi("probe", f"rtsp://operator:x{PASSWORD}@{address}/a")
            assert probed.returncode == 3
            seen += [probed.stdout, probed.stderr]
            server.kill()
            wait_until(lambda: daemon.camera("right")["state"] != "live", "the loss")
            seen += [str(daemon.health())]
            daemon.stop()
            seen += [daemon.log(), daemon.printed()]
        seen += [message.payload.decode(errors="replace") for message in station.messages]
        kept = [
            p.read_bytes().decode("latin-1") for p in daemon.state_dir.rglob("*") if p.is_file()
        ]
    for text in seen + kept:
        for secret in (PASSWORD, ENCODED, TOKEN, "Brok3r-s@cret", "wr0ng-s@cret", SIGNING[6:]):
            assert secret not in text


@pytest.mark.skipif(
    not (ROOT / ".venv/bin/jikimi").exists(), reason="`make run` needs its environment in .venv"
)
def test_make_run_shows_no_password_in_the_process_list(tmp_path: Path) -> None:
    """`CAMERAS=… make run`; as an argument of make itself only make's own line has it."""
    url = f"gate=rtsp://operator:{PASSWORD}@127.0.0.1:{free_port()}/a"
    environment = {
        **os.environ,
        "JIKIMI_STATE_DIR": str(tmp_path / "state"),
        "JIKIMI_HTTP__PORT": "0",
        "CAMERAS": url,
    }
    make = subprocess.Popen(
        ["make", "-o", ".venv/.run", "run"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        assert make.stdout
        printed = []
        for line in make.stdout:
            printed.append(line)
            if "state" in line and str(tmp_path) in line:
                break
        lines = [
            p.read_bytes().replace(b"\0", b" ").decode()
            for p in Path("/proc").glob("[0-9]*/cmdline")
            if os.access(p, os.R_OK)
        ]
    finally:
        os.killpg(make.pid, signal.SIGTERM)
        make.communicate(timeout=20)
    assert any("jikimi run" in line for line in lines)
    assert "rtsp://***@" in "".join(printed)
    for text in lines + printed:
        assert PASSWORD not in text
        assert ENCODED not in text
