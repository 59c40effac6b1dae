"""Credit for memory ops where actions change what follows: episodes to the same score under each estimator.

python benchmarks/acting_credit.py STEPS SEED...     # figures go to results/acting_credit/STEPS-SEED.json
python benchmarks/acting_credit.py act SEED...       # and to results/acting_credit_plans/SEED.json

Games of examples/keydoor, of 36 or 120 steps; the long ones are too dear for same-state re-rollouts. The policy is a
rule that reads its view without error, so that what differs between two rows is the credit of memory ops alone.
``blended`` is not among them: it replays recorded actions, and refuses an environment that reacts.
"act" is MemWorld with plans (benchmarks/act.py): what is done changes nothing that follows, so ``blended`` serves.
"""

from __future__ import annotations

import dataclasses
import json
import re
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "examples" / "keydoor"))

import numpy as np  # noqa: E402
import torch  # noqa: E402
from act import THETA, TOKENS, act_config  # noqa: E402

from memrl.advantages.credit import give_credit  # noqa: E402
from memrl.contracts.config import TrainConfig  # noqa: E402
from memrl.contracts.config_io import changed  # noqa: E402
from memrl.contracts.protocols import Agent, Outcome, SampleRequest  # noqa: E402
from memrl.contracts.types import Action, Observation, Task  # noqa: E402
from memrl.policies.scripted import ScriptedPolicy  # noqa: E402
from memrl.recipes import recipe  # noqa: E402
from memrl.rollouts.scheduler import play  # noqa: E402
from memrl.training.batch import make_batch  # noqa: E402
from memrl.training.build import build  # noqa: E402

ESTIMATORS: dict[str, dict[str, Any]] = {
    "broadcast": {},
    "return_to_go": {},
    "gae": {},
    "same_state": {"rollouts": 1},
}
CHEAP = ("broadcast", "return_to_go", "gae")
NOTE = 12
"""Tokens of memory for each door: its note, and hardly anything beside it."""
STEPS, EVERY, GAMES = 60, 1, 48
BAR = 0.9


PLANS: dict[str, dict[str, Any]] = {
    "broadcast": {},
    "return_to_go": {},
    "gae": {},
    "same_state": {"rollouts": 1},
    "blended": {},
}
"""Estimators where plans are carried out."""
PLANS_BAR, PLANS_TASKS, PLANS_SEED = 0.4, 48, 3_000_019
"""Score to reach, on so many held-out tasks, and the seed of the first."""
PLANS_GROUP, PLANS_STEPS, PLANS_EVERY = (4, 8), 160, 4
"""Tasks and tries a step, steps at the most, steps between two looks."""


def game_of(steps: int) -> dict[str, int]:
    return {"steps": steps, "doors": 3 if steps < 60 else 4}


def config(estimator: str, steps: int, seed: int) -> TrainConfig:
    game = game_of(steps)
    memory = NOTE * game["doors"]
    return recipe(
        "plain",
        seed=seed,
        steps=STEPS,
        env={"name": "keydoor.game:KeyDoor", "options": game},
        policy={"name": "pointer", "trained": False},
        memory={"token_budget": memory, "read_budget": memory, "embedder": "hash"},
        controller={"max_ops": 1, "options": {"width": 8, "hidden": 32}},
        rollout={"tasks": 8, "group_size": 6, "env_workers": 0},
        credit={"name": estimator, "options": ESTIMATORS[estimator]},
        learner={"controller_learning_rate": 0.01},
        curriculum={"name": "easy_to_hard"},
    )


def reader(request: SampleRequest) -> str:
    """Opens the door in front with the key that a note in view names for it; else tries nothing."""
    door = request.observation.text.split()[4]
    found = [re.search(f"the {door} door opens with the (\\w+) key", line.text) for line in request.view]
    return next((note[1] for note in found if note), "push")


class Counted:
    """A source that counts the steps of its environments, and is otherwise the one that it is made from."""

    def __init__(self, source: Any) -> None:
        self.source, self.steps = source, 0

    def make(self, task: Task) -> Any:
        game, counter = self.source.make(task), self

        class Game:
            def start(self) -> Observation:
                return game.start()

            def step(self, action: Action | None) -> Outcome:
                counter.steps += 1
                return game.step(action)

        return Game()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.source, name)


