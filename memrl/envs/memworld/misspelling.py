"""Slips of the keyboard: at most one in a word, the first letter and every name left alone."""

from __future__ import annotations

import re
from collections.abc import Callable
from random import Random

_WORD = re.compile(r"[A-Za-z]{4,}")
_NEIGHBOURS = {
    "a": "sq", "b": "vn", "c": "xv", "d": "sf", "e": "wr", "f": "dg", "g": "fh", "h": "gj", "i": "uo", "j": "hk",
    "k": "jl", "l": "ko", "m": "n", "n": "bm", "o": "ip", "p": "ol", "q": "wa", "r": "et", "s": "ad", "t": "ry",
    "u": "yi", "v": "cb", "w": "qe", "x": "zc", "y": "tu", "z": "xs",
}  # fmt: skip
"""Letter -> those beside it on a QWERTY keyboard."""


def misspelt(text: str, rate: float, rng: Random, names: frozenset[str]) -> str:
    """``text`` with a share ``rate`` of its words of four letters or more misspelt.

    Args:
        names: words in lower case that are neither touched nor made out of others.
    """

    def slip(found: re.Match[str]) -> str:
        word = found.group()
        if rng.random() >= rate or word.lower() in names:
            return word
        wrong = rng.choice(_SLIPS)(word, rng.randrange(1, len(word)), rng)
        return word if wrong.lower() in names else wrong

    return _WORD.sub(slip, text)


def _double(word: str, at: int, rng: Random) -> str:
    return word[:at] + word[at] + word[at:]


def _drop(word: str, at: int, rng: Random) -> str:
    return word[:at] + word[at + 1 :]


def _swap(word: str, at: int, rng: Random) -> str:
    """The letter and the one after it; the last two where it is the last. Equal ones are doubled instead."""
    at = min(at, len(word) - 2)
    if word[at] == word[at + 1]:
        return _double(word, at, rng)
    return word[:at] + word[at + 1] + word[at] + word[at + 2 :]


def _beside(word: str, at: int, rng: Random) -> str:
    return word[:at] + rng.choice(_NEIGHBOURS[word[at].lower()]) + word[at + 1 :]


_SLIPS: tuple[Callable[[str, int, Random], str], ...] = (_double, _drop, _swap, _beside)
