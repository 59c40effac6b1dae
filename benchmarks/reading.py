"""What is brought into view out of everything, on real text: the learned reader beside the usual ways to search.

python benchmarks/reading.py fold 0        # LoCoMo's dialogues 1 and 2 held out, the other sets by their own split
python benchmarks/reading.py without timeqa    # trained on the other sets, tried on all of timeqa
python benchmarks/reading.py credit broadcast  # LoCoMo alone, first fold, another estimator of credit
python benchmarks/reading.py ship          # the controller that the package ships: no set that forbids it

Trained by reward for evidence alone (recipe ``reading``). Counted is, question by question, whether all of the evidence
of one accepted set is in view, at read budgets of 128, 256 and 512 tokens of SmolLM2's; every row fills the same budget
out of the same entries. Figures go to results/reading/NAME.json, the run stays in runs/reading-NAME.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
from pathlib import Path
from typing import Any

import torch
from machine import machine

import memrl
from memrl.contracts.config import TrainConfig
from memrl.contracts.protocols import Agent
from memrl.envs.documents.tasks import DocumentsTasks
from memrl.policies.oracle_reader import OracleReader
from memrl.recipes import recipe
from memrl.rollouts.scheduler import play
from memrl.training.build import build_agent, build_controller
from memrl.training.run_folder import load_run

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results" / "reading"
SETS = ("locomo", "friendsqa", "2wiki_qa", "hotpotqa", "timeqa")
MORE = ("fairytaleqa",)
"""Trained on too, not tried."""
SHIPPED = ("timeqa", "2wiki_qa", "hotpotqa", "fairytaleqa", "sgd_state")
"""Sets whose licences let a model that learned from them be given on."""
FOLDS = (("conv-26", "conv-30"), ("conv-41", "conv-42"), ("conv-43", "conv-44"))
BUDGETS = (128, 256, 512)
ROWS = ("bm25", "dense", "rrf", "late_interaction", "evidence")


def trained(
    name: str, data: tuple[str, ...], held_out: tuple[str, ...], seed: int, steps: int, credit: str = "reading"
) -> tuple[Path, float]:
    """A run on these sets, and its seconds."""
    config = recipe(
        "reading", seed=seed, steps=steps, checkpoint_every=steps, out=str(ROOT / "runs" / f"reading-{name}"),
        env={"options": {"data": data, "held_out": held_out, "questions": 40}},
        curriculum={"name": "target"}, credit={"name": credit},
    )  # fmt: skip
    started = time.perf_counter()
    return memrl.train(config), time.perf_counter() - started


def tried(run: Path, sets: dict[str, tuple[str, ...]]) -> dict[str, Any]:
    """Set -> budget -> row -> a digit for each question: 1 where all of its evidence was in view."""
    config, parts = load_run(run)
    found: dict[str, Any] = {}
    for name, held_out in sets.items():
        options = {"data": (name,), "held_out": held_out}
        own = dataclasses.replace(config, env=dataclasses.replace(config.env, options=options))
        agent = build_agent(own)
        agent.controller.load_state_dict(parts["controller"])
        agent = dataclasses.replace(agent, policy=OracleReader({agent.task_source.name: agent.task_source}))
        found[name] = {
            str(budget): {row: in_view(with_row(agent, own, row, budget)) for row in ("learned", *ROWS)}
            for budget in BUDGETS
        }
        for budget, rows in found[name].items():
            shares = {row: round(digits.count("1") / len(digits), 3) for row, digits in rows.items()}
            print(name, budget, len(rows["rrf"]), shares, flush=True)
    return found


def with_row(agent: Agent, config: TrainConfig, row: str, budget: int) -> Agent:
    """The agent with another reader and another read budget."""
    agent = dataclasses.replace(agent, read_budget=budget)
    if row == "learned":
        return agent
    assert agent.offers is not None
    rule = dataclasses.replace(config, controller=dataclasses.replace(config.controller, name=row, options={}))
    made = build_controller(row, rule, agent.table, agent.task_source, agent.count_tokens, names=agent.offers.names)
    return dataclasses.replace(agent, controller=made)


def in_view(agent: Agent) -> str:
    """A digit for each held-out question that has evidence, in the order of streams."""
    source = agent.task_source
    assert isinstance(source, DocumentsTasks)
    tasks = [source.held_out(i) for i in range(source.num_tasks)]
    groups = play(agent, tasks, [0, 0x4EAD], tries=1, greedy=True)
    return "".join(
        str(int(step.verdict.score == 1.0))
        for group in groups
        for step in group.episodes[0].steps
        if step.verdict is not None and source.blame(group.task, step.observation.id, frozenset())
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("fold", "without", "credit", "ship"))
    parser.add_argument("which", nargs="?", default="")
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    name = "-".join(filter(None, (options.what, options.which)))
    if options.what == "fold":
        held = FOLDS[int(options.which)]
        data, seed = (*SETS, *MORE), int(options.which)
        sets = {one: held if one == "locomo" else () for one in SETS}
    elif options.what == "without":
        held, seed = (), options.seed
        data = tuple(one for one in (*SETS, *MORE) if one != options.which)
        sets = {options.which: ("all",)}
    elif options.what == "credit":
        held, seed, data = FOLDS[0], options.seed, ("locomo",)
        sets = {"locomo": held}
    else:
        held, seed, data = (), options.seed, SHIPPED
        sets = {one: ("all",) if one not in SHIPPED else () for one in (*SETS, *MORE, "sgd_state")}
    credit = options.which if options.what == "credit" else "reading"
    run, seconds = trained(name, data, held, seed, options.steps, credit)
    curve = [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    told = {
        "what": name, "trained_on": data, "seed": seed, "steps": options.steps, "train_seconds": round(seconds, 1),
        "episodes": [32 * one["step"] for one in curve], "practice_success": [one["practice_success"] for one in curve],
        "machine": machine(), "sets": tried(run, sets),
    }  # fmt: skip
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
