"""The theta and the cast that a list of events shows, for a program that was written without them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from memrl.envs.memworld import forward
from memrl.envs.memworld.author import Cast
from memrl.envs.memworld.events import (
    LINKS,
    UNKNOWN,
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
    Retract,
    Unlink,
    Update,
)
from memrl.envs.memworld.names import is_person
from memrl.envs.memworld.schema_check import wrong
from memrl.envs.memworld.theta import FLAVOURS, Theta


def cast_of(events: Sequence[Event]) -> Cast:
    """Who and what takes part, in order of appearance. People in no fact are bystanders, things in none spare."""
    renamed = {event.alias: event.subject for event in events if isinstance(event, Alias)}
    facts = [event for event in events if isinstance(event, Assert | Link | Retract | Unlink)]
    told = _unique(renamed.get(event.subject, event.subject) for event in facts)
    linked = {renamed.get(event.subject, event.subject) for event in facts if isinstance(event, Link | Unlink)}
    plans = [event for event in events if isinstance(event, Plan)]
    in_facts = _unique(name for event in [*facts, *plans] for name in (event.subject, event.value) if is_person(name))
    talked = [event for event in events if isinstance(event, Distract)]
    named = _unique([*(e.actor for e in events if isinstance(e, Assert)), *(event.person for event in talked)])
    things = [name for name in told if not is_person(name)]
    places = [*(e.value for e in facts if isinstance(e, Assert | Retract)), *(event.place for event in talked)]
    places += [event.value for event in plans if not is_person(event.value)]
    spare = _unique([*(event.thing for event in talked), *(event.subject for event in plans)])
    return Cast(
        objects=tuple(name for name in things if name not in linked),
        carried=tuple(name for name in things if name in linked),
        people=in_facts,
        places=_unique(places),
        aliases=tuple((thing, alias) for alias, thing in renamed.items()),
        bystanders=tuple(name for name in named if name not in in_facts),
        spare_things=tuple(name for name in spare if name not in told and name not in renamed),
    )


def theta_of(events: Sequence[Event]) -> Theta:
    """A legal theta of this size and mix. Sizes that theta's own rules would not allow together are made smaller.

    Raises ConfigError if the events tell nothing at all.
    """
    answers = forward.answers(events)
    kinds = Counter(type(event) for event in events)
    asked = len(answers)
    room = len(events) - asked
    if not room:
        raise wrong("program.events", events, "nothing is told; add events that tell facts")
    sizes = _sizes(cast_of(events), room)
    planned = len({event.signal for event in events if isinstance(event, Plan)})
    plans = min(6, planned, room - sum(sizes.values())) if sizes["objects"] else 0
    hops = max((len(event.relations) for event in events if isinstance(event, AskPath)), default=1)
    fits = sizes["people"] > 1 and 2 * sizes["people"] + sizes["objects"] + sizes["carried"] + plans <= room
    told = max(1, room - sum(sizes.values()) - plans)
    changes = {
        "update": kinds[Update] + kinds[Plan] - planned,
        "retract": kinds[Retract] + kinds[Unlink] + kinds[Cancel],
        "contradict": kinds[Contradict],
    }
    total = max(told, sum(changes.values()))
    days = max(event.day for event in events)
    located = sizes["objects"] + sizes["people"]
    weights = {
        "ask_day": kinds[AskDay] if located and days else 0,
        "ask_path": kinds[AskPath] if sizes["carried"] else 0,
        "ask_count": kinds[AskCount] if sizes["objects"] else 0,
        "ask_act": kinds[AskAct] if plans else 0,
        "ask_latest": kinds[AskLatest] if located else 0,
    }
    if not any(weights.values()):
        weights["ask_path" if sizes["carried"] else "ask_latest"] = 1
    rates = {f"{name}_rate": count / total for name, count in changes.items()}
    mix: dict[str, Any] = {**sizes, **rates, **weights}
    flavours = {event.flavour for event in events if isinstance(event, Distract)}
    return Theta(
        horizon=len(events), questions=asked, days=days, plans=plans, **mix,
        hops=min(hops, 3 if fits else 2),
        places=min(16, max(2, len(cast_of(events).places))),
        link_kinds=2 if {e.relation for e in events if isinstance(e, Link)} - {LINKS[0], LINKS[2]} else 1,
        unanswerable_rate=sum(answer == UNKNOWN for answer in answers.values()) / asked,
        distractor_level=max((FLAVOURS.index(flavour) + 1 for flavour in flavours), default=0),
    )  # fmt: skip


def _sizes(cast: Cast, room: int) -> dict[str, int]:
    """objects, carried and people, cut to what ``room`` steps can tell; one of them is 1 at least."""
    people = min(12, len(cast.people), room)
    carried = min(12, len(cast.carried), room - people) if people else 0
    objects = min(12 - carried, len(cast.objects), room - people - carried)
    if room and not people and not objects:
        objects = 1
    return {"objects": objects, "carried": carried, "people": people}


def _unique(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))
