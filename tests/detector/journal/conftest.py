"""The same tests on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from detector.journal import database, feeder
from journal_feeding import Feeding, MakeFeeding
from servers.postgresql import PostgresqlServer

NUMBERS = count()


@pytest.fixture(autouse=True)
def _tried_again_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the journal does not take is tried again at once."""
    monkeypatch.setattr(feeder, "FIRST_RETRY_S", 0.1)
    monkeypatch.setattr(feeder, "LONGEST_RETRY_S", 0.5)
    monkeypatch.setattr(feeder, "PAUSE_S", 0.02)


@pytest.fixture
def short_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    """No lock of the journal is waited for long."""
    monkeypatch.setattr(database, "LOCK_S", 0.3)
    options = database._POSTGRESQL | {"options": "-c lock_timeout=300ms -c timezone=UTC"}
    monkeypatch.setattr(database, "_POSTGRESQL", options)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgresqlServer]:
    with PostgresqlServer() as server:
        yield server


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """A journal that is not there yet: a file's path, or the URL of an empty database."""
    if request.param == "sqlite":
        return tmp_path / "journal.sqlite"
    server: PostgresqlServer = request.getfixturevalue("postgresql")
    return server.fresh_database(f"journal{next(NUMBERS)}")


@pytest.fixture
def feeding(tmp_path: Path, where: Path | str) -> Iterator[MakeFeeding]:
    """Makes stores with a feeder of the journal `where`, one after the other; see `Feeding`."""
    made: list[Feeding] = []

    def make(folder: Path = tmp_path, *, start: bool = True) -> Feeding:
        for one in made:
            one.stop()
        made.append(Feeding(folder, where))
        if start:
            made[-1].feeder.start()
        return made[-1]

    yield make
    for one in made:
        one.stop()
