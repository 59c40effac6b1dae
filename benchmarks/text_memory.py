"""Memory that a language model writes, in five ways, on one MemWorld task in 8 chunks and in 64: before RL and after.

python benchmarks/text_memory.py SEED KIND...     # figures go to results/text_memory/KIND-SEED.json
python benchmarks/text_memory.py SEED             # the first five kinds
python benchmarks/text_memory.py SEED KIND short  # the two main lengths alone, and no questions at once

Kinds, all on the same tasks with the same budget of words and the same network as the policy:
    overwrite   one text, written anew for each chunk (MemAgent)
    state       the same before each answer as well, where the question is known (MEM1)
    ops         calls over numbered entries, under a grammar (Memory-R1, Mem-alpha)
    hybrid      a scorer chooses the op, the policy writes the note
    scorer      the same sentences one by one, kept whole: nothing is written
    mem1        the recipe: ``state`` on texts with 16 questions, N questions at once alone
    ops_memory_r1, ops_mem_alpha, ops_age_mem, ops_return_to_go    ops under other credit than MemAgent's
"""

from __future__ import annotations

import dataclasses
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from curves import curve_of
from overwrite import EVALUATED, FRESH, LENGTHS, Silent, measured, scorer
from text_memory_tables import KINDS as FIVE

import memrl
from memrl.contracts.config import TrainConfig
from memrl.contracts.config_io import changed
from memrl.contracts.protocols import Agent
from memrl.contracts.types import TokenDecision
from memrl.recipes import recipe
from memrl.rollouts.scheduler import play
from memrl.training.build import build_agent
from memrl.training.policies import load_policies
from memrl.training.run_folder import load_run
from memrl.training.warm_up import warm_up

ROOT = Path(__file__).parents[1]
AT_ONCE = (2, 4, 8, 16)
"""Questions put at the end, all over the same memory, none known before."""
WORLDS = {"3 things": (3, 20), "12 things": (12, 48)}
"""Name -> things whose place is told once, in twice as many sentences; words of memory."""
STEPS = 100
"""Of RL, 64 episodes each, for every kind."""
OPS: dict[str, Any] = {"controller": {"name": "ops", "options": {"max_new_tokens": 16}}}
KINDS: dict[str, dict[str, Any]] = {
    "state": {
        "controller": {"name": "state", "options": {"max_new_tokens": 12, "questions": True}},
        "credit": {"name": "gae", "options": {"gae_lambda": 1.0}},
        "rollout": {"query_free": False},
    },
    "ops": OPS,
    "hybrid": {
        "controller": {
            "name": "hybrid",
            "options": {"note_tokens": 12, "width": 4, "hidden": 32},
            "max_ops": 1,
        },
        "credit": {"name": "return_to_go"},
        "warm_start": {"controller_steps": 200},
    },
    "overwrite": {},
    **{
        f"ops_{credit}": {**OPS, "credit": {"name": credit}}
        for credit in ("memory_r1", "mem_alpha", "age_mem", "return_to_go")
    },
}


def config_of(kind: str, seed: int) -> TrainConfig:
    """The recipe ``overwrite`` with another way to write; ``mem1`` as it is."""
    shared: dict[str, Any] = {"seed": seed, "steps": STEPS, "warm_start": {"reuse": True}}
    if kind == "mem1":
        return recipe("mem1", **shared)
    base = recipe("overwrite", **shared)
    if kind == "scorer":
        return scorer(base)
    return changed(base, {**KINDS[kind], "recipe": f"text_memory_{kind}"})


def at_once(agent: Agent, config: TrainConfig) -> dict[str, Any]:
    """Greedy play of texts that end in N questions: score a question, longest prompt of an episode in words.

    Asked one after another, as the policy says one word; what is rewritten for each of them is played without that too.
    """
    if not config.rollout.query_free:
        once = at_once(agent, changed(config, {"rollout": {"query_free": True}}))
        kept = {name.replace(" things", " things (questions leave memory alone)"): row for name, row in once.items()}
    else:
        kept = {}
    told: dict[str, Any] = {}
    for world, (things, budget) in WORLDS.items():
        for count in AT_ONCE:
            theta = {"objects": things, "horizon": 2 * things + count, "questions": count, "delay": 0}
            memory = {"token_budget": budget, "read_budget": budget}
            options = changed_env(config, theta)
            other = changed(config, {"env": {"options": options}, "memory": memory})
            player = build_agent(other, policy=agent.policy)
            player.controller.load_state_dict(agent.controller.state_dict())
            source = player.task_source
            tasks = [source.train(source.cells()[-1], FRESH + i) for i in range(64)]
            episodes = [group.episodes[0] for group in play(player, tasks, [EVALUATED], tries=1, greedy=True)]
            prompts = [[len(d.prompt_ids) for d in e.decisions if isinstance(d, TokenDecision)] for e in episodes]
            told[f"{world}, {count} questions"] = {
                "score": statistics.mean(e.success for e in episodes),
                "peak_tokens": statistics.mean(map(max, prompts)),
                "longest": max(map(max, prompts)),
            }
    return {**told, **kept}


def changed_env(config: TrainConfig, theta: dict[str, Any]) -> dict[str, Any]:
    """Options of the run's environment over another MemWorld."""
    options = dict(config.env.options)
    if "env_options" not in options:
        return {**options, **theta}
    return {**options, "env_options": {**options["env_options"], **theta}}


def measure(kind: str, seed: int, short: bool) -> dict[str, Any]:
    """Before RL and after."""
    config = config_of(kind, seed)
    agent, before = build_agent(config), time.process_time()
    warm_up(agent, config, Silent())
    lengths = [name for name in LENGTHS if not short or "other words" not in name]
    if kind == "mem1":
        lengths = []  # its texts are others than those of the five
    warm = {"train_cpu_seconds": time.process_time() - before, **measured(agent, config, lengths)}
    print(seed, kind, "warm start", {length: round(warm[length]["success"], 3) for length in lengths}, flush=True)
    with tempfile.TemporaryDirectory() as scratch:
        before = time.process_time()
        run = memrl.train(dataclasses.replace(config, out=f"{scratch}/run"))
        cpu = time.process_time() - before
        made, parts = load_run(run)
        curve = curve_of(run)
    agent = build_agent(made)
    load_policies(agent, parts)
    agent.controller.load_state_dict(parts["controller"])
    after = {"train_cpu_seconds": cpu, **measured(agent, made, lengths)}
    print(seed, kind, "after RL", {length: round(after[length]["success"], 3) for length in lengths}, flush=True)
    told = {"warm start": warm, "after RL": after, "curve": curve}
    return told if short else {**told, "at once": at_once(agent, made)}


def main(seed: int, kinds: list[str]) -> None:
    torch.set_num_threads(1)
    for kind in [kind for kind in kinds if kind != "short"] or FIVE:
        config = config_of(kind, seed)
        rows = measure(kind, seed, "short" in kinds)
        told = {
            "seed": seed, "kind": kind, "rl_steps": config.steps,
            "episodes_per_step": config.rollout.tasks * config.rollout.group_size, "credit": config.credit.name,
            "warm_start": dataclasses.asdict(config.warm_start), "memory_tokens": config.memory.token_budget,
            "curve": rows.pop("curve"), "rows": rows,
        }  # fmt: skip
        out = ROOT / "benchmarks" / "results" / "text_memory" / f"{kind}-{seed}.json"
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
