"""`engine: serve`: a GPU box embeds the views; where it does not in time, this box's own engine.

The GPU box is asked by a thread of its own, over one connection that is kept. Whoever embeds waits
for it `TIMEOUT_S` at most, whatever it hangs on. A GPU box that failed once is not waited for any
more: the thread tries it with a single view, after pauses that grow, until it answers as it should.
Both engines are given the same whole-numbered views, so that no score depends on which one it was.
"""

from __future__ import annotations

import queue
import random
import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import (
    BadStatusLine,
    CannotSendRequest,
    HTTPConnection,
    HTTPException,
    HTTPResponse,
)
from typing import Protocol
from urllib.parse import urlsplit

import numpy as np
from structlog import get_logger

from alerts.delivery.backoff import backoff_s
from config.secrets import scrub
from detector.inference.engine import Engine, Floats
from detector.inference.overload import ROUND_S
from detector.inference.serve_protocol import (
    CONTENT_TYPE,
    MOST_VIEWS,
    PATH,
    SHAPE,
    WEIGHTS_HEADER,
    Steps,
    read_answer,
    stepped,
    views_of,
)

TIMEOUT_S = 0.3
"""A batch that is then scored here is younger than the 0.5 s after which it would be dropped, and
each camera has lost the two samples that fell due meanwhile, once."""

TRIAL_S = 5.0
"""A trial may take so long, connecting included; nobody waits for it."""

LASTS_S = 30.0
"""A GPU box that worked for so long is tried again soon."""

MEAN_SHARE = 0.1
"""Of the newest answer in the mean time of one."""

REASON_BYTES = 300

STILL = np.zeros((1, *SHAPE), np.int8)

log = get_logger()


class ServeObserver(Protocol):
    """Where the engine reports its figures."""

    def embedded(self, by: str, views: int) -> None:
        """So many views were embedded by the GPU box (`serve`) or by this box (`local`)."""

    def failing(self, failing: bool) -> None:
        """The GPU box embeds nothing, or does again."""


class ServeError(Exception):
    """The GPU box gave no embeddings; the text says why."""


@dataclass(eq=False)
class _Batch:
    """Views on their way; `embeddings` stays None where there are none when it is `done`."""

    views: Steps
    done: threading.Event = field(default_factory=threading.Event)
    embeddings: Floats | None = None


class ServeEngine:
    """Embeds views on the GPU box at `url`, or by `local`."""

    name = "serve"

    def __init__(self, url: str, weights: str, local: Engine, observer: ServeObserver) -> None:
        """`weights`: `serve_protocol.weights_key` of what `local` has loaded."""
        self._url = url
        self._local = local
        self._width = local.embed(views_of(STILL)).shape[1]
        self._observer = observer
        self._link = _Link(url, weights)
        self._batches: queue.SimpleQueue[_Batch | None] = queue.SimpleQueue()
        self._mutex = threading.Lock()
        self._works = False
        self._reason = ""
        self._failures = 0
        self._worked_s = 0.0
        self._mean_s = 0.0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="serve-engine", daemon=True)

    def start(self) -> None:
        """Begin to ask the GPU box; until then, this box's own engine embeds."""
        self._thread.start()

    def stop(self) -> None:
        """Ask it no more."""
        self._stopping.set()
        self._works = False
        self._batches.put(None)
        self._link.cut()

    @property
    def trouble(self) -> str:
        """Why the GPU box embeds nothing; empty where it does, or was not asked yet."""
        return self._reason

    def embed(self, views: Floats) -> Floats:
        """Views [n, 96, 96, 3] float32 in −1…1 → embeddings [n, d] float32."""
        steps = stepped(views)
        if (found := self._served(steps)) is not None:
            self._observer.embedded("serve", len(views))
            return found
        self._observer.embedded("local", len(views))
        return self._local.embed(views_of(steps))

    def _served(self, views: Steps) -> Floats | None:
        if not self._works or len(views) > MOST_VIEWS:
            return None
        batch = _Batch(views)
        began_s = time.monotonic()
        self._batches.put(batch)
        if not batch.done.wait(TIMEOUT_S):
            self._fails(f"has not answered within {TIMEOUT_S:g} s")
            self._link.cut()
            return None
        self._mean_s += MEAN_SHARE * (time.monotonic() - began_s - self._mean_s)
        if self._works and self._mean_s > ROUND_S:
            self._fails(f"takes {self._mean_s:.2f} s an answer; cameras have 8 views a second")
            self._batches.put(None)  # the thread waits for the next
        return batch.embeddings

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                if self._works:
                    self._ask()
                else:
                    self._try()
            except Exception as error:
                # Views are scored here meanwhile; with this thread gone, for ever.
                log.exception("GPU box not asked")
                self._fails(f"cannot be asked ({type(error).__name__})")
        self._link.close()

    def _ask(self) -> None:
        """Hand the next batch over, and its answer back."""
        if (batch := self._batches.get()) is None:
            return
        try:
            batch.embeddings = self._link.embeddings(batch.views, self._width)
        except ServeError as error:
            if self._works:  # else it was cut, and whoever did that has said why
                self._fails(str(error))
        finally:
            batch.done.set()

    def _try(self) -> None:
        """See whether the GPU box embeds one still view, in time."""
        if self._failures and self._stopping.wait(
            backoff_s(self._failures, random.random())  # noqa: S311 - spreads load only
        ):
            return
        cutter = threading.Timer(TRIAL_S, self._link.cut)
        cutter.daemon = True
        cutter.start()
        try:
            self._link.connect()
            began_s = time.monotonic()
            self._link.embeddings(STILL, self._width)
            if (took_s := time.monotonic() - began_s) > TIMEOUT_S:
                raise ServeError(f"takes {took_s:.1f} s for one view")  # noqa: TRY301 - as others
        except ServeError as error:
            self._fails(str(error))
        else:
            self._begins()
        finally:
            cutter.cancel()

    def _begins(self) -> None:
        with self._mutex:
            self._works = not self._stopping.is_set()
            self._reason = ""
            self._worked_s = time.monotonic()
            self._mean_s = 0.0
        log.info("GPU box embeds", url=self._url)
        self._observer.failing(False)

    def _fails(self, why: str) -> None:
        """The first reason is told, and stays until the GPU box works."""
        with self._mutex:
            told = bool(self._reason) or self._stopping.is_set()
            lasted = self._works and time.monotonic() - self._worked_s > LASTS_S
            self._failures = 1 if lasted else self._failures + 1
            self._works = False
            if told:
                return
            self._reason = f"the GPU box {self._url} {why}; this box's own engine scores"
        log.warning("GPU box does not embed; this box does", url=self._url, reason=why)
        self._observer.failing(True)


