"""What is asked of the journal, with and without what it has not yet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from alerts.deadline import Deadline
from detector.journal import queries, writer
from detector.journal.queries import IncidentFilter
from detector.journal.records import (
    CameraStateRecord,
    EvidenceFile,
    IncidentRecord,
    ScoreCurve,
    Verdict,
)
from journal_feeding import NOW, Feeding, MakeFeeding, closed, deliver, opened

Ask = Callable[..., list[IncidentRecord]]

HOUR = timedelta(hours=1)


@pytest.fixture(params=["journalled", "waiting", "journal away"])
def asking(request: pytest.FixtureRequest, feeding: MakeFeeding) -> tuple[Feeding, Ask]:
    """A store to fill, and how to ask once it is filled: it is journalled, or not yet, or away."""
    at = feeding(start=request.param != "journal away")
    if request.param == "waiting":
        at.incidents.record(closed(opened(NOW - 90 * HOUR)))
        at.wait_fed()
        at.feeder.stop(Deadline.after(30))

    def ask(*arguments: object, **more: object) -> list[IncidentRecord]:
        if request.param == "journalled":
            at.wait_fed()
        found = at.reader.incidents(*arguments, **more)
        assert (at.reader.trouble is None) == (request.param != "journal away")
        return found

    return at, ask


def test_filters_pages_and_the_newest_first(asking: tuple[Feeding, Ask]) -> None:
    at, ask = asking
    made = [
        opened(NOW - number * HOUR, "gate" if number % 2 else "yard", label=label)
        for number, label in enumerate(["violence", "violence", "weapon", "violence", "violence"])
    ]
    for one in made:
        at.incidents.record(closed(one) if one is not made[1] else one)
    at.recorder.judge(made[0].id, Verdict.REAL, "", "kim")
    at.recorder.judge(made[0].id, Verdict.FALSE_ALARM, "", "kim")
    at.recorder.judge(made[3].id, Verdict.REAL, "", "kim")
    since = NOW - 50 * HOUR

    def ids(**of: object) -> list[int]:
        keys = [one.id for one in made]
        return [keys.index(one.id) for one in ask(IncidentFilter(**{"since": since, **of}))]

    assert ids() == [0, 1, 2, 3, 4]
    assert ids(camera="gate") == [1, 3]
    assert ids(label="weapon") == [2]
    assert ids(since=NOW - 3 * HOUR, until=NOW) == [1, 2, 3]
    assert ids(verdict=Verdict.FALSE_ALARM) == [0]
    assert ids(verdict=Verdict.REAL) == [3]
    assert ids(judged=False) == [1, 2, 4]
    assert ids(judged=True) == [0, 3]
    assert ids(is_open=True) == [1]
    first = ask(IncidentFilter(since=since), limit=2)
    rest = ask(IncidentFilter(since=since), before=(first[-1].opened_at, first[-1].id))
    assert [one.id for one in [*first, *rest]] == [one.id for one in made]
    assert first[0].judgement
    assert first[0].judgement.verdict is Verdict.FALSE_ALARM


def test_one_incident_with_all_that_is_known_of_it(asking: tuple[Feeding, Ask]) -> None:
    at, ask = asking
    one = opened()
    at.incidents.record(one)
    deliver(at.outbox, "station", one)
    deliver(at.outbox, "hook", one)
    file = EvidenceFile(one.id, "2026/a.mp4", "clip", "ab", 3, NOW)
    curve = ScoreCurve(one.id, "violence", (-1.0, 0.0), (0.25, 0.75))
    at.recorder.record(file, curve)
    at.recorder.judge(one.id, Verdict.REAL, "two men", "kim")
    assert ask()
    at.recorder.record(replace(file, keep=True))
    ask()
    found = at.reader.incident(one.id)
    assert found
    assert found.incident.camera == "gate"
    assert [told.sink for told in found.deliveries] == ["station", "hook"]
    assert found.evidence == [replace(file, keep=True)]
    assert found.scores == [curve]
    assert [said.note for said in found.judgements] == ["two men"]
    assert found.incident.judgement == found.judgements[0]
    assert at.reader.incident(opened().id) is None


def test_a_month_by_camera_and_local_hour(
    feeding: MakeFeeding, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "RETENTION", timedelta(days=36_500))
    at = feeding()
    seoul = ZoneInfo("Asia/Seoul")
    begin = datetime(2026, 5, 31, 15, tzinfo=UTC)  # June begins in Seoul
    inside = [opened(begin + n * HOUR) for n in (0, 0, 5)]
    outside = [opened(begin - timedelta(seconds=1)), opened(begin + timedelta(days=30))]
    for one in [*inside, *outside]:
        at.incidents.record(closed(one))
    said = at.recorder.judge(inside[0].id, Verdict.REAL, "", "kim")
    for after_s, verdict in ((40, Verdict.REAL), (90, Verdict.FALSE_ALARM)):
        when = inside[1].opened_at + timedelta(seconds=after_s)
        at.recorder.record(
            replace(
                said,
                id=opened().id,
                incident_id=inside[1].id,
                verdict=verdict,
                at=when,
                order=said.order + after_s,
            )
        )
    states = [("live", begin - 9 * HOUR), ("offline", begin + 6 * HOUR), ("live", begin + 9 * HOUR)]
    at.recorder.record(*(CameraStateRecord("gate", "yard", what, since) for what, since in states))
    at.recorder.record(CameraStateRecord("door", "yard", "connecting", begin + HOUR))
    at.wait_fed()
    now = begin + 12 * HOUR
    door, gate = at.asked(lambda c: queries.month(c, 2026, 6, seoul, now))
    assert (door.camera, door.incidents, door.live_share) == ("door", 0, 0.0)
    assert gate.camera == "gate"
    assert gate.incidents == 3
    assert gate.by_hour == (2, 0, 0, 0, 0, 1, *[0] * 18)
    assert gate.verdicts == {Verdict.REAL: 1, Verdict.FALSE_ALARM: 1, None: 1}
    assert gate.live_share == pytest.approx(9 / 12)
    assert gate.response_s is not None
    assert gate.response_s > 40  # the median of the first verdicts: one of them was given now
    december = at.asked(lambda c: queries.month(c, 2026, 12, seoul, now))
    assert december == []


def test_a_journal_is_read_while_nobody_may_write_it(feeding: MakeFeeding, tmp_path: Path) -> None:
    at = feeding()
    if isinstance(at.where, str):
        pytest.skip("a server says who may write")
    one = opened()
    at.incidents.record(one)
    at.wait_fed()
    at.stop()
    assert not list(tmp_path.glob("journal.sqlite-*"))
    before = sorted(tmp_path.iterdir())
    again = Feeding(tmp_path, at.where)
    assert [found.id for found in again.reader.incidents()] == [one.id]
    again.stop()
    assert [path for path in sorted(tmp_path.iterdir()) if "journal" in path.name] == [
        path for path in before if "journal" in path.name
    ]


def test_migrations_make_just_the_tables_that_are_asked(feeding: MakeFeeding) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    from detector.journal.tables import HEAD, metadata

    at = feeding()
    at.incidents.record(opened())
    at.wait_fed()
    assert at.asked(lambda c: compare_metadata(MigrationContext.configure(c), metadata)) == []
    assert at.asked(lambda c: MigrationContext.configure(c).get_current_revision()) == HEAD


def test_an_incident_is_found_by_a_verdict_that_waits(feeding: MakeFeeding) -> None:
    at = feeding()
    one = opened()
    at.incidents.record(closed(one))
    at.wait_fed()
    at.feeder.stop(Deadline.after(30))
    at.recorder.judge(one.id, Verdict.REAL, "", "kim")
    found = at.reader.incidents(IncidentFilter(verdict=Verdict.REAL))
    assert [each.id for each in found] == [one.id]
    assert at.reader.incidents(IncidentFilter(judged=False)) == []


def test_the_audit_has_what_waits_and_pages_over_it(asking: tuple[Feeding, Ask]) -> None:
    at, ask = asking
    for target in ("gate", "yard", "gate"):
        at.recorder.audit("kim", "zones", target)
    ask()
    newest, *older = at.reader.audit(10)
    assert [entry.target for entry in (newest, *older)] == ["gate", "yard", "gate"]
    assert at.reader.audit(2, (newest.at, newest.id)) == older
    assert at.reader.audit(10, target="gate") == [newest, older[-1]]
