"""What a box and a GPU box say to each other (`engine: serve`): one POST, views in, embeddings out.

The body is views as int8, 27 kB each, as training stores them; the answer their embeddings as
float32, little-endian. A header says of which weights they are to be, for embeddings of others are
as long and mean nothing. No 200 comes with a line of text that says why.
"""

from __future__ import annotations

import hashlib
import json

import numpy as np
from numpy.typing import NDArray

from detector.inference.engine import Floats
from detector.inference.weights import Sidecar
from detector.motion.view import VIEW_SIDE

PATH = "/embed"
WEIGHTS_HEADER = "X-Jikimi-Weights"
CONTENT_TYPE = "application/octet-stream"

STEPS = 127
"""From −1…1 to int8, as in training's stored views."""

SHAPE = (VIEW_SIDE, VIEW_SIDE, 3)

MOST_VIEWS = 256
"""In one request, 7 MB; a box sends one a camera."""

Steps = NDArray[np.int8]


def stepped(views: Floats) -> Steps:
    """Views [n, 96, 96, 3] in −1…1 as they are sent."""
    return np.asarray(np.rint(views * np.float32(STEPS)), np.int8)


def views_of(steps: Steps) -> Floats:
    """What was sent, as an engine takes it: [n, 96, 96, 3] float32 in −1…1."""
    return np.asarray(steps, np.float32) / np.float32(STEPS)


def read_request(body: bytes) -> Steps:
    """The views [n, 96, 96, 3] of a request; raises ValueError where it is none."""
    count, rest = divmod(len(body), int(np.prod(SHAPE)))
    if rest or not 0 < count <= MOST_VIEWS:
        raise ValueError(f"{len(body)} bytes are not 1 to {MOST_VIEWS} views")
    return np.frombuffer(body, np.int8).reshape(count, *SHAPE)


def as_answer(embeddings: Floats) -> bytes:
    """The body of an answer."""
    return embeddings.astype("<f4").tobytes()


def read_answer(body: bytes, count: int, width: int) -> Floats:
    """The embeddings [count, width] of an answer; raises ValueError where it is none."""
    if len(body) != 4 * count * width:
        raise ValueError(f"{len(body)} bytes are not {count} embeddings of {width} numbers")
    found = np.frombuffer(body, "<f4").reshape(count, width).astype(np.float32)
    if not np.isfinite(found).all():
        raise ValueError("an embedding holds what is no number")
    return found


def weights_key(sidecar: Sidecar) -> str:
    """SHA-256 in hexadecimal of what embeddings depend on: view recipe and files of the network."""
    files = {name: one.sha256 for name, one in sidecar.engines.items()}
    facts = json.dumps({"view": sidecar.view, "engines": files}, sort_keys=True)
    return hashlib.sha256(facts.encode()).hexdigest()
