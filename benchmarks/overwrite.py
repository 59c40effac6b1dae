"""MemAgent's memory: one text rewritten for each chunk of a task, before RL and after, at 8 chunks and at 64.

python benchmarks/overwrite.py SEED     # trains the recipe, and a scorer; figures go to results/overwrite/SEED.json

Rows, all on the same tasks with the same budgets and the same network as the policy:
    warm start        the recipe's SFT on ideal memories, no RL
    after RL          the recipe: that, then reward alone
    scorer            the same sentences one by one, a scorer that keeps and forgets them; its own warm start and RL
    four times ...    four times the tasks and the steps of the warm start, no RL: what more imitation gives
"""

from __future__ import annotations

import dataclasses
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch

import memrl
from memrl.contracts.config import TrainConfig
from memrl.contracts.config_io import changed
from memrl.contracts.protocols import Agent
from memrl.contracts.types import TokenDecision
from memrl.evaluate import for_evaluation, held_out_tasks, summarise_row
from memrl.recipes import recipe
from memrl.rollouts.scheduler import play
from memrl.training.build import build_agent, build_task_source
from memrl.training.policies import load_policies
from memrl.training.run_folder import load_run
from memrl.training.warm_up import warm_up

ROOT = Path(__file__).parents[1]
EVALUATED = 7
"""Seed of the held-out tasks; a first setting was played on those of seed 5."""
FRESH = 2**31
"""Seeds from here on are drawn by no training run."""
LENGTHS = {
    "8 chunks": (28, 128, False),
    "64 chunks": (236, 32, False),
    "8 chunks, other words": (28, 128, True),
    "64 chunks, other words": (236, 32, True),
}
"""Name -> steps of the world in an episode, episodes, and whether names and phrasings are those never trained on."""


class Silent:
    """Nobody waits."""

    def progress(self, title: str, total: int) -> Callable[[], None]:
        return lambda: None

    def say(self, text: str) -> None:
        print(text, flush=True)


def scorer(config: TrainConfig) -> TrainConfig:
    """The same world, budgets, network and number of episodes, sentence by sentence."""
    return changed(
        config,
        {
            "recipe": "overwrite_scorer",
            "env": {"name": "memworld", "options": config.env.options["env_options"]},
            "memory": {"linker": "pattern"},
            "controller": {"name": "scorer", "options": {"width": 4, "hidden": 32, "subjects": True}, "max_ops": 1},
            "warm_start": {"memory_tasks": 0},
            "credit": {"name": "return_to_go"},
        },
    )


def measured(agent: Agent, config: TrainConfig, lengths: Iterable[str] = LENGTHS) -> dict[str, Any]:
    """Greedy play at some lengths."""
    told: dict[str, Any] = {}
    for name in lengths:
        horizon, episodes, other = LENGTHS[name]
        source = build_task_source(for_evaluation(config, horizon=horizon).env)
        player = dataclasses.replace(agent, task_source=source)
        fresh = [source.train(source.cells()[-1], FRESH + i) for i in range(episodes)]
        tasks = held_out_tasks(player, config, EVALUATED, episodes) if other else fresh
        before = time.process_time()
        groups = play(player, tasks, [EVALUATED], tries=1, greedy=True)
        seconds = time.process_time() - before
        played = [group.episodes[0] for group in groups]
        written = [d for e in played for d in e.decisions if isinstance(d, TokenDecision)]
        steps = horizon * episodes
        row = dataclasses.asdict(summarise_row(config.controller.name, played, seconds, None))
        told[name] = {
            **{key: row[key] for key in ("success", "ci95", "refused_ops", "by_episode")},
            "episodes": episodes,
            "writes_per_episode": sum(step.observation.writable for e in played for step in e.steps) / episodes,
            "tokens_read_per_step": sum(len(d.prompt_ids) for d in written) / steps,
            "tokens_written_per_step": sum(len(d.action_ids) for d in written) / steps,
            "cpu_seconds_per_step": seconds / steps,
        }
    return told


def warmed(config: TrainConfig) -> dict[str, Any]:
    """After the warm start alone."""
    agent, before = build_agent(config), time.process_time()
    warm_up(agent, config, Silent())
    return {"train_cpu_seconds": time.process_time() - before, **measured(agent, config)}


def trained(config: TrainConfig) -> dict[str, Any]:
    """After the whole run."""
    with tempfile.TemporaryDirectory() as scratch:
        before, started = time.process_time(), time.perf_counter()
        run = memrl.train(dataclasses.replace(config, out=f"{scratch}/run"))
        cpu, wall = time.process_time() - before, time.perf_counter() - started
        made, parts = load_run(run)
    agent = build_agent(made)
    load_policies(agent, parts)
    agent.controller.load_state_dict(parts["controller"])
    return {"train_cpu_seconds": cpu, "train_seconds": wall, **measured(agent, made)}


def main(seed: int) -> None:
    torch.set_num_threads(1)
    config = recipe("overwrite", seed=seed)
    four = {"memory_tasks": 4 * config.warm_start.memory_tasks, "steps": 4 * config.warm_start.steps}
    parts: dict[str, Callable[[], dict[str, Any]]] = {
        "warm start": lambda: warmed(config),
        "after RL": lambda: trained(config),
        "scorer": lambda: trained(scorer(config)),
        "four times the warm start": lambda: warmed(changed(config, {"warm_start": four})),
    }
    rows: dict[str, Any] = {}
    told = {
        "seed": seed, "rl_steps": config.steps, "episodes_per_step": config.rollout.tasks * config.rollout.group_size,
        "warm_start": dataclasses.asdict(config.warm_start), "memory_tokens": config.memory.token_budget,
        "rows": rows,
    }  # fmt: skip
    out = ROOT / "benchmarks" / "results" / "overwrite" / f"{seed}.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    for name, part in parts.items():
        rows[name] = part()
        print(seed, name, {length: round(rows[name][length]["success"], 3) for length in LENGTHS}, flush=True)
        out.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(int(sys.argv[1]))
