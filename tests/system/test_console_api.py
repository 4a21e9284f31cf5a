"""The interface for programs under requests that schemathesis makes from its description."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from detector.console.access.passwords import hash_token
from servers.daemon import DaemonProcess

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

TOKEN = "jikimi_token-of-a-test"
CONFIG = f"""
cameras: {{gate: 'pattern://calm', yard: 'pattern://calm'}}
sinks: {{police: {{type: recording, path: recorded}}}}
http: {{tokens: {{robot: {{sha256: {hash_token(TOKEN)}, role: admin}}}}}}
"""


def test_whatever_is_asked_no_operation_fails(tmp_path: Path) -> None:
    with DaemonProcess(tmp_path / "jikimi", CONFIG) as daemon:
        daemon.wait_state("gate", "live")
        at = f"http://127.0.0.1:{daemon.port}/api/openapi.json"
        header = f"Authorization: Bearer {TOKEN}"
        options = ["--checks", "not_a_server_error", "--max-examples", "12", "--no-color"]
        done = subprocess.run(
            [sys.executable, "-m", "schemathesis.cli", "run", at, "--header", header, *options],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr
        request = Request(at, headers={"Authorization": f"Bearer {TOKEN}"})
        described = json.load(urlopen(request))
        operations = sum(len(path) for path in described["paths"].values())
        assert f"{operations} selected / {operations} total" in done.stdout, done.stdout
        assert daemon.health()["status"] == "ok"
        assert "Traceback" not in daemon.log()
