"""The ledger of an attack: all that was recorded and accepted, against all that arrived."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

SPAWN_S = 1.0
"""What starting a command may take on a busy machine."""

INCIDENT_PHASES = ("opened", "updated", "closed")
"""In their order; what is told of cameras has others."""

Message = Mapping[str, Any]
"""An alert as its receiver has decoded it."""


@dataclass(frozen=True)
class Ledger:
    """Judges one daemon's life, or lives.

    `recorded`: incidents in the journal; `accepted`: incidents of drills that were accepted;
    `told`: by sink, what it received, in order; `sounded`: incident and UTC seconds of each
    start of the siren, which may come at most `expiry_s` after the alert was sent.
    """

    recorded: Collection[str]
    accepted: Collection[str]
    told: Mapping[str, Sequence[Message]]
    sounded: Sequence[tuple[str, float]]
    expiry_s: float

    def lost(self) -> list[str]:
        """Incidents and drills of which a sink never heard."""
        return [
            f"{incident} at {sink}"
            for sink, messages in self.told.items()
            for incident in sorted(
                {*self.recorded, *self.accepted} - _incidents(messages, "opened")
            )
        ]

    def unclosed(self) -> list[str]:
        """Incidents of which a sink waits for the end."""
        return [
            f"{incident} at {sink}"
            for sink, messages in self.told.items()
            for incident in sorted(
                _incidents(messages, "opened", "updated") - _incidents(messages, "closed")
            )
        ]

    def misordered(self) -> list[str]:
        """Incidents whose messages first came in another order than they happened."""
        found = []
        for sink, messages in self.told.items():
            ranks: dict[str, list[int]] = {}
            for message in _first_of_each(messages):
                rank = INCIDENT_PHASES.index(message["phase"])
                ranks.setdefault(message["incident_id"], []).append(rank)
            found += [
                f"{incident} at {sink}"
                for incident, came in ranks.items()
                if came != sorted(came) or came[0] != 0
            ]
        return found

    def twins(self) -> list[str]:
        """Repeats under another `alert_id`: an incident opened or closed twice."""
        return [
            f"{phase} of {incident} at {sink}"
            for sink, messages in self.told.items()
            for (incident, phase), count in Counter(
                (m["incident_id"], m["phase"]) for m in _first_of_each(messages)
            ).items()
            if count > 1 and phase != "updated"
        ]

    def late_sirens(self) -> list[str]:
        """Starts of the siren for an alert that had expired."""
        sent = {
            message["incident_id"]: datetime.fromisoformat(message["sent_at"]).timestamp()
            for messages in self.told.values()
            for message in messages
            if message["phase"] == "opened"
        }
        return [
            f"{incident} after {at - sent[incident]:.1f} s"
            for incident, at in self.sounded
            if incident in sent and at - sent[incident] > self.expiry_s + SPAWN_S
        ]

    def repeated(self) -> int:
        """Messages that came again under the same id."""
        return sum(len(m) - len(_first_of_each(m)) for m in self.told.values())

    def faults(self) -> dict[str, list[str]]:
        """What must not be: by kind, each case; kinds without a case are left out."""
        kinds = {
            "lost": self.lost(),
            "unclosed": self.unclosed(),
            "misordered": self.misordered(),
            "told twice": self.twins(),
            "late sirens": self.late_sirens(),
        }
        return {kind: cases for kind, cases in kinds.items() if cases}

    def row(self) -> dict[str, int]:
        """The figures for a table."""
        return {
            "incidents": len(self.recorded),
            "drills": len(self.accepted),
            "delivered": sum(len(messages) for messages in self.told.values()),
            "repeated": self.repeated(),
            "lost": len(self.lost()),
            "unclosed": len(self.unclosed()),
            "misordered": len(self.misordered()),
            "told twice": len(self.twins()),
            "sirens": len(self.sounded),
            "late sirens": len(self.late_sirens()),
        }


def decoded(lines: Iterable[str]) -> list[dict[str, Any]]:
    """JSON, one object a line."""
    return [json.loads(line) for line in lines]


def table(rows: Sequence[Mapping[str, object]]) -> str:
    """`rows` under one another, the first one's keys above them."""
    names = list(rows[0])
    cells = [names, *([str(row[name]) for name in names] for row in rows)]
    widths = [max(len(line[at]) for line in cells) for at in range(len(names))]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True))
        for line in cells
    )


def _incidents(messages: Iterable[Message], *phases: str) -> set[str]:
    return {m["incident_id"] for m in messages if m["phase"] in phases}


def _first_of_each(messages: Iterable[Message]) -> list[Message]:
    first: dict[str, Message] = {}
    for message in messages:
        first.setdefault(message["alert_id"], message)
    return list(first.values())
