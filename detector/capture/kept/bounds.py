"""How much is kept of what cameras send, in memory; imports nothing, for `jikimi plan`."""

from __future__ import annotations

MOST_BYTES = 16 * 2**20
"""One camera: 20 s at 6 Mbit/s. With a key frame every 2 s, 4 Mbit/s take 8 MB, 2 take 4.5."""

BOX_BYTES = 512 * 2**20
"""All cameras together; beyond 32 of them each gets an even share."""

SLACK_S = 2.0
"""Whoever writes a clip begins at most so long after its incident has opened."""
