"""Which clips weights were fitted on: a part of the sidecar's section `training`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from detector.inference.weights import Sidecar
from models.data.clips import Clip

SECTION = "clip_sha256"


@dataclass(frozen=True, slots=True)
class FittedOn:
    """Digests (`models.data.digests`) of the clips that a head and its network were fitted on.

    ImageNet's network has none; one that was fine-tuned keeps its own under every later head.
    """

    head: frozenset[str] = frozenset()
    network: frozenset[str] = frozenset()

    @property
    def clips(self) -> frozenset[str]:
        """Of both: figures of the weights on any of them are too good."""
        return self.head | self.network

    def as_json(self) -> dict[str, dict[str, list[str]]]:
        """What a sidecar's section `training` holds of it."""
        return {SECTION: {"head": sorted(self.head), "network": sorted(self.network)}}


def fitted_on(sidecar: Sidecar) -> FittedOn:
    """What the sidecar says; of weights that say nothing, nothing."""
    known = sidecar.training.get(SECTION, {})
    return FittedOn(frozenset(known.get("head", ())), frozenset(known.get("network", ())))


def known_digests(clips: Iterable[Clip], digests: Mapping[Clip, str]) -> frozenset[str]:
    """The digests of these clips, as far as their files could be read."""
    return frozenset(digests[clip] for clip in clips if clip in digests)
