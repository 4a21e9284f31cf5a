"""What both stages say together: when looks are asked for, and what an incident stands on."""

from __future__ import annotations

import math

import pytest

from detector.incidents.second_look import FusedJudgement, Fusion, SecondLookRules
from detector.incidents.tracker import IncidentRules

RULES = SecondLookRules(
    candidate=0.3,
    alone=0.775,
    incident=IncidentRules(0.8, 0.72, 0.0, 10.0),
    fusion=Fusion(first=1.0, second=1.0, intercept=0.0),
)


def odds(probability: float) -> float:
    return math.log(probability / (1 - probability))


@pytest.fixture
def judgement() -> FusedJudgement:
    return FusedJudgement(RULES)


def test_looks_are_asked_for_twice_a_second_while_it_is_a_candidate(
    judgement: FusedJudgement,
) -> None:
    asked = [at / 8 for at in range(24) if judgement.due(at / 8, 0.2 if at < 4 else 0.3)]
    assert asked == [0.5, 1.0, 1.5, 2.0, 2.5]


def test_looks_turn_the_first_stage_either_way(judgement: FusedJudgement) -> None:
    judgement.due(0.0, 0.5)
    judgement.looked(0.0, odds(0.9))
    assert judgement.verdict(0.1, 0.5).probability == pytest.approx(0.9)
    judgement.due(0.5, 0.5)
    judgement.looked(0.5, -odds(0.9))
    found = judgement.verdict(0.5, 0.5)
    assert found.probability == pytest.approx(0.5)  # the mean of both looks
    assert found.verified


def test_looks_older_than_three_seconds_are_forgotten(judgement: FusedJudgement) -> None:
    for at_s, logit in ((0.0, 5.0), (1.0, 1.0), (2.0, 1.0)):
        judgement.due(at_s, 0.5)
        judgement.looked(at_s, logit)
    assert judgement.verdict(3.2, 0.5).probability == pytest.approx(1 / (1 + math.exp(-1.0)))


def test_every_second_look_is_at_the_mirrored_window(judgement: FusedJudgement) -> None:
    times_s = (0.0, 0.2, 0.5, 1.0, 9.0)
    shown = [judgement.mirrored for at_s in times_s if judgement.due(at_s, 0.5)]
    assert shown == [False, True, False, True]


def test_a_look_says_nothing_of_later(judgement: FusedJudgement) -> None:
    judgement.due(0.0, 0.5)
    judgement.looked(0.0, 9.0)
    assert judgement.verdict(1.5, 0.1).probability > 0.9
    assert judgement.verdict(1.6, 0.1).probability == 0


def test_the_first_stage_does_not_decide_while_an_answer_is_due(judgement: FusedJudgement) -> None:
    judgement.due(0.0, 0.9)
    assert judgement.verdict(0.5, 0.9).probability == 0
    late = judgement.verdict(0.6, 0.9)
    assert late.probability > RULES.incident.open_threshold
    assert not late.verified


@pytest.mark.parametrize(("smoothed", "opens"), [(0.76, False), (0.78, True)])
def test_where_no_look_is_to_be_had_the_first_stage_opens_at_its_own_threshold(
    judgement: FusedJudgement, smoothed: float, opens: bool
) -> None:
    judgement.due(0.0, smoothed)
    judgement.looked(0.0, None)
    found = judgement.verdict(0.0, smoothed)
    assert (found.probability >= RULES.incident.open_threshold) is opens
    assert not found.verified


def test_a_failed_look_is_forgotten_with_the_next_candidate(judgement: FusedJudgement) -> None:
    judgement.due(0.0, 0.9)
    judgement.looked(0.0, None)
    judgement.due(9.0, 0.9)
    assert judgement.verdict(9.0, 0.9).probability == 0


def test_a_fresh_look_outweighs_a_failed_one(judgement: FusedJudgement) -> None:
    judgement.due(0.0, 0.9)
    judgement.looked(0.0, -9.0)
    judgement.due(0.5, 0.9)
    judgement.looked(0.5, None)
    found = judgement.verdict(0.5, 0.9)
    assert found.verified
    assert found.probability < 0.1


def test_without_a_score_both_stages_still_make_a_probability(judgement: FusedJudgement) -> None:
    judgement.due(0.0, 1.0)
    judgement.looked(0.0, -20.0)
    assert 0 < judgement.verdict(0.0, 1.0).probability < 0.001
    assert 0 <= judgement.verdict(0.0, 0.0).probability < 0.001
