"""A tiny kitchen, acted on by choices: a cookbook is read first, then one walks, then its directions are followed.

Every direction is to be carried out once, in any order; the first wrong command at the table ends the game. What the
splits call food has no word in common.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from memrl.contracts.protocols import Brief, Outcome
from memrl.contracts.types import Action, Observation, Task, as_text

FOOD = {
    "train": ["carrot", "potato", "pepper", "onion", "banana", "lettuce", "salmon", "tuna"],
    "eval": ["turnip", "radish", "leek", "cabbage", "cherry", "melon", "pork", "lamb"],
}
CUTS = ("dice", "slice", "chop")
HEATS = {"roast": "oven", "fry": "stove", "grill": "barbecue"}
WAYS = ("north", "south", "east", "west")


@dataclass(frozen=True, slots=True, kw_only=True)
class Theta:
    items: int = 2
    """Directions of the cookbook, one a kind of food."""
    walk: int = 2
    """Steps between cookbook and table."""


class Kitchen:
    def __init__(self, task: Task) -> None:
        random, self.theta = Random(f"{task.split} {task.seed}"), task.theta
        foods = random.sample(FOOD[task.split], self.theta.items)
        self.directions = [(random.choice([*CUTS, *HEATS]), food) for food in foods]
        self.ways = [random.choice(WAYS) for _ in range(self.theta.walk)]
        commands = [_command(verb, food) for food in foods for verb in (*CUTS, *HEATS)]
        self.commands = tuple(random.sample(commands, len(commands)))
        self.left = [_command(*one) for one in self.directions]
        self.way = (*(f"go {way}" for way in self.ways), *random.sample(self.left, len(self.left)))
        self.at = self.clock = 0

    def start(self) -> Observation:
        return self._seen()

    def step(self, action: Action | None) -> Outcome:
        said, items = as_text(action), self.theta.items
        self.clock += 1
        if self.at < len(self.ways):
            self.at += said == f"go {self.ways[self.at]}"
            lost = self.clock > 3 * len(self.ways)
            return Outcome(0.0, None, success=0.0) if lost else Outcome(0.0, self._seen())
        if said not in self.left:
            return Outcome(0.0, None, success=1 - len(self.left) / items)
        self.left.remove(said)
        done = not self.left
        return Outcome(1 / items, None if done else self._seen(), success=1.0 if done else None)

    def _seen(self) -> Observation:
        told = "; ".join(f"{verb} the {food}" for verb, food in self.directions)
        text = f"Directions: {told}." if self.clock == 0 else "Nobody is here."
        walks = self.at < len(self.ways)
        text += f" The kitchen lies {self.ways[self.at]}." if walks else " You stand at the table."
        choices = tuple(f"go {way}" for way in WAYS) if walks else self.commands
        return Observation(id=f"o{self.clock}", step=self.clock, content=text, wants_action=True, choices=choices)


def _command(verb: str, food: str) -> str:
    return f"{verb} {food} with knife" if verb in CUTS else f"cook {food} with {HEATS[verb]}"


@dataclass
class Kitchens:
    """The source, with a cell a number of directions."""

    items: int = 2
    walk: int = 2
    name: str = "kitchen"
    ladder: dict[str, Theta] = field(init=False)

    def __post_init__(self) -> None:
        self.ladder = {f"{n}": Theta(items=n, walk=self.walk) for n in range(1, self.items + 1)}

    def make(self, task: Task) -> Kitchen:
        return Kitchen(task)

    def brief(self, task: Task) -> Brief:
        return Brief(header="Cook what the cookbook says.")

    def cells(self) -> Sequence[str]:
        return tuple(self.ladder)

    def train(self, cell: str, seed: int) -> Task:
        return Task(env=self.name, theta=self.ladder[cell], seed=seed, cell=cell)

    def held_out(self, seed: int) -> Task:
        return Task(env=self.name, theta=self.ladder[self.cells()[-1]], seed=seed, split="eval")

    def walkthrough(self, task: Task) -> Sequence[str]:
        return Kitchen(task).way
