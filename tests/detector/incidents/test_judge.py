"""A camera's judgement: the operator's rules over the shipped ones, label by label."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.settings import DetectionSettings
from detector.incidents.judge import CameraJudge, rules_for
from detector.incidents.tracker import IncidentRules
from detector.types import Phase

SHIPPED = IncidentRules(open_threshold=0.7, close_threshold=0.5, min_duration_s=0.5, merge_gap_s=8)
START = datetime(2026, 1, 1, tzinfo=UTC)


def test_nothing_stated_leaves_the_weights_own_rules() -> None:
    assert rules_for(SHIPPED, DetectionSettings()) == SHIPPED


def test_what_is_stated_counts_zero_included() -> None:
    stated = DetectionSettings(
        open_threshold=0.9, close_threshold=0.2, min_duration_s=0, merge_gap_s=0
    )
    assert rules_for(SHIPPED, stated) == IncidentRules(0.9, 0.2, 0, 0)


@given(st.floats(0.01, 1), st.floats(0.01, 1), st.floats(0, 1))
def test_an_opening_threshold_stated_alone_keeps_a_closing_one_below(
    stated: float, opens: float, share: float
) -> None:
    shipped = IncidentRules(opens, opens * share, 0.5, 8)
    rules = rules_for(shipped, DetectionSettings(open_threshold=stated))
    assert rules.open_threshold == stated
    assert rules.close_threshold < rules.open_threshold
    assert rules.close_threshold <= shipped.close_threshold


def test_each_label_is_judged_by_its_own_rules() -> None:
    judge = CameraJudge(
        "gate",
        {"violence": IncidentRules(0.7, 0.4, 0, 5), "fire": IncidentRules(0.95, 0.9, 0, 5)},
    )
    opened = []
    for i in range(16):
        scores, changes = judge.judge(i / 8, START, [0.8, 0.93])
        assert [score.label for score in scores] == ["violence", "fire"]
        assert [score.probability for score in scores] == [0.8, 0.93]
        opened += changes
    assert [(incident.label, incident.camera) for incident in opened] == [("violence", "gate")]
    assert judge.open_incidents()[0].id == opened[0].id
    [closed] = judge.close()
    assert closed.phase is Phase.CLOSED
    assert judge.open_incidents() == judge.close() == []


def test_a_camera_that_goes_quiet_closes_its_incident() -> None:
    judge = CameraJudge("gate", {"violence": IncidentRules(0.7, 0.4, 0, 5)})
    for i in range(16):
        judge.judge(i / 8, START, [1.0])
    assert judge.quiet(3) == []
    assert len(judge.quiet(8)) == 1


def test_a_probability_too_few_is_a_mistake() -> None:
    judge = CameraJudge("gate", {"violence": SHIPPED, "fire": SHIPPED})
    with pytest.raises(ValueError, match="zip"):
        judge.judge(0.0, START, [0.5])
