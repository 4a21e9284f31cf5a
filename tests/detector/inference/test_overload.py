"""What an overloaded box does: who goes first, and that the operator hears of it."""

from __future__ import annotations

from detector.inference.overload import ROUND_S, WINDOW_S, LoadMeter, this_round


def name(view: str) -> str:
    return view


def test_a_round_takes_what_fits_and_those_scored_longest_ago() -> None:
    scored_s = {"a": 3.0, "b": 1.0, "c": 2.0}
    chosen = this_round(["a", "b", "c"], name, ROUND_S / 2, lambda _: False, scored_s)
    assert sorted(chosen) == ["b", "c"]


def test_a_camera_with_an_incident_goes_first() -> None:
    scored_s = {"a": 3.0, "b": 1.0, "c": 2.0}
    chosen = this_round(["a", "b", "c"], name, ROUND_S / 2, lambda camera: camera == "a", scored_s)
    assert sorted(chosen) == ["a", "b"]


def test_all_get_their_turn() -> None:
    cameras = [f"camera{number}" for number in range(10)]
    scored_s: dict[str, float] = {}
    for now in range(1, 31):
        for camera in this_round(cameras, name, ROUND_S / 3, lambda _: False, scored_s):
            scored_s[camera] = now
    assert min(scored_s.values()) >= 27


def test_without_overload_everything_goes_at_once() -> None:
    assert this_round(["a", "b"], name, 0.001, lambda _: False, {}) == ["a", "b"]
    assert this_round(["a", "b"], name, 0.0, lambda _: False, {}) == ["a", "b"]
    assert this_round(["a"], name, 10.0, lambda _: False, {}) == ["a"]


def test_overload_is_noticed_and_its_end_too_without_flapping() -> None:
    load = LoadMeter(0.0)
    told = []
    for window, lost in enumerate((0, 4, 6, 3, 3, 0, 3), start=1):
        load.scored(100 - lost)
        load.lost(lost)
        assert not load.changed(window * WINDOW_S - 1)
        if load.changed(window * WINDOW_S):
            told.append((window, load.overloaded))
    assert told == [(3, True), (6, False)]
