"""TextWorld cooking on unseen games: what a trained memory is worth, and what reward adds to a warm start.

python benchmarks/textworld_cooking.py train RUNS SEED ...   # the recipe textworld; to results/textworld/SEED.json
python benchmarks/textworld_cooking.py sampled RUNS SEED ... # the same with sampled commands, before and after RL
python benchmarks/textworld_cooking.py long RUNS SEED ...    # the same runs in episodes of three games
"""

from __future__ import annotations

import dataclasses
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import torch

import memrl
from memrl.contracts.capabilities import Demonstrates, need
from memrl.contracts.config import TrainConfig
from memrl.contracts.errors import ConfigError
from memrl.contracts.offer_sets import stacked
from memrl.contracts.protocols import Agent
from memrl.contracts.types import CONTROLLER, OpDecision, Task
from memrl.evaluate import EvalReport, evaluate, evaluate_agent, held_out_tasks
from memrl.recipes import recipe
from memrl.rollouts.scheduler import play
from memrl.training.build import build_agent
from memrl.training.demonstrations import Guide
from memrl.training.export import read_controller, write_controller
from memrl.training.players import with_controller
from memrl.training.run_folder import load_run
from memrl.training.warm_up import warm_up

OUT = Path(__file__).parent / "results" / "textworld"
WHO = "imitation"
EVALUATED = 2
"""Seed of the held-out games."""
GAMES = 16
ROWS = ("scorer", "untrained", "none", "window", "fifo", "bm25_archive", "full_context", "oracle")
BEFORE = ("scorer", "window")
"""Rows before RL: the policy as the warm start left it, the scorer as imitation did."""
IMITATED = 8
"""Training games along which the scorer is shown what the best keeper does."""
LONG, LONG_ROWS, LONG_GAMES = 100, ("scorer", "window"), 4
"""Commands of the longer episodes, games in a row; rows and episodes there."""


def config(seed: int, out: str, start: str = "", evaluated: str = "test", **changes: Any) -> TrainConfig:
    made = recipe("textworld", seed=seed, out=out, controller={"start": start}, **changes)
    return replace(
        made,
        env=replace(made.env, options={**made.env.options, "evaluated": evaluated}),
        warm_start=replace(made.warm_start, controller_steps=0),  # ``keeper`` teaches it
    )


def keeper(made: TrainConfig, folder: Path) -> float:
    """A scorer that imitates the best keeper along walkthroughs of training games; its last loss."""
    agent = build_agent(made)
    source = agent.task_source
    tasks = [source.train(source.cells()[-1], number) for number in range(IMITATED)]
    loss = imitate(agent.controller, kept_along(agent, made, tasks, "oracle"), steps=300, seed=made.seed)
    write_controller(folder, made, agent.controller.state_dict(), {"from": "the best keeper along walkthroughs"})
    return loss


def kept_along(agent: Agent, config: TrainConfig, tasks: Sequence[Task], keeper: str) -> list[OpDecision]:
    """What a keeper chose along the walkthroughs of tasks, wherever there was a choice.

    Args:
        keeper: a controller by name that chooses among the run's own offers, such as "oracle".

    Raises:
        ConfigError: the source knows no walkthroughs, or there is no such controller here.
        DataError: a walkthrough cannot be followed.
    """
    source = need(agent.task_source, Demonstrates, WHO, keeper, "imitate nobody")
    player = replace(with_controller(agent, config, keeper, WHO), policy=Guide(source, tasks), others={})
    episodes = [group.episodes[0] for group in play(player, tasks, [config.seed, 0x1317], tries=1)]
    return [
        one
        for episode in episodes
        for one in episode.decisions
        if isinstance(one, OpDecision) and one.actor == CONTROLLER and len(one.offers) > 1
    ]


