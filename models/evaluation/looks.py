"""What a second look says of the clips and streams that are played: its head on what was seen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from detector.incidents.second_look import SecondLookRules
from detector.inference.engine import Floats
from detector.inference.second_look.head import FusedHead
from detector.types import MotionView, Sample
from models.data.clips import Clip
from models.evaluation.looking import Looker, LooksAt


@dataclass(frozen=True, slots=True, eq=False)
class Looks:
    """What the second stage says of one clip or stream: a logit for each view looked at, by number.

    `rules`: what follows from them for `label`.
    """

    label: str
    rules: SecondLookRules
    logits: Mapping[int, float]


@dataclass(frozen=True, slots=True, eq=False)
class SecondOpinion:
    """A label's second look: network, head and rules; all that share a network share `looker`."""

    label: str
    looker: Looker
    head: FusedHead
    rules: SecondLookRules

    def on_clip(self, clip: Clip, probabilities: Floats) -> Looks:
        """On one clip, by the first stage's probabilities of the label; raises StreamError."""
        return self._told(self.looker.at_clip(clip, probabilities))

    def on_stream(
        self,
        pictures: Iterable[tuple[Sample, MotionView | None]],
        clips: Mapping[str, Clip],
        probabilities: Floats,
    ) -> Looks:
        """On a stream of named pictures; `clips`: by their names."""
        return self._told(self.looker.at_stream(pictures, clips, probabilities))

    def _told(self, seen: LooksAt) -> Looks:
        logits = {view: float(self.head.logits(own[None])[0]) for view, own in seen.items()}
        return Looks(self.label, self.rules, logits)


OpinionFor = Callable[[Clip], SecondOpinion | None]
"""The second look that may judge a clip; None where there is none, or its network has seen it."""
