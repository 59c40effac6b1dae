"""Slow environments side by side: 16 episodes of 10 calls of 50 ms each, as they play and one after the other.

python benchmarks/slow_env.py         # figures go to results/slow_env.json
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from memory_stores.embed import HashEmbedder
from memory_stores.memory import AgentMemory
from memory_stores.token_store import TokenStore
from memrl.contracts.config import RolloutConfig
from memrl.contracts.protocols import Agent, Outcome
from memrl.contracts.texts import TextTable
from memrl.contracts.types import Observation, Task
from memrl.controllers.fifo import Fifo
from memrl.controllers.offers import OpOffers
from memrl.policies.scripted import ScriptedPolicy
from memrl.rollouts.scheduler import play

ROOT = Path(__file__).parents[1]
EPISODES, CALLS, SECONDS = 16, 10, 0.05


class Page:
    """Answers after a while, as a page or a tool does: ``start`` and nine steps wait."""

    def __init__(self, task: Task) -> None:
        self._seed, self._at = task.seed, 0

    def start(self) -> Observation:
        return self._shown()

    def step(self, action: Any) -> Outcome:
        self._at += 1
        return Outcome(0.1, self._shown()) if self._at < CALLS else Outcome(0.1, None, success=1.0)

    def _shown(self) -> Observation:
        time.sleep(SECONDS)
        return Observation(id=f"o{self._at}", step=self._at, content=f"Page {self._seed}.{self._at}", wants_action=True)


class Pages:
    name = "pages"

    def make(self, task: Task) -> Page:
        return Page(task)

    def cells(self) -> list[str]:
        return ["all"]

    def train(self, cell: str, seed: int) -> Task:
        return Task(env=self.name, theta=None, seed=seed, cell=cell)

    def held_out(self, seed: int) -> Task:
        return Task(env=self.name, theta=None, seed=seed, split="eval")


def agent(workers: int) -> Agent:
    embedder = HashEmbedder(16)
    table = TextTable(embedder)
    return Agent(
        policy=ScriptedPolicy(["next"]),
        controller=Fifo(),
        offers=OpOffers(table, len),
        task_source=Pages(),
        table=table,
        embedder=embedder,
        new_memory=lambda: AgentMemory(token=TokenStore(64, len), graph=None, archive=None),
        read_budget=64,
        count_tokens=len,
        rollout=RolloutConfig(env_workers=workers),
    )


def seconds(workers: int) -> float:
    tasks = [Pages().train("all", seed) for seed in range(EPISODES)]
    started = time.perf_counter()
    groups = play(agent(workers), tasks, [0], tries=1)
    assert all(episode.success == 1.0 for group in groups for episode in group.episodes)
    return time.perf_counter() - started


def main() -> None:
    one, many = seconds(0), min(seconds(32) for _ in range(3))
    told = {
        "episodes": EPISODES, "calls": CALLS, "call_seconds": SECONDS, "one_after_the_other": round(one, 3),
        "side_by_side": round(many, 3), "times": round(one / many, 1),
    }  # fmt: skip
    (ROOT / "benchmarks" / "results" / "slow_env.json").write_text(json.dumps(told, indent=1) + "\n")
    print(told)


if __name__ == "__main__":
    main()
