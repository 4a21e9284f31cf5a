"""One camera's part in the second look: the pictures it keeps for that, and the looks it asks for.

Whoever looks does so in a thread of its own, for all cameras: `inference.second_look.worker`.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from detector.incidents.judge import CameraJudge
from detector.inference.second_look.worker import Candidate, Looked, SecondLookWorker
from detector.inference.worker import SampledView
from detector.motion.window import LastSecond, WindowTracker
from detector.types import Incident, MotionView, Sample


class CameraSecondLook:
    """Between a camera's judge and the worker that looks.

    The reader's thread hands over samples; `ask` and `answered` are for who holds the judge's lock.
    """

    def __init__(self, camera: str, worker: SecondLookWorker, judge: CameraJudge) -> None:
        self._camera = camera
        self._worker = worker
        self._judge = judge
        self._window = WindowTracker()
        self._armed = False

    def last_second(self, sample: Sample, view: MotionView | None) -> LastSecond | None:
        """The pictures up to `sample`, kept only while they may be looked at: they take memory."""
        armed = self._armed
        if not armed:
            self._window.forget()
        self._window.add(sample, view)
        return self._window.last_second() if armed else None

    def read_anew(self) -> None:
        """Another thread hands over samples from here on: one that hangs may use what it has."""
        self._window = WindowTracker()

    def request_stop(self) -> None:
        """Have nobody look at what waits to be looked at."""
        self._worker.remove(self._camera)

    def ask(self, sampled: SampledView | None) -> list[Incident]:
        """Ask for the looks that are due at the newest scores, those of `sampled`.

        Returns incidents that changed: where nobody can look the first stage decides at once.
        """
        changes = self._asked(sampled)
        self._armed = self._judge.armed
        return changes

    def answered(self, looked: Looked) -> list[Incident]:
        """The worker's answer; incidents that changed with it."""
        candidate = looked.candidate
        at_s = candidate.sampled.sample.at_s
        changes = self._judge.looked(candidate.label, at_s, looked.logit)
        self._armed = self._judge.armed
        return changes

    def _asked(self, sampled: SampledView | None) -> list[Incident]:
        changes: list[Incident] = []
        if not self._worker.ready:
            for due in self._judge.due(at_hand=True):
                changes += self._judge.looked(due.score.label, due.score.at_s, None)
            return changes
        second = sampled.second if sampled else None
        allowed = partial(self._worker.allows, self._camera)
        for due in self._judge.due(at_hand=second is not None, allowed=allowed):
            label = due.score.label
            if sampled and second:
                shown = replace(second, mirrored=due.mirrored)
                self._worker.offer(Candidate(sampled, shown, label, due.urgency, due.alarmed))
            else:
                changes += self._judge.looked(label, due.score.at_s, None)
        return changes
