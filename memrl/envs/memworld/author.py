"""Writes the events of a program, one for each role of its schedule. Keeps only what it needs to stay consistent."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any

from memrl.contracts.types import Split
from memrl.envs.memworld.events import (
    Alias,
    Assert,
    Contradict,
    Distract,
    Event,
    Link,
    Relation,
    Retract,
    Unlink,
    Update,
    Wait,
)
from memrl.envs.memworld.names import NAMES, Names
from memrl.envs.memworld.theta import FLAVOURS, Theta

_BYSTANDERS, _SPARE_THINGS = 3, 3
_FLAVOUR_WEIGHTS = (1, 2, 1)
"""Talk of the same things and places is what a search by likeness cannot tell from facts: twice as much of it."""
_ABOUT_SPARE = 1 / 6
"""Share of distractors about a thing that is never told of."""
Key = tuple[str, Relation]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """Who and what takes part in one program."""

    objects: tuple[str, ...]
    carried: tuple[str, ...]
    people: tuple[str, ...]
    places: tuple[str, ...]
    aliases: tuple[tuple[str, str], ...]
    """(thing, its second name)."""
    bystanders: tuple[str, ...]
    """People in no fact."""
    spare_things: tuple[str, ...]
    """Things that are talked of but never told of."""


def draw_cast(theta: Theta, names: Names, rng: Random) -> Cast:
    """Names for one program, without repetition."""
    things = rng.sample(names.objects, theta.objects + theta.carried + _SPARE_THINGS)
    told = things[: theta.objects + theta.carried]
    people = rng.sample(names.people, theta.people + _BYSTANDERS)
    return Cast(
        objects=tuple(told[: theta.objects]),
        carried=tuple(told[theta.objects :]),
        people=tuple(people[: theta.people]),
        places=tuple(rng.sample(names.places, theta.places)),
        aliases=tuple(zip(rng.sample(told, theta.aliases), rng.sample(names.aliases, theta.aliases), strict=True)),
        bystanders=tuple(people[theta.people :]),
        spare_things=tuple(things[len(told) :]),
    )


class Author:
    """Knows what holds at the step it writes, and nothing of how answers are found."""

    def __init__(self, theta: Theta, split: Split, rng: Random) -> None:
        self.theta, self.rng = theta, rng
        self._names = NAMES[split]
        self.cast = draw_cast(theta, self._names, rng)
        self.value: dict[Key, str | None] = {}
        """What holds now; None for what was taken back."""
        self.told_at: dict[Key, int] = {}
        self.first_day: dict[str, int] = {}
        self._alias: dict[str, str] = {}
        self._opening = self._plan_opening()

    def stamp(self, step: int) -> dict[str, Any]:
        """The fields that every event has."""
        days = self.theta.days
        day = 1 + step * days // self.theta.horizon if days else 0
        return {"step": step, "wording": self.rng.randrange(1_000_000), "day": day}

    def called(self, name: str) -> str:
        """The name, or half of the time its second name once that is known."""
        return self._alias[name] if name in self._alias and self.rng.random() < 0.5 else name

    def opening(self, step: int) -> Event:
        """The next fact, link or second name of the world's first telling."""
        subject, other = self._opening.pop()
        if other == "alias":
            alias = dict(self.cast.aliases)[subject]
            self._alias[subject] = alias
            return Alias(**self.stamp(step), subject=subject, alias=alias)
        return self._tell(step, (subject, other), Assert)

    def update(self, step: int) -> Event:
        """Change one fact, or set one that was taken back."""
        changeable = [key for key in self.value if self._options(key)]
        if not changeable:
            return self.filler(step)
        return self._tell(step, self.rng.choice(changeable), Update)

    def retract(self, step: int) -> Event:
        """Take one fact back; while half of them are gone already, set one again instead."""
        live = [key for key, value in self.value.items() if value is not None]
        if 2 * len(live) <= len(self.value):
            return self.update(step)
        key = self.rng.choice(live)
        (subject, relation), value = key, self.value[key]
        assert value is not None
        self.value[key] = None
        self.told_at[key] = step
        if relation == "location":
            return Retract(**self.stamp(step), subject=self.called(subject), value=value)
        return Unlink(**self.stamp(step), subject=self.called(subject), relation=relation, value=value)

    def contradict(self, step: int) -> Event:
        """Something false about a fact, from a source that is not to be believed."""
        keys = [key for key in self.value if self._options(key)]
        if not keys:
            return self.filler(step)
        subject, relation = key = self.rng.choice(keys)
        false = self.rng.choice(self._options(key))
        return Contradict(**self.stamp(step), subject=self.called(subject), relation=relation, value=false)

    def filler(self, step: int) -> Event:
        """Waiting or a distractor."""
        rng, level = self.rng, self.theta.distractor_level
        if level == 0 or rng.random() < self.theta.wait_rate:
            return Wait(**self.stamp(step))
        told, spare = self.cast.objects + self.cast.carried, self.cast.spare_things
        things = spare if not told or rng.random() < _ABOUT_SPARE else told
        return Distract(
            **self.stamp(step),
            flavour=rng.choices(FLAVOURS[:level], _FLAVOUR_WEIGHTS[:level])[0],
            person=rng.choice(self.cast.bystanders + self.cast.people),
            thing=self.called(rng.choice(things)),
            place=rng.choice(self.cast.places),
            creature=rng.choice(self._names.creatures),
            gathering=rng.choice(self._names.gatherings),
            colour=rng.choice(self._names.colours),
        )

    def _plan_opening(self) -> list[tuple[str, Any]]:
        cast, pick = self.cast, self.rng.choice
        kinds = self.theta.link_kinds
        plan: list[tuple[str, Any]] = [(name, "location") for name in cast.objects + cast.people]
        plan += [(name, pick(("carrier", "owner")[:kinds])) for name in cast.carried]
        if self.theta.hops == 3:
            plan += [(name, pick(("boss", "teacher")[:kinds])) for name in cast.people]
        plan += [(thing, "alias") for thing, _ in cast.aliases]
        self.rng.shuffle(plan)
        return plan

    def _options(self, key: Key) -> list[str]:
        """Values that the fact does not have now."""
        subject, relation = key
        pool = self.cast.places if relation == "location" else self.cast.people
        return [value for value in pool if value not in (subject, self.value.get(key))]

    def _tell(self, step: int, key: Key, kind: type[Assert]) -> Event:
        subject, relation = key
        value = self.rng.choice(self._options(key))
        self.value[key] = value
        self.told_at[key] = step
        stamp, name = self.stamp(step), self.called(subject)
        if relation != "location":
            return Link(**stamp, subject=name, relation=relation, value=value)
        self.first_day.setdefault(subject, stamp["day"])
        return kind(**stamp, subject=name, value=value, actor=self.rng.choice(self.cast.bystanders))
