"""The daemon with cameras that fight when they are told to, a recording sink and a siren."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from chaos.ledger import INCIDENT_PHASES, Ledger, decoded
from servers import fighting
from servers.daemon import DaemonProcess, wait_until

CONFIG = """
site: {site}
detection: {{open_threshold: 0.3, close_threshold: 0.2, min_duration_s: 0, merge_gap_s: {gap_s}}}
cameras: {{{cameras}}}
sinks:
  record: {{type: recording, path: {record}}}
  siren: {{type: siren, command: [sh, {siren}], expiry_s: {expiry_s}}}
"""

SIREN = "echo $JIKIMI_INCIDENT $(date +%s.%N) >> {sounded}\n"


class FightingDaemon(DaemonProcess):
    """`servers.fighting` as a process; at first nobody fights."""

    def __init__(
        self,
        folder: Path,
        *,
        cameras: Sequence[str] = ("gate",),
        sinks: str = "",
        site: str = "yard",
        siren: str = SIREN,
        expiry_s: float = 30.0,
        gap_s: float = 0.5,
        **more: Any,
    ) -> None:
        """`sinks`: lines of YAML on top; `siren`: a shell script, which has `{sounded}` to fill.

        `gap_s`: a fight may pause for so long; on a busy machine it seems to, for a second.
        """
        folder.mkdir(exist_ok=True)
        self._record = folder / "record"
        self._sounded = folder / "sounded"
        self._fights = folder / "fights"
        self._expiry_s = expiry_s
        script = folder / "siren.sh"
        script.write_text(siren.format(sounded=self._sounded))
        config = CONFIG.format(
            site=site,
            cameras=", ".join(f"{name}: 'pattern://calm'" for name in cameras),
            record=self._record,
            siren=script,
            expiry_s=expiry_s,
            gap_s=gap_s,
        )
        command = (sys.executable, fighting.__file__, str(self._fights))
        super().__init__(folder, config + sinks, command=command, **more)

    def fight(self, for_s: float = 1.0, every_s: float = 1.0) -> None:
        """Every camera fights for so long in each so many seconds: without an end, if the same."""
        written = self._fights.with_suffix(".new")
        written.write_text(f"{for_s} {every_s}")
        written.replace(self._fights)

    def calm(self) -> None:
        """Nobody fights any more."""
        self._fights.unlink(missing_ok=True)

    def told(self, *phases: str) -> list[dict[str, Any]]:
        """What the recording sink has, exercises excepted; of `phases` only, if any are given."""
        found = [message for message in self.recorded() if not message["exercise"]]
        return [m for m in found if not phases or m["phase"] in phases]

    def recorded(self) -> list[dict[str, Any]]:
        """All that the recording sink has of incidents and exercises; cameras may be lost, too."""
        lines = self._record.read_text().splitlines() if self._record.exists() else []
        return [message for message in decoded(lines) if message["phase"] in INCIDENT_PHASES]

    def sounded(self) -> list[tuple[str, float]]:
        """Incident and UTC seconds of each start of the siren."""
        lines = self._sounded.read_text().splitlines() if self._sounded.exists() else []
        return [(incident, float(at)) for incident, at in map(str.split, lines)]

    def fight_once(self) -> dict[str, Any]:
        """One fight, from its `opened` to its `closed`; returns the latter."""
        wait_until(lambda: not self.open_incidents(), "the fight before to be over")
        before = len(self.told("opened")), len(self.told("closed"))
        self.fight()
        wait_until(lambda: len(self.told("opened")) > before[0], "a fight to be told")
        self.calm()
        wait_until(lambda: len(self.told("closed")) > before[1], "its end to be told")
        return self.told("closed")[-1]

    def drill_arrives(self) -> None:
        """An exercise goes through every sink."""
        done = self.jikimi("drill")
        assert done.returncode == 0, f"{done.stdout}{done.stderr}\n{self.log()[-4000:]}"

    def open_incidents(self) -> list[str]:
        """The incidents under way."""
        return [incident for c in self.health()["cameras"] for incident in c["open_incidents"]]

    def settled(self) -> bool:
        """Whether no incident is open and nothing waits for a sink."""
        waiting = any(sink["depth"] for sink in self.health()["sinks"])
        return not waiting and not self.open_incidents()

    def ledger(self, accepted: Sequence[str] = (), **told: Sequence[dict[str, Any]]) -> Ledger:
        """All there is; `told`: by name, what other sinks received."""
        entries = self.jikimi("incidents", "--json", "--limit", "1000000").stdout
        return Ledger(
            recorded={entry["id"] for entry in decoded(entries.splitlines())},
            accepted=set(accepted),
            told={"record": self.recorded(), **told},
            sounded=self.sounded(),
            expiry_s=self._expiry_s,
        )
