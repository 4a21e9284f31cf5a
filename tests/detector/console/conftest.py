"""A console over a small monitor: with accounts of every role, or with a journal and evidence."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from console.chromium import chromium
from console.pages_monitor import KIM, PagesMonitor, serving
from playwright.sync_api import Browser

from config.settings import Settings
from detector.console.access.user import User
from journal_feeding import Feeding
from servers.console import Console, cameras, http
from servers.small_monitor import SmallMonitor

Browse = Callable[..., httpx.Client]


@pytest.fixture
def open_console(tmp_path: Path) -> Iterator[Callable[..., Console]]:
    """Makes a console; `is_local` and anything of HttpSettings."""
    made: list[Console] = []

    def make(*, is_local: bool = True, **stated: Any) -> Console:
        settings = Settings(http=http(**stated), cameras=cameras(), state_dir=tmp_path)
        made.append(Console(SmallMonitor(settings, tmp_path), tmp_path, is_local))
        return made[-1]

    yield make
    for one in made:
        one.monitor.journal.close()


@pytest.fixture
def console(open_console: Callable[..., Console]) -> Console:
    """With accounts."""
    return open_console()


@pytest.fixture
def at(tmp_path: Path) -> Iterator[PagesMonitor]:
    """With a journal that is fed, and a folder for evidence."""
    evidence = tmp_path / "evidence"
    evidence.mkdir()
    feeding = Feeding(tmp_path, tmp_path / "journal.sqlite")
    feeding.feeder.start()
    yield PagesMonitor(feeding, evidence)
    feeding.stop()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, for one module: while it runs, no other test can call `asyncio.run`."""
    with chromium() as launched:
        yield launched


@pytest.fixture
def browse(at: PagesMonitor) -> Iterator[Browse]:
    """The pages for somebody, an administrator if nobody else is named."""
    with ExitStack() as left:

        def client(user: User = KIM) -> httpx.Client:
            address = left.enter_context(serving(at, user=user))
            return left.enter_context(httpx.Client(base_url=address, timeout=30))

        yield client
