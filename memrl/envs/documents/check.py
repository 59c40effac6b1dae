"""What may be wrong with a stream record, all of it at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from memrl.contracts.checks import misspelt
from memrl.envs.documents.records import SCORINGS, seconds
from memrl.envs.locomo.scoring import CATEGORIES

MOST_SECONDS = 253_402_300_799
"""The end of the year 9999, in seconds since 1970."""
_STREAM = ("id", "source", "licence", "scoring", "units", "questions")
_UNIT = ("id", "text", "speaker", "time")
_QUESTION = (
    "id", "question", "answers", "evidence", "evidence_alt", "outdated", "after_unit", "ask", "category", "agree",
    "region", "scope",
)  # fmt: skip


class Fault(NamedTuple):
    """One thing that is wrong with a record."""

    field: str
    """Where, such as ``questions[3].evidence``."""
    problem: str


def faults_of(raw: Any) -> list[Fault]:
    """Everything that is wrong with one decoded record; empty for a good one."""
    if not isinstance(raw, Mapping):
        return [Fault("record", f"{_kind(raw)} where an object is expected")]
    missing = [name for name in ("id", "units", "questions") if name not in raw]
    if missing:
        return [Fault(name, "missing: this is no stream record") for name in missing]
    found = [*_texts(raw, "", ("id",), ("source", "licence")), *_misspelt(raw, "", _STREAM)]
    if raw.get("scoring", "f1") not in SCORINGS:
        found.append(Fault("scoring", f"{raw['scoring']!r} is none of {', '.join(SCORINGS)}"))
    lists = [name for name in ("units", "questions") if not isinstance(raw[name], list)]
    found += [Fault(name, f"{_kind(raw[name])} where a list is expected") for name in lists]
    if lists:
        return found
    found += [Fault(name, "empty: there is nothing in it") for name in ("units", "questions") if not raw[name]]
    found += _unit_faults(raw["units"])
    ids = [unit.get("id") for unit in raw["units"] if isinstance(unit, Mapping)]
    order = {id: i for i, id in enumerate(ids) if isinstance(id, str)}
    for i, question in enumerate(raw["questions"]):
        found += _question_faults(question, f"questions[{i}]", order)
    found += _twice(raw["questions"], "questions")
    if raw.get("scoring") == "locomo":
        found += _category_faults(raw["questions"])
    return found


def _unit_faults(units: Sequence[Any]) -> Iterator[Fault]:
    for i, unit in enumerate(units):
        where = f"units[{i}]"
        if not isinstance(unit, Mapping):
            yield Fault(where, f"{_kind(unit)} where an object is expected")
            continue
        yield from _texts(unit, f"{where}.", ("id", "text"), ("speaker",))
        yield from _time_faults(unit.get("time"), f"{where}.time")
        yield from _misspelt(unit, f"{where}.", _UNIT)
    yield from _twice(units, "units")


def _time_faults(time: Any, where: str) -> Iterator[Fault]:
    if time is None or _is_number(time):
        return
    try:
        known = isinstance(time, str) and seconds(time) is not None
    except ValueError:
        known = False
    if not known:
        good = "seconds since 1970, to the year 9999, nor an ISO 8601 time such as '2023-05-08T13:56'"
        yield Fault(where, f"{time!r:.60} is neither {good}")


def _question_faults(raw: Any, where: str, order: Mapping[str, int]) -> Iterator[Fault]:
    if not isinstance(raw, Mapping):
        yield Fault(where, f"{_kind(raw)} where an object is expected")
        return
    yield from _texts(raw, f"{where}.", ("id", "question"), ("category", "scope"))
    yield from _misspelt(raw, f"{where}.", _QUESTION)
    yield from _list_faults(raw.get("answers"), f"{where}.answers", "text")
    if raw.get("ask") not in (None, "later", "at"):
        yield Fault(f"{where}.ask", f"{raw['ask']!r} is none of later, at")
    if raw.get("agree") is not None and (not isinstance(raw["agree"], int) or isinstance(raw["agree"], bool)):
        yield Fault(f"{where}.agree", f"{_kind(raw['agree'])} where a whole number is expected")
    after = raw.get("after_unit")
    if after is not None and (not isinstance(after, str) or after not in order):
        yield Fault(f"{where}.after_unit", f"{after!r} names no unit of this stream")
    if after is None and raw.get("ask") == "at":
        yield Fault(f"{where}.after_unit", "missing: a question with ask = 'at' names the unit after which it is asked")
    last = order.get(after, len(order)) if isinstance(after, str) else len(order)
    yield from _evidence_faults(raw.get("evidence"), f"{where}.evidence", order, last)
    yield from _list_faults(raw.get("region", []), f"{where}.region", "unit id")
    yield from _sets_faults(raw.get("evidence_alt"), f"{where}.evidence_alt", order, last)
    yield from _sets_faults(raw.get("outdated"), f"{where}.outdated", order, len(order))
    yield from _still_right(raw, where)


def _sets_faults(sets: Any, where: str, order: Mapping[str, int], last: int) -> Iterator[Fault]:
    if sets is None:
        return
    if not isinstance(sets, list):
        yield Fault(where, f"{_kind(sets)} where a list of lists is expected")
        return
    for i, one in enumerate(sets):
        yield from _evidence_faults(one, f"{where}[{i}]", order, last)
        if one == []:
            yield Fault(f"{where}[{i}]", "empty: a set without units supports nothing")


def _still_right(raw: Mapping[str, Any], where: str) -> Iterator[Fault]:
    """A set of units cannot be outdated and accepted."""
    sets: dict[str, list[Any]] = {}
    for name in ("evidence_alt", "outdated"):
        found = raw.get(name)
        sets[name] = found if isinstance(found, list) else []
    accepted = [one for one in (raw.get("evidence"), *sets["evidence_alt"]) if isinstance(one, list) and one]
    for i, one in enumerate(sets["outdated"]):
        if isinstance(one, list) and any(all(id in one for id in right) for right in accepted):
            yield Fault(f"{where}.outdated[{i}]", "it holds an accepted evidence set, so it is not outdated")


def _evidence_faults(evidence: Any, where: str, order: Mapping[str, int], last: int) -> Iterator[Fault]:
    """``last``: place of the unit after which the question is asked."""
    wrong = list(_list_faults(evidence, where, "unit id"))
    yield from wrong
    for id in [] if wrong else evidence:
        if id not in order:
            yield Fault(where, f"{id!r} names no unit of this stream")
        elif order[id] > last:
            yield Fault(where, f"{id!r} comes after the question's after_unit: it is asked before its evidence")


def _category_faults(questions: Sequence[Any]) -> Iterator[Fault]:
    """LoCoMo's scoring goes by its own categories."""
    known = tuple(CATEGORIES.values())
    for i, question in enumerate(questions):
        category = question.get("category") if isinstance(question, Mapping) else known[0]
        if category not in known:
            yield Fault(f"questions[{i}].category", f"{category!r} is none of {', '.join(known)} (scoring = 'locomo')")


