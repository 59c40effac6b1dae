"""Writes the events of a program, one for each role of its schedule. Keeps only what it needs to stay consistent."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any

from memrl.contracts.types import Split
from memrl.envs.memworld.events import (
    Alias,
    Assert,
    Cancel,
    Contradict,
    Distract,
    Event,
    Link,
    Plan,
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
_RESTLESS = 0.75
"""Share of the changes that give a signal something to do again, while the thing of one is where its plan takes it."""
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
        self.plans: dict[str, tuple[str, str] | None] = {}
        """Signal -> (thing, where to) of the plan that holds; None for one that was cancelled."""
        self.planned_at: dict[str, int] = {}
        signals = rng.sample(self._names.signals, theta.plans + 1) if theta.plans else []
        self.signals, self.spare_signals = signals[:-1], signals[-1:]
        """Those that plans wait for, and one that none waits for."""
        self.underway: dict[str, str] = {}
        """Thing -> where it was taken when a signal sounded, until that is told."""
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
        if other == "plan":
            return self._plan(step, subject)
        return self._tell(step, (subject, other), Assert)

    def update(self, step: int) -> Event:
        """Change one fact or plan, or set one that was taken back."""
        changeable = [*(key for key in self.value if self._options(key)), *self.plans]
        if not changeable:
            return self.filler(step)
        at_rest = [signal for signal in self.plans if self._at_rest(signal)]
        if at_rest and self.rng.random() < _RESTLESS:
            changeable = self._behind(self.rng.choice(at_rest))
        key = self.rng.choice(changeable)
        return self._plan(step, key) if isinstance(key, str) else self._tell(step, key, Update)

    def outcome(self, step: int) -> Event | None:
        """Tell what came of a signal that sounded, where that is still to be told."""
        if not self.underway:
            return None
        thing = next(iter(self.underway))
        return self._told(step, (thing, "location"), self.underway.pop(thing), Update)

    def retract(self, step: int) -> Event:
        """Take one fact or plan back; while half of them are gone already, set one again instead."""
        live: list[Key | str] = [key for key, value in self.value.items() if value is not None]
        live += [signal for signal, plan in self.plans.items() if plan is not None]
        if 2 * len(live) <= len(self.value) + len(self.plans):
            return self.update(step)
        key = self.rng.choice(live)
        if isinstance(key, str):
            self.plans[key] = None
            return Cancel(**self.stamp(step), signal=key)
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
        plan += [(signal, "plan") for signal in self.signals]
        self.rng.shuffle(plan)
        return plan

    def _options(self, key: Key) -> list[str]:
        """Values that the fact does not have now."""
        subject, relation = key
        pool = self.cast.places if relation == "location" else self.cast.people
        return [value for value in pool if value not in (subject, self.value.get(key))]

    def _behind(self, signal: str) -> list[Key | str]:
        """What may change so that a signal has something to do again: its plan, or where its thing is."""
        plan = self.plans[signal]
        return [signal] if plan is None else [signal, (plan[0], "location")]

    def _at_rest(self, signal: str) -> bool:
        """Whether the thing is already where the signal's plan takes it."""
        plan = self.plans[signal]
        if plan is None:
            return False
        target = self.value.get((plan[1], "location"), plan[1])
        return target is not None and self.value.get((plan[0], "location")) == target

    def _plan(self, step: int, signal: str) -> Event:
        """A plan for the signal other than the one that holds."""
        pools = [pool for pool in (self.cast.places, self.cast.people) if pool]
        thing, now = self.rng.choice(self.cast.objects), self.plans.get(signal)
        target = self.rng.choice([name for name in self.rng.choice(pools) if (thing, name) != now] or self.cast.places)
        self.plans[signal] = thing, target
        self.planned_at[signal] = step
        return Plan(**self.stamp(step), subject=thing, signal=signal, value=target)

    def _tell(self, step: int, key: Key, kind: type[Assert]) -> Event:
        return self._told(step, key, self.rng.choice(self._options(key)), kind)

    def _told(self, step: int, key: Key, value: str, kind: type[Assert]) -> Event:
        subject, relation = key
        self.value[key] = value
        self.told_at[key] = step
        stamp, name = self.stamp(step), self.called(subject)
        if relation != "location":
            return Link(**stamp, subject=name, relation=relation, value=value)
        self.first_day.setdefault(subject, stamp["day"])
        return kind(**stamp, subject=name, value=value, actor=self.rng.choice(self.cast.bystanders))
