"""Every knob of a section against its own annotation: type, choices, finite numbers, and the ranges it is given.

Used by the sections of ``config.py``; a part's own options dataclass calls ``check(self, "credit.options.")`` alike.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from memrl.contracts.errors import ConfigError

_INTERVAL = re.compile(r"([\[(])(\S+), (\S+)([\])])")


def check(section: Any, prefix: str | None = None, /, **intervals: str) -> None:
    """Check a frozen section where it is made.

    Args:
        section: a dataclass whose annotations are plain types, Literals, tuples, mappings, sections, or None beside.
        prefix: what stands before a knob's name in a message; None for the section's own name.
        intervals: knob -> the range of its value, as ``"[0, 1)"`` or ``"(0, inf)"``; None has no range.

    Raises:
        ConfigError: a value is of another type, not finite, none of the choices, or out of range.
    """
    where = section_name(type(section)) if prefix is None else prefix
    for name, kind in knob_types(type(section)).items():
        value = getattr(section, name)
        if wrong := wrong_with(value, kind):
            raise ConfigError(f"{where}{name}", value, wrong)
    for name, interval in intervals.items():
        value = getattr(section, name)
        if value is not None and not within(value, interval):
            raise ConfigError(f"{where}{name}", value, _way_out(interval))


@cache
def knob_types(section: type) -> dict[str, Any]:
    """Knob -> its type, in the order of the dataclass."""
    hints = get_type_hints(section)
    return {knob.name: hints[knob.name] for knob in fields(section)}


def section_name(section: type) -> str:
    """``WarmStartConfig`` is ``warm_start.``; the whole has no name of its own."""
    words = re.sub(r"(?<!^)(?=[A-Z])", "_", section.__name__.removesuffix("Config")).lower()
    return {"train": "", "eval": "evaluation."}.get(words, f"{words}.")


def whole(knob: str, value: object, least: int = 0) -> None:
    """Raises ConfigError unless ``value`` is a whole number of at least ``least``: for arguments of functions."""
    if wrong := wrong_with(value, int):
        raise ConfigError(knob, value, wrong)
    if not within(value, f"[{least}, inf)"):
        raise ConfigError(knob, value, _way_out(f"[{least}, inf)"))


def misspelt(raw: Mapping[str, object], known: Sequence[str], cutoff: float = 0.8) -> Iterator[tuple[str, str]]:
    """Names that nobody reads and that look like a known one which is not there, each with that one."""
    for name in raw:
        near = get_close_matches(name.lower(), known, 1, cutoff) if name not in known else []
        if near and near[0] not in raw:
            yield name, near[0]


def nearest(name: str, known: list[str]) -> str:
    """``"; did you mean X?"`` where one of the known names looks like it, else nothing."""
    close = get_close_matches(name, known, n=1, cutoff=0.6)
    return f"; did you mean {close[0]}?" if close else ""


def within(value: Any, interval: str) -> bool:
    """Whether a number lies in an interval such as ``"[0, 1)"``; NaN lies in none."""
    low_mark, low, high, high_mark = _parsed(interval)
    above = value >= low if low_mark == "[" else value > low
    return bool(above and (value <= high if high_mark == "]" else value < high))


def _parsed(interval: str) -> tuple[str, float, float, str]:
    found = _INTERVAL.fullmatch(interval)
    assert found is not None, f"no interval: {interval!r}"
    return found[1], float(found[2]), float(found[3]), found[4]


def _way_out(interval: str) -> str:
    low_mark, low, high, _ = _parsed(interval)
    if high == math.inf:
        return f"it must be {'at least' if low_mark == '[' else 'above'} {low:g}"
    return f"it must lie in {interval}"


def wrong_with(value: Any, kind: Any) -> str:
    """What is wrong with a value, as the way out; empty if it fits."""
    if kind is Any:
        return ""
    origin = get_origin(kind)
    if origin in (Union, UnionType):
        return _wrong_union(value, get_args(kind))
    if origin is Literal:
        return _wrong_choice(value, get_args(kind))
    if origin is tuple:
        return _wrong_tuple(value, get_args(kind)[0])
    if is_dataclass(kind):
        return "" if isinstance(value, kind) else "it is a section: give its knobs as a mapping"  # pyright: ignore[reportArgumentType]
    if origin is not None and issubclass(origin, Mapping):
        return _wrong_mapping(value)
    return _wrong_scalar(value, kind)


def _wrong_union(value: Any, kinds: tuple[Any, ...]) -> str:
    found = [wrong_with(value, kind) for kind in kinds if kind is not NoneType]
    if (value is None and NoneType in kinds) or "" in found:
        return ""
    return found[0] + (", or null" if NoneType in kinds else "")


def _wrong_choice(value: Any, choices: tuple[Any, ...]) -> str:
    if any(value == choice and type(value) is type(choice) for choice in choices):
        return ""
    names = [str(choice) for choice in choices]
    return f"it is none of {', '.join(names)}{nearest(str(value), names)}"


def _wrong_tuple(value: Any, kind: Any) -> str:
    if not isinstance(value, tuple):
        return "it must be a list"
    found = [wrong for one in value if (wrong := wrong_with(one, kind))]
    return f"of each in the list: {found[0]}" if found else ""


def _wrong_mapping(value: Any) -> str:
    if not isinstance(value, Mapping):
        return "it must be a mapping"
    return "" if _is_plain(value) else "it may hold names, finite numbers, texts, lists and mappings of them only"


def _is_plain(value: Any) -> bool:
    """What JSON writes and reads back."""
    if isinstance(value, Mapping):
        return all(isinstance(name, str) and _is_plain(inner) for name, inner in value.items())
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, str | bool | int) or (isinstance(value, float) and math.isfinite(value))


def _wrong_scalar(value: Any, kind: type) -> str:
    if kind is bool:
        return "" if isinstance(value, bool) else "it must be true or false"
    if kind is int:
        return "" if isinstance(value, int) and not isinstance(value, bool) else "it must be a whole number"
    if kind is float:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return "" if number and math.isfinite(value) else "it must be a finite number"
    if kind is str:
        return "" if isinstance(value, str) else "it must be a text"
    return "" if isinstance(value, kind) else f"it must be a {kind.__name__}"