def imitate(
    scorer: Any,
    decisions: Sequence[OpDecision],
    *,
    steps: int,
    batch_size: int = 64,
    learning_rate: float = 0.01,
    seed: int = 0,
) -> float:
    """Adam on the cross-entropy of the choices; returns the mean over the last tenth of the steps, in nats.

    Raises:
        ConfigError: there are no choices.
    """
    if not decisions:
        raise ConfigError(WHO, 0, "there was nothing to choose along these walkthroughs")
    every = stacked([one.offers for one in decisions])
    choice_D = np.array([one.choice for one in decisions])
    optimizer = torch.optim.Adam(scorer.parameters(), lr=learning_rate)
    rng = np.random.default_rng(seed)
    losses: list[float] = []
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate * (1 - step / steps)
        at = rng.integers(len(decisions), size=min(batch_size, len(decisions)))
        part = every.take(at)
        logprobs_DC, _ = scorer.logprobs(*map(torch.from_numpy, (part.rows, part.numbers, part.counts)))
        loss = -logprobs_DC.gather(1, torch.from_numpy(choice_D[at])[:, None]).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    optimizer.zero_grad()
    scorer.bump()
    return float(np.mean(losses[-max(1, steps // 10) :]))


def plain(report: EvalReport) -> dict[str, Any]:
    """Rows by name."""
    return {row.controller: dataclasses.asdict(row) for row in report.rows}


class Quiet:
    """Reports of the warm start go nowhere."""

    def progress(self, title: str, total: int) -> Callable[[], None]:
        return lambda: None

    def say(self, text: str) -> None:
        """Nothing."""


def before_rl(made: TrainConfig, start: Path) -> dict[str, Any]:
    """The same games with what RL began with; the warm start is made again, to the same bits."""
    agent = build_agent(made)
    warm_up(agent, made, Quiet())
    trained = read_controller(start)[1]
    return plain(evaluate_agent(agent, made, seed=EVALUATED, rows=BEFORE, episodes=GAMES, trained=trained))


def main(seed: int, runs: Path) -> None:
    folder, start = runs / f"{seed}", runs / f"{seed}-keeper"
    started, used = time.perf_counter(), time.process_time()
    if not (folder / "done.json").exists():
        loss = keeper(config(seed, ""), start)
        memrl.train(config(seed, str(folder), str(start)))
        taken = {"train_seconds": time.perf_counter() - started, "train_cpu_seconds": time.process_time() - used}
        (runs / f"{seed}.json").write_text(json.dumps({**taken, "imitation_loss": loss}))
    made, _ = load_run(folder)
    before = before_rl(made, start)
    report = evaluate(folder, rows=ROWS, seed=EVALUATED, episodes=GAMES)
    told = {
        "seed": seed, "episodes": report.episodes, "steps": made.steps,
        "tries": made.steps * made.rollout.tasks * made.rollout.group_size,
        **json.loads((runs / f"{seed}.json").read_text()), "floor": report.floor,
        "memory_tokens": report.memory_budget_tokens, "read_tokens": report.read_budget_tokens,
        "rows": plain(report), "before": before,
    }  # fmt: skip
    write(seed, told)


def begun(seed: int, runs: Path) -> None:
    """What the run began with, once more, beside its other figures."""
    made, _ = load_run(runs / f"{seed}")
    told = json.loads((OUT / f"{seed}.json").read_text())
    write(seed, {**told, "before": before_rl(made, runs / f"{seed}-keeper")})


def drawn(agent: Agent, made: TrainConfig) -> float:
    """Success with sampled commands, as training plays."""
    groups = play(agent, held_out_tasks(agent, made, EVALUATED, GAMES), [EVALUATED], tries=1, greedy=False)
    return mean(group.episodes[0].success for group in groups)


def sampled(seed: int, runs: Path) -> None:
    """Before and after RL with sampled commands, beside the run's other figures."""
    made, parts = load_run(runs / f"{seed}")
    agent = build_agent(made)
    warm_up(agent, made, Quiet())
    agent.controller.load_state_dict(read_controller(runs / f"{seed}-keeper")[1])
    told = json.loads((OUT / f"{seed}.json").read_text())
    found = {"before": drawn(agent, made)}
    agent.policy.load_state_dict(parts["policy"])
    agent.controller.load_state_dict(parts["controller"])
    found["after"] = drawn(agent, made)
    print(seed, found, flush=True)
    write(seed, {**told, "sampled": found})


def longer(seed: int, runs: Path) -> None:
    """The same run in longer episodes, beside its other figures."""
    far = evaluate(runs / f"{seed}", rows=LONG_ROWS, seed=EVALUATED, horizon=LONG, episodes=LONG_GAMES)
    told = json.loads((OUT / f"{seed}.json").read_text())
    write(seed, {**told, "long": {"commands": LONG, "episodes": far.episodes, "rows": plain(far)}})


def write(seed: int, told: dict[str, Any]) -> None:
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / f"{seed}.json").write_text(json.dumps(told, indent=1) + "\n")
    for part, rows in (("rows", told["rows"]), ("before", told["before"]), ("long", told.get("long", {}).get("rows"))):
        print(seed, part, {name: round(row["success"], 3) for name, row in (rows or {}).items()}, flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    what, runs, *seeds = sys.argv[1:]
    for each in seeds:
        {"train": main, "before": begun, "sampled": sampled, "long": longer}[what](int(each), Path(runs))
