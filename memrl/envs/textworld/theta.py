"""Axes of TextWorld's games, and how they are shown."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from memrl.contracts.checks import check
from memrl.contracts.errors import ConfigError

MOST_ROUNDS = 1000
"""Games of one episode: some forty commands each."""
MOST_ROOMS = 100
"""Of a game: what TextWorld 1.7 can compile."""
BASE = "base"
"""The cell of the game itself."""
COOKING_ROOMS = (1, 6, 9, 12)
_AXES = {
    "cooking": ("ingredients", "rooms", "open", "cook", "cut", "drop", "foods"),
    "coin": ("length", "dead_ends"),
    "quest": ("length", "rooms"),
}
"""Axes that say something about the games of a kind."""
Foods = Literal["train", "valid", "test"]
"""Which of tw-cooking's three sets of foods and preparations a game is made of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GameTheta:
    """What kind of game, and how hard. An axis that is not of its kind is refused."""

    kind: Literal["cooking", "coin", "quest"] = "cooking"
    """"cooking": read a recipe in the cookbook, gather, cut and cook what it says, eat (First TextWorld Problems);
    "coin": find the coin at the end of a chain of rooms; "quest": do what the first text says, in order."""
    rounds: int = 1
    """Games in one episode, one after the other; memory goes on."""
    ingredients: int = 3
    """cooking: of the recipe, 1 to 5."""
    rooms: int = 1
    """cooking: 1, 6, 9 or 12; quest: up to 100."""
    open: bool = True
    """cooking: doors and containers are closed at first."""
    cook: bool = True
    """cooking: ingredients must be fried, roasted or grilled."""
    cut: bool = True
    """cooking: ingredients must be sliced, diced or chopped."""
    drop: bool = False
    """cooking: no more can be carried than the recipe has ingredients."""
    length: int = 10
    """coin: rooms from start to coin; quest: commands that it takes."""
    dead_ends: int = 0
    """coin: rooms beside each room of the way, 0 to 2."""
    foods: Foods = "train"
    """cooking: the set of foods and preparations; of every kind, the third of the seeds."""

    def __post_init__(self) -> None:
        check(
            self, "env.options.",
            rounds=f"[1, {MOST_ROUNDS}]", ingredients="[1, 5]", rooms=f"[1, {MOST_ROOMS}]", length=f"[1, {MOST_ROOMS}]",
            dead_ends="[0, 2]",
        )  # fmt: skip
        if self.kind == "cooking" and self.rooms not in COOKING_ROOMS:
            raise ConfigError("env.options.rooms", self.rooms, "a cooking game has 1, 6, 9 or 12")
        if self.kind == "coin" and (1 + self.dead_ends) * self.length > MOST_ROOMS:
            way_out = f"with length = {self.length} that makes {(1 + self.dead_ends) * self.length} rooms; "
            raise ConfigError("env.options.dead_ends", self.dead_ends, f"{way_out}TextWorld 1.7 takes {MOST_ROOMS}")

    @property
    def commands(self) -> int:
        """About how many commands a walkthrough of one round has."""
        if self.kind != "cooking":
            return self.length + (self.kind == "coin" or self.rooms > 1)
        cutting = (5 if self.drop and self.ingredients > 1 else 3) * self.cut
        return 5 + self.ingredients * (1 + self.cook + cutting) + (self.rooms > 1) * (4 + self.rooms // 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class TextWorldOptions(GameTheta):
    """A game's axes, and what a play of it shows and takes."""

    files: str = ""
    """A game file (.z8 with its .json beside it, or .json) or a folder of them, in place of generated games. Of a
    folder every fourth is held out; a single file is played in both splits."""
    admissible: bool = True
    """Whether the admissible commands are given as choices. False takes any text, as the game understands it."""
    hide: str = ""
    """A regular expression: admissible commands in which it is found are no choices; all are where none
    would be left."""
    also_show: tuple[Literal["description", "inventory"], ...] = ()
    """What is shown at each step beside the answer to the last command: the room, what is carried. Without them a
    player must remember."""
    score_lines: bool = False
    """Whether the game's own lines about the score are shown; the reward tells it anyway."""
    piece_words: int = 0
    """Longer texts are shown as several observations of at most so many words, cut at lines and sentences; the last
    one wants the action. 0 shows all at once. A recipe in pieces fits into a memory that the whole would not."""
    steps: int = 0
    """Commands after which an episode is cut off; 0 for twice as many as the walkthrough has."""
    ladder: bool = True
    """Whether there are easier cells for a curriculum to begin with; False leaves the game itself."""
    evaluated: Literal["valid", "test"] = "test"
    """The foods and seeds of held-out games; choose settings on "valid"."""
    cache: str = ""
    """Folder for generated games; empty for ``MEMRL_HOME`` or ``~/.cache/memrl``."""
    seconds: float = 300.0
    """Longest time that generating one game may take."""

    def __post_init__(self) -> None:
        GameTheta.__post_init__(self)
        check(self, "env.options.", piece_words="[0, inf)", steps="[0, inf)", seconds="(0, inf)")
        try:
            re.compile(self.hide)
        except re.error as error:
            raise ConfigError("env.options.hide", self.hide, f"it is no regular expression: {error}") from error
        if self.foods != "train":
            raise ConfigError("env.options.foods", self.foods, "say which games are held out with evaluated")
        self._check_axes()

    def _check_axes(self) -> None:
        """Raises ConfigError where an axis is set that says nothing about the games that will be played."""
        games, heard = f"games of kind {self.kind!r} have", (*_AXES[self.kind], "kind", "rounds")
        if self.files:
            games, heard = "games in files have", ("rounds",)
        for name, field in GameTheta.__dataclass_fields__.items():
            if name not in heard and getattr(self, name) != field.default:
                axes = ", ".join(axis for axis in heard if axis != "foods")
                raise ConfigError(f"env.options.{name}", getattr(self, name), f"{games} no such axis, but {axes}")

    def theta(self, **changes: Any) -> GameTheta:
        """The axes alone, some changed."""
        axes = {name: getattr(self, name) for name in GameTheta.__dataclass_fields__}
        return GameTheta(**{**axes, **changes})


@dataclass(frozen=True, slots=True, kw_only=True)
class FileTheta:
    """Theta of a game that somebody gave: its file, and the rounds."""

    file: str
    """As ``env.options.files`` names it, or below that."""
    rounds: int = 1


def ladder(base: GameTheta) -> dict[str, GameTheta]:
    """Cell name -> theta, easiest first; the last one is ``base``."""
    steps: list[GameTheta] = []
    if base.kind == "cooking":
        near = replace(base, rooms=1, rounds=1)
        steps += [replace(near, ingredients=n) for n in sorted({1, (base.ingredients + 1) // 2, base.ingredients})]
    else:
        near = replace(base, rounds=1, dead_ends=0)
        steps += [replace(near, length=n) for n in sorted({max(1, base.length // 4), max(1, base.length // 2)})]
    cells = {_name(theta): theta for theta in (*steps, replace(base, rounds=1)) if theta != base}
    return {**cells, BASE: base}


def _name(theta: GameTheta) -> str:
    if theta.kind != "cooking":
        return f"{theta.length} long" + ", dead ends" * bool(theta.dead_ends)
    return f"{theta.ingredients} of recipe, {theta.rooms} rooms"


def spec(theta: GameTheta, number: int) -> dict[str, Any]:
    """What one game is generated from: only the axes of its kind, so that a game has one name."""
    axes = asdict(theta)
    return {"kind": theta.kind, "number": number, **{name: axes[name] for name in _AXES[theta.kind]}}
