"""The levelled axes of MemWorld, checked where they are made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

from memrl.contracts.errors import ConfigError
from memrl.contracts.types import Split

Flavour = Literal["chatter", "mention", "foreign"]
FLAVOURS: tuple[Flavour, ...] = ("chatter", "mention", "foreign")
"""What ``distractor_level`` 1 to 3 adds: small talk, talk of the same things and places, facts that nobody asks for."""

STYLES: tuple[str, ...] = (
    "plain", "chat", "first_person", "passive", "alias", "note", "quoted", "pronoun", "two_facts", "question_tag",
)  # fmt: skip
"""Ways to say everything; ``plain`` is the sentences of ``phrasings.py``, the others stand in ``styles/``."""
PLANNED = ("plans", "ask_act")
"""Axes of plans. Where a theta has none, no task, edit or curriculum of it depends on their being there."""
SURFACE = ("train_styles", "eval_styles", "lower_case", "typos", "disguise_rate")
"""Axes that change how things are said and nothing else: the same events, the same answers."""

_LOWEST = {
    "horizon": 1, "objects": 0, "carried": 0, "people": 0, "plans": 0, "places": 2, "hops": 1, "link_kinds": 1,
    "questions": 1, "delay": 0, "distractor_level": 0, "days": 0,
}  # fmt: skip
_HIGHEST = {"plans": 6, "places": 16, "hops": 3, "link_kinds": 2, "distractor_level": 3}
_MOST_THINGS, _MOST_PEOPLE = 12, 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Theta:
    """How hard a MemWorld task is. The default is the main benchmark: four things, hard distractors, 48 steps."""

    horizon: int = 48
    """Steps of an episode, questions included."""
    objects: int = 4
    """Things whose place is told, updated and asked."""
    carried: int = 0
    """Things linked to a person (carried by, belongs to) instead of lying in a place."""
    people: int = 0
    """People whose place is told; things are linked to these."""
    plans: int = 0
    """Signals for each of which a plan is told: whenever it sounds, take a thing to a place or to a person. Plans are
    revised at ``update_rate`` and cancelled at ``retract_rate``, as facts are."""
    places: int = 12
    """Places in play in one episode."""
    hops: int = 1
    """Facts in the chain of a path question: who carries a thing, where that person is, where that one's boss is."""
    link_kinds: int = 1
    """1: carried by, works for. 2: also belongs to, learns from."""
    questions: int = 8
    """How many steps ask."""
    delay: int = 8
    """Steps that lie between a fact and most of the questions about it."""
    update_rate: float = 0.25
    """Share of the telling steps after the opening that change a fact."""
    retract_rate: float = 0.0
    """Share of those steps that take a fact back."""
    contradict_rate: float = 0.08
    """Share of those steps on which an untrusted source says something false."""
    alias_rate: float = 0.0
    """Share of the things that get a second name."""
    distractor_level: int = 3
    """Hardest of ``FLAVOURS`` on the remaining steps, beside the easier ones; 0 for only waiting."""
    wait_rate: float = 0.0
    """Share of the remaining steps on which nothing happens."""
    unanswerable_rate: float = 0.0
    """Share of the questions whose right answer is "unknown"."""
    days: int = 0
    """Days that the episode spans, written into the text of facts; 0 for no calendar."""
    ask_latest: float = 1.0
    """Weight of questions after the place of a thing or a person now."""
    ask_day: float = 0.0
    """Weight of questions after a place on an earlier day."""
    ask_path: float = 0.0
    """Weight of questions along ``hops`` facts."""
    ask_count: float = 0.0
    """Weight of questions how many things a place holds."""
    ask_act: float = 0.0
    """Weight of signals that sound: what the plan says is to be done, from where the thing is now."""
    train_styles: tuple[str, ...] = ("plain",)
    """Of ``STYLES``: those that the training split is said in, each as often."""
    eval_styles: tuple[str, ...] = ("plain",)
    """Those of the held-out split. A style that only one of the two names is used whole; of one that both name, and of
    ``plain`` always, every fourth phrasing is held out."""
    lower_case: float = 0.0
    """Share of the texts without a capital letter."""
    typos: float = 0.0
    """Share of the words of four letters or more that are misspelt; never a name."""
    disguise_rate: float = 0.0
    """Share of the untrusted reports that are said as facts are: only the observation's trust tells them apart."""

    def __post_init__(self) -> None:
        for axis in fields(self):
            object.__setattr__(self, axis.name, _checked(axis.name, getattr(self, axis.name), str(axis.type)))
        _check_sizes(self)
        _check_questions(self)

    @classmethod
    def from_mapping(cls, axes: Mapping[str, Any]) -> Theta:
        """The default with these axes changed. Raises ConfigError for an axis or a value that cannot be."""
        known = [axis.name for axis in fields(cls)]
        for name, value in axes.items():
            if name not in known:
                raise ConfigError(
                    f"env.options.{name}", value, f"there is no such axis; choose from {', '.join(known)}"
                )
        return cls(**axes)

    @property
    def aliases(self) -> int:
        """How many things get a second name."""
        return round(self.alias_rate * (self.objects + self.carried))

    @property
    def opening(self) -> int:
        """Steps that it takes to tell every fact once."""
        bosses = self.people if self.hops == 3 else 0
        return self.objects + self.carried + self.people + bosses + self.aliases + self.plans

    def styles(self, split: Split) -> tuple[str, ...]:
        """The styles that a split is said in."""
        return self.eval_styles if split == "eval" else self.train_styles