class _Link:
    """The connection; asked by one thread, cut by any."""

    def __init__(self, url: str, weights: str) -> None:
        parts = urlsplit(url)
        self._headers = {WEIGHTS_HEADER: weights, "Content-Type": CONTENT_TYPE}
        self._http = HTTPConnection(parts.hostname or "", parts.port, timeout=TRIAL_S)
        self._is_cut = False

    def connect(self) -> None:
        """Make the connection anew; raises ServeError."""
        self._http.close()
        self._is_cut = False
        try:
            self._http.connect()
        except OSError as error:
            raise ServeError(f"cannot be reached ({_short(error)})") from None

    def cut(self) -> None:
        """End whatever is waited for, now; nothing is asked before the next `connect`."""
        self._is_cut = True
        if sock := self._http.sock:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Leave the connection."""
        self._http.close()

    def embeddings(self, views: Steps, width: int) -> Floats:
        """What the GPU box makes of `views`: [n, width]; raises ServeError."""
        try:
            answer = self._answer(views.tobytes())
            # one byte more: what is too long is no answer either
            most = 4 * len(views) * width + 1 if answer.status == 200 else REASON_BYTES
            body = answer.read(most)
        except (OSError, HTTPException) as error:
            self._http.close()
            raise ServeError(f"broke off ({_short(error)})") from None
        if answer.status != 200 or not answer.isclosed():
            self._http.close()  # what is left of the answer would be the next one's
        if answer.status != 200:
            text = scrub(" ".join(body.decode(errors="replace").split()))
            raise ServeError(f"refuses ({answer.status}: {text})")
        try:
            return read_answer(body, len(views), width)
        except ValueError as error:
            raise ServeError(f"answers nonsense ({error})") from None

    def _answer(self, body: bytes) -> HTTPResponse:
        kept = self._http.sock is not None
        try:
            return self._post(body)
        except (BadStatusLine, CannotSendRequest, ConnectionError):
            if not kept or self._is_cut:
                raise
            # A server closes what was not used for a while; to ask twice does no harm.
            self._http.close()
            return self._post(body)

    def _post(self, body: bytes) -> HTTPResponse:
        if self._http.sock is None:
            self._http.connect()
        if self._is_cut:
            raise ConnectionAbortedError
        self._http.request("POST", PATH, body, self._headers)
        return self._http.getresponse()


def _short(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
