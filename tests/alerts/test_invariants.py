"""Each invariant of `alerts/README.md` names the tests that hold it: they are there."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
README = TESTS.parent / "alerts" / "README.md"


def named() -> list[str]:
    """`file.py` or `file.py::test`, below `tests/`, as the table has them."""
    rows = [line for line in README.read_text().splitlines() if ".py" in line and line[0] == "|"]
    return [name for row in rows for name in re.findall(r"`([\w/]+\.py(?:::\w+)?)`", row)]


def test_the_tests_that_hold_the_invariants_exist() -> None:
    missing = []
    for name in named():
        file, _, test = name.partition("::")
        path = TESTS / file
        if not path.is_file() or not re.search(
            rf"^(def )?{test}\b", path.read_text(), re.MULTILINE
        ):
            missing.append(name)
    assert len(named()) > 40
    assert missing == []
