"""What commands write for people: local times, and lines that fit the terminal."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from detector.cli.terminal import flow, local_end, padded
from detector.daemon.observability.columns import columns

NOW = datetime(2026, 11, 27, 5, 0, tzinfo=UTC)  # 14:00 in Seoul


@pytest.mark.usefixtures("_in_seoul")
@pytest.mark.parametrize(
    ("utc", "shown"),
    [
        ("2026-11-27T05:30:00+00:00", "14:30"),
        ("2026-11-27T14:59:59+00:00", "23:59"),
        ("2026-11-27T15:00:00+00:00", "2026-11-28 00:00"),
        ("2026-11-26T14:00:00+00:00", "2026-11-26 23:00"),
    ],
)
def test_an_end_is_told_in_local_time_with_its_date_where_that_is_not_today(
    utc: str, shown: str
) -> None:
    assert local_end(utc, NOW) == shown


def test_a_korean_name_fills_its_column_as_a_terminal_shows_it() -> None:
    assert columns(padded("정문", 8)) == columns(padded("gate", 8)) == 8
    assert padded("정문", 8) == "정문    "
    assert padded("정문", 3) == "정문"


def test_what_does_not_fit_a_line_goes_below() -> None:
    assert flow("start", ["one", "two"], indent=4) == "start  one  two"
    assert flow("start", ["a" * 73], indent=4) == f"start  {'a' * 73}"
    assert flow("start", ["a" * 74], indent=4) == f"start\n    {'a' * 74}"
    assert flow("start", ["정" * 36, "end"], indent=4) == f"start  {'정' * 36}\n    end"
    assert flow("start", ["정" * 37], indent=4) == f"start\n    {'정' * 37}"


def test_padding_at_the_end_needs_no_line_of_its_own_and_leaves_no_spaces() -> None:
    assert flow("start", ["a" * 70 + " " * 20], indent=4) == f"start  {'a' * 70}"


def test_a_long_part_is_broken_at_spaces_but_a_url_is_not() -> None:
    sentence = " ".join(["word"] * 40)
    lines = flow("", [sentence], indent=4).splitlines()
    assert max(map(len, lines)) <= 80
    assert " ".join(" ".join(lines).split()) == sentence
    url = "rtsp://192.0.2.1/" + "x" * 100
    assert flow("start", [url, "end"], indent=4).splitlines() == ["start", f"    {url}", "    end"]


def test_a_wide_terminal_takes_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert "\n" not in flow("start", ["a" * 90, "b" * 90], indent=4)
