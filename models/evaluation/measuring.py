"""Scores clips and plays streams: all that figures are then taken from.

Every clip is scored once; every fight is played between normal footage of its scene, every
normal clip and untrimmed recording as it is. Counts nothing: see `models.evaluation.evaluation`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tqdm import tqdm

from config.errors import ConfigError
from detector.footage.recording import recorded_seconds
from models.data.clips import Clip, Event
from models.evaluation.events import Kind, Play
from models.evaluation.looks import OpinionFor
from models.evaluation.scoring import ClassifierFor, ScoredClip, network_of, score, score_clips
from models.evaluation.streams import StreamBuilder, StreamEmbedder, footage_of, normal_footage


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """The clips, scored and played: the figures are taken from here.

    `left_out`: clips of an event in whose scene there is no normal footage. `fused`: by label what
    both stages say of a clip as a whole, where a second look may.
    """

    classifier_for: ClassifierFor
    labels: tuple[str, ...]
    scored: Sequence[ScoredClip]
    plays: Sequence[Play]
    left_out: Sequence[Clip]
    fused: Mapping[str, Mapping[Clip, float]] = field(default_factory=dict)


def no_second_look(_: Clip) -> None:
    """No second look at any clip."""


def measure(
    clips: Sequence[Clip], classifier_for: ClassifierFor, opinion_for: OpinionFor = no_second_look
) -> Measured:
    """Score all clips and all streams that can be built of them, and look where it is due."""
    scored = score_clips(clips, classifier_for, "clips")
    if not scored:
        raise ConfigError("none of the clips can be read as video; see what was said of each")
    labels = scored[0].classifier.head.labels
    known = set(labels)
    alone = [
        _alone(own, known, opinion_for)
        for own in tqdm(scored, desc="looks", unit="clip", disable=None)
    ]
    streams, left_out = _streams([own.clip for own in scored], classifier_for, opinion_for, known)
    plays = [play for play in alone if play is not None] + streams
    return Measured(classifier_for, labels, scored, plays, left_out)


def _alone(scored: ScoredClip, known: set[str], opinion_for: OpinionFor) -> Play | None:
    """A normal clip or an untrimmed recording, as it is; None for a clip of an event."""
    clip = scored.clip
    events = tuple(event for event in clip.events if event.label in known)
    if clip.label in known:
        return None
    last_s = float(scored.times_s[-1]) if len(scored.times_s) else 0.0
    seconds = max(recorded_seconds(clip.path), last_s)
    kind = Kind.RECORDING if events else Kind.NORMAL
    opinion = opinion_for(clip)
    looks = opinion.on_clip(clip, scored.of(opinion.label)) if opinion else None
    return Play(kind, scored, events, seconds, looks)


def _streams(
    clips: Sequence[Clip],
    classifier_for: ClassifierFor,
    opinion_for: OpinionFor,
    known: set[str],
) -> tuple[list[Play], list[Clip]]:
    """Streams and controls of every scene, and the event clips that none can be made of."""
    scenes: dict[str, tuple[list[Clip], list[Clip]]] = defaultdict(lambda: ([], []))
    for clip in clips:
        if clip.label in known:
            scenes[clip.scene][0].append(clip)
        elif not any(event.label in known for event in clip.events):
            scenes[clip.scene][1].append(clip)
    plays: list[Play] = []
    left_out: list[Clip] = []
    with tqdm(
        total=sum(len(fights) for fights, _ in scenes.values()),
        desc="streams",
        unit="fight",
        disable=None,
    ) as progress:
        for fights, normals in scenes.values():
            made = (
                _scene_streams(fights, normals, classifier_for, opinion_for)
                if fights and normals
                else []
            )
            plays += made
            left_out += [] if made else fights
            progress.update(len(fights))
    return plays, left_out


def _scene_streams(
    fights: Sequence[Clip],
    normals: Sequence[Clip],
    classifier_for: ClassifierFor,
    opinion_for: OpinionFor,
) -> list[Play]:
    """The streams of one scene; none where its normal clips are too short for a view."""
    normal = normal_footage(normals)
    if not normal:
        return []
    builder = StreamBuilder(normal)
    by_name = {footage.clip.name: footage for footage in normal}
    embedders: dict[str, StreamEmbedder] = {}
    plays = []
    for clip in fights:
        classifier = classifier_for(clip)
        assert classifier is not None  # it has been scored
        network = network_of(classifier)
        embedder = embedders.setdefault(network, StreamEmbedder(classifier.engine))
        fight = footage_of(clip, float("inf"))
        footage = {**by_name, clip.name: fight}
        own_clips = {name: own.clip for name, own in footage.items()}
        opinion = opinion_for(clip)
        for script in builder.scripts(fight):
            scored = score(embedder(script, footage), classifier)
            events = () if script.control else (Event(clip.label, script.start_s, script.end_s),)
            kind = Kind.CONTROL if script.control else Kind.STREAM
            length_s = float(script.times_s[-1])
            looks = None
            if opinion:
                pictures = embedder.pictures(script, footage)
                looks = opinion.on_stream(pictures, own_clips, scored.of(opinion.label))
            plays.append(Play(kind, scored, events, length_s, looks))
    return plays
