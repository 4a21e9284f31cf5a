"""A recorder of evidence for each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from filming import Evidence


@pytest.fixture
def evidence(tmp_path: Path) -> Iterator[Callable[..., Evidence]]:
    """Start a recorder in this test's folder."""
    begun: list[Evidence] = []

    def begin(folder: Path = tmp_path / "evidence", **settings: float) -> Evidence:
        begun.append(Evidence(folder, **settings))
        return begun[-1]

    yield begin
    for each in begun:
        each.stop()
