"""The Porter stemmer (Porter 1980, "An algorithm for suffix stripping"), with the departures of NLTK's default.

LoCoMo's published figures were stemmed by NLTK, so this one gives the same stems: short and irregular words are
left alone, ``-ied`` and four-letter ``-ies`` become ``-ie``, and ``y`` turns to ``i`` after consonants only.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple


class _Rule(NamedTuple):
    suffix: str
    to: str


def _rules(table: str) -> tuple[_Rule, ...]:
    return tuple(_Rule(*pair.partition(":")[::2]) for pair in table.split())


_IRREGULAR = {
    "skies": "sky", "sky": "sky", "dying": "die", "lying": "lie", "tying": "tie", "news": "news",
    "innings": "inning", "inning": "inning", "outings": "outing", "outing": "outing", "cannings": "canning",
    "canning": "canning", "howe": "howe", "proceed": "proceed", "exceed": "exceed", "succeed": "succeed",
}  # fmt: skip
_PLURALS = _rules("sses:ss ies:i ss:ss s:")
_DOUBLE = _rules(
    "ational:ate tional:tion enci:ence anci:ance izer:ize bli:ble alli:al entli:ent eli:e ousli:ous ization:ize "
    "ation:ate ator:ate alism:al iveness:ive fulness:ful ousness:ous aliti:al iviti:ive biliti:ble fulli:ful"
)
_SINGLE = _rules("icate:ic ative: alize:al iciti:ic ical:ic ful: ness:")
_LAST = (
    "al", "ance", "ence", "er", "ic", "able", "ible", "ant", "ement", "ment", "ent", "ion", "ou", "ism", "ate", "iti",
    "ous", "ive", "ize",
)  # fmt: skip


@lru_cache(maxsize=65536)
def stem(word: str) -> str:
    """The stem of one lower-case word."""
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if len(word) <= 2:
        return word
    word = _past(_plural(word))
    word = _y_to_i(word)
    word = _replace(_double(word), _SINGLE)
    return _final_e(_strip_last(word))


def _form(word: str) -> str:
    """The word as a string of c (consonant) and v (vowel); y is a vowel after a consonant."""
    form = ""
    for letter in word:
        vowel = letter in "aeiou" or (letter == "y" and form.endswith("c"))
        form += "v" if vowel else "c"
    return form


def _measure(word: str) -> int:
    """m of the paper: how often a vowel is followed by a consonant."""
    return _form(word).count("vc")


def _ends_short(word: str) -> bool:
    """The paper's ``*o``, and two-letter words such as "us"."""
    form = _form(word)
    return form == "vc" or (form.endswith("cvc") and word[-1] not in "wxy")


def _replace(word: str, rules: tuple[_Rule, ...], least: int = 1) -> str:
    """Apply the first rule whose suffix fits, if at least ``least`` measures stand before it."""
    for suffix, to in rules:
        if word.endswith(suffix):
            kept = word[: len(word) - len(suffix)]
            return kept + to if _measure(kept) >= least else word
    return word


def _plural(word: str) -> str:
    if word.endswith("ies") and len(word) == 4:
        return word[:-1]
    return _replace(word, _PLURALS, least=0)


def _past(word: str) -> str:
    if word.endswith("ied"):
        return word[:-1] if len(word) == 4 else word[:-2]
    if word.endswith("eed"):
        return word[:-1] if _measure(word[:-3]) > 0 else word
    for suffix in ("ed", "ing"):
        kept = word.removesuffix(suffix)
        if kept != word:
            return _mended(kept) if "v" in _form(kept) else word
    return word


def _mended(word: str) -> str:
    """Give back the e, or drop the double letter, that ``-ed`` and ``-ing`` had changed."""
    if word.endswith(("at", "bl", "iz")):
        return word + "e"
    if len(word) > 1 and word[-1] == word[-2] and _form(word)[-1] == "c":
        return word if word[-1] in "lsz" else word[:-1]
    return word + "e" if _measure(word) == 1 and _ends_short(word) else word


def _y_to_i(word: str) -> str:
    ready = word.endswith("y") and len(word) > 2 and _form(word[:-1])[-1] == "c"
    return word[:-1] + "i" if ready else word


def _double(word: str) -> str:
    if word.endswith("alli") and _measure(word[:-4]) > 0:
        return _double(word[:-2])
    if word.endswith("logi"):
        return word[:-1] if _measure(word[:-3]) > 0 else word
    return _replace(word, _DOUBLE)


def _strip_last(word: str) -> str:
    for suffix in _LAST:
        if word.endswith(suffix):
            kept = word[: len(word) - len(suffix)]
            fits = _measure(kept) > 1 and (suffix != "ion" or kept[-1] in "st")
            return kept if fits else word
    return word


def _final_e(word: str) -> str:
    if word.endswith("e"):
        kept = word[:-1]
        if _measure(kept) > 1 or (_measure(kept) == 1 and not _ends_short(kept)):
            word = kept
    return word[:-1] if word.endswith("ll") and _measure(word[:-1]) > 1 else word
