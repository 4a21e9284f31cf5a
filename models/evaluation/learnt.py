"""Clips that the very weights which score them were fitted on: figures on them are too good.

Known by the files' content, so whatever they are called. Clips that fold models have not seen
are not among them.
"""

from __future__ import annotations

from collections.abc import Sequence

from models.data.clips import Clip
from models.data.digests import clip_digests
from models.evaluation.scoring import ClassifierFor
from models.weights.fitted import fitted_on


def learnt_clips(clips: Sequence[Clip], classifier_for: ClassifierFor) -> list[str]:
    """The names of those clips; none where weights do not say what they were fitted on."""
    classifiers = {clip: own for clip in clips if (own := classifier_for(clip))}
    fitted = {id(own): fitted_on(own.sidecar).clips for own in classifiers.values()}
    if not any(fitted.values()):
        return []
    digests = clip_digests(classifiers)
    return [clip.name for clip, own in digests.items() if own in fitted[id(classifiers[clip])]]
