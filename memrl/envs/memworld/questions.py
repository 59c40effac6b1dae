"""Chooses what to ask: a question that has an answer, mostly long after the fact, or one that has none."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from memrl.envs.memworld.author import Author, Key
from memrl.envs.memworld.events import LINKS, AskAct, AskCount, AskDay, AskLatest, AskPath, Query, Relation

_PLACE: tuple[Relation, ...] = ("location",)
_FRESH = 0.28
"""Share of questions about the newest fact, whatever ``theta.delay`` says: the newest must be worth keeping too."""


class Asker:
    """Writes the queries of one program from what its author knows to hold."""

    def __init__(self, author: Author, rng: Random) -> None:
        self._author, self._rng = author, rng
        theta = author.theta
        self._forms: dict[Callable[[int], Query | None], float] = {
            self._latest: theta.ask_latest,
            self._day: theta.ask_day,
            self._path: theta.ask_path,
            self._count: theta.ask_count,
            self._act: theta.ask_act,
        }

    def ask(self, step: int) -> Query:
        """A question for this step. Falls back on other forms, then on one without an answer, if nothing fits."""
        if self._rng.random() < self._author.theta.unanswerable_rate:
            return self._unanswerable(step)
        forms = {form: weight for form, weight in self._forms.items() if weight > 0}
        while forms:
            form = self._rng.choices(list(forms), list(forms.values()))[0]
            query = form(step)
            if query is not None:
                return query
            del forms[form]
        return self._unanswerable(step)

    def _aged(self, step: int, candidates: dict[str, int]) -> str | None:
        """One of the candidates (name -> step of its newest fact), old enough most of the time."""
        if not candidates:
            return None
        if self._rng.random() < _FRESH:
            return max(candidates, key=lambda name: candidates[name])
        old = [name for name, told_at in candidates.items() if step - told_at >= self._author.theta.delay]
        return self._rng.choice(old) if old else min(candidates, key=lambda name: candidates[name])

    def _located(self, things: tuple[str, ...]) -> dict[str, int]:
        author = self._author
        keys: list[Key] = [(name, "location") for name in things]
        live = [key for key in keys if author.value.get(key) is not None and key[0] not in author.underway]
        return {name: author.told_at[name, relation] for name, relation in live}

    def _latest(self, step: int) -> Query | None:
        cast = self._author.cast
        name = self._aged(step, self._located(cast.objects + cast.people))
        return AskLatest(**self._stamp(step), subject=self._author.called(name)) if name else None

    def _day(self, step: int) -> Query | None:
        stamp, first_day = self._stamp(step), self._author.first_day
        names = [name for name, day in first_day.items() if day < stamp["day"]]
        if not names:
            return None
        name = self._rng.choice(names)
        day = self._rng.randrange(first_day[name], stamp["day"])
        return AskDay(**stamp, subject=self._author.called(name), asked_day=day)

    def _path(self, step: int) -> Query | None:
        chains = {thing: self._chain(thing) for thing in self._author.cast.carried}
        ages = {thing: max(self._author.told_at[key] for key in chain) for thing, chain in chains.items() if chain}
        name = self._aged(step, ages)
        if name is None:
            return None
        relations: tuple[Relation, ...] = tuple(relation for _, relation in chains[name])
        return AskPath(**self._stamp(step), subject=self._author.called(name), relations=relations)

    def _chain(self, thing: str) -> list[Key]:
        """The facts that a path question about this thing walks through; empty where one of them is missing."""
        hops, value = self._author.theta.hops, self._author.value
        chain: list[Key] = []
        at: str | None = thing
        for hop in range(1, hops + 1):
            options = _PLACE if 1 < hop == hops else LINKS
            keys: list[Key] = [(at, relation) for relation in options if at is not None]
            key = next((key for key in keys if value.get(key) is not None), None)
            if key is None:
                return []
            chain.append(key)
            at = value[key]
        return chain

    def _count(self, step: int) -> Query | None:
        author = self._author
        places: dict[str, int] = {}
        for name, told_at in self._located(author.cast.objects).items():
            place = author.value[name, "location"]
            assert place is not None
            places[place] = max(told_at, places.get(place, 0))
        place = self._aged(step, places)
        return AskCount(**self._stamp(step), place=place) if place else None

    def _act(self, step: int) -> Query | None:
        author, ages = self._author, dict[str, int]()
        for signal in author.plans:
            route = self._route(signal)
            if route is not None and route[1] != route[2]:
                ages[signal] = route[3]
        signal = self._aged(step, ages)
        if signal is None:
            return None
        thing, _, target, _ = self._route(signal) or ("", "", "", 0)
        author.underway[thing] = target
        return AskAct(**self._stamp(step), signal=signal)

    def _route(self, signal: str) -> tuple[str, str, str, int] | None:
        """Of the signal's plan: the thing, from where, to where, and the step of the newest of the facts behind it.

        None while one of them does not hold, or while the thing is on its way.
        """
        author, plan = self._author, self._author.plans.get(signal)
        if plan is None or plan[0] in author.underway:
            return None
        thing, target = plan
        keys: list[Key] = [(name, "location") for name in plan if name not in author.cast.places]
        start, end = author.value.get((thing, "location")), author.value.get((target, "location"), target)
        if start is None or end is None:
            return None
        return thing, start, end, max(author.planned_at[signal], *(author.told_at[key] for key in keys))

    def _unanswerable(self, step: int) -> Query:
        """Ask after something that was never told or was taken back."""
        theta, cast, value = self._author.theta, self._author.cast, self._author.value
        others = theta.ask_path + theta.ask_latest + theta.ask_day + theta.ask_count
        if theta.ask_act and self._rng.random() < theta.ask_act / (theta.ask_act + others):
            idle = [signal for signal, plan in self._author.plans.items() if plan is None]
            return AskAct(**self._stamp(step), signal=self._rng.choice([*idle, *self._author.spare_signals]))
        path_share = theta.ask_path / others
        if self._rng.random() < path_share:
            broken = [thing for thing in cast.carried if not self._chain(thing)]
            thing = self._rng.choice([*broken, self._rng.choice(cast.spare_things)])
            told: list[Relation] = [relation for relation in LINKS if (thing, relation) in value]
            first = told[0] if told else LINKS[0]
            return AskPath(**self._stamp(step), subject=self._author.called(thing), relations=self._relations(first))
        gone = [name for name in cast.objects + cast.people if value.get((name, "location"), "") is None]
        name = self._rng.choice([*gone, self._rng.choice(cast.spare_things)])
        return AskLatest(**self._stamp(step), subject=self._author.called(name))

    def _relations(self, first: Relation) -> tuple[Relation, ...]:
        """The relations of a path question that starts with ``first``."""
        longest: tuple[Relation, ...] = (first, "boss", "location")
        hops = self._author.theta.hops
        return (first,) if hops == 1 else (*longest[: hops - 1], "location")

    def _stamp(self, step: int) -> dict[str, int]:
        return self._author.stamp(step)
