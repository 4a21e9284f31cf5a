"""The whole daemon with its journal: in a file, and on PostgreSQL that is restarted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy import select

from detector.journal import queries, tables
from detector.journal.records import Verdict
from journal_feeding import asked, journalled
from servers.daemon import DaemonProcess, wait_until
from servers.postgresql import PASSWORD, PostgresqlServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

CONFIG = """
engine: litert
cameras: {{gate: 'pattern://scuffle'}}
sinks: {{book: {{type: recording, path: {told}}}}}
journal: {{url: '{url}'}}
"""


def test_incident_verdict_and_states_are_on_postgresql_over_its_restart_and_a_kill(
    tmp_path: Path,
) -> None:
    with PostgresqlServer() as server:
        url = server.fresh_database("jikimi")
        config = CONFIG.format(told=tmp_path / "told", url=url)
        with DaemonProcess(tmp_path / "jikimi", config) as daemon:
            wait_until(lambda: "boxes" in str(asked_tables(url)), "the journal to be made", 60)
            server.stop()
            found = wait_until(lambda: daemon.jikimi("incidents", "--json").stdout, "incident", 90)
            key = json.loads(found.splitlines()[-1])["id"]
            judged = daemon.jikimi("incidents", "judge", key, "real", "--note", "two men")
            assert judged.stdout == f"incident {key}: real\n"
            reasons = " ".join(daemon.health()["reasons"])
            assert f"storage: journal: PostgreSQL at 127.0.0.1:{server.port}/jikimi" in reasons
            daemon.kill()
            server.start()
            daemon.start()
            wait_until(
                lambda: any(
                    str(one.id) == key and one.closed_at and one.judgement
                    for one in journalled(url).values()
                ),
                "what the kill has left to be journalled",
            )
            details = asked(
                url,
                lambda c: [queries.incident(c, one) for one in journalled(url) if str(one) == key],
            )
            assert [told.sink for told in details[0].deliveries][:1] == ["book"]
            assert details[0].judgements[0].verdict is Verdict.REAL
            listed = daemon.jikimi("incidents", "--json", "--config", daemon.config_path).stdout
            assert '"verdict": "real"' in listed
            states = select(tables.camera_states.c.state)  # of a minute the last one
            wait_until(lambda: "live" in asked(url, lambda c: c.scalars(states).all()), "live")
            daemon.stop()
            assert "stopped" in asked(url, lambda c: c.scalars(states).all())
            assert PASSWORD not in daemon.log()
            assert "Traceback" not in daemon.log()


def asked_tables(url: str) -> list[str]:
    from sqlalchemy import inspect

    return asked(url, lambda connection: inspect(connection).get_table_names())
