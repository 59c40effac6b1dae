"""Events to plain English, the style ``plain``. The words carry no information that the event does not have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from memrl.contracts.types import Split
from memrl.envs.memworld import phrasings, phrasings_noise
from memrl.envs.memworld.events import (
    QUERIES,
    Alias,
    AskAct,
    AskCount,
    AskDay,
    AskLatest,
    AskPath,
    Assert,
    Cancel,
    Contradict,
    Distract,
    Event,
    Link,
    Plan,
    Query,
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
    return dated(event, capital(template.format(**slots)), split)


def dated(event: Event, text: str, split: Split) -> str:
    """``text`` with the day before it, where the world has a calendar and nothing is asked."""
    if event.day and not isinstance(event, QUERIES):
        return _pick(phrasings.DAY, split, event.wording // 7).format(d=event.day) + text
    return text


def _pick(table: Sequence[str], split: Split, wording: int) -> str:
    options = allowed(table, split)
    return options[wording % len(options)]


def capital(text: str) -> str:
    """With a capital at the start."""
    return text[:1].upper() + text[1:]


def noun(name: str) -> str:
    return name if is_person(name) else f"the {name}"


def _parts(event: Event, split: Split) -> tuple[str, Mapping[str, object]]:
    """The template of an event and what goes into its slots."""
    match event:
        case Assert():
            slots = {"a": event.actor, "s": noun(event.subject), "v": noun(event.value)}
            return _pick(_location_table(event), split, event.wording), slots
        case Retract() | Link() | Unlink():
            return _fact_parts(event, split)
        case Alias():
            slots = {"s": noun(event.subject), "n": noun(event.alias)}
            return _pick(phrasings.ALIAS, split, event.wording), slots
        case Contradict():
            return _pick(phrasings.CONTRADICT, split, event.wording), {"c": claim(event)}
        case Distract():
            slots = {"a": event.person, "s": noun(event.thing), "v": noun(event.place)}
            slots.update({"k": event.creature, "g": event.gathering, "o": event.colour})
            return _pick(_NOISE[event.flavour], split, event.wording), slots
        case Plan():
            slots = {"s": noun(event.subject), "v": noun(event.value), "y": event.signal}
            return _pick(phrasings.PLAN, split, event.wording), slots
        case Cancel():
            return _pick(phrasings.CANCEL, split, event.wording), {"y": event.signal}
        case Wait():
            return _pick(phrasings_noise.WAIT, split, event.wording), {}
        case _:
            return _question_parts(event, split)


def claim(event: Contradict) -> str:
    """What an untrusted source says, as a clause."""
    return phrasings.CLAIM[event.relation].format(s=noun(event.subject), v=noun(event.value))


def _location_table(event: Assert) -> tuple[str, ...]:
    if isinstance(event, Update):
        return phrasings.UPDATE_PERSON if is_person(event.subject) else phrasings.UPDATE_THING
    return phrasings.ASSERT_PERSON if is_person(event.subject) else phrasings.ASSERT_THING


def _fact_parts(event: Retract | Link | Unlink, split: Split) -> tuple[str, Mapping[str, object]]:
    slots: dict[str, object] = {"s": noun(event.subject), "v": noun(event.value)}
    if isinstance(event, Unlink):
        return _pick(phrasings.UNLINK, split, event.wording), slots | {"r": phrasings.ROLE[event.relation]}
    table = phrasings.RETRACT if isinstance(event, Retract) else phrasings.LINK[event.relation]
    return _pick(table, split, event.wording), slots


def _question_parts(event: Query, split: Split) -> tuple[str, Mapping[str, object]]:
    match event:
        case AskLatest():
            return _pick(phrasings.ASK_WHERE, split, event.wording), {"s": noun(event.subject)}
        case AskDay():
            slots: dict[str, object] = {"s": noun(event.subject), "d": event.asked_day}
            return _pick(phrasings.ASK_DAY, split, event.wording), slots
        case AskCount():
            return _pick(phrasings.ASK_COUNT, split, event.wording), {"v": noun(event.place)}
        case AskAct():
            return _pick(phrasings.CUE, split, event.wording), {"y": event.signal}
        case AskPath():
            table = phrasings.ASK_WHERE if asks_where(event) else phrasings.ASK_WHO
            return _pick(table, split, event.wording), {"s": asked_for(event, split)}


def asks_where(event: AskPath) -> bool:
    """Whether a path question ends at a place."""
    return event.relations[-1] == "location"


def asked_for(event: AskPath, split: Split) -> str:
    """Whom or what a path question is after, such as "the boss of the person who carries the lantern"."""
    words = noun(event.subject)
    for relation in event.relations[:-1] if asks_where(event) else event.relations:
        words = _pick(phrasings.WHOSE[relation], split, event.wording // 5).format(s=words)
    return words