def success(agent: Agent) -> float:
    """Greedy, on held-out games, which are not counted."""
    before = agent.task_source.steps  # pyright: ignore[reportAttributeAccessIssue]
    groups = play(agent, [agent.task_source.held_out(n) for n in range(GAMES)], [7], tries=1, greedy=True)
    agent.task_source.steps = before  # pyright: ignore[reportAttributeAccessIssue]
    return float(np.mean([group.episodes[0].success for group in groups]))


def curve(estimator: str, length: int, seed: int) -> dict[str, Any]:
    """Success after each so many episodes of training; the environment's steps and processor seconds until then."""
    made = config(estimator, length, seed)
    agent, _, curriculum, learner, _, _ = build(made)
    agent = dataclasses.replace(agent, policy=ScriptedPolicy(reader), task_source=Counted(agent.task_source))
    told, used = [{"episodes": 0, "env_steps": 0, "cpu_seconds": 0.0, "success": success(agent)}], 0.0
    for step in range(1, STEPS + 1):
        started = time.process_time()
        groups = play(agent, curriculum.draw(made.rollout.tasks), [seed, step, 0])
        curriculum.observe(groups, [])
        learner.update(make_batch(give_credit(groups, made.credit, agent)))
        used += time.process_time() - started
        if step % EVERY == 0:
            episodes = step * made.rollout.tasks * made.rollout.group_size
            steps = agent.task_source.steps  # pyright: ignore[reportAttributeAccessIssue]
            told.append({"episodes": episodes, "env_steps": steps, "cpu_seconds": used, "success": success(agent)})
            print(length, seed, estimator, told[-1], flush=True)
            if all(one["success"] >= BAR for one in told[-2:]):
                break
    return {"options": ESTIMATORS[estimator], "curve": told}


def main(length: int, seed: int) -> None:
    torch.set_num_threads(1)
    game, names = game_of(length), ESTIMATORS if length < 60 else CHEAP
    told = {
        "seed": seed, "game": game, "memory_tokens": NOTE * game["doors"], "bar": BAR, "games": GAMES,
        "group": [8, 6], "every": EVERY, "steps": STEPS,
        "estimators": {name: curve(name, length, seed) for name in names},
    }  # fmt: skip
    out = ROOT / "benchmarks" / "results" / "acting_credit" / f"{length}-{seed}.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(told, indent=1) + "\n")


def plans(estimator: str, seed: int) -> dict[str, Any]:
    """``curve`` where plans are told early and carried out on signals; an exact reader answers."""
    tasks, tries = PLANS_GROUP
    credit = {"name": estimator, "options": PLANS[estimator]}
    made = changed(act_config(seed), {"credit": credit, "rollout": {"practice_tasks": tasks, "group_size": tries}})
    agent, practice, curriculum, learner, *_ = build(made)
    held_out = [agent.task_source.held_out(PLANS_SEED + n) for n in range(PLANS_TASKS)]

    def look() -> float:
        groups = play(practice, held_out, [PLANS_SEED], tries=1, greedy=True, practice=True)
        return float(np.mean([group.episodes[0].success for group in groups]))

    told, used = [{"episodes": 0, "cpu_seconds": 0.0, "success": look()}], 0.0
    for step in range(1, PLANS_STEPS + 1):
        started = time.process_time()
        groups = play(practice, curriculum.draw(tasks), [seed, step, 1], practice=True)
        curriculum.observe(groups, [])
        learner.update(make_batch(give_credit(groups, made.credit, practice)))
        used += time.process_time() - started
        if step % PLANS_EVERY == 0:
            told.append({"episodes": step * tasks * tries, "cpu_seconds": used, "success": look()})
            print("act", seed, estimator, told[-1], flush=True)
            if all(one["success"] >= PLANS_BAR for one in told[-2:]):
                break
    return {"options": PLANS[estimator], "curve": told}


def plans_of(seed: int) -> None:
    """Every estimator; what is finished is not run again."""
    torch.set_num_threads(1)
    out = ROOT / "benchmarks" / "results" / "acting_credit_plans" / f"{seed}.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    found = json.loads(out.read_text())["estimators"] if out.exists() else {}
    for name in PLANS:
        if name not in found:
            found[name] = plans(name, seed)
            told = {
                "seed": seed, "theta": THETA, "memory_tokens": TOKENS, "bar": PLANS_BAR, "tasks": PLANS_TASKS,
                "group": PLANS_GROUP, "every": PLANS_EVERY, "steps": PLANS_STEPS, "estimators": found,
            }  # fmt: skip
            out.write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    for number in sys.argv[2:]:
        if sys.argv[1] == "act":
            plans_of(int(number))
        else:
            main(int(sys.argv[1]), int(number))
