"""toolworld: what memory is worth to an agent with three tools, what RL adds, and how far it reaches.

python benchmarks/toolworld.py SEED     # trains the recipe; its figures go to results/toolworld/SEED.json

Every row plays the same held-out tasks (names and phrasings that no training task has) under the same budget, its calls
and ops drawn as training draws them.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from curves import curve_of

import memrl
from memrl.contracts.config import TrainConfig
from memrl.contracts.protocols import Agent
from memrl.contracts.types import Episode, Task
from memrl.envs.toolworld.measure import count_calls
from memrl.evaluate import for_evaluation
from memrl.recipes import recipe
from memrl.rollouts.scheduler import play
from memrl.training.build import build_agent
from memrl.training.players import make_row, with_controller
from memrl.training.run_folder import load_run
from memrl.training.warm_up import warm_up

ROOT = Path(__file__).parents[1]
EVALUATED = 3_000_017
"""Seed of the first held-out task."""
HORIZONS = {30: 64, 100: 24, 300: 8}
"""Sub-goals of an episode -> held-out tasks."""
ROWS = ("none", "window", "fifo", "untrained", "bm25_archive", "oracle", "full_context")
FAR = ("window", "bm25_archive", "oracle", "full_context")
"""Rows of the longer tasks."""


class Player:
    """The agent of a run with its parts in any state."""

    def __init__(self, config: TrainConfig, parts: dict[str, Any], warm: dict[str, Any]) -> None:
        self.config, self._parts, self._warm = config, parts, warm

    def agent(self, policy: str = "trained", controller: str = "trained", config: TrainConfig | None = None) -> Agent:
        """``policy``: "trained", "warm" (before RL) or "random"; ``controller``: "trained" or "untrained"."""
        agent = build_agent(config or self.config)
        if policy != "random":
            agent.policy.load_state_dict(self._parts["policy"] if policy == "trained" else self._warm)
        if controller == "trained":
            agent.controller.load_state_dict(self._parts["controller"])
        return agent


def played(agent: Agent, tasks: Sequence[Task], greedy: bool = False) -> list[Episode]:
    return [group.episodes[0] for group in play(agent, tasks, [EVALUATED], tries=1, greedy=greedy)]


def told(episodes: Sequence[Episode]) -> dict[str, Any]:
    """Figures of one row."""
    counts = count_calls(episodes)
    acts = [step for one in episodes for step in one.steps if step.observation.wants_action]
    kinds: dict[str, list[float]] = {}
    for step in acts:
        if step.verdict is not None:
            kinds.setdefault(step.verdict.category, []).append(step.verdict.score)
    view = [sum(len(line.text.split()) for line in step.view) for step in acts]
    return {
        "success": sum(one.success for one in episodes) / len(episodes),
        "each": [one.success for one in episodes],
        "by_kind": {kind: sum(scores) / len(scores) for kind, scores in sorted(kinds.items())},
        "invalid_share": counts.invalid_share,
        "tokens_a_step": sum(step.context_tokens for step in acts) / len(acts),
        "view_words_a_step": sum(view) / len(view),
    }


def row(player: Player, name: str, config: TrainConfig, tasks: Sequence[Task]) -> dict[str, Any]:
    """One row of others in the controller's place, with the trained policy."""
    if name == "full_context":
        made = make_row(player.agent(config=config), config, name, "rows")
        return told([one.episode for one in made.play(tasks, [EVALUATED])])
    if name == "untrained":
        return told(played(player.agent(controller="untrained", config=config), tasks))
    return told(played(with_controller(player.agent(config=config), config, name, "rows"), tasks))


class Silent:
    """Takes reports and says nothing."""

    def __getattr__(self, name: str) -> Any:
        return lambda *_, **__: lambda *_, **__: None


def warmed(config: TrainConfig) -> dict[str, Any]:
    """State of the policy as RL found it: the warm start of the same seed, once more."""
    agent = build_agent(config)
    torch.manual_seed(config.seed)
    warm_up(agent, config, Silent())  # pyright: ignore[reportArgumentType]
    return agent.policy.state_dict()


def evaluated(player: Player) -> dict[str, Any]:
    found: dict[str, Any] = {"rows": {}, "horizons": {}}
    for horizon, count in HORIZONS.items():
        config = for_evaluation(player.config, horizon=horizon)
        source = build_agent(config).task_source
        tasks = [source.held_out(EVALUATED + i) for i in range(count)]
        names = ROWS if horizon == 30 else FAR
        rows = {"scorer": told(played(player.agent(config=config), tasks))}
        rows |= {name: row(player, name, config, tasks) for name in names}
        if horizon == 30:
            found["rows"] = rows
            found["greedy"] = told(played(player.agent(config=config), tasks, greedy=True))
            bm25 = with_controller(player.agent(policy="warm", config=config), config, "bm25_archive", "rows")
            found["before RL, bm25_archive"] = told(played(bm25, tasks))
            found["before RL, memory after RL"] = told(played(player.agent(policy="warm"), tasks))
            found["before RL"] = told(played(player.agent(policy="warm", controller="untrained"), tasks))
            found["before the warm start"] = told(played(player.agent("random", "untrained"), tasks))
        found["horizons"][horizon] = {name: {**one, "each": None} for name, one in rows.items()}
        print(horizon, {name: round(one["success"], 3) for name, one in rows.items()}, flush=True)
    return found


def main(seed: int) -> None:
    torch.set_num_threads(1)
    config = recipe("toolworld", seed=seed, out=f"/tmp/toolworld-{seed}")
    started, used = time.perf_counter(), time.process_time()
    folder = memrl.train(config)
    seconds, cpu = time.perf_counter() - started, time.process_time() - used
    made, parts = load_run(folder)
    assert not made.evaluation.greedy  # as ``played`` plays
    found = evaluated(Player(made, parts, warmed(made)))
    found |= {
        "seed": seed,
        "steps": made.steps,
        "episodes_a_step": made.rollout.tasks * made.rollout.group_size,
        "tasks": HORIZONS,
        "train_seeds": made.env.train_seeds,
        "memory_words": made.memory.token_budget,
        "curve": curve_of(folder),
        "train_seconds": seconds,
        "train_cpu_seconds": cpu,
    }
    out = ROOT / "benchmarks" / "results" / "toolworld" / f"{seed}.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(seed, {name: round(one["success"], 3) for name, one in found["rows"].items()}, round(seconds), round(cpu))


if __name__ == "__main__":
    main(int(sys.argv[1]))
