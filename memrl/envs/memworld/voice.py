"""How a program is said: the style of each event, who and what else stands in its text, and the slips in it.

A style is drawn for each event by a hash of its step and wording, so the events of a task are the same in every style.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple
from hashlib import blake2b
from random import Random

from memrl.contracts.types import Split
from memrl.envs.memworld import phrasings
from memrl.envs.memworld.author import Cast
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
from memrl.envs.memworld.misspelling import misspelt
from memrl.envs.memworld.names import NAMES, is_person
from memrl.envs.memworld.render import allowed, asked_for, asks_where, capital, claim, dated, noun, render
from memrl.envs.memworld.styles.alias import PERSON_BYNAMES, THING_BYNAMES
from memrl.envs.memworld.styles.book import BOOK
from memrl.envs.memworld.styles.style import Style
from memrl.envs.memworld.theta import Theta

_UNTOUCHED = frozenset(name.lower() for names in NAMES.values() for pool in astuple(names) for name in pool)
"""Every name of either split: none is misspelt, and no misspelling makes one."""


class Voice:
    """Says the events of one program.

    Args:
        theta: its ``SURFACE`` axes are what counts here.
        split: which styles, phrasings and names.
        cast: who else may be spoken of.
    """

    def __init__(self, theta: Theta, split: Split, cast: Cast) -> None:
        self._theta, self._cast = theta, cast
        self._split: Split = split
        self._styles = theta.styles(split)
        self._shared = frozenset(theta.train_styles) & frozenset(theta.eval_styles)
        self._first_name = {alias: thing for thing, alias in cast.aliases}
        self._things = cast.objects + cast.carried + cast.spare_things
        self._people = cast.people + cast.bystanders

    def say(self, event: Event) -> str:
        """The text of the observation that shows ``event``."""
        if isinstance(event, Contradict) and self._share(event, "disguise") < self._theta.disguise_rate:
            event = self._disguised(event)
        style = self._styles[_hash(event, "style") % len(self._styles)]
        text = render(event, self._split) if style == "plain" else self._styled(event, style)
        if self._theta.typos:
            rng = Random(f"typos {event.step} {event.wording}")
            text = misspelt(text, self._theta.typos, rng, _UNTOUCHED)
        return text.lower() if self._share(event, "case") < self._theta.lower_case else text

    def _styled(self, event: Event, name: str) -> str:
        style, asks = BOOK[name], isinstance(event, QUERIES) and not isinstance(event, AskAct)
        slots = self._slots(event)
        slots.update({key.upper(): capital(words) for key, words in slots.items()})
        said = self._pick(_table(style, event), name, event, "phrasing").format(**slots)
        frames = style.ask_frames if asks else style.frames
        text = self._pick(frames, name, event, "frame").format(**slots, x=said, X=capital(said))
        return dated(event, capital(text), self._split)

    def _pick(self, table: tuple[str, ...], style: str, event: Event, what: str) -> str:
        # One frame alone adds nothing: there is nothing in it to hold out.
        options = allowed(table, self._split) if style in self._shared and len(table) > 1 else table
        return options[_hash(event, what) % len(options)]

    def _slots(self, event: Event) -> dict[str, str]:
        """What goes into the slots of a phrasing and of its frame."""
        slots = _own_slots(event, self._split)
        named = set(map(str, _names(event)))
        subject = next(iter(_names(event)), "")
        thing = self._first_name.get(subject, subject)
        pool, cast = NAMES[self._split], self._cast
        own = {*cast.people, *cast.objects, *cast.carried}
        slots["p"] = self._other(event, "p", named, cast.bystanders, [n for n in pool.people if n not in own])
        slots["t"] = noun(self._other(event, "t", {*named, thing}, self._things, pool.objects))
        slots["w"] = noun(self._other(event, "w", named, cast.places, pool.places))
        slots["b"] = "that person" if isinstance(event, AskPath) else self._byname(thing)
        return slots

    def _other(self, event: Event, what: str, named: set[str], known: Sequence[str], all_names: Sequence[str]) -> str:
        """A name of the cast that the event does not use; one of the split's where the cast has none."""
        options = [name for name in known if name not in named] or [name for name in all_names if name not in named]
        return options[_hash(event, what) % len(options)]

    def _byname(self, name: str) -> str:
        """The same for every mention, another one for every other thing or person of the cast."""
        person = is_person(name) if name else False
        bynames, cast = (PERSON_BYNAMES, self._people) if person else (THING_BYNAMES, self._things)
        place = cast.index(name) + _number(cast[0]) if name in cast else _number(name)
        return bynames[place % len(bynames)]

    def _disguised(self, event: Contradict) -> Event:
        """The event as the fact that it pretends to be."""
        stamp = {"step": event.step, "wording": event.wording, "day": event.day}
        if event.relation != "location":
            return Link(**stamp, subject=event.subject, relation=event.relation, value=event.value)
        own, pool = {*self._cast.people}, NAMES[self._split].people
        named = {event.subject, event.value}
        actor = self._other(event, "actor", named, self._cast.bystanders, [n for n in pool if n not in own])
        return Update(**stamp, subject=event.subject, value=event.value, actor=actor)

    def _share(self, event: Event, what: str) -> float:
        """A number in [0, 1) that is the event's own."""
        return _hash(event, what) / 2**32


