"""What the cameras' readers report to be counted."""

from __future__ import annotations

from typing import Protocol


class CaptureObserver(Protocol):
    """Counts. Called from the camera's thread; must be quick."""

    def connecting(self, camera: str) -> None:
        """An attempt to open the stream begins."""

    def packet(self, camera: str, size: int) -> None:
        """`size` bytes of video have been received."""

    def frames(self, camera: str, count: int) -> None:
        """`count` frames have come: decoded, slept through, or left out because not needed."""

    def decode_errors(self, camera: str, count: int) -> None:
        """The decoder refused `count` packets."""

    def due(self, camera: str, count: int) -> None:
        """`count` samples have fallen due, those that could not be taken included."""

    def missed(self, camera: str, reason: str, count: int) -> None:
        """`count` due samples were not taken: `missed`, no picture came; `late`, too far behind."""

    def slept(self, camera: str, seconds: float) -> None:
        """`seconds` of stream have been received and not decoded, for nothing moved."""

    def woke(self, camera: str, why: str, catch_up_s: float) -> None:
        """Decoding goes on; going through what was kept took `catch_up_s`."""
