"""What the pages say, in English and Korean: one module a page, merged here."""

from __future__ import annotations

from typing import Final, Literal

from detector.console.words import access, cameras, cluster, common, errors, history, incidents

Language = Literal["en", "ko"]

LANGUAGES: Final[tuple[Language, ...]] = ("en", "ko")

WORDS: Final[dict[str, tuple[str, str]]] = {
    **access.WORDS,
    **cameras.WORDS,
    **cluster.WORDS,
    **common.WORDS,
    **errors.WORDS,
    **history.WORDS,
    **incidents.WORDS,
}
"""By key, the English text and the Korean; `{name}` stands for a value."""


def text(key: str, language: Language, /, **values: object) -> str:
    """What `key` is called; raises KeyError where nobody has said."""
    found = WORDS[key][LANGUAGES.index(language)]
    return found.format(**values) if values else found
