"""(theta, seed) to a world: things with codes, rates and units, places, documents, a database, and sub-goals in order.

All that is asked is computed from here; nothing is read off a tool.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

from memrl.contracts.types import Task
from memrl.envs.toolworld.names import ASKS, FACTS, LETTERS, PEOPLE, PLACES, THINGS
from memrl.envs.toolworld.theta import ToolTheta

DECOYS = 4
"""Things that are on the books and that no job is about."""
DAYS = 60
SITES = 12
"""Places that a world speaks of."""
NEEDS = {"units": ("code",), "cost": ("units", "rate"), "report": ("cost",)}
"""Kind of sub-goal -> the parts of its job whose results it needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    name: str
    code: str
    old_code: str
    rate: int
    units: int

    @property
    def cost(self) -> int:
        return self.units * self.rate


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """One sub-goal."""

    number: int
    kind: str
    """"code", "rate", "units", "cost", "report" of a job; "founder", "hour", "guests", "sum" of nobody's."""
    about: str
    """The thing, place or day it is about; "a+b" of a sum."""
    text: str
    truth: str
    """The word that a right result holds."""
    needs: tuple[int, ...] = ()
    """Numbers of the sub-goals whose results it needs."""
    down: bool = False
    """Whether the tool is down at the first call."""

    @property
    def counts(self) -> bool:
        """Whether it takes memory: what success is about."""
        return bool(self.needs)


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A task, spelled out."""

    words: str
    """Whose names and phrasings: "train", "valid" or "eval"."""
    things: tuple[Thing, ...]
    """Those of the jobs, then the decoys."""
    goals: tuple[Goal, ...]
    documents: tuple[str, ...]
    past: tuple[str, ...]
    """Documents of past years."""
    guests: tuple[int, ...]
    """[DAYS] of each day, from day 1."""
    places: tuple[str, ...]

    def thing(self, name: str) -> Thing:
        return next(one for one in self.things if one.name == name)

    def database(self) -> bytes:
        """The SQLite file that ``sql`` asks."""
        connection = sqlite3.connect(":memory:")
        connection.execute("CREATE TABLE stock (code TEXT, units INTEGER)")
        connection.execute("CREATE TABLE visits (day INTEGER, guests INTEGER)")
        rows = sorted((one.code, one.units) for one in self.things)
        rows += sorted((one.old_code, one.units % 89 + 3) for one in self.things)
        connection.executemany("INSERT INTO stock VALUES (?, ?)", rows)
        connection.executemany("INSERT INTO visits VALUES (?, ?)", enumerate(self.guests, 1))
        connection.commit()
        return connection.serialize()


def make_world(task: Task) -> World:
    """The same for the same task, whoever asks."""
    theta: ToolTheta = task.theta
    split = "valid" if task.split == "eval" and theta.evaluated == "valid" else task.split
    random = Random(f"toolworld {split} {task.seed} {theta.steps} {theta.jobs} {theta.delay}")
    things = _things(random, split, theta.jobs + DECOYS)
    places = _some(random, PLACES[split])
    founders = {place: random.choice(PEOPLE[split]) for place in places}
    hours = {place: random.randrange(6, 12) for place in places}
    guests = tuple(random.sample(range(1000, 9999), DAYS))
    facts = [
        *(("code", "thing", one.name, one.code) for one in things),
        *(("rate", "thing", one.name, str(one.rate)) for one in things),
        *(("founder", "place", place, name) for place, name in founders.items()),
        *(("hour", "place", place, str(hour)) for place, hour in hours.items()),
    ]
    documents = [_told(random, split, *fact) for fact in facts]
    past = [_told(random, split, "code", "thing", one.name, one.old_code) for one in things]
    known = {(kind, about): value for kind, _, about, value in facts}
    goals = _goals(random, split, theta, things[: theta.jobs], places, known, guests)
    random.shuffle(documents)
    return World(
        words=split,
        things=things,
        goals=goals,
        documents=tuple(documents),
        past=tuple(past),
        guests=guests,
        places=places,
    )


def _things(random: Random, split: str, count: int) -> tuple[Thing, ...]:
    letters = LETTERS[split]
    codes = random.sample([f"{a}{b}{n}" for a in letters for b in letters for n in range(10, 100)], 2 * count)
    units = random.sample(range(101, 999), count)
    rates = random.sample(range(11, 100), count)
    names = random.sample(THINGS[split], count)
    rows = zip(names, codes[:count], codes[count:], rates, units, strict=True)
    return tuple(Thing(name=n, code=c, old_code=o, rate=r, units=u) for n, c, o, r, u in rows)


def _some(random: Random, names: Sequence[str]) -> tuple[str, ...]:
    """All where there are no more than are wanted; nothing is drawn then."""
    return tuple(names if len(names) <= SITES else random.sample(names, SITES))


def _told(random: Random, split: str, kind: str, word: str, about: str, value: str) -> str:
    return random.choice(FACTS[split][kind]).format(**{word: about, "value": value})


def _goals(
    random: Random,
    split: str,
    theta: ToolTheta,
    jobs: tuple[Thing, ...],
    places: tuple[str, ...],
    known: dict[tuple[str, str], str],
    guests: tuple[int, ...],
) -> tuple[Goal, ...]:
    """In order of their times: the parts of each job ``delay`` apart, small work for others anywhere between."""
    timed = list(_parts(random, theta, jobs))
    others = [(random.uniform(0, theta.steps), *_other(random, places)) for _ in range(theta.steps - len(timed))]
    found: list[Goal] = []
    at: dict[tuple[str, str], int] = {}
    for number, (_, kind, about) in enumerate(sorted([*timed, *others])):
        at[kind, about] = number
        truth = known.get((kind, about)) or _computed(kind, about, jobs, guests)
        words = {"thing": about, "place": about, "day": about, "first": "", "second": ""}
        if kind == "sum":
            words["first"], _, words["second"] = about.partition("+")
        found.append(Goal(
            number=number,
            kind=kind,
            about=about,
            text=random.choice(ASKS[split][kind]).format(**words),
            truth=truth,
            needs=tuple(at[need, about] for need in NEEDS.get(kind, ())),
            down=kind != "report" and random.random() < theta.down,
        ))  # fmt: skip
    return tuple(found)


def _parts(random: Random, theta: ToolTheta, jobs: tuple[Thing, ...]) -> Iterator[tuple[float, str, str]]:
    """(time, kind, thing) of every part of every job; the jobs begin evenly over the episode."""
    span = theta.steps - 3 * theta.delay - 1
    order = random.sample(jobs, len(jobs))
    for k, job in enumerate(order):
        start = span * (k + random.random()) / len(jobs)
        jitter = sorted(random.uniform(0, 0.9) for _ in range(3))
        yield start, "code", job.name
        yield start + random.uniform(-0.5, 0.9), "rate", job.name
        for hop, (kind, late) in enumerate(zip(("units", "cost", "report"), jitter, strict=True), 1):
            yield start + hop * theta.delay + late, kind, job.name


def _other(random: Random, places: Sequence[str]) -> tuple[str, str]:
    """(kind, about) of a sub-goal that no job needs."""
    kind = random.choice(("founder", "hour", "guests", "sum"))
    if kind in ("founder", "hour"):
        return kind, random.choice(places)
    if kind == "guests":
        return kind, str(random.randrange(1, DAYS + 1))
    return kind, f"{random.randrange(10, 100)}+{random.randrange(10, 100)}"


def _computed(kind: str, about: str, jobs: tuple[Thing, ...], guests: tuple[int, ...]) -> str:
    """What nobody has written down."""
    if kind == "guests":
        return str(guests[int(about) - 1])
    if kind == "sum":
        return str(sum(map(int, about.split("+"))))
    thing = next(one for one in jobs if one.name == about)
    return str(thing.units if kind == "units" else thing.cost)
