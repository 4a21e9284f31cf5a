"""Clips known by their content, whatever they are called and wherever they lie.

For the question whether weights were fitted on a clip. A clip that was encoded again has
another digest: `models.data.near_duplicates` finds those, by their pictures.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import TYPE_CHECKING

from tqdm import tqdm

if TYPE_CHECKING:
    from models.data.clips import Clip  # which reads folds by digests

DIGITS = 16
"""Hexadecimal digits of the SHA-256 that are kept: 64 bits part more clips than there are."""


def clip_digests(clips: Iterable[Clip]) -> dict[Clip, str]:
    """The digest of every clip whose file can be read."""
    found = {}
    for clip in tqdm(list(dict.fromkeys(clips)), desc="digests", unit="clip", disable=None):
        try:
            with clip.path.open("rb") as file:
                found[clip] = hashlib.file_digest(file, "sha256").hexdigest()[:DIGITS]
        except OSError:  # named where it is decoded
            continue
    return found
