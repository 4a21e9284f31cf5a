"""Which cameras send no alarms for a while, kept over a restart.

Times are seconds of `alerts.clock.SteadyClock`. What is over is forgotten by `Outbox.tidy`.
"""

from __future__ import annotations

from alerts.storage.store import Store

ALL_CAMERAS = ""
"""The name under which a silence of every camera is kept (no camera's name is empty)."""


def silence(store: Store, camera: str, until: float) -> None:
    """Keep `camera` (or `ALL_CAMERAS`) silent until then; a time gone by ends it."""
    store.write(
        lambda database: database.execute(
            "INSERT OR REPLACE INTO silence VALUES (?, ?)", (camera, until)
        )
    )


def silences(store: Store, now: float) -> dict[str, float]:
    """The silences that hold at `now`: camera (or `ALL_CAMERAS`) → until."""
    return dict(store.read("SELECT camera, until FROM silence WHERE until > ?", (now,)))
