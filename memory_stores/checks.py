"""What ``apply`` looks at before it changes anything, so that what it takes can be saved and loaded again."""

from __future__ import annotations

from typing import Any

from memory_stores.contents import REFUSED
from memory_stores.types import (
    Forget,
    Keep,
    Link,
    MemoryOp,
    OpResult,
    Overwrite,
    Refusal,
    Relink,
    Retrieve,
    Stamp,
    Unlink,
    Write,
)

_TEXTS: dict[type[Any], tuple[str, ...]] = {
    Keep: (),
    Write: ("text", "store"),
    Overwrite: ("id", "text"),
    Forget: ("id",),
    Link: ("subject", "relation", "object"),
    Relink: ("id", "object"),
    Unlink: ("id",),
    Retrieve: ("query", "store"),
}
"""The fields of each op that are texts."""
_LARGEST = 2**63
"""Steps are kept in 64 bits."""


def check(op: MemoryOp, stamp: Stamp) -> OpResult | None:
    """None where ``op`` may be carried out, and a refusal (BAD_ARGUMENT) for a text that is no Unicode.

    Such a text, half of a surrogate pair, can come from an agent's own JSON; it could be held but never written down.

    Raises:
        TypeError: ``op`` is no memory op.
        ValueError: a field of the op or of the stamp is of the wrong type or out of its range, in one line.
    """
    kind = type(op)
    texts = _TEXTS.get(kind)
    if texts is None:
        raise TypeError(f"apply takes a MemoryOp, got {op!r}")
    _check_stamp(stamp)
    for name in texts:
        text = getattr(op, name)
        if not isinstance(text, str):
            raise ValueError(f"{kind.__name__}.{name} = {text!r}: it must be of type str")
        if not text.isascii() and not is_unicode(text):
            return REFUSED[Refusal.BAD_ARGUMENT]
    if isinstance(op, Retrieve):
        _check_counts(op)
    return None


def _check_stamp(stamp: Stamp) -> None:
    step, trust, seen, writer = stamp.step, stamp.trust, stamp.observation_id, stamp.writer
    if (
        type(step) is int and -_LARGEST <= step < _LARGEST
        and type(trust) is float and 0.0 <= trust <= 1.0
        and type(seen) is str and seen.isascii()
        and type(writer) is str and writer.isascii()
    ):  # fmt: skip
        return  # nearly all are so, and this is asked of every op
    if type(step) is not int or not -_LARGEST <= step < _LARGEST:
        raise ValueError(f"Stamp.step = {step!r}: it must be a whole number (of type int) of at most 64 bits")
    if not _is(trust, (int, float)) or not 0 <= trust <= 1:
        raise ValueError(f"Stamp.trust = {trust!r}: it must be a number (of type float) in [0, 1]")
    for name, text in (("observation_id", seen), ("writer", writer)):
        if not _is(text, str) or not (text.isascii() or is_unicode(text)):
            raise ValueError(f"Stamp.{name} = {text!r}: it must be of type str, in valid Unicode")


def _check_counts(op: Retrieve) -> None:
    for name, count in (("k", op.k), ("hops", op.hops)):
        if not _is(count, int):
            raise ValueError(f"Retrieve.{name} = {count!r}: it must be of type int")
    if not _is(op.ids, tuple) or not all(_is(id, str) for id in op.ids):
        raise ValueError(f"Retrieve.ids = {op.ids!r}: it must be a tuple of str")


def _is(value: object, kind: type | tuple[type, ...]) -> bool:
    return isinstance(value, kind)


def is_unicode(text: str) -> bool:
    """False for half of a surrogate pair, which no file can hold."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
