"""The tasks of a file, one JSON object a line.

    {"id": "trip", "state": {...}, "turns": [
      {"text": "Ana wants a room in Rome."},
      {"text": "What do two nights cost there?", "answers": ["160"], "calls": [{"name": "room", "arguments": {...}}]}]}

A turn with ``answers``, or ``"ask": true``, asks: tools may be called, then an answer is judged. Any other turn tells.
``calls`` say how the answer can be found: a walkthrough for the warm start. ``state`` is handed to tools that are
classes. Further fields are anybody's own; a judge of yours can read them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from memory_stores.checks import is_unicode
from memrl.contracts.checks import misspelt
from memrl.contracts.errors import DataError
from memrl.contracts.types import ToolCall


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One text of a task."""

    text: str
    asks: bool = False
    answers: tuple[str, ...] = ()
    """Any of them is right; none where a judge of one's own knows."""
    calls: tuple[ToolCall, ...] = ()
    """That lead to the answer, in order."""
    category: str = "question"
    """The kind of question, for tables."""
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """As it stands in the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolTask:
    """One task of a file."""

    id: str
    turns: tuple[Turn, ...]
    state: Mapping[str, Any] = field(default_factory=dict)


def load(path: Path) -> tuple[ToolTask, ...]:
    """The tasks of a file, in order. Raises DataError at its first fault: file, line, field, what is wrong."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = "it is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else error.strerror or str(error)
        raise DataError(f"{path}: cannot be read: {reason}") from error
    tasks: dict[str, ToolTask] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            raw: Any = json.loads(line, object_pairs_hook=_once)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{path}:{number}: not one JSON object a line ({' '.join(str(error).split())})") from None
        for fault in _faults(raw):
            raise DataError(f"{path}:{number}: {fault}")
        if raw["id"] in tasks:
            raise DataError(f"{path}:{number}: id: an earlier task has the id {raw['id']!r} too")
        tasks[raw["id"]] = _task(raw)
    if not tasks:
        raise DataError(f"{path}: empty: there is no task in it")
    return tuple(tasks.values())


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; one that says a name twice says nobody knows what."""
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the name {twice!r} stands twice in one object")
    return made


def _faults(raw: Any) -> Iterator[str]:
    if not isinstance(raw, dict):
        yield f"{raw!r:.60} where an object is expected"
        return
    if not _is_text(raw.get("id")):
        yield "id: a text is expected, in valid Unicode"
    yield from (f"{name}: {fault}" for name, fault in _meant(raw, ("id", "state", "turns")))
    if not isinstance(raw.get("state", {}), dict):
        yield "state: an object is expected, with the arguments of your class"
    if not isinstance(raw.get("turns"), list) or not raw["turns"]:
        yield "turns: a list of turns is expected"
        return
    for place, turn in enumerate(raw["turns"]):
        yield from (f"turns[{place}]{fault}" for fault in _turn_faults(turn))
    if not any(_asks(turn) for turn in raw["turns"]):
        yield 'turns: none of them asks; give one "answers", or "ask": true'


def _turn_faults(turn: Any) -> Iterator[str]:
    if not isinstance(turn, dict):
        yield f": {turn!r:.60} where an object is expected"
        return
    if not _is_text(turn.get("text")):
        yield ".text: a text is expected, in valid Unicode"
    yield from (f".{name}: {fault}" for name, fault in _meant(turn, ("text", "answers", "ask", "category", "calls")))
    answers = turn.get("answers", [])
    if not isinstance(answers, list) or not all(_is_text(one) for one in answers):
        yield ".answers: a list of texts is expected"
    elif "answers" in turn and not answers and not turn.get("ask"):
        yield '.answers: none; leave it out where nothing is asked, or say "ask": true for a judge of your own'
    if not isinstance(turn.get("ask", False), bool):
        yield ".ask: true or false is expected"
    elif turn.get("ask") is False and answers:
        yield ".ask: false beside answers; leave out one of them"
    if not isinstance(turn.get("category", ""), str) or not is_unicode(turn.get("category", "")):
        yield ".category: a text is expected, in valid Unicode"
    calls = turn.get("calls", [])
    if not isinstance(calls, list):
        yield ".calls: a list of calls is expected"
        return
    for place, call in enumerate(calls):
        named = isinstance(call, dict) and isinstance(call.get("name"), str)
        if not named or not isinstance(call.get("arguments", {}), dict):
            yield f'.calls[{place}]: {{"name": ..., "arguments": {{...}}}} is expected'
        elif other := [name for name in call if name not in ("name", "arguments")]:
            yield f".calls[{place}].{other[0]}: a call has a name and arguments, and nothing else"
    if calls and not _asks(turn):
        yield ".calls: only a turn that asks can have calls"


def _meant(raw: Mapping[str, Any], known: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Further fields are anybody's own, so only one that reads very much like one of ours is a fault."""
    for name, near in misspelt(raw, known, 0.88):
        yield name, f"there is no such field; did you mean {near!r}? (yours may have any other name)"


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip()) and is_unicode(value)


def _asks(turn: Any) -> bool:
    return isinstance(turn, dict) and bool(turn.get("answers") or turn.get("ask"))


def _call(raw: Mapping[str, Any]) -> ToolCall:
    return ToolCall(raw["name"], tuple(raw.get("arguments", {}).items()))


def _task(raw: Mapping[str, Any]) -> ToolTask:
    turns = tuple(
        Turn(
            text=turn["text"],
            asks=_asks(turn),
            answers=tuple(turn.get("answers", ())),
            calls=tuple(_call(call) for call in turn.get("calls", ())),
            category=turn.get("category") or "question",
            raw=turn,
        )
        for turn in raw["turns"]
    )  # fmt: skip
    return ToolTask(id=raw["id"], turns=turns, state=raw.get("state", {}))
