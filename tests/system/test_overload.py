"""A box too slow for its cameras: it says so, and an alarm under way is not what suffers."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from servers import hanging
from servers.daemon import DaemonProcess, wait_until
from servers.rtsp import RtspServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

OTHERS = ("a", "b", "c", "d", "e")

CONFIG = """
detection: {{second_look: off}}
cameras:
  alarmed:
    url: {alarmed}
    detection: {{open_threshold: 0.001, close_threshold: 0.0005, min_duration_s: 0.5}}
{others}
"""

VIEW_S = 0.05
"""So many seconds a view are 20 views a second, of the 48 that six cameras ask for."""


def test_an_overloaded_daemon_says_so_and_keeps_an_open_incident_first(
    tmp_path: Path, walk_clip: Path
) -> None:
    slow = tmp_path / "slow"
    slow.write_text("0")
    command = (sys.executable, hanging.__file__, str(slow))
    with RtspServer(dict.fromkeys(("alarmed", *OTHERS), walk_clip)) as server:
        config = CONFIG.format(
            alarmed=server.url("alarmed"),
            others="\n".join(
                f"  {name}: {{url: '{server.url(name)}', detection: {{open_threshold: 1.0}}}}"
                for name in OTHERS
            ),
        )
        with DaemonProcess(tmp_path / "jikimi", config, command=command) as daemon:
            wait_until(lambda: daemon.camera("alarmed")["open_incidents"], "an incident")
            for name in OTHERS:
                daemon.wait_state(name, "live")
            assert daemon.health()["status"] == "ok"

            def scored() -> dict[str, float]:
                return {
                    name: daemon.metric("jikimi_samples_scored_total", camera=name)
                    for name in ("alarmed", *OTHERS)
                }

            before = scored()
            slow.write_text(str(VIEW_S))
            wait_until(
                lambda: any("overloaded" in reason for reason in daemon.health()["reasons"]),
                "the daemon to say that it is overloaded",
            )
            assert daemon.health()["status"] == "degraded"
            assert daemon.metric("jikimi_overloaded") == 1
            assert "overloaded" in daemon.jikimi("status").stdout
            gained = {name: count - before[name] for name, count in scored().items()}
            assert gained["alarmed"] > 2 * max(gained[name] for name in OTHERS)
            assert all(gained[name] > 0 for name in OTHERS)
