"""The other side of `engine: serve`: a Ray Serve deployment on a GPU box embeds views of all boxes.

Views of several boxes that come together are embedded together (`serve.batch`): a GPU takes hardly
longer for many than for one. Beside `detector.cluster.link` the only module that loads Ray.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import ray
from ray import serve
from ray.exceptions import RayError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from structlog import get_logger

from config.errors import ControlError, JikimiError
from detector.inference.engine import Floats
from detector.inference.serve_protocol import (
    CONTENT_TYPE,
    PATH,
    WEIGHTS_HEADER,
    Steps,
    as_answer,
    read_request,
    views_of,
    weights_key,
)
from detector.inference.weights import Classifier, load_classifier

NAME = "jikimi"

TOGETHER = 32
"""Requests in one batch at most, each of one box."""

WAIT_S = 0.005
"""For others to come along, of the 0.3 s for which a box waits."""

ONGOING = 256
"""Requests at a time; a box has one."""

STARTS_S = 300.0
"""Loading TensorFlow takes its time."""

LOOK_EVERY_S = 5.0

log = get_logger()


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """`address`: of a Ray cluster that is there; None: one of its own, on this machine alone."""

    host: str
    port: int
    address: str | None = None
    weights: Path | None = None


class Embedding:
    """One replica: one engine, one batch at a time."""

    def __init__(self, weights: Path | None) -> None:
        """Raises ModelError where nothing here can run the weights (None: the shipped ones)."""
        classifier = _classifier(weights, gpu=bool(ray.get_gpu_ids()))
        self._engine = classifier.engine
        self._weights = weights_key(classifier.sidecar)
        self._name = classifier.sidecar.name
        self._requests = 0
        self._batches = 0

    def about(self) -> dict[str, Any]:
        """What it embeds with, and how many requests it took in how many batches."""
        return {
            "engine": self._engine.name,
            "weights": self._name,
            "requests": self._requests,
            "batches": self._batches,
        }

    async def __call__(self, request: Request) -> Response:
        """Embeddings of the views that `request` holds: see `serve_protocol`; GET: `about`."""
        if request.method != "POST":
            return JSONResponse(self.about())
        if (asked := request.headers.get(WEIGHTS_HEADER)) != self._weights:
            return Response(
                f"has the weights {self._name} {self._weights[:8]}, the box has "
                f"{str(asked)[:8]}; install the same version and `weights` on both",
                409,
            )
        try:
            steps = read_request(await request.body())
        except ValueError as error:
            return Response(str(error), 400)
        return Response(as_answer(await self._embed(steps)), media_type=CONTENT_TYPE)

    @serve.batch(max_batch_size=TOGETHER, batch_wait_timeout_s=WAIT_S)  # type: ignore[untyped-decorator]
    async def _embed(self, together: Sequence[Steps]) -> list[Floats]:
        """Embeddings of each request; others are received meanwhile, for the next batch."""
        self._requests += len(together)
        self._batches += 1
        views = views_of(np.concatenate(together))
        found = await asyncio.to_thread(self._engine.embed, views)
        return np.split(found, np.cumsum([len(steps) for steps in together])[:-1])


def _classifier(weights: Path | None, *, gpu: bool) -> Classifier:
    """TensorFlow where there is a GPU for it, else what is quickest on all cores."""
    if gpu and find_spec("tensorflow"):
        return load_classifier(weights, engine="tensorflow")
    if gpu:
        log.warning("the GPU is not used: pip install 'jikimi[tensorflow]'")
    return load_classifier(weights, threads=os.cpu_count() or 1, engine="auto")


def run(options: ServeOptions, asked_to_stop: Callable[[], threading.Event]) -> None:
    """Serve until asked to stop; raises ControlError where it cannot, or Ray is lost.

    `asked_to_stop` handles signals; called late, for Ray puts a handler of its own in place, which
    ends the process at once: right until something is served.
    """
    # else Ray would join a cluster's node that runs on this machine
    address = options.address or "local"
    own: Mapping[str, Any] = {} if options.address else {"include_dashboard": False}
    try:
        ray.init(address, log_to_driver=False, logging_level="error", **own)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise ControlError(f"no Ray answers at {address} ({error})") from None
    try:
        about = _begin(options)
        stop = asked_to_stop()
        log.info("serves", host=options.host, port=options.port, path=PATH, **about)
        while not stop.wait(LOOK_EVERY_S):
            serve.status()
        serve.delete(NAME)
    except JikimiError:
        raise
    except (RayError, RuntimeError, TimeoutError) as error:
        raise ControlError(f"Ray Serve does not work ({error})") from None
    finally:
        ray.shutdown()


def _begin(options: ServeOptions) -> dict[str, Any]:
    """Deploy, on a GPU where Ray has one; what the replica says of itself."""
    gpus = min(1.0, ray.cluster_resources().get("GPU", 0.0))
    serve.start(http_options={"host": options.host, "port": options.port})
    deployment = serve.deployment(
        name=NAME,
        max_ongoing_requests=ONGOING,
        ray_actor_options={"num_gpus": gpus},
    )(Embedding)
    handle = serve.run(deployment.bind(options.weights), name=NAME, route_prefix=PATH)
    about: dict[str, Any] = handle.about.remote().result(timeout_s=STARTS_S)
    return about
