"""Getting into the console of the real daemon."""

from __future__ import annotations

import json
import re
import signal
from pathlib import Path

import httpx
import pytest

from detector.console.access.passwords import hash_password
from servers.daemon import DaemonProcess, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

PASSWORD = "a few words do well"
CAMERAS = "cameras:\n  gate: 'pattern://calm'\n"


def browser(daemon: DaemonProcess) -> httpx.Client:
    return httpx.Client(
        base_url=f"http://127.0.0.1:{daemon.port}", headers={"Accept": "text/html"}, timeout=30
    )


def test_first_by_link_then_by_password_and_no_secret_in_the_log(tmp_path: Path) -> None:
    with DaemonProcess(tmp_path / "jikimi", CAMERAS) as daemon, browser(daemon) as client:
        link = daemon.jikimi("console").stdout.strip()
        assert link.startswith(f"http://127.0.0.1:{daemon.port}/login?link=")
        answer = client.get(link)
        assert (answer.status_code, answer.headers["Location"]) == (303, "/")
        wait_until(lambda: "local admin" in client.get("/audit").text, "the login in the audit")

        hashed = hash_password(PASSWORD)
        account = f'http: {{accounts: {{kim: {{password: "{hashed}", role: admin}}}}}}\n'
        daemon.config_path.write_text(CAMERAS + account)
        daemon.signal(signal.SIGHUP)
        wait_until(lambda: client.get("/audit").status_code == 303, "the first session to end")
        assert daemon.jikimi("console").stdout == f"http://127.0.0.1:{daemon.port}/\n"

        found = re.search(r'data-csrf="(\w+)"', client.get("/login").text)
        assert found
        form = {"name": "kim", "password": PASSWORD, "csrf": found[1]}
        assert client.post("/login", data=form).status_code == 303
        wait_until(lambda: "kim" in client.get("/audit").text, "the second login in the audit")

        daemon.kill()
        daemon.start()
        assert client.get("/audit").status_code == 200  # a restart ends no session
        daemon.stop()
        log = daemon.log() + daemon.printed()
        assert not [one for one in (link.partition("=")[2], PASSWORD, hashed) if one in log]
        assert "take effect at the next start" not in log


def test_beyond_this_machine_without_accounts_only_programs_are_answered(tmp_path: Path) -> None:
    everywhere = {"JIKIMI_HTTP__HOST": "0.0.0.0"}
    with (
        DaemonProcess(tmp_path / "jikimi", CAMERAS, environment=everywhere) as daemon,
        browser(daemon) as client,
    ):
        answer = client.get("/")
        assert answer.status_code == 403
        assert "jikimi password" in answer.text
        assert client.get("/metrics", headers={"Host": "jikimi:8780"}).status_code == 200
        asked = daemon.jikimi("console")
        assert (asked.returncode, asked.stdout) == (6, "")
        assert "`jikimi password`" in asked.stderr
        daemon.stop()
        events = [json.loads(line) for line in daemon.log().splitlines()]
        assert [one for one in events if one["event"] == "console closed"]


def test_for_people_the_summary_ends_with_a_link_that_works(tmp_path: Path) -> None:
    people = {"JIKIMI_LOG__FORMAT": "console"}
    with (
        DaemonProcess(tmp_path / "jikimi", CAMERAS, environment=people) as daemon,
        browser(daemon) as client,
    ):
        shown = re.compile(rf"page +(http://127\.0\.0\.1:{daemon.port}/login\?link=[\w-]+)\n$")
        found = wait_until(lambda: shown.search(daemon.printed()), "the link")
        assert client.get(found[1]).headers["Location"] == "/"
        daemon.stop()
