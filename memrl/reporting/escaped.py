"""Text from outside, made safe to print: it can neither steer a terminal nor look like a line of ours."""

from __future__ import annotations

import unicodedata

_HARMLESS = ("\u200c", "\u200d")
"""They join letters, in Persian and in emoji."""


def escaped(text: str) -> str:
    """The text on one line, with control characters, line breaks, marks that turn the direction of writing and halves
    of characters shown as ``\\n``, ``\\x1b``, ``\\u202e``."""
    return text if text.isprintable() else "".join(map(_escaped, text))


def _escaped(character: str) -> str:
    if character.isprintable() or character in _HARMLESS or unicodedata.category(character) == "Zs":
        return character
    return character.encode("unicode_escape").decode()
