"""The typed event language: what happens in MemWorld, before any words.

A fact is functional: one value for each (subject, relation) at a time, so a later fact supersedes an earlier one.
Names stand in events as they are said: a tracker must resolve a second name through the ``Alias`` it has seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from memrl.envs.memworld.theta import Flavour

Relation = Literal["location", "carrier", "owner", "boss", "teacher"]
LINKS: tuple[Relation, ...] = ("carrier", "owner", "boss", "teacher")
UNKNOWN = "unknown"
"""The answer that is right when nothing supports another."""


def observation_id(step: int) -> str:
    """The id of the observation that renders the event of ``step``."""
    return f"o{step}"


def step_of(observation_id: str) -> int:
    """Inverse of ``observation_id``."""
    return int(observation_id[1:])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Event:
    step: int
    wording: int
    """Any number; the renderer takes it modulo its phrasings."""
    day: int = 0
    """0 where the world has no calendar."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assert(_Event):
    """Somebody or something is in a place; told for the first time."""

    relation: ClassVar[Relation] = "location"
    subject: str
    value: str
    actor: str
    """A bystander who takes part in the sentence and is in no fact."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Update(Assert):
    """Somebody or something is in another place from now on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retract(_Event):
    """The place of the subject is not known any more."""

    relation: ClassVar[Relation] = "location"
    subject: str
    value: str
    """The place that holds no longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link(_Event):
    """The subject's ``relation`` is a person; supersedes whoever it was before."""

    subject: str
    relation: Relation
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unlink(_Event):
    """The relation ends and nobody takes the place of ``value``."""

    subject: str
    relation: Relation
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Alias(_Event):
    """A thing may be called ``alias`` from now on."""

    subject: str
    alias: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Distract(_Event):
    """A sentence that states no fact anybody will ask for; the phrasing uses what it needs of the names."""

    flavour: Flavour
    person: str
    thing: str
    place: str
    creature: str
    gathering: str
    colour: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Contradict(_Event):
    """An untrusted source says something false; it must be ignored."""

    subject: str
    relation: Relation
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan(_Event):
    """Whenever the signal sounds, the subject is to be taken to ``value``; supersedes the signal's plan of before."""

    subject: str
    """A thing by its first name."""
    signal: str
    value: str
    """A place, or a person: then the place is where that person is when the signal sounds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel(_Event):
    """The signal's plan holds no more."""

    signal: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait(_Event):
    """Nothing happens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AskLatest(_Event):
    """Where is the subject now?"""

    subject: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AskDay(_Event):
    """Where was the subject at the end of ``asked_day``?"""

    subject: str
    asked_day: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AskPath(_Event):
    """Start at the subject and follow the relations."""

    subject: str
    relations: tuple[Relation, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AskCount(_Event):
    """How many things are in the place? People are not things."""

    place: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AskAct(_Event):
    """The signal sounds: do what the plan that holds says."""

    signal: str


Fact = Assert | Update | Link
Ending = Retract | Unlink
Query = AskLatest | AskDay | AskPath | AskCount | AskAct
Event = Assert | Update | Retract | Link | Unlink | Alias | Distract | Contradict | Plan | Cancel | Wait | Query
QUERIES = (AskLatest, AskDay, AskPath, AskCount, AskAct)


def form(query: Query) -> str:
    """What kind of question it is: latest, day, path1 to path3, count, act."""
    match query:
        case AskLatest():
            return "latest"
        case AskDay():
            return "day"
        case AskPath():
            return f"path{len(query.relations)}"
        case AskCount():
            return "count"
        case AskAct():
            return "act"
