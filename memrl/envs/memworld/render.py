"""Events to English. The words carry no information that the event does not have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from memrl.contracts.types import Split
from memrl.envs.memworld import phrasings, phrasings_noise
from memrl.envs.memworld.events import (
    QUERIES,
    Alias,
    AskCount,
    AskDay,
    AskLatest,
    AskPath,
    Assert,
    Contradict,
    Distract,
    Event,
    Link,
    Retract,
    Unlink,
    Update,
    Wait,
)
from memrl.envs.memworld.names import is_person

HELD_OUT_EVERY = 4
_NOISE = {
    "chatter": phrasings_noise.CHATTER,
    "mention": phrasings_noise.MENTION,
    "foreign": phrasings_noise.FOREIGN,
}


def allowed(table: Sequence[str], split: Split) -> tuple[str, ...]:
    """The phrasings of a table that a split may use; no phrasing is in both splits."""
    held_out = split == "eval"
    return tuple(p for i, p in enumerate(table, 1) if (i % HELD_OUT_EVERY == 0) == held_out)


def render(event: Event, split: Split) -> str:
    """The text of the observation that shows ``event``."""
    template, slots = _parts(event, split)
    text = template.format(**slots)
    text = text[0].upper() + text[1:]
    if event.day and not isinstance(event, QUERIES):
        return _pick(phrasings.DAY, split, event.wording // 7).format(d=event.day) + text
    return text


def _pick(table: Sequence[str], split: Split, wording: int) -> str:
    options = allowed(table, split)
    return options[wording % len(options)]


def _noun(name: str) -> str:
    return name if is_person(name) else f"the {name}"


def _parts(event: Event, split: Split) -> tuple[str, Mapping[str, object]]:
    """The template of an event and what goes into its slots."""
    match event:
        case Assert():
            slots = {"a": event.actor, "s": _noun(event.subject), "v": _noun(event.value)}
            return _pick(_location_table(event), split, event.wording), slots
        case Retract() | Link() | Unlink():
            return _fact_parts(event, split)
        case Alias():
            slots = {"s": _noun(event.subject), "n": _noun(event.alias)}
            return _pick(phrasings.ALIAS, split, event.wording), slots
        case Contradict():
            claim = phrasings.CLAIM[event.relation].format(s=_noun(event.subject), v=_noun(event.value))
            return _pick(phrasings.CONTRADICT, split, event.wording), {"c": claim}
        case Distract():
            slots = {"a": event.person, "s": _noun(event.thing), "v": _noun(event.place)}
            slots.update({"k": event.creature, "g": event.gathering, "o": event.colour})
            return _pick(_NOISE[event.flavour], split, event.wording), slots
        case Wait():
            return _pick(phrasings_noise.WAIT, split, event.wording), {}
        case _:
            return _question_parts(event, split)


def _location_table(event: Assert) -> tuple[str, ...]:
    if isinstance(event, Update):
        return phrasings.UPDATE_PERSON if is_person(event.subject) else phrasings.UPDATE_THING
    return phrasings.ASSERT_PERSON if is_person(event.subject) else phrasings.ASSERT_THING


def _fact_parts(event: Retract | Link | Unlink, split: Split) -> tuple[str, Mapping[str, object]]:
    slots: dict[str, object] = {"s": _noun(event.subject), "v": _noun(event.value)}
    if isinstance(event, Unlink):
        return _pick(phrasings.UNLINK, split, event.wording), slots | {"r": phrasings.ROLE[event.relation]}
    table = phrasings.RETRACT if isinstance(event, Retract) else phrasings.LINK[event.relation]
    return _pick(table, split, event.wording), slots


def _question_parts(event: AskLatest | AskDay | AskPath | AskCount, split: Split) -> tuple[str, Mapping[str, object]]:
    match event:
        case AskLatest():
            return _pick(phrasings.ASK_WHERE, split, event.wording), {"s": _noun(event.subject)}
        case AskDay():
            slots: dict[str, object] = {"s": _noun(event.subject), "d": event.asked_day}
            return _pick(phrasings.ASK_DAY, split, event.wording), slots
        case AskCount():
            return _pick(phrasings.ASK_COUNT, split, event.wording), {"v": _noun(event.place)}
        case AskPath():
            noun = _noun(event.subject)
            where = event.relations[-1] == "location"
            for relation in event.relations[:-1] if where else event.relations:
                noun = _pick(phrasings.WHOSE[relation], split, event.wording // 5).format(s=noun)
            return _pick(phrasings.ASK_WHERE if where else phrasings.ASK_WHO, split, event.wording), {"s": noun}
