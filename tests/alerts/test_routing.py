"""Who receives what."""

from __future__ import annotations

from datetime import time

import pytest
from alerting import make_alert
from hypothesis import given
from hypothesis import strategies as st

from alerts.admission import Decision, Stage, admit
from alerts.message import AlertContext, AlertPhase
from alerts.routing import DARK_BELOW, routes, within
from config.settings import Hours, RouteSettings

NOON = time(12)
PHASES = st.sampled_from([AlertPhase.OPENED, AlertPhase.UPDATED, AlertPhase.CLOSED])
TIMES = st.times()
SCENES = st.builds(
    AlertContext,
    duration_s=st.floats(0, 600),
    mean_grey=st.none() | st.floats(0, 255),
)
ROUTES = st.builds(
    RouteSettings,
    cameras=st.lists(st.sampled_from(["gate", "door"]), max_size=2),
    sites=st.lists(st.sampled_from(["yard", "hall"]), max_size=2),
    labels=st.lists(st.sampled_from(["violence", "fire"]), max_size=2),
    min_score=st.floats(0, 1),
    min_duration_s=st.floats(0, 60),
    hours=st.none() | st.builds(Hours, start=TIMES, end=TIMES),
    when=st.sampled_from(["always", "dark"]),
)


@given(context=SCENES, at=TIMES, score=st.floats(0, 1))
def test_no_conditions_means_everything(context: AlertContext, at: time, score: float) -> None:
    assert routes(RouteSettings(), make_alert(score=score), context, at)


@given(route=ROUTES, context=SCENES, at=TIMES, score=st.floats(0, 1))
def test_a_stronger_longer_darker_fight_never_reaches_fewer(
    route: RouteSettings, context: AlertContext, at: time, score: float
) -> None:
    if routes(route, make_alert(score=score), context, at):
        assert routes(route, make_alert(score=1), AlertContext(context.duration_s + 1, 0), at)


@given(route=ROUTES, context=SCENES, at=TIMES, score=st.floats(0, 1))
def test_every_condition_holds_for_what_passes(
    route: RouteSettings, context: AlertContext, at: time, score: float
) -> None:
    passed = routes(route, make_alert(score=score), context, at)
    reasons_against = [
        bool(route.cameras) and "gate" not in route.cameras,
        bool(route.sites) and "yard" not in route.sites,
        bool(route.labels) and "violence" not in route.labels,
        score < route.min_score,
        context.duration_s < route.min_duration_s,
        route.hours is not None and not within(route.hours, at),
        route.when == "dark" and context.mean_grey is not None and context.mean_grey >= DARK_BELOW,
    ]
    assert passed == (not any(reasons_against))


@given(route=ROUTES, context=SCENES, at=TIMES, phase=st.sampled_from(["drill", "lost", "back"]))
def test_drills_and_camera_notices_heed_only_cameras_and_sites(
    route: RouteSettings, context: AlertContext, at: time, phase: str
) -> None:
    alert = (
        make_alert(exercise=True, score=0)
        if phase == "drill"
        else make_alert(phase=f"camera_{phase}", label="camera", score=0)
    )
    here = (not route.cameras or "gate" in route.cameras) and (
        not route.sites or "yard" in route.sites
    )
    assert routes(route, alert, context, at) == here


@given(start=TIMES, end=TIMES, at=TIMES)
def test_a_day_is_split_between_a_span_and_its_reverse(start: time, end: time, at: time) -> None:
    there, back = Hours(start=start, end=end), Hours(start=end, end=start)
    if start == end:
        assert within(there, at)
    else:
        assert within(there, at) != within(back, at)


@pytest.mark.parametrize(
    ("at", "inside"),
    [("21:59", False), ("22:00", True), ("03:00", True), ("06:00", False), ("12:00", False)],
)
def test_hours_run_over_midnight(at: str, inside: bool) -> None:
    route = RouteSettings.model_validate({"hours": "22:00-06:00"})
    assert routes(route, make_alert(), AlertContext(), time.fromisoformat(at)) is inside


def test_an_unmeasured_picture_counts_as_dark() -> None:
    route = RouteSettings(when="dark")
    assert routes(route, make_alert(), AlertContext(mean_grey=None), NOON)
    assert routes(route, make_alert(), AlertContext(mean_grey=20), NOON)
    assert not routes(route, make_alert(), AlertContext(mean_grey=90), NOON)


@given(
    phases=st.lists(PHASES, max_size=8),
    routed=st.lists(st.booleans(), min_size=8, max_size=8),
    silenced=st.lists(st.booleans(), min_size=8, max_size=8),
    in_cooldown=st.lists(st.booleans(), min_size=8, max_size=8),
)
def test_a_sink_hears_opened_first_and_once(
    phases: list[AlertPhase], routed: list[bool], silenced: list[bool], in_cooldown: list[bool]
) -> None:
    stage: Stage | None = None
    heard = []
    for n, phase in enumerate(phases):
        admission = admit(
            make_alert(phase=phase),
            stage=stage,
            routed=routed[n],
            silenced=silenced[n],
            in_cooldown=in_cooldown[n],
        )
        stage = admission.stage
        if admission.decision is Decision.SEND:
            heard.append(admission.phase)
            assert not silenced[n] or phase is AlertPhase.CLOSED
    if heard:
        assert heard[0] is AlertPhase.OPENED
        assert heard.count(AlertPhase.OPENED) == 1


def test_an_incident_withheld_by_a_cooldown_stays_withheld() -> None:
    first = admit(make_alert(), stage=None, routed=True, silenced=False, in_cooldown=True)
    assert first.decision is Decision.COOLDOWN
    later = make_alert(phase=AlertPhase.UPDATED)
    second = admit(later, stage=first.stage, routed=True, silenced=False, in_cooldown=False)
    assert second.decision is Decision.SKIP


def test_a_drill_is_heard_through_silence_and_cooldown() -> None:
    drill = make_alert(exercise=True)
    assert (
        admit(drill, stage=None, routed=True, silenced=True, in_cooldown=True).decision
        is Decision.SEND
    )