def _hash(event: Event, what: str) -> int:
    return _number(f"{what} {event.step} {event.wording}")


def _number(text: str) -> int:
    """Of 32 bits, the same in every process. Not a CRC: what two of those choose between four goes together."""
    return int.from_bytes(blake2b(text.encode(), digest_size=4).digest(), "big")


def _names(event: Event) -> tuple[str, ...]:
    """Who and what an event names, its subject first."""
    match event:
        case Assert():
            return event.subject, event.value, event.actor
        case Retract() | Link() | Unlink() | Contradict():
            return event.subject, event.value
        case Alias():
            return event.subject, event.alias
        case Distract():
            return event.thing, event.place, event.person
        case AskLatest() | AskDay() | AskPath():
            return (event.subject,)
        case AskCount():
            return (event.place,)
        case Plan():
            return event.subject, event.value, event.signal
        case Cancel() | AskAct():
            return (event.signal,)
        case _:
            return ()


def _own_slots(event: Event, split: Split) -> dict[str, str]:
    """The slots that the event itself fills."""
    match event:
        case Assert() | Retract() | Link() | Unlink():
            slots = {"s": noun(event.subject), "v": noun(event.value), "i": event.subject, "j": event.value}
            if isinstance(event, Assert):
                slots["a"] = event.actor
            return slots | ({"r": phrasings.ROLE[event.relation]} if isinstance(event, Unlink) else {})
        case Alias():
            return {"s": noun(event.subject), "i": event.subject, "n": event.alias}
        case Contradict():
            return {"c": claim(event)}
        case Distract():
            own = {"s": noun(event.thing), "v": noun(event.place), "i": event.thing, "j": event.place}
            return own | {"a": event.person, "k": event.creature, "g": event.gathering, "o": event.colour}
        case Plan():
            slots = {"s": noun(event.subject), "v": noun(event.value), "i": event.subject, "j": event.value}
            return slots | {"y": event.signal}
        case Cancel():
            return {"y": event.signal}
        case Wait():
            return {}
        case _:
            return _asked_slots(event, split)


def _asked_slots(event: Query, split: Split) -> dict[str, str]:
    match event:
        case AskLatest():
            return {"s": noun(event.subject)}
        case AskDay():
            return {"s": noun(event.subject), "d": str(event.asked_day)}
        case AskPath():
            return {"s": asked_for(event, split)}
        case AskCount():
            return {"v": noun(event.place)}
        case AskAct():
            return {"y": event.signal}


def _table(style: Style, event: Event) -> tuple[str, ...]:
    """The phrasings of a style for one kind of event."""
    match event:
        case Assert() | Retract():
            return _placed(style, event)
        case Link():
            return style.link(event.relation)
        case Unlink():
            return style.unlink
        case Alias():
            return style.alias
        case Contradict():
            return style.contradict
        case Distract():
            return {"chatter": style.chatter, "mention": style.mention, "foreign": style.foreign}[event.flavour]
        case Plan():
            return style.plan
        case Cancel():
            return style.cancel
        case Wait():
            return style.wait
        case AskAct():
            return style.cue
        case AskDay():
            return style.ask_day
        case AskCount():
            return style.ask_count
        case AskPath() if not asks_where(event):
            return style.ask_who
        case AskLatest() | AskPath():
            return style.ask_where


def _placed(style: Style, event: Assert | Retract) -> tuple[str, ...]:
    person = is_person(event.subject)
    if isinstance(event, Retract):
        return style.retract_person if person else style.retract_thing
    if isinstance(event, Update):
        return style.update_person if person else style.update_thing
    return style.assert_person if person else style.assert_thing
