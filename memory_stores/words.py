"""The words of a text, as every search by words sees them.

Plain ASCII: runs of letters, digits and underscores, case folded. Other texts are first brought to Unicode's NFKC, and
accents are taken from letters ("naïve" is "naive", composed or not); Chinese and Japanese, which have no spaces, become
single characters and pairs of neighbours, the usual index for them (Nie, Gao, Zhang and Zhou 2000, "On the use of words
and n-grams for Chinese information retrieval").
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache

_CLOSED = (
    "a an the this that these those all any some no every each other another such both in on at to into onto from of "
    "off by with within without inside outside under over up down out near behind between through along about around "
    "before after since until for as than like and or but nor so if because while when where who whom whose which what "
    "how why whether though although i you he she it we they me him her us them my your his its our their is are was "
    "were be been being am has have had having do does did will would can could may might must shall should not never "
    "now then there here just only still yet already ever too also more most very"
)
FUNCTION_WORDS = frozenset(_CLOSED.split())
"""The closed classes of English: articles, prepositions, conjunctions, pronouns, auxiliaries, a few adverbs."""
_WORD = re.compile(r"\w+")
_NO_SPACES = re.compile(
    "[\u3005-\u3007\u3041-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)
"""Han, Hiragana and Katakana."""
_LETTERS_OR_DIGITS = re.compile(r"\d+|[^\W\d_]+")
_SIGNS = 9
"""Combining classes up to here spell (Nukta, Virama); those above are accents and points."""
_PLAIN = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ħ": "h", "ı": "i", "æ": "ae", "œ": "oe", "þ": "th", "ð": "d"})
"""Letters that carry a stroke in place of an accent, which Unicode does not take apart."""


@lru_cache(maxsize=65536)
def words(text: str) -> tuple[str, ...]:
    """The words of a text, in order; of a run without spaces its characters, then its pairs."""
    if text.isascii():
        return tuple(_WORD.findall(text.casefold()))
    return tuple(
        word for run in _runs(fold(text)) for part, spaceless in _parts(run) for word in _words(part, spaceless)
    )


@lru_cache(maxsize=65536)
def words_in_a_row(text: str) -> tuple[str, ...]:
    """The words of a text without pairs: a name's words stand side by side in whatever mentions it."""
    if text.isascii():
        return words(text)
    return tuple(
        word for run in _runs(fold(text)) for part, spaceless in _parts(run) for word in (part if spaceless else [part])
    )


@lru_cache(maxsize=65536)
def word_set(text: str) -> frozenset[str]:
    """The distinct words of a text."""
    return frozenset(words(text))


def fold(text: str) -> str:
    """The text in NFKC, case folded, its letters without accents."""
    if text.isascii():
        return text.casefold()
    whole = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return "".join(map(_bare, whole)).translate(_PLAIN)


def _bare(character: str) -> str:
    """A letter without its accents; the marks of Kana and the parts of Hangul belong to the letter."""
    if character.isascii():
        return character
    base, *marks = unicodedata.normalize("NFD", character)
    if (marks and "\u1100" <= base <= "\u11ff") or _NO_SPACES.match(base):
        return character
    return "".join(one for one in (base, *marks) if unicodedata.combining(one) <= _SIGNS)


def _runs(text: str) -> Iterator[str]:
    """Runs of letters, digits, underscores and the vowel signs that some scripts write as marks."""
    for inside, run in itertools.groupby(text, _in_word):
        if inside:
            yield "".join(run)


def _in_word(character: str) -> bool:
    return character.isalnum() or character == "_" or unicodedata.category(character).startswith("M")


def _parts(run: str) -> Iterator[tuple[str, bool]]:
    """Pieces of a run, and whether each is of a script without spaces."""
    for spaceless, part in itertools.groupby(run, lambda one: _NO_SPACES.match(one) is not None):
        yield "".join(part), spaceless


def _words(part: str, spaceless: bool) -> Iterator[str]:
    if not spaceless:
        yield part
        return
    yield from part
    yield from map("".join, itertools.pairwise(part))


def asked_words(own: Sequence[str], known: Callable[[str], bool]) -> tuple[str, ...]:
    """The words of a query, one that nothing has in place of what it may have been written as.

    "INV2091" finds "INV-2091": an unknown word is taken apart where letters meet digits. "INV-2091" finds "INV2091":
    it is joined with the word beside it. A query whose words are all known is left as it is.
    """
    found: list[str] = []
    place = 0
    while place < len(own):
        word, after = own[place], own[place + 1 : place + 2]
        pieces = () if known(word) else _LETTERS_OR_DIGITS.findall(word)
        if known(word):
            found.append(word)
        elif len(pieces) > 1 and all(map(known, pieces)):
            found += pieces
        elif after and known(word + after[0]):
            found.append(word + after[0])
            place += 1
        elif place and known(own[place - 1] + word):
            found.append(own[place - 1] + word)
        else:
            found.append(word)
        place += 1
    return tuple(found)
