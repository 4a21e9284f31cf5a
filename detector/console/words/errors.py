"""Words of the pages that say what is wrong."""

from __future__ import annotations

from typing import Final

WORDS: Final[dict[str, tuple[str, str]]] = {
    "error_title": ("That did not work", "처리할 수 없습니다"),
    "error": (
        "Jikimi could not answer. Its log says why.",
        "응답하지 못했습니다. 원인은 로그에 있습니다.",
    ),
    "error_400": ("This cannot be understood.", "요청을 이해할 수 없습니다."),
    "error_404": ("There is no such page.", "페이지를 찾을 수 없습니다."),
    "error_413": ("What was sent is too large.", "보낸 내용이 너무 큽니다."),
    "error_429": (
        "Too many attempts. Wait a little.",
        "시도가 너무 많습니다. 잠시 후 다시 시도하세요.",
    ),
}
