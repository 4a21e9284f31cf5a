"""Killed at any moment and at any write, the daemon loses nothing that it has accepted."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from pathlib import Path

import pytest

from chaos.ledger import table
from chaos.sizes import KILLS, LONG, SEED
from chaos.storm import HELD_S, Storm, kill_often
from servers import exact_kill
from servers.mqtt import MqttBroker
from servers.preloading import library

COMMITS = 40 if LONG else 3
"""From the start of a life; the first two or three are of the start itself."""

CALLS = 200
"""That change a file, from the start of a life."""

KILLED_CALLS = CALLS // 2 if LONG else 3

LANES = 4 if LONG else 2
"""Daemons side by side: one starts while others wait, for most of a life is waiting."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120 + KILLS * 10)]


def test_random_kills_lose_nothing(tmp_path: Path, broker: MqttBroker) -> None:
    over = threading.Event()
    share = -(-KILLS // LANES)
    with ExitStack() as stack:
        storms = [
            stack.enter_context(Storm(tmp_path / f"lane-{n}", broker, f"lane-{n}", SEED + n))
            for n in range(LANES)
        ]
        with ThreadPoolExecutor() as lanes:
            done = [lanes.submit(kill_often, storm, share, over) for storm in storms]
            try:
                for each in as_completed(done):
                    each.result()
            finally:
                over.set()  # where one failed, or somebody interrupts, the others end as well
        ledgers = [storm.ledger() for storm in storms]
    rows = [
        {"seed": SEED + n, "kills": storm.kills, **ledger.row()}
        for n, (storm, ledger) in enumerate(zip(storms, ledgers, strict=True))
    ]
    print(f"\nrandom kills; again with CHAOS_SEED={SEED}\n{table(rows)}")
    assert sum(len(ledger.recorded) for ledger in ledgers) > KILLS / 10
    assert [storm.ended_itself for storm in storms] == [[]] * LANES
    found = [ledger.faults() for ledger in ledgers]
    assert found == [{}] * LANES, json.dumps(found, indent=1)


@pytest.mark.parametrize("held_s", [0, HELD_S])
def test_killed_before_and_after_each_commit_nothing_is_lost(
    tmp_path: Path, broker: MqttBroker, held_s: float
) -> None:
    with Storm(tmp_path / "jikimi", broker, "yard", SEED) as storm:
        for number in range(1, COMMITS + 1):
            for when in ("before", "after"):
                at = f"{number} {held_s} {when} COMMIT *"
                storm.live(drill=False, **{exact_kill.VARIABLE: at})
        storm.rest()
        ledger = storm.ledger()
    row = {"held (s)": held_s, "kills": storm.kills, **ledger.row()}
    print(f"\nkills at commits\n{table([row])}")
    assert ledger.recorded
    assert storm.ended_itself == []
    assert ledger.faults() == {}


def test_killed_at_any_call_that_changes_a_file_nothing_is_lost(
    tmp_path: Path, broker: MqttBroker
) -> None:
    """A commit is several of them; what it has begun is whole or undone at the next start."""
    with Storm(tmp_path / "jikimi", broker, "yard", SEED) as storm:
        ends = {"LD_PRELOAD": str(library("exact_kill", tmp_path))}
        for number in sorted(storm.random.sample(range(1, CALLS), KILLED_CALLS)):
            storm.live(drill=False, EXACT_KILL_CALL=str(number), **ends)
        storm.rest()
        ledger = storm.ledger()
    row = {"seed": SEED, "kills": storm.kills, **ledger.row()}
    print(f"\nkills at calls; again with CHAOS_SEED={SEED}\n{table([row])}")
    assert ledger.recorded
    assert storm.ended_itself == []
    assert ledger.faults() == {}
