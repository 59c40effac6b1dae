"""The environment: its options, one game, and the source of its tasks."""

import re
from dataclasses import dataclass, replace
from random import Random

from keydoor.names import CHATTER, DOORS, KEYS
from memrl.contracts.protocols import Brief, Outcome
from memrl.contracts.types import Observation, Task, as_text


@dataclass(frozen=True, slots=True, kw_only=True)
class Theta:
    steps: int = 60  # of a game; notes stand in its first third, doors in its second half
    doors: int = 4  # each is come to twice; shut for good after two wrong commands
    cost: float = 0.1  # of a wrong command
    walk: bool = False  # True asks for a command at every step, not only at a door

class Game:
    def __init__(self, task: Task) -> None:
        random, self.theta, self.keys = Random(f"{task.split} {task.seed}"), task.theta, set(KEYS[task.split])
        steps, doors = task.theta.steps, random.sample(DOORS[task.split], task.theta.doors)
        self.key_of = dict(zip(doors, random.sample(KEYS[task.split], len(doors)), strict=True))
        self.notes = dict(zip(random.sample(range(steps // 3), len(doors)), doors, strict=True))
        visits = sorted(random.sample(range(steps // 2, steps - 1, 2), 2 * len(doors)))
        self.visits, self.opened, self.at = dict(zip(visits, doors + doors, strict=True)), set(), 0
        self.told = {t: random.choice(CHATTER).format(random.randrange(1000)) for t in range(steps)}

    def start(self) -> Observation:
        door, note = self.visits.get(self.at), self.notes.get(self.at)
        text = f"A note says: the {note} door opens with the {self.key_of[note]} key." if note else self.told[self.at]
        asks = door is not None and door not in self.opened
        text = f"You come to the {door} door. It is locked." if asks else text
        return Observation(id=f"o{self.at}", step=self.at, content=text, wants_action=asks or self.theta.walk)

    def step(self, action) -> Outcome:
        door, reward, self.at = self.visits.get(self.at), 0.0, self.at + 1
        if door is not None and door not in self.opened:  # a command must name the one key, and no other
            right = self.keys.intersection(re.findall("[a-z]+", as_text(action).lower())) == {self.key_of[door]}
            self.opened |= {door} if right else set()
            reward = 1.0 if right else -self.theta.cost
            self.told[self.at] = f"The {door} door {'swings open' if right else 'stays shut'}."
        if self.at < self.theta.steps:
            return Outcome(reward, self.start())
        return Outcome(reward, None, success=len(self.opened) / len(self.key_of))

class KeyDoor:
    name, Options = "keydoor", Theta

    def __init__(self, theta: Theta) -> None:
        near, mid = replace(theta, steps=8, doors=1), replace(theta, steps=24, doors=2)
        self.ladder = {"near": near, "mid": mid, "far": theta}
        self.make, self.cells = Game, lambda: tuple(self.ladder)

    def brief(self, task: Task) -> Brief:
        return Brief(header="Open the doors.", does="Command")
    def train(self, cell: str, seed: int) -> Task:
        return Task(env=self.name, theta=self.ladder[cell], seed=seed, cell=cell)
    def held_out(self, seed: int) -> Task:
        return Task(env=self.name, theta=self.ladder["far"], seed=seed, split="eval", cell="far")
