"""The environment: its options, one game, and the source of its tasks."""

import re
from dataclasses import dataclass, replace
from random import Random

from memrl.contracts.protocols import Brief, Outcome
from memrl.contracts.types import Observation, Task, as_text

from keydoor.names import CHATTER, DOORS, KEYS


@dataclass(frozen=True, slots=True, kw_only=True)
class Theta:
    steps: int = 60  # of a game; notes stand in its first third, doors in its second half
    doors: int = 4  # each is come to twice; shut for good after two wrong commands
    cost: float = 0.1  # of a wrong command
    walk: bool = False  # True asks for a command at every step, not only at a door


class Game:
    def __init__(self, task: Task) -> None:
        random, self.theta, self.split = Random(f"{task.split} {task.seed}"), task.theta, task.split
        steps, count = task.theta.steps, task.theta.doors
        doors, keys = random.sample(DOORS[task.split], count), random.sample(KEYS[task.split], count)
        self.key_of, self.opened, self.at = dict(zip(doors, keys)), set(), 0
        self.notes = dict(zip(random.sample(range(steps // 3), count), doors))
        self.visits = dict(zip(sorted(random.sample(range(steps // 2, steps - 1, 2), 2 * count)), doors + doors))
        self.told = {t: random.choice(CHATTER).format(random.randrange(1000)) for t in range(steps)}

    def start(self) -> Observation:
        door = self.visits.get(self.at)
        asks = door is not None and door not in self.opened
        if asks:
            self.told[self.at] = f"You come to the {door} door. It is locked."
        elif self.at in self.notes:
            noted = self.notes[self.at]
            self.told[self.at] = f"A note says: the {noted} door opens with the {self.key_of[noted]} key."
        return Observation(id=f"o{self.at}", step=self.at, content=self.told[self.at], wants_action=asks or self.theta.walk)

    def step(self, action) -> Outcome:
        door, reward = self.visits.get(self.at), 0.0
        if door is not None and door not in self.opened:
            right = [w for w in re.findall("[a-z]+", as_text(action).lower()) if w in KEYS[self.split]] == [self.key_of[door]]
            self.opened.update([door] if right else [])
            reward = 1.0 if right else -self.theta.cost
            self.told[self.at + 1] = f"The {door} door {'swings open' if right else 'stays shut'}."
        self.at += 1
        done = self.at >= self.theta.steps
        return Outcome(reward, None if done else self.start(), success=len(self.opened) / len(self.key_of) if done else None)


class KeyDoor:
    name, Options = "keydoor", Theta

    def __init__(self, theta: Theta) -> None:
        near, mid = replace(theta, steps=8, doors=1), replace(theta, steps=24, doors=2)
        self.ladder = {"near": near, "mid": mid, "far": theta}

    def make(self, task: Task) -> Game:
        return Game(task)

    def brief(self, task: Task) -> Brief:
        return Brief(header="Open the doors.", does="Command")

    def cells(self) -> list[str]:
        return list(self.ladder)

    def train(self, cell: str, seed: int) -> Task:
        return Task(env=self.name, theta=self.ladder[cell], seed=seed, cell=cell)

    def held_out(self, seed: int) -> Task:
        return Task(env=self.name, theta=self.ladder["far"], seed=seed, split="eval", cell="far")
