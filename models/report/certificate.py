"""The page of a rehearsed certification: figures, and a picture of every miss and false alarm."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from models.evaluation.certifying import PASS_F1, Counted, Verdicts, Window
from models.report.markup import framed, paragraph, table


@dataclass(frozen=True, slots=True)
class Fault:
    """A miss, a false or a repeated alarm in `video` at `at_s`; `jpeg`: what was to be seen."""

    video: str
    what: str
    at_s: float
    jpeg: bytes | None


def told(total: Counted, label: str) -> str:
    """One line: F1 with what it is made of."""
    if total.f1 is None:
        return f"{label}: no event is annotated; {total.false} false alarms"
    passed = "passes" if total.f1 >= PASS_F1 else "fails"
    return (
        f"{label}: F1 {100 * total.f1:.1f} of 100 ({passed}: {100 * PASS_F1:.0f} is asked for), "
        f"{total.found} of {total.found + total.missed} events found, {total.false} false alarms"
    )


def certificate(
    label: str,
    window: Window,
    total: Counted,
    videos: Sequence[tuple[str, float, Verdicts]],
    faults: Iterable[Fault],
) -> str:
    """The whole page; `videos`: name, length in seconds, and what became of each."""
    late = "until it ends" if window.late_s is None else f"until {window.late_s:g} s after that"
    rows = [
        (
            name,
            clock(length_s),
            str(len(one.delays_s)),
            str(len(one.missed)),
            str(len(one.false)),
            str(len(one.repeated)),
            ", ".join(f"{delay:+.1f}" for delay in one.delays_s),
        )
        for name, length_s, one in videos
    ]
    head = ("video", "length", "found", "missed", "false", "repeated", "delay, s")
    pictures = "".join(_figure(fault) for fault in faults)
    parts = [
        "<h1>Rehearsal of a certification</h1>",
        paragraph(told(total, label)),
        paragraph(
            f"An alarm counts for an event from {window.early_s:g} s before it begins {late}. "
            "One alarm an event; every other is false, a second one about the same event too.",
            "dim",
        ),
        "<h2>Videos</h2>",
        table(head, rows),
        "<h2>Misses and false alarms</h2>",
        f'<div class="pictures">{pictures}</div>' if pictures else paragraph("None."),
    ]
    return framed("Jikimi: rehearsal of a certification", "\n".join(parts))


def clock(at_s: float) -> str:
    """Seconds as `2:05`, or `1:02:05`."""
    minutes, rest = divmod(round(at_s), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _figure(fault: Fault) -> str:
    caption = escape(f"{fault.video}, {clock(fault.at_s)}: {fault.what}")
    if fault.jpeg is None:
        return f"<figure><figcaption>{caption} (no picture)</figcaption></figure>"
    data = base64.b64encode(fault.jpeg).decode()
    return (
        f'<figure><img alt="{caption}" src="data:image/jpeg;base64,{data}">'
        f"<figcaption>{caption}</figcaption></figure>"
    )
