"""A camera's judgement: the operator's rules over the shipped ones, label by label."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.settings import DetectionSettings
from detector.incidents.judge import ALARMED_URGENCY, CameraJudge, rules_for
from detector.incidents.second_look import Fusion, SecondLookRules
from detector.incidents.tracker import IncidentRules
from detector.types import Incident, Phase

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


# --- with a second look

LOOK = SecondLookRules(
    candidate=0.3,
    alone=0.8,
    incident=IncidentRules(0.7, 0.6, 0, 3),
    fusion=Fusion(first=0.0, second=1.0, intercept=0.0),
)
FIGHT, NO_FIGHT = 3.0, -3.0
"""Logits of the second stage."""


class Watch:
    """A judge that is given the same probability eight times a second, and answers to its looks."""

    def __init__(
        self, answer: float | None = None, *, answers: bool = True, least: float = 0.0
    ) -> None:
        """`answers`: whether any come; `least`: urgency from which on looks may be had."""
        self.least = least
        self.passed_over = 0
        self.judge = CameraJudge(
            "gate", {"violence": LOOK.incident}, second_look={"violence": LOOK}
        )
        self.answer = answer
        self.answers = answers
        self.asked: list[float] = []
        self.urgencies: list[float] = []
        self.changes: list[Incident] = []
        self.at_s = 0.0

    def go(self, probability: float, seconds: float, *, at_hand: bool = True) -> None:
        for _ in range(round(8 * seconds)):
            self.at_s += 1 / 8
            _, changes = self.judge.judge(self.at_s, START, [probability])
            self.changes += changes
            for due in self.judge.due(at_hand=at_hand, allowed=self._allowed):
                self.asked.append(due.score.at_s)
                self.urgencies.append(due.urgency)
                if self.answers:
                    self.changes += self.judge.looked("violence", due.score.at_s, self.answer)

    def _allowed(self, urgency: float) -> bool:
        self.passed_over += urgency < self.least
        return urgency >= self.least

    def phases(self) -> list[Phase]:
        return [incident.phase for incident in self.changes]


def test_an_incident_opens_when_the_second_look_says_so_and_says_that_it_looked() -> None:
    watch = Watch(FIGHT)
    watch.go(0.9, 1)
    assert watch.phases()[0] is Phase.OPENED
    assert watch.changes[0].verified is True
    assert watch.changes[0].peak == pytest.approx(0.953, abs=0.001)


def test_what_the_second_look_denies_never_opens_however_sure_the_first_stage_is() -> None:
    watch = Watch(NO_FIGHT)
    watch.go(1.0, 20)
    assert watch.changes == []
    assert len(watch.asked) == pytest.approx(40, abs=2)  # each half second


def test_below_the_candidate_threshold_nobody_looks_and_nothing_opens() -> None:
    watch = Watch(FIGHT)
    watch.go(0.29, 20)
    assert watch.asked == []
    assert watch.changes == []


@pytest.mark.parametrize("answers", [True, False], ids=["refused", "never answered"])
def test_without_an_answer_the_first_stage_opens_by_its_own_threshold(answers: bool) -> None:
    watch = Watch(None, answers=answers)
    watch.go(0.79, 10)
    assert watch.changes == []
    watch = Watch(None, answers=answers)
    watch.go(0.81, 10)
    assert watch.phases()[0] is Phase.OPENED
    assert watch.changes[0].verified is False


def test_an_alarm_waits_no_longer_than_the_deadline() -> None:
    watch = Watch(answers=False)
    while not watch.changes:
        watch.go(1.0, 1 / 8)
    assert watch.changes[0].verified is False
    assert 0 < watch.at_s - watch.asked[0] <= 0.6 + 1 / 8


def test_an_unverified_incident_is_verified_by_a_later_look_and_that_is_told() -> None:
    watch = Watch(None)
    watch.go(0.9, 3)
    assert [incident.verified for incident in watch.changes] == [False]
    watch.answer = FIGHT
    watch.go(0.9, 2)
    assert watch.phases() == [Phase.OPENED, Phase.UPDATED]
    assert watch.changes[1].verified is True


def test_an_incident_that_the_second_look_denies_closes_though_the_first_stage_goes_on() -> None:
    watch = Watch(None)
    watch.go(0.9, 3)
    watch.answer = NO_FIGHT
    watch.go(0.9, 8)
    assert watch.phases()[-1] is Phase.CLOSED
    assert watch.changes[-1].verified is False


def test_an_open_incident_is_looked_at_once_a_second_and_leaves_the_others_their_budget() -> None:
    watch = Watch(FIGHT)
    watch.go(0.9, 1.5)
    begun = len(watch.asked)
    watch.go(0.9, 10)
    assert len(watch.asked) - begun == pytest.approx(10, abs=1)
    assert set(watch.urgencies[begun:]) == {ALARMED_URGENCY}


def test_the_closer_to_an_alarm_the_more_urgent_a_look() -> None:
    urgencies = []
    for probability in (0.3, 0.55, 0.8, 1.0):
        watch = Watch(NO_FIGHT)
        watch.go(probability, 4)
        urgencies.append(round(watch.urgencies[-1], 3))
    assert urgencies == [0, 0.5, 1, 1]


def test_what_is_passed_over_for_its_budget_is_looked_at_at_once_when_it_becomes_urgent() -> None:
    watch = Watch(FIGHT, least=0.9)
    watch.go(0.5, 4)
    assert watch.asked == watch.changes == []
    assert watch.passed_over == pytest.approx(7, abs=1)  # each half second
    while not watch.asked:
        watch.go(1.0, 1 / 8)
    assert watch.urgencies == [pytest.approx(1, abs=0.1)]
    assert watch.phases() == [Phase.OPENED]
    assert watch.changes[0].verified is True


def test_without_pictures_nothing_is_asked_for_until_the_first_stage_would_open() -> None:
    watch = Watch(None)
    watch.go(0.79, 10, at_hand=False)
    assert watch.asked == []
    watch.go(1.0, 3, at_hand=False)
    assert watch.phases()[0] is Phase.OPENED
    assert watch.changes[0].verified is False


def test_pictures_are_kept_from_the_first_high_view_on_and_while_an_incident_is_open() -> None:
    watch = Watch(FIGHT)
    watch.go(0.1, 3)
    assert not watch.judge.armed
    watch.go(0.9, 1 / 8)
    assert watch.judge.armed
    watch.go(0.0, 1)
    assert watch.judge.armed
    watch.go(0.0, 1)
    assert not watch.judge.armed
    watch.go(0.9, 2)
    watch.go(0.0, 2)
    assert watch.judge.open_incidents()
    assert watch.judge.armed


def test_without_a_second_look_nothing_is_kept_or_asked_for() -> None:
    judge = CameraJudge("gate", {"violence": SHIPPED})
    for i in range(16):
        judge.judge(i / 8, START, [1.0])
    assert not judge.armed
    assert judge.due(at_hand=True) == []
