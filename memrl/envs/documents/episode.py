"""From theta and seed to what is shown: units in order, each question at its own time, evidence by observation id."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from memrl.contracts.questions import said_questions
from memrl.contracts.types import Observation, Task
from memrl.envs.documents.library import Part
from memrl.envs.documents.options import DocumentsTheta
from memrl.envs.documents.records import Question, Scoring, Unit


class Asked(NamedTuple):
    """A question where it is asked."""

    question: Question
    scoring: Scoring
    supports: tuple[frozenset[str], ...]
    """Accepted evidence sets, as ids of observations; empty where nobody has labelled them."""
    outdated: tuple[frozenset[str], ...]
    """Those of what held before."""
    shown: int
    """Units shown before it."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Story:
    """All that one task shows."""

    observations: tuple[Observation, ...]
    units: tuple[Observation, ...]
    """Those of them that tell."""
    asked: Mapping[str, Asked]
    """Question by the id of its observation, in order."""


class _Due(NamedTuple):
    question: Question
    part: int
    supports: tuple[tuple[str, ...], ...]
    base: int
    """Place among the units shown of the one after which it may be asked."""


def story_of(task: Task, parts: Sequence[Part]) -> Story:
    """What the task shows, of the streams that its theta names."""
    theta: DocumentsTheta = task.theta
    rng = np.random.default_rng([task.seed, task.split == "eval", 0xD0C])
    names = _names(parts)
    shown = [(names[k][unit.id], unit) for k, part in enumerate(parts) for unit in part.stream.units]
    shown = shown[theta.start : theta.start + theta.horizon]
    due = _drawn(_due(parts, names, [name for name, _ in shown]), theta.questions, rng)
    placed = sorted(
        ((_place(one, theta.delay, len(shown), rng), i, one) for i, one in enumerate(due)), key=lambda at: at[:2]
    )
    observations: list[Observation] = []
    asked: dict[str, Asked] = {}
    taken = {name for name, _ in shown}
    queue = list(placed)
    for i in range(len(shown) + 1):
        while queue and queue[0][0] == i:
            _, _, one = queue.pop(0)
            name = _free(f"q:{one.question.id}" if len(parts) == 1 else f"q:{one.part}/{one.question.id}", taken)
            observations.append(_asking(name, len(observations), one.question, shown[i - 1][1].time))
            supports = tuple(frozenset(names[one.part][id] for id in ids) for ids in one.supports)
            outdated = tuple(frozenset(names[one.part][id] for id in ids) for ids in one.question.outdated)
            asked[name] = Asked(one.question, parts[one.part].stream.scoring, supports, outdated, i)
        if i < len(shown):
            observations.append(_telling(shown[i][0], len(observations), shown[i][1]))
    units = tuple(observation for observation in observations if observation.id not in asked)
    return Story(observations=tuple(observations), units=units, asked=asked)


def window(part: Part, horizon: int, rng: np.random.Generator) -> int | None:
    """Where a cut of ``horizon`` units may start so that it holds what one question needs; None if it never does."""
    spans = []
    for question in part.stream.questions:
        for ids in question.supports:
            after = (question.after_unit,) if question.ask == "at" and question.after_unit else ()
            places = [part.place[id] for id in (*ids, *after)]
            if max(places) - min(places) < horizon:
                spans.append((min(places), max(places)))
    if not spans:
        return None
    first, last = spans[int(rng.integers(len(spans)))]
    return int(rng.integers(max(0, last - horizon + 1), min(first, len(part) - horizon) + 1))


def _names(parts: Sequence[Part]) -> list[dict[str, str]]:
    """Of each part: unit id -> observation id, which is the unit's own where one stream is played."""
    if len(parts) == 1:
        return [{unit.id: unit.id for unit in parts[0].stream.units}]
    return [{unit.id: f"{k}/{unit.id}" for unit in part.stream.units} for k, part in enumerate(parts)]


def _due(parts: Sequence[Part], names: Sequence[Mapping[str, str]], shown: Sequence[str]) -> list[_Due]:
    """The questions that what is shown supports, each with the sets that it holds wholly."""
    place = {name: i for i, name in enumerate(shown)}
    told = frozenset().union(*(part.told for part in parts))
    due: list[_Due] = []
    for k, part in enumerate(parts):
        mine = [place[name] for name in names[k].values() if name in place]
        is_whole = len(mine) == len(part)
        for question in part.stream.questions:
            after = place.get(names[k].get(question.after_unit or "", ""))
            supports = tuple(ids for ids in question.supports if all(names[k][id] in place for id in ids))
            labelled = bool(question.supports)
            fits = bool(supports) if labelled else is_whole or (not question.answers and after is not None)
            if not fits or (question.ask == "at" and after is None) or said_questions(question.question) & told:
                continue
            due.append(_Due(question, k, supports, max(mine) if after is None else after))
    return due


def _drawn(due: list[_Due], most: int, rng: np.random.Generator) -> list[_Due]:
    if not 0 < most < len(due):
        return due
    return [due[i] for i in sorted(rng.choice(len(due), size=most, replace=False))]


def _place(one: _Due, delay: Sequence[int], units: int, rng: np.random.Generator) -> int:
    """How many units are shown before the question."""
    if one.question.ask == "at":
        return one.base + 1
    if not delay:
        return units
    least, most = delay
    return min(one.base + 1 + int(rng.integers(least, most + 1)), units)


def _free(name: str, taken: set[str]) -> str:
    while name in taken:
        name = f"q:{name}"
    taken.add(name)
    return name


def _telling(id: str, step: int, unit: Unit) -> Observation:
    return Observation(id=id, step=step, content=unit.shown, time=unit.time, source=unit.speaker)


def _asking(id: str, step: int, question: Question, time: float | None) -> Observation:
    return Observation(id=id, step=step, content=question.question, time=time, wants_action=True, writable=False)


def with_horizon(theta: DocumentsTheta, parts: Sequence[Part], start: int, horizon: int) -> DocumentsTheta:
    """The theta that plays so many units of these parts."""
    return replace(theta, streams=tuple(part.stream.id for part in parts), start=start, horizon=horizon)
