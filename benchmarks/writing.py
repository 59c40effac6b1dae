"""Writing without knowing the question: share of questions whose evidence is all still held when the stream is over.

python benchmarks/writing.py train --fold 0 [--credit return_to_go --steps 30 --seed 0]   # a run under runs/writing
python benchmarks/writing.py train --fold 0 --sets locomo --tokens 2048 --out runs/writing/locomo2048_fold0_seed0
python benchmarks/writing.py measure runs/writing/NAME   # results/writing/NAME.json, unlearned rows beside it
python benchmarks/readme_tables.py                       # docs/writing.md's table

Trains on the train files of all sets and on four dialogues of LoCoMo; measures on the valid files and on the other
two, each stream under 5, 10 and 20 % of its own tokens, LoCoMo under 2,048 tokens too. Needs MEMRL_DATA.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import memrl
from memrl.contracts.capabilities import EvidenceReader, need
from memrl.contracts.protocols import Agent
from memrl.contracts.types import Episode, Task
from memrl.controllers.fifo import Fifo
from memrl.controllers.kept_longest import Longest
from memrl.controllers.kept_novel import Novel
from memrl.controllers.uniform_random import UniformRandom
from memrl.evaluate import held_out_tasks
from memrl.recipes import recipe
from memrl.rollouts.play import EpisodeContext, play_episode
from memrl.rollouts.scheduler import play_all
from memrl.training.build import build_agent, build_memory
from memrl.training.run_folder import load_run

RESULTS = Path(__file__).parent / "results" / "writing"
SETS = ("locomo", "friendsqa", "timeqa", "2wiki_qa", "hotpotqa", "fairytaleqa")
FOLDS = (("conv-26", "conv-30"), ("conv-41", "conv-42"), ("conv-43", "conv-44"))
SHARES = (0.05, 0.1, 0.2)
LOCOMO_TOKENS = 2048


def train(args: argparse.Namespace) -> None:
    config = recipe(
        "writing",
        seed=args.seed,
        steps=args.steps,
        env={"options": {"data": list(args.sets), "held_out": list(FOLDS[args.fold])}},
        memory={"token_budget": args.tokens, "read_budget": args.tokens},
        policy={"options": {"tokenizer": "smollm2-135m"}},
        credit={"name": args.credit, "options": {}},
        out=args.out or f"runs/writing/{args.credit}_fold{args.fold}_seed{args.seed}",
    )
    memrl.train(config)


def measure(args: argparse.Namespace) -> None:
    config, parts = load_run(args.run)
    agent = build_agent(config)
    agent.controller.load_state_dict(parts["controller"])
    rows: dict[str, Any] = {
        "learned": agent.controller,
        "fifo": Fifo(),
        "random": UniformRandom(),
        "longest": Longest(),
        "novel": Novel(),
    }
    tasks = [task for task in held_out_tasks(agent, config, 0, None) if not args.sets or task.theta.set in args.sets]
    found: dict[str, dict[str, dict[str, list[int]]]] = {}
    for share in (*args.shares, LOCOMO_TOKENS):
        mine = [task for task in tasks if share <= 1 or task.theta.set == "locomo"]
        for name, controller in rows.items():
            for task, held in zip(mine, _held(replace(agent, controller=controller), config, mine, share), strict=True):
                found.setdefault(str(share), {}).setdefault(task.theta.set, {}).setdefault(name, []).extend(held)
        print(
            share,
            {
                k: {n: round(float(np.mean(v)), 3) for n, v in one.items()}
                for k, one in found.get(str(share), {}).items()
            },
        )
    RESULTS.mkdir(parents=True, exist_ok=True)
    path = RESULTS / f"{Path(args.run).name}.json"
    path.write_text(json.dumps({"config": {"seed": config.seed, "steps": config.steps}, "held": found}) + "\n")


def _held(agent: Agent, config: Any, tasks: Sequence[Task], share: float) -> list[list[int]]:
    """Of each task, for each question whose evidence is labelled, whether it is all held at the end."""
    episodes = []
    for i, task in enumerate(tasks):
        tokens = sum(agent.count_tokens(unit.text) for unit in agent.task_source._stories(task).units)  # type: ignore
        budget = int(tokens * share) if share <= 1 else int(share)
        memory = replace(config.memory, token_budget=budget, read_budget=budget)
        player = replace(
            agent,
            new_memory=lambda memory=memory: build_memory(memory, agent.count_tokens, agent.embedder),
            read_budget=budget,
        )
        context = EpisodeContext(
            agent=player, task=task, memory=player.new_memory(), rng=np.random.default_rng(i), greedy=True
        )
        episodes += play_all([play_episode(context)], player, 1)
    reader = need(agent.task_source, EvidenceReader, "env.name", "documents", "it knows the evidence")
    return [_answerable(episode, reader) for episode in episodes]


def _answerable(episode: Episode, reader: EvidenceReader) -> list[int]:
    held = []
    for step in episode.steps:
        if step.observation.wants_action and reader.blame(episode.task, step.observation.id, frozenset()):
            seen = frozenset(line.observation_id for line in step.view)
            held.append(int(not reader.blame(episode.task, step.observation.id, seen)))
    return held


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    todo = parser.add_subparsers(required=True)
    one = todo.add_parser("train")
    one.add_argument("--fold", type=int, default=0, choices=range(len(FOLDS)))
    one.add_argument("--seed", type=int, default=0)
    one.add_argument("--steps", type=int, default=30)
    one.add_argument("--credit", default="retention")
    one.add_argument("--sets", nargs="+", default=SETS, help="what it trains on")
    one.add_argument("--tokens", type=int, default=1024, help="memory in training")
    one.add_argument("--out", default="")
    one.set_defaults(run_it=train)
    one = todo.add_parser("measure")
    one.add_argument("run", type=Path)
    one.add_argument("--sets", nargs="*", default=())
    one.add_argument("--shares", nargs="*", type=float, default=SHARES)
    one.set_defaults(run_it=measure)
    args = parser.parse_args()
    run_it: Callable[[argparse.Namespace], None] = args.run_it
    run_it(args)


if __name__ == "__main__":
    main()
