"""TextWorld as a task source: games of a kind and a seed, generated when they are first played."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from memrl.contracts.capabilities import Bounds
from memrl.contracts.errors import ConfigError, DataError
from memrl.contracts.protocols import Brief
from memrl.contracts.registry import register
from memrl.contracts.types import Task
from memrl.envs.textworld.episode import TextWorldEnv
from memrl.envs.textworld.generate import SEEDS
from memrl.envs.textworld.library import FILES, HELD_OUT, Library, default_cache, metadata
from memrl.envs.textworld.theta import BASE, FileTheta, GameTheta, TextWorldOptions, ladder, spec
from memrl.envs.textworld.walkthrough import Way, by_chance, followed, needed

THIRDS = ("train", "valid", "test")
"""Of all seeds: training and both held-out sets have no game in common."""
HEADERS = {
    "cooking": "You play a text game. Read the cookbook in the kitchen, prepare the meal as it says, and eat it.",
    "coin": "You play a text game. Find the coin and take it.",
    "quest": "You play a text game. Do what its first text says, in order.",
}
PLAY = "You play a text game."
PATIENCE = 2
"""Times the walkthrough's commands that an episode may have where nobody says."""
UNGUIDED = 100
"""Commands of an episode where nobody says and the game has no walkthrough."""


class TextWorldTasks:
    """Games of one theta and the ladder up to it, or files that somebody gave."""

    name = "textworld"

    def __init__(self, options: TextWorldOptions) -> None:
        self._options = options
        self._library = Library(Path(options.cache).expanduser() if options.cache else default_cache(), options.seconds)
        self._cells = ladder(options.theta()) if options.ladder else {BASE: options.theta()}
        self._ways: dict[Task, Way] = {}
        self._files: dict[str, Path] = {}
        if options.files:
            found = self._library.given(options.files, options.admissible)
            self._files = {f"{number}": path for number, path in enumerate(found)}
            if options.rounds > len(found):
                raise ConfigError("env.options.rounds", options.rounds, f"{FILES} has {len(found)} game(s)")

    def make(self, task: Task) -> TextWorldEnv:
        """Its games, generated where they are not there yet. Raises DataError where they cannot be."""
        games = self.games(task)
        guided = sum(len(metadata(game).get("walkthrough", ())) for game in games)
        steps = self._options.steps or PATIENCE * guided or UNGUIDED * len(games)
        return TextWorldEnv(games, self._options, steps)

    def games(self, task: Task) -> tuple[Path, ...]:
        """The files of a task's rounds, in order."""
        theta = task.theta
        if isinstance(theta, FileTheta):
            names = sorted(self._files, key=int)
            first = names.index(theta.file)
            return tuple(self._files[names[(first + at) % len(names)]] for at in range(theta.rounds))
        return tuple(self._library.game(spec(theta, number)) for number in numbers(task))

    def brief(self, task: Task) -> Brief:
        given = isinstance(task.theta, FileTheta)
        return Brief(header=PLAY if given else HEADERS[task.theta.kind], max_new_tokens=16)

    def walkthrough(self, task: Task) -> Sequence[str]:
        """Commands that win every round; where commands are chosen, those alone that are choices in their turn.

        Raises:
            DataError: a game has none, or it does not win with the choices that ``hide`` leaves.
        """
        return self._way(task).commands

    def plan(self, task: Task, budget: int, cost: Callable[[str], int]) -> dict[str, int]:
        """What must be remembered along the walkthrough; all else can be seen when it is needed."""
        return needed(self._way(task), getattr(task.theta, "kind", "cooking"))

    def bounds(self, task: Task, budget: int, cost: Callable[[str], int]) -> Bounds:
        """The walkthrough, which wins, and one play by chance; nothing of the budget is in them."""
        return Bounds(1.0, by_chance(self.make(task), task.seed) if self._options.admissible else 0.0)

    def _way(self, task: Task) -> Way:
        if task not in self._ways:
            games = self.games(task)
            ways = [metadata(game).get("walkthrough", ()) for game in games]
            if not all(ways):
                raise DataError(f"a game of env.options.files = {self._options.files!r} brings no walkthrough")
            try:
                self._ways[task] = followed(self.make(task), [command for way in ways for command in way])
            except DataError as error:
                raise DataError(f"{', '.join(map(str, games))}: {error}") from error
        return self._ways[task]

    def cells(self) -> tuple[str, ...]:
        return ("files",) if self._files else tuple(self._cells)

    def train(self, cell: str, seed: int) -> Task:
        """A task of the training foods and seeds."""
        theta = self._file(seed, held_out=False) if self._files else self._cells[cell]
        return Task(env=self.name, theta=theta, seed=seed, cell=cell)

    def held_out(self, seed: int) -> Task:
        """A task of the last cell's theta, with foods, preparations and seeds that training never sees."""
        if self._files:
            return Task(env=self.name, theta=self._file(seed, held_out=True), seed=seed, split="eval", cell="files")
        theta = self._options.theta(foods=self._options.evaluated)
        return Task(env=self.name, theta=theta, seed=seed, split="eval", cell=BASE)

    def at_horizon(self, horizon: int) -> dict[str, Any]:
        """More games in a row for cooking, a longer way for the others."""
        if self._options.kind == "cooking":
            return {"rounds": max(1, round(horizon / self._options.commands))}
        return {"length": horizon}

    def _file(self, seed: int, held_out: bool) -> FileTheta:
        names = sorted(self._files, key=int)
        mine = [one for one in names if (int(one) % HELD_OUT == HELD_OUT - 1) == held_out] if len(names) > 1 else names
        mine = mine or names[-1:]
        return FileTheta(file=mine[seed % len(mine)], rounds=self._options.rounds)


def numbers(task: Task) -> tuple[int, ...]:
    """TextWorld's seeds of a task's rounds; those of two splits are never equal."""
    theta: GameTheta = task.theta
    first = task.seed * theta.rounds
    return tuple((3 * (first + at) + THIRDS.index(theta.foods)) % SEEDS for at in range(theta.rounds))


register("env", "textworld", TextWorldTasks, TextWorldOptions)