def _list_faults(value: Any, where: str, what: str) -> Iterator[Fault]:
    if not isinstance(value, list):
        yield Fault(where, f"{_kind(value)} where a list is expected")
        return
    for one in value:
        if not isinstance(one, str) or not one.strip() or _half(one) is not None:
            yield Fault(where, f"{one!r:.80} is no {what}")


def _texts(raw: Mapping[str, Any], prefix: str, needed: Sequence[str], optional: Sequence[str]) -> Iterator[Fault]:
    for name in needed:
        value = raw.get(name)
        if not isinstance(value, str):
            yield Fault(f"{prefix}{name}", f"{_kind(value)} where a text is expected")
        elif not value.strip():
            yield Fault(f"{prefix}{name}", "empty")
        elif (wrong := _half(value)) is not None:
            yield Fault(f"{prefix}{name}", wrong)
    for name in optional:
        if raw.get(name) is not None and not isinstance(raw[name], str):
            yield Fault(f"{prefix}{name}", f"{_kind(raw[name])} where a text is expected")
        elif (wrong := _half(raw.get(name) or "")) is not None:
            yield Fault(f"{prefix}{name}", wrong)


def _half(text: str) -> str | None:
    """What is wrong with a text that no file can hold; None for a good one."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return f"the character at place {error.start} is half of a surrogate pair, which is no Unicode; write it whole"
    return None


def _misspelt(raw: Mapping[str, Any], where: str, fields: Sequence[str]) -> Iterator[Fault]:
    """Further fields may be anybody's own, but for one that reads like a field of ours."""
    for name, near in misspelt(raw, fields):
        yield Fault(f"{where}{name}", f"there is no such field, so nobody reads it; did you mean {near}?")


def _twice(items: Sequence[Any], field: str) -> Iterator[Fault]:
    seen: dict[str, int] = {}
    for i, item in enumerate(items):
        id = item.get("id") if isinstance(item, Mapping) else None
        if not isinstance(id, str):
            continue
        if id in seen:
            yield Fault(f"{field}[{i}].id", f"{id!r} is the id of {field}[{seen[id]}] too")
        seen.setdefault(id, i)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= MOST_SECONDS


def _kind(value: Any) -> str:
    names = {type(None): "nothing", str: "a text", bool: "a truth value", int: "a number", float: "a number"}
    return names.get(type(value), "a list" if isinstance(value, list) else "an object")
