"""How hard the attack is: small in `make test`, as the environment says in `make chaos`."""

from __future__ import annotations

import os
import time

LONG = "CHAOS_LONG" in os.environ
"""Whether this is `make chaos`."""

KILLS = int(os.environ.get("CHAOS_KILLS") or (1000 if LONG else 8))
"""Random kills in all."""

SEED = int(os.environ.get("CHAOS_SEED") or time.time_ns() % 1_000_000)
"""Of everything that is drawn; printed with what came of it."""

SOAK_MINUTES = float(os.environ.get("CHAOS_SOAK") or (10 if LONG else 0.5))
SOAK_CAMERAS = int(os.environ.get("CHAOS_CAMERAS") or (16 if LONG else 4))

DAY_ALERTS = 10_000 if LONG else 1_500
"""Alerts of a day without a broker."""

STOPPED_S = 60.0 if LONG else 6.0
"""How long the whole daemon is stopped by SIGSTOP."""

STREAMS_S = 60.0 if LONG else 15.0
"""How long good cameras are watched beside hostile ones."""
