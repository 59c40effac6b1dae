"""Where the sentences of a text stand; plain or already parted into words ("Dr . Ames left .")."""

from __future__ import annotations

import re

_ENDS = re.compile(r"[.!?]+[\"'”’)\]]*(?=\s)|[。！？]+[」』”’）]*|\n+")
_NO_END = re.compile(
    r"(?:\b(?:[A-Z]|Mr|Mrs|Ms|Dr|St|Prof|Gen|Col|Maj|Capt|Lt|Sen|Rep|Rev|vs|No|Jr|Sr|e\.g|i\.e))\s?\.$"
)
"""A full stop after an initial or one of these ends no sentence."""


def spans(text: str) -> list[tuple[int, int]]:
    """(start, end) of each sentence, without the space around it; their texts make up all that is not space."""
    found: list[tuple[int, int]] = []
    start = 0
    for end in _ENDS.finditer(text):
        if end[0][0] == "." and _NO_END.search(text[start : end.end()]):
            continue
        found.append((start, end.end()))
        start = end.end()
    found.append((start, len(text)))
    return [_trimmed(text, *span) for span in found if text[slice(*span)].strip()]


def sentences(text: str) -> list[str]:
    """The sentences themselves, spaces and line breaks made one space."""
    return [" ".join(text[start:end].split()) for start, end in spans(text)]


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    piece = text[start:end]
    return start + len(piece) - len(piece.lstrip()), end - len(piece) + len(piece.rstrip())
