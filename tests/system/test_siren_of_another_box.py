"""Two daemons of a cluster, one configuration: the siren that hangs on the second one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from detector.daemon.handover.claims import CLAIMS, write_claims
from servers.daemon import DaemonProcess, wait_until
from servers.postgresql import PostgresqlServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

CONFIG = """
engine: litert
cameras: {{{camera}: 'pattern://calm'}}
sinks:
  quay-siren: {{type: siren, box: harbour, command: [{siren}], expiry_s: 60}}
evidence: off
detection: {{second_look: off}}
journal: {{url: '{url}'}}
"""


def test_an_alarm_sounds_where_its_siren_hangs_whichever_box_watches(tmp_path: Path) -> None:
    siren = tmp_path / "siren"
    siren.write_text(f'#!/bin/sh\necho "$PPID $JIKIMI_CAMERA" >> {siren}.sounds\n')
    siren.chmod(0o700)

    def sounds() -> list[tuple[int, str]]:
        """By time: which daemon has sounded it, and for which camera."""
        path = tmp_path / "siren.sounds"
        lines = path.read_text().splitlines() if path.exists() else []
        return [(int(pid), camera) for pid, camera in (line.split() for line in lines)]

    def box(name: str, camera: str) -> DaemonProcess:
        config = CONFIG.format(camera=camera, siren=siren, url=url)
        made = DaemonProcess(tmp_path / name, config)
        made.state_dir.mkdir()
        write_claims(made.state_dir / CLAIMS, name, {camera: 7})
        return made

    with PostgresqlServer() as server:
        url = server.fresh_database("city")
        with box("harbour", "quay") as harbour, box("gate", "yard") as gate:
            assert harbour.process
            wait_until(lambda: state_of(gate) == "working", "the boxes to know each other")
            for one in (gate, harbour):
                drill = one.jikimi("drill")
                assert re.search(r"quay-siren: acknowledged after \d+ ms", drill.stdout), drill
            assert sounds() == [(harbour.process.pid, "yard"), (harbour.process.pid, "quay")]
            harbour.kill()
            wait_until(lambda: state_of(gate) == "failing", "the dead box to be noticed")
            drill = gate.jikimi("drill", "--timeout", "20")
            assert "quay-siren: failed: box harbour was last heard of" in drill.stdout
            harbour.start()
            assert harbour.process
            wait_until(lambda: len(sounds()) > 2, "what waits to sound")
            assert sounds()[2:] == [(harbour.process.pid, "yard")]
            for one in (gate, harbour):
                one.stop()
                assert "Traceback" not in one.log()


def state_of(daemon: DaemonProcess) -> str:
    [sink] = daemon.health()["sinks"]
    return str(sink["state"])
