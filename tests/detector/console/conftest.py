"""A journal and a monitor for each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from console.pages_monitor import KIM, PagesMonitor, serving

from detector.console.access.user import User
from journal_feeding import Feeding

Browse = Callable[..., httpx.Client]


@pytest.fixture
def at(tmp_path: Path) -> Iterator[PagesMonitor]:
    """With a journal that is fed, and a folder for evidence."""
    evidence = tmp_path / "evidence"
    evidence.mkdir()
    feeding = Feeding(tmp_path, tmp_path / "journal.sqlite")
    feeding.feeder.start()
    yield PagesMonitor(feeding, evidence)
    feeding.stop()


@pytest.fixture
def browse(at: PagesMonitor) -> Iterator[Browse]:
    """The pages for somebody, an administrator if nobody else is named."""
    with ExitStack() as left:

        def client(user: User = KIM) -> httpx.Client:
            address = left.enter_context(serving(at, user=user))
            return left.enter_context(httpx.Client(base_url=address, timeout=30))

        yield client