def axis_range(name: str) -> tuple[int, int | None]:
    """Least and greatest value of a whole-number axis by itself; None for no greatest."""
    most = {"objects": _MOST_THINGS, "carried": _MOST_THINGS, "people": _MOST_PEOPLE}
    return _LOWEST[name], most.get(name, _HIGHEST.get(name))


def is_share(name: str) -> bool:
    """Whether an axis lies in [0, 1]."""
    return name.endswith("_rate") or name in ("lower_case", "typos")


def _checked(name: str, value: object, kind: str) -> int | float | tuple[str, ...]:
    """``value`` as the type of its axis, or a ConfigError that names the axis."""
    knob = f"env.options.{name}"
    if kind.startswith("tuple"):
        return _checked_styles(knob, value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ConfigError(knob, value, "it must be a number")
    if kind == "int":
        if not float(value).is_integer():
            raise ConfigError(knob, value, "it must be a whole number")
        low, high = _LOWEST[name], _HIGHEST.get(name)
        if value < low or (high is not None and value > high):
            way_out = f"it must be at least {low}" if high is None else f"it must lie in [{low}, {high}]"
            raise ConfigError(knob, value, way_out)
        return int(value)
    if not 0 <= value < float("inf") or (is_share(name) and value > 1):
        raise ConfigError(knob, value, "it must lie in [0, 1]" if is_share(name) else "it must be at least 0")
    return float(value)


def _checked_styles(knob: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not value:
        raise ConfigError(knob, value, f"give a list of one or more of {', '.join(STYLES)}")
    for style in value:
        if style not in STYLES:
            raise ConfigError(knob, style, f"there is no such style; choose from {', '.join(STYLES)}")
    if len(set(value)) < len(value):
        raise ConfigError(knob, value, "a style is named twice; name each once")
    return tuple(value)


def _check_sizes(theta: Theta) -> None:
    shares = theta.update_rate + theta.retract_rate + theta.contradict_rate
    if shares > 1 + 1e-9:
        way_out = f"with retract_rate and contradict_rate it makes {shares:g}; the three shares must not exceed 1"
        raise ConfigError("env.options.update_rate", theta.update_rate, way_out)
    if theta.objects + theta.carried > _MOST_THINGS:
        raise ConfigError("env.options.objects", theta.objects, f"objects and carried may be {_MOST_THINGS} at most")
    if theta.people > _MOST_PEOPLE:
        raise ConfigError("env.options.people", theta.people, f"it must be at most {_MOST_PEOPLE}")
    if theta.carried and not theta.people:
        raise ConfigError("env.options.people", theta.people, "carried things need at least one person")
    if theta.plans and not theta.objects:
        raise ConfigError("env.options.plans", theta.plans, "a plan needs a thing to take somewhere: objects > 0")
    if theta.hops == 3 and theta.people == 1:
        raise ConfigError("env.options.people", theta.people, "hops = 3 needs two people, one the boss of the other")
    shortest = theta.opening + theta.questions
    if theta.horizon < shortest:
        way_out = f"telling every fact once and asking questions = {theta.questions} takes {shortest} steps"
        raise ConfigError("env.options.horizon", theta.horizon, f"{way_out}; raise it, or lower questions or objects")


def _check_questions(theta: Theta) -> None:
    located = theta.objects + theta.people
    needs = (
        ("ask_latest", located, "objects or people"),
        ("ask_day", located, "objects or people"),
        ("ask_day", theta.days, "days"),
        ("ask_path", theta.carried, "carried"),
        ("ask_count", theta.objects, "objects"),
        ("ask_act", theta.plans, "plans"),
    )
    for name, have, what in needs:
        if getattr(theta, name) > 0 and not have:
            raise ConfigError(f"env.options.{name}", getattr(theta, name), f"there is nothing to ask while {what} = 0")
    if not any((theta.ask_latest, theta.ask_day, theta.ask_path, theta.ask_count, theta.ask_act)):
        raise ConfigError("env.options.ask_latest", theta.ask_latest, "one of the ask_ weights must be above 0")
