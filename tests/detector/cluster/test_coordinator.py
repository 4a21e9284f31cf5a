"""What boxes are answered: shares, the newest configuration, and claims in the shared journal."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from alerting import wait_for
from sqlalchemy import select
from structlog.testing import capture_logs

from config.errors import ConfigError
from detector.cluster import coordinator as room
from detector.cluster.claiming import Claiming
from detector.cluster.configuration import Configuration
from detector.cluster.coordinator import SHOWN_EVERY_S, SUMMARY_EVERY_S, Coordinator
from detector.cluster.roster import LEARN_S, REPORT_EVERY_S, Report
from detector.journal import claims
from detector.types import Claim
from journal_feeding import asked
from servers.postgresql import PostgresqlServer

CITY = Configuration("cameras:\n  gate: rtsp://h/1\n", 5)
ANY: frozenset[str] = frozenset()


class Clock:
    """Stands for the coordinator's clocks."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def monotonic(self) -> float:
        return self.now_s

    def time(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(room, "time", made)
    return made


def asks(
    coordinator: Coordinator,
    clock: Clock,
    for_s: float = 0.0,
    version: int = 5,
    sent: Configuration | None = None,
    **held: int,
) -> dict[str, Any]:
    """The answer to the last of the reports of box `a` within `for_s`."""
    until_s = clock.now_s + for_s
    while True:
        clock.now_s += REPORT_EVERY_S
        answer = coordinator.report(Report("a", 1000, ANY, held), version, sent)
        if clock.now_s >= until_s:
            return answer


def test_a_box_is_given_the_configuration_once_and_its_share(clock: Clock) -> None:
    coordinator = Coordinator()
    coordinator.configure(CITY)
    assert asks(coordinator, clock, version=0)["configuration"] == CITY
    answer = asks(coordinator, clock, LEARN_S + 1)
    assert "configuration" not in answer
    assert answer["share"].keys() == {"gate"}


def test_a_coordinator_that_lost_its_configuration_is_sent_it_by_a_box(clock: Clock) -> None:
    coordinator = Coordinator()
    answer = asks(coordinator, clock, gate=9)
    assert answer["send"]
    assert answer["share"] is None  # the box goes on with what it has
    answer = asks(coordinator, clock, sent=CITY, gate=9)
    assert answer["share"] == {"gate": 9}
    assert "send" not in answer


def test_an_older_configuration_changes_nothing_and_a_wrong_one_is_refused(clock: Clock) -> None:
    coordinator = Coordinator()
    coordinator.configure(CITY)
    coordinator.configure(Configuration("cameras:\n  yard: rtsp://h/1\n", 4))
    assert asks(coordinator, clock, LEARN_S + 1)["share"].keys() == {"gate"}
    with pytest.raises(ConfigError):
        coordinator.configure(Configuration("cameras:\n  yard: what://\n", 9))
    assert asks(coordinator, clock)["share"].keys() == {"gate"}


def test_the_status_tells_of_boxes_and_of_cameras_that_nobody_watches(clock: Clock) -> None:
    coordinator = Coordinator()
    text = "cameras:\n  gate: rtsp://h/1\n  far: {url: rtsp://h/2, site: x}\n"
    coordinator.configure(Configuration(text, 5))
    for _ in range(20):
        clock.now_s += REPORT_EVERY_S
        coordinator.report(Report("a", 1000, frozenset({"default"}), {}), 5, None)
    shown = coordinator.status()
    assert shown["unassignable"] == {"far": "no box reaches site x"}
    assert shown["cameras"]["gate"]["box"] == "a"
    assert shown["head_room"]["unwatched"] == {"a": ["gate"]}
    assert not coordinator.drain("b")
    assert coordinator.drain("a")
    assert coordinator.status()["boxes"][0]["draining"]


def test_a_sink_on_a_box_that_has_not_joined_is_named_until_it_has(clock: Clock) -> None:
    coordinator = Coordinator()
    siren = "{type: siren, command: [/bin/true], box: %s}"
    sinks = f"sinks:\n  gate-siren: {siren % 'a'}\n  quay-siren: {siren % 'quay'}\n"
    coordinator.configure(Configuration(f"{CITY.text}{sinks}", 5))

    def shown(*others: str) -> Any:
        """What the page is told last, in time enough for it to be told anew."""
        told: dict[str, Any] = {}
        for _ in range(round((SUMMARY_EVERY_S + SHOWN_EVERY_S) / REPORT_EVERY_S) + 1):
            told = asks(coordinator, clock).get("watching", told)
            for other in others:
                coordinator.report(Report(other, 1000, ANY, {}), 5, None)
        assert told["unknown_boxes"] == coordinator.status()["unknown_boxes"]
        return told["unknown_boxes"]

    with capture_logs() as logs:
        asks(coordinator, clock, LEARN_S - 1)
        assert coordinator.status()["unknown_boxes"] == {}  # it may be heard of in a moment
        assert shown() == {"quay-siren": "quay"}
        [said] = logs
        assert (said["log_level"], said["sink"], said["box"]) == ("warning", "quay-siren", "quay")
        assert said["boxes"] == ["a"]
        assert shown("quay") == {}
        assert [one["event"] for one in logs[1:]] == ["the box that a sink names has joined"]


def newest(url: str) -> dict[str, Claim]:
    return asked(url, lambda connection: claims.newest(connection, ["gate", "yard"]))


@pytest.mark.slow
def test_claims_reach_the_journal_also_when_it_was_away() -> None:
    with PostgresqlServer() as server:
        url = server.fresh_database("city")
        claiming = Claiming(url, ["gate"])
        claiming.want({"gate": Claim("a", 1)})
        wait_for(lambda: claiming.trouble is None, 60)
        wait_for(lambda: newest(url) == {"gate": Claim("a", 1)}, 60)
        server.stop()
        before = datetime.now(UTC)
        claiming.want({"gate": Claim("b", 2), "yard": Claim("b", 3)})
        after = datetime.now(UTC)
        wait_for(lambda: claiming.trouble is not None, 60)
        assert "does not answer" in str(claiming.trouble)
        server.start()
        wait_for(lambda: newest(url) == {"gate": Claim("b", 2), "yard": Claim("b", 3)}, 60)
        rows = claims.tables.claims
        times = asked(
            url, lambda found: found.scalars(select(rows.c.at).where(rows.c.epoch > 1)).all()
        )
        assert all(before <= at <= after for at in times)
        server.freeze()
        wait_for(lambda: claiming.trouble is not None, 60)
        server.thaw()
        wait_for(lambda: claiming.trouble is None, 60)
        claiming.stop()
        again = Claiming(url, ["gate"])
        wait_for(lambda: again.found == {"gate": Claim("b", 2)}, 60)
        again.stop()


def test_boxes_are_told_now_and_then_how_the_cluster_is(clock: Clock) -> None:
    coordinator = Coordinator()
    coordinator.configure(CITY)
    asks(coordinator, clock, LEARN_S + 1)
    report = Report("b", 1000, ANY, {}, host="10.0.0.2", port=8780)
    coordinator.report(report, 5, None)
    coordinator.drain("c")
    coordinator.report(Report("c", 1000, ANY, {}), 5, None)
    told = asks(coordinator, clock, SUMMARY_EVERY_S + 1, gate=1)["cluster"]
    assert told["boxes"] == {"works": 1, "draining": 1, "dead": 1}
    assert told["targets"] == {"b": "10.0.0.2:8780"}
    assert (told["unassigned"], told["head_room"]) == (0, False)
    coordinator.report(report, 5, None)
    for _ in range(round(SUMMARY_EVERY_S / REPORT_EVERY_S) + 1):
        told = asks(coordinator, clock, gate=1)["cluster"]
        coordinator.report(report, 5, None)
    assert told["boxes"]["dead"] == 0
    assert told["head_room"]


def test_each_box_is_told_once_which_watches_what_whenever_that_was_summed_up(
    clock: Clock,
) -> None:
    coordinator = Coordinator()
    coordinator.configure(CITY)
    rounds = round((SUMMARY_EVERY_S + 2 * SHOWN_EVERY_S) / REPORT_EVERY_S) + 1
    reports = {box: Report(box, 1000, ANY, {}) for box in ("a", "b")}
    told: dict[str, list[dict[str, Any]]] = {"a": [], "b": []}
    for _ in range(rounds):
        clock.now_s += REPORT_EVERY_S
        for box, report in reports.items():
            if found := coordinator.report(report, 5, None).get("watching"):
                told[box].append(found)
    assert [len(found) for found in told.values()] == [3, 3]
    assert [box["name"] for box in told["a"][-1]["boxes"]] == ["a", "b"]
