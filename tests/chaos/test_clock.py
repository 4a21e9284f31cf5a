"""The box's clock steps while the daemon runs: fights stay whole and sirens in time.

The whole daemon runs on another wall clock; the monotonic one goes on undisturbed.
"""

from __future__ import annotations

import struct
import time
from pathlib import Path

import pytest

from chaos.fighting_daemon import FightingDaemon
from chaos.ledger import table
from chaos.sizes import LONG
from servers.daemon import wait_until
from servers.preloading import library

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

HOUR_S = 3600
STEPS = {
    "an hour back": (0, -HOUR_S),
    "an hour forward": (0, HOUR_S),
    "a day back": (0, -24 * HOUR_S),
    "a day forward": (0, 24 * HOUR_S),
    "1970 to now": (-time.time() + 86_400, 0),
}
"""How many seconds the daemon's clock is off, before and after the step."""

NO_STEP = "no step"
"""How the same looks where the clock is left alone."""

BOTH_WAYS = tuple(STEPS) if LONG else ("an hour back", "an hour forward")

BACK_FIRST = BOTH_WAYS if LONG else BOTH_WAYS[:1]

EXPIRY_S = 4.0

GAP_S = 5.0
"""Fights may pause for so long: a busy machine loses samples for a second or two."""

POWERED = "[ -e {sounded}.power ] || exit 1\necho $JIKIMI_INCIDENT 0 >> {sounded}\n"
"""A siren that fails until it has power."""


class SteppedDaemon(FightingDaemon):
    """A daemon whose clock is off by so many seconds."""

    def __init__(self, folder: Path, off_s: float, siren: str | None = None) -> None:
        folder.mkdir()
        self._clock = folder / "clock"
        self.step(off_s)
        environment = {
            "LD_PRELOAD": str(library("stepped_clock", folder)),
            "STEPPED_CLOCK": str(self._clock),
        }
        cameras = ("gate", "yard")
        more = {"siren": siren} if siren else {}
        super().__init__(
            folder,
            cameras=cameras,
            expiry_s=EXPIRY_S,
            gap_s=GAP_S,
            environment=environment,
            **more,
        )

    def step(self, off_s: float) -> None:
        """From now on the clock is off by so much."""
        mode = "r+b" if self._clock.exists() else "w+b"  # in place, for the daemon has it mapped
        with self._clock.open(mode) as file:
            file.write(struct.pack("q", int(off_s)))

    def give_power(self) -> None:
        """From now on the siren works."""
        Path(f"{self._sounded}.power").touch()


def scored(daemon: FightingDaemon) -> float:
    return daemon.metric("jikimi_samples_scored_total", camera="gate")


def watch_on(daemon: FightingDaemon, samples: int) -> None:
    """Wait until so many more samples have been scored: eight are a second."""
    until = scored(daemon) + samples
    wait_until(lambda: scored(daemon) >= until, "more samples to be scored", 60)


@pytest.mark.parametrize("step", [NO_STEP, *BOTH_WAYS] if LONG else BOTH_WAYS)
def test_one_fight_is_one_incident_over_a_step_of_the_clock(tmp_path: Path, step: str) -> None:
    before_s, after_s = STEPS.get(step, (0, 0))
    with SteppedDaemon(tmp_path / "jikimi", before_s) as daemon:
        for camera in ("gate", "yard"):
            daemon.wait_state(camera, "live")
        watch_on(daemon, 16)
        for stepping in (True, False):  # and the next ones are others
            daemon.fight()
            wait_until(lambda: len(daemon.open_incidents()) == 2, "two fights")
            if stepping:
                daemon.step(after_s)
                watch_on(daemon, 32)
            daemon.calm()
            wait_until(lambda: not daemon.open_incidents(), "their end")
        wait_until(daemon.settled, "everything to be told")
        found = daemon.ledger()
        sirens = len(daemon.sounded())
        daemon.stop()
    opened, closed = (len(daemon.told(phase)) for phase in ("opened", "closed"))
    row = {"step": step, "fights": 4, "opened": opened, "closed": closed, "sirens": sirens}
    print(f"\nthe clock steps in mid-incident\n{table([row])}")
    assert found.lost() + found.unclosed() + found.misordered() + found.twins() == []
    assert (opened, closed) == (4, 4)
    assert {incident for incident, _ in daemon.sounded()} <= found.recorded
    assert 1 <= sirens <= 4


@pytest.mark.parametrize("step", BACK_FIRST)
def test_a_siren_is_never_late_over_a_step_of_the_clock(tmp_path: Path, step: str) -> None:
    before_s, after_s = STEPS[step]
    with SteppedDaemon(tmp_path / "jikimi", before_s, POWERED) as daemon:
        daemon.wait_state("gate", "live")
        daemon.fight()
        wait_until(lambda: daemon.told("opened"), "a fight to be told")
        daemon.calm()
        daemon.step(after_s)
        watch_on(daemon, int(8 * (EXPIRY_S + 2)))
        daemon.give_power()
        wait_until(daemon.settled, "the siren's alert to expire")
        assert daemon.sounded() == []


@pytest.mark.parametrize("step", BACK_FIRST)
def test_a_siren_that_is_in_time_sounds_over_a_step_of_the_clock(tmp_path: Path, step: str) -> None:
    before_s, after_s = STEPS[step]
    with SteppedDaemon(tmp_path / "jikimi", before_s, POWERED) as daemon:
        daemon.wait_state("gate", "live")
        daemon.fight()
        wait_until(lambda: daemon.told("opened"), "a fight to be told")
        daemon.step(after_s)
        daemon.give_power()
        wait_until(daemon.sounded, "the siren")
