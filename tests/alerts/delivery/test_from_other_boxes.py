"""Alerts that other boxes hand to a sink of this one."""

from __future__ import annotations

from alerting import Dispatching, ScriptedSink, make_alert, sink, wait_for

from config.errors import DeliveryError


def test_where_the_sink_fails_those_that_wait_behind_are_answered_and_not_kept(
    dispatching: Dispatching,
) -> None:
    ScriptedSink.gate.clear()
    ScriptedSink.faults = [DeliveryError("the receiver is down")]
    dispatcher = dispatching(sink("scripted"))
    answers: list[Exception | None] = []
    now = dispatcher.store.clock.now()
    dispatcher.take_in("scripted", make_alert(), now, answers.append)
    wait_for(lambda: "scripted" in ScriptedSink.made)
    wait_for(ScriptedSink.made["scripted"].entered.is_set)
    dispatcher.take_in("scripted", make_alert(), now, answers.append)
    ScriptedSink.gate.set()
    wait_for(lambda: len(answers) == 2)
    assert [str(answer) for answer in answers] == ["the receiver is down"] * 2
    assert ScriptedSink.made["scripted"].got == []
