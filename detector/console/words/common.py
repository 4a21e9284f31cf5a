"""Words that every page needs."""

from __future__ import annotations

from typing import Final

WORDS: Final[dict[str, tuple[str, str]]] = {
    "now": ("Now", "현재"),
    "wall": ("Wall", "화면"),
    "boxes": ("Boxes", "장비"),
    "history": ("History", "기록"),
    "report": ("Report", "보고서"),
    "audit": ("Audit", "감사 기록"),
    "log_out": ("Log out", "로그아웃"),
    "language": ("한국어", "English"),
}
