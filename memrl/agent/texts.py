"""What comes in from outside, checked; long texts in pieces; what is remembered, as one line of a prompt.

Nothing here knows a language: sentences end at the marks of many scripts, and a date is a stamp of digits.
"""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from memrl.contracts.errors import InputError
from memrl.contracts.questions import MARKS

_CLOSING = "\"'\u2019\u201d\u00bb)]\u300d\u300f\u3011\uff09 \t\r\n"
"""Signs that may stand behind the mark that ends a sentence."""
_SENTENCE = re.compile(r"(?<=[.!?\u2026\u061f\u0964\u1362\u1367])\s+|(?<=[\u3002\uff01\uff1f])\s*|\n+")
_BREAKS = re.compile(r"[ \t]*[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]+[ \t]*")
_PIECE = re.compile(r"(u[0-9]+-[0-9a-f]+)\.[0-9]+")
_CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f]")


def checked_text(call: str, text: Any) -> str:
    """A text that can be stored, outer blanks aside; it may be empty.

    Args:
        call: the call and its argument, for the message.

    Raises:
        InputError: it is no string, or it holds half of a surrogate pair.
    """
    if not isinstance(text, str):
        raise InputError(f"{call} = {text!r:.80}: it must be a string, got {type(text).__name__}; decode or format it")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InputError(
            f"{call}: the character at place {error.start} is half of a surrogate pair, which no file can hold; "
            "decode with errors='replace'"
        ) from error
    return text.strip()


def checked_trust(call: str, trust: Any) -> float:
    """Raises InputError unless it is a number in [0, 1]."""
    number = isinstance(trust, int | float) and not isinstance(trust, bool)
    if not number or not math.isfinite(trust) or not 0 <= trust <= 1:
        raise InputError(f"{call} = {trust!r}: it must be a number in [0, 1], 1 for a source that is believed")
    return float(trust)


def checked_zone(call: str, zone: Any) -> tzinfo:
    """A time zone, by itself or by its name, such as "Europe/Lisbon". Raises InputError."""
    if isinstance(zone, tzinfo):
        return zone
    try:
        if not isinstance(zone, str):
            raise ValueError
        return UTC if zone == "UTC" else ZoneInfo(zone)
    except (ValueError, OSError, ZoneInfoNotFoundError) as error:
        raise InputError(f"{call} = {zone!r:.60}: name a time zone, such as 'UTC' or 'America/New_York'") from error


def checked_time(call: str, time: Any, zone: tzinfo = UTC) -> float | None:
    """Seconds since 1970, from those or from a datetime (a naive one is of ``zone``). Raises InputError."""
    if time is None:
        return None
    seconds = time
    try:
        if isinstance(time, datetime):
            seconds = (time if time.tzinfo is not None else time.replace(tzinfo=zone)).timestamp()
        if isinstance(seconds, bool) or not isinstance(seconds, int | float):
            raise ValueError
        day(seconds, zone)
        day(seconds, UTC)
    except (ValueError, OverflowError, OSError) as error:
        why = "it must be seconds since 1970 or a datetime, of the years 1 to 9999"
        raise InputError(f"{call} = {time!r:.60}: {why}") from error
    return float(seconds)


RESERVED = "memrl_"
"""Fields of metadata that begin so are the memory's own."""


def checked_metadata(call: str, metadata: Any) -> Mapping[str, Any]:
    """A JSON object, copied. Raises InputError, also for a field that is the memory's own."""
    if metadata is None:
        return {}
    try:
        if not isinstance(metadata, Mapping) or not all(isinstance(key, str) for key in metadata):
            raise TypeError("it is no mapping from strings")
        if own := [key for key in metadata if key.startswith(RESERVED)]:
            raise ValueError(f"fields that begin with {RESERVED!r} are the memory's own: name {own[0]!r} otherwise")
        text = json.dumps(dict(metadata), allow_nan=False, ensure_ascii=False)
        text.encode()
        return json.loads(text)
    except UnicodeEncodeError as error:
        raise InputError(f"{call}: half of a surrogate pair, which no file can hold") from error
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(f"{call}: it must be a JSON object ({error})") from error


def is_question(text: str) -> bool:
    """Whether a text ends with a question mark of any script."""
    return text.rstrip(_CLOSING).endswith(tuple(MARKS))


def statements(text: str) -> str:
    """A text without the questions in it; empty where it only asks."""
    return " ".join(one for one in sentences(text) if not is_question(one))


def sentences(text: str) -> list[str]:
    """Its sentences, by the marks that end them and by line breaks."""
    return [one.strip() for one in _SENTENCE.split(text) if one and one.strip()]


def pieces(text: str, most: int, count: Callable[[str], int]) -> list[str]:
    """The text, or its parts of at most ``most`` tokens each, cut between sentences, else words, else characters.

    Empty where a single character takes more.
    """
    if count(text) <= most:
        return [text]
    packed: list[str] = []
    for unit, glue in _units(text, most, count):
        joined = f"{packed[-1]}{glue}{unit}" if packed else unit
        if packed and count(joined) <= most:
            packed[-1] = joined
        elif count(unit) <= most:
            packed.append(unit)
        else:
            return []
    return packed


def _units(text: str, most: int, count: Callable[[str], int]) -> Iterator[tuple[str, str]]:
    """Sentences, words or characters that fit, each with what joins it to the one before."""
    for sentence in sentences(text):
        if count(sentence) <= most:
            yield sentence, " "
            continue
        for word in sentence.split():
            if count(word) <= most:
                yield word, " "
            else:
                yield from ((sign, " " if place == 0 else "") for place, sign in enumerate(word))


def piece_of(step: int, now: float, place: int) -> str:
    """The observation id of a piece; what stands before the dot is that of no other text, of any process.

    Args:
        step: of the first piece.
        now: when the text was taken in, seconds since 1970.
        place: which piece it is, from 0.
    """
    return f"u{step}-{round(now * 1e6):x}.{place}"


def whole_of(observation_id: str) -> str:
    """What all pieces of one text share; empty where it is not of a piece."""
    told = _PIECE.fullmatch(observation_id)
    return "" if told is None else told[1]


def one_line(text: str) -> str:
    """Data as one line of a prompt: a line break is a blank there, and control characters are not shown."""
    return _CONTROLS.sub("", _BREAKS.sub(" ", text)).strip()


def is_blank(text: str) -> bool:
    """Whether a text shows nothing: blanks, controls and signs without width alone."""
    return all(one.isspace() or unicodedata.category(one) in ("Cc", "Cf") for one in text)


def day(time: float, zone: tzinfo) -> str:
    """The date of a clock time in a time zone: 2026-11-27."""
    return datetime.fromtimestamp(time, zone).date().isoformat()


def dated(text: str, time: float | None, today: str, zone: tzinfo) -> str:
    """One line with the day it was said behind it, unless that is today or nobody knows. In front it would read like a
    log, which a small model goes on with in place of an answer."""
    try:
        said = day(time, zone) if time is not None else today
    except (ValueError, OverflowError, OSError):  # a clock time of no year that there is, brought in from elsewhere
        said = today
    return one_line(text) if said == today else f"{one_line(text)} ({said})"
