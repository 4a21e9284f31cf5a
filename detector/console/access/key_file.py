"""The key that sessions are signed with, and the sessions that were ended, over a restart."""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Callable
from pathlib import Path

from structlog import get_logger

from alerts.storage.files import START_S, in_the_way, move_aside, within, write_whole

KEY_FILE = "console.json"
KEY_BYTES = 32
MAX_BYTES = 1 << 20
"""Of the file: 20,000 sessions that were ended within a week."""

log = get_logger()


class KeyFile:
    """`path`, mode 0600; where it cannot be read or written, memory must do. Thread-safe."""

    def __init__(self, path: Path, now: Callable[[], float]) -> None:
        """Read it; one that is damaged is made anew, which ends every session."""
        self._path = path
        self._now = now
        self._lock = threading.Lock()
        self.key = secrets.token_bytes(KEY_BYTES)
        self._ended: dict[str, float] = {}
        try:
            found = within(START_S, self._read)
            if found is None:
                within(START_S, self._write)
            else:
                self.key, self._ended = found
        except OSError as error:
            self._fails(error)

    def has_ended(self, session: str) -> bool:
        """Whether that one was ended."""
        return session in self._ended

    def end(self, session: str, until_s: float) -> None:
        """Remember it until it would have ended anyway (Unix time); waits for the disk."""
        with self._lock:
            now_s = self._now()
            still = {one: end_s for one, end_s in self._ended.items() if end_s > now_s}
            self._ended = {**still, session: until_s}
            try:
                self._write()
            except OSError as error:
                self._fails(error)

    def _read(self) -> tuple[bytes, dict[str, float]] | None:
        """What is there; None where nothing is, or what is of no use."""
        if what := in_the_way(self._path):
            log.warning("console's key set aside", found=what, at=str(move_aside(self._path)))
            return None
        try:
            with self._path.open("rb") as file:
                found = json.loads(file.read(MAX_BYTES))
            key = bytes.fromhex(found["key"])
            ended = {str(one): float(end_s) for one, end_s in found["ended"].items()}
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            log.warning("console's key is damaged and made anew: everybody has to log in again")
            return None
        if len(key) != KEY_BYTES:
            return None
        self._path.chmod(0o600)
        return key, ended

    def _write(self) -> None:
        text = json.dumps({"key": self.key.hex(), "ended": self._ended})
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
        write_whole(self._path, text.encode(), 0o600)

    def _fails(self, error: OSError) -> None:
        log.warning(
            "console's sessions are in memory only, a restart ends them or forgets their end",
            file=str(self._path),
            reason=error.strerror or str(error),
        )
