"""Which questions a text puts into words: what a writer must not have read before it is asked."""

from __future__ import annotations

import re
from functools import lru_cache

MARKS = "?\uff1f\u061f\u037e\u055e\u1367\u1945\u2047\u2048\u203d\u2cfa\u2e2e\ua60f\ua6f7"
"""Question marks: Latin, full width, Arabic, Greek, Armenian, Ethiopic, Limbu, doubled and mixed, Coptic, reversed,
Vai, Bamum."""
_ENDS = ".!\u3002\uff01" + MARKS
_PIECE = re.compile(rf"[^{re.escape(_ENDS)}\n]+[{re.escape(_ENDS)}]*")
_WORD = re.compile(r"\w+")
BACK = 3
"""Pieces that a question may have: a full stop may be that of a title, and end no sentence."""
LETTERS = 5
"""A question of one word that is as long as this is a whole one, in a script without blanks."""


@lru_cache(maxsize=65536)
def said_questions(text: str) -> frozenset[str]:
    """The sentences of a text that end in a question mark, in lower case, each with and without what stands before it
    up to two full stops back; a single short word is not told apart from others like it."""
    if not any(mark in text for mark in MARKS):
        return frozenset()
    found: set[str] = set()
    before: list[str] = []
    for piece in (" ".join(one.split()) for one in _PIECE.findall(text.lower())):
        before = [*before[1 - BACK :], piece] if piece else before
        if piece and piece[-1] in MARKS:
            whole = ""
            for one in reversed(before):
                whole = f"{one} {whole}".strip()
                if _tells(whole):
                    found.add(whole)
            before = []
    return frozenset(found)


def _tells(question: str) -> bool:
    words = _WORD.findall(question)
    return len(words) > 1 or (bool(words) and not question.isascii() and len(words[0]) >= LETTERS)
