"""Is what pays two steps late learned? Every estimator of credit on a bandit of two arms, or its refusal.

python benchmarks/delayed_bandit.py             # 3 seeds, some seconds an estimator

Three actions; the first chooses an arm, the others change nothing, and the arm is paid with the last. What was done
stands in what is shown, so the source is not passive. The policy is a table of logits, one row a step, that starts with
the right arm at 0.2; success is the probability of the right arm. The last row gives each action the reward of its own
step and nothing else, as a policy's actions were credited before: the bar is one that can be missed.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from memory_stores.embed import HashEmbedder
from memory_stores.memory import AgentMemory
from memory_stores.token_store import TokenStore
from memrl.advantages.credit import Credit, give_credit
from memrl.contracts.config import CreditConfig, RolloutConfig
from memrl.contracts.errors import ConfigError
from memrl.contracts.protocols import Agent, Env, Outcome, SampleRequest
from memrl.contracts.registry import names
from memrl.contracts.texts import TextTable
from memrl.contracts.types import Action, Choose, Group, Observation, Task, TokenDecision
from memrl.controllers.none import NoWrites
from memrl.controllers.offers import OpOffers
from memrl.rollouts.scheduler import play

RESULTS = Path(__file__).parent / "results" / "delayed_bandit.json"
ARMS, STEPS, RIGHT, BAR = ("left", "right"), 3, 1, 0.8
START = 0.2
"""Probability of the right arm before any learning."""
OWN_STEP = "own step alone"


class Bandit:
    """A task source of one task."""

    name = "delayed_bandit"

    def make(self, task: Task) -> Env:
        return Walk()

    def cells(self) -> Sequence[str]:
        return ("two arms",)

    def train(self, cell: str, seed: int) -> Task:
        return Task(env=self.name, theta=None, seed=seed, cell=cell)

    def held_out(self, seed: int) -> Task:
        return Task(env=self.name, theta=None, seed=seed, split="eval")


class Walk:
    """Three actions; the first is paid with the last."""

    def __init__(self) -> None:
        self._done: list[int] = []

    def start(self) -> Observation:
        done = " ".join(ARMS[i] for i in self._done)
        return Observation(
            id=f"so far: {done}", step=len(self._done), content=f"so far: {done}", wants_action=True,
            writable=False, choices=ARMS,
        )  # fmt: skip

    def step(self, action: Action | None) -> Outcome:
        assert isinstance(action, Choose)
        self._done.append(action.index)
        over = len(self._done) == STEPS
        won = float(over and self._done[0] == RIGHT)
        return Outcome(won, None if over else self.start(), success=won if over else None)


class Softmax:
    """A row of logits for each step."""

    version = 0

    def __init__(self, seed: int) -> None:
        start = np.zeros((STEPS, len(ARMS)), dtype=np.float32)
        start[0, RIGHT] = np.log(START / (1 - START))
        self.logits = torch.tensor(start, requires_grad=True)
        self._seed = seed

    @property
    def success(self) -> float:
        return float(self.logits[0].detach().softmax(0)[RIGHT])

    def sample(self, requests: Sequence[SampleRequest]) -> list[TokenDecision]:
        return [self._one(request) for request in requests]

    def _one(self, request: SampleRequest) -> TokenDecision:
        t = request.observation.step
        logprobs = self.logits[t].detach().log_softmax(0).numpy()
        rng = np.random.default_rng([self._seed, request.seed])
        arm = int(logprobs.argmax()) if request.greedy else int(rng.random() < np.exp(logprobs[1]))
        return TokenDecision(
            actor=request.actor, action=Choose(arm, ARMS[arm]), memory_hash=request.memory_hash,
            prompt_ids=(t,), action_ids=(arm,), logprobs=(float(logprobs[arm]),),
        )  # fmt: skip

    def state_dict(self) -> dict[str, Any]:
        return {"logits": self.logits.detach().clone()}

    def load_state_dict(self, state: Any) -> None:
        with torch.no_grad():
            self.logits.copy_(state["logits"])


def agent_of(policy: Softmax, group: int) -> Agent:
    """The policy alone: nothing is ever written."""
    embedder = HashEmbedder(8)
    table = TextTable(embedder)
    return Agent(
        policy=policy, controller=NoWrites(), offers=OpOffers(table, len), task_source=Bandit(), table=table,
        embedder=embedder, new_memory=lambda: AgentMemory(token=TokenStore(64, len)), read_budget=64,
        count_tokens=len, rollout=RolloutConfig(group_size=group),
    )  # fmt: skip


def own_step(groups: Sequence[Group], agent: Agent) -> list[Credit]:
    """Each action by the reward of its own step, against the siblings'."""
    credits = []
    for group in groups:
        rewards_GT = np.array([[step.reward for step in episode.steps] for episode in group.episodes])
        credits += map(Credit, group.episodes, list(rewards_GT - rewards_GT.mean(axis=0)), list(rewards_GT))
    return credits


def learned(credit: Callable[[Sequence[Group], Agent], list[Credit]], seed: int, updates: int) -> float:
    """Success of a policy after as many updates, each on 4 groups of 8 episodes."""
    policy = Softmax(seed)
    agent = agent_of(policy, 8)
    optimizer = torch.optim.Adam([policy.logits], lr=0.05)
    for update in range(updates):
        tasks = [agent.task_source.train("two arms", 4 * update + i) for i in range(4)]
        credits = credit(play(agent, tasks, [seed, update]), agent)
        rows = [(d, a) for one in credits for d, a in zip(one.episode.decisions, one.advantages.tolist(), strict=True)]
        at = torch.tensor([d.prompt_ids[0] for d, _ in rows])  # pyright: ignore[reportAttributeAccessIssue]
        arm = torch.tensor([d.action_ids[0] for d, _ in rows])  # pyright: ignore[reportAttributeAccessIssue]
        advantage = torch.tensor([a for _, a in rows], dtype=torch.float32)
        optimizer.zero_grad()
        (-(advantage * policy.logits.log_softmax(1)[at, arm]).mean()).backward()
        optimizer.step()
    return policy.success


def row(name: str, seeds: int, updates: int) -> dict[str, Any]:
    """What came of one estimator."""
    config = CreditConfig(name=name) if name != OWN_STEP else CreditConfig()

    def credit(groups: Sequence[Group], agent: Agent) -> list[Credit]:
        return own_step(groups, agent) if name == OWN_STEP else give_credit(groups, config, agent)

    start = time.perf_counter()
    try:
        success = [learned(credit, seed, updates) for seed in range(seeds)]
    except ConfigError as refusal:
        return {"estimator": name, "refused": str(refusal)}
    seconds = (time.perf_counter() - start) / seeds
    return {"estimator": name, "success": [round(s, 4) for s in success], "seconds": round(seconds, 2)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--updates", type=int, default=60)
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    rows = []
    for name in (*names("estimator"), OWN_STEP):
        rows.append(row(name, options.seeds, options.updates))
        print(rows[-1], flush=True)
    found = {
        "options": {"seeds": options.seeds, "updates": options.updates, "episodes": 32 * options.updates},
        "start": START, "bar": BAR, "rows": rows,
    }  # fmt: skip
    options.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
