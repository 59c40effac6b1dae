"""TextWorld cooking on unseen games: what a trained memory is worth, and what reward adds to a warm start.

python benchmarks/textworld_cooking.py train RUNS SEED ...   # the recipe textworld; to results/textworld/SEED.json
python benchmarks/textworld_cooking.py greedy RUNS SEED ...  # the same runs played greedily, before and after RL
python benchmarks/textworld_cooking.py window RUNS SEED ...  # a policy taught and trained with a window for memory
python benchmarks/textworld_cooking.py few RUNS SEED ...     # reward after a warm start of few walkthroughs
python benchmarks/textworld_cooking.py more RUNS SEED ...    # the same in three times as many steps
python benchmarks/textworld_cooking.py long RUNS SEED ...    # the same runs in episodes of three games

In this order: each adds to what the first wrote; few and more write to folders of their own. Commands are drawn, as
training draws them, unless it says greedily.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from curves import curve_of

import memrl
from memrl.contracts.config import TrainConfig
from memrl.contracts.protocols import Agent
from memrl.evaluate import EvalReport, evaluate, evaluate_agent
from memrl.recipes import recipe
from memrl.training.build import build_agent
from memrl.training.run_folder import load_run
from memrl.training.warm_up import warm_up

OUT = Path(__file__).parent / "results" / "textworld"
EVALUATED = 2
"""Seed of the held-out games."""
GAMES = 64
ROWS = ("scorer", "untrained", "none", "window", "fifo", "bm25_archive", "full_context", "oracle")
FEW_OUT = OUT.with_name("textworld_few")
FEW = 8
"""Walkthroughs of the weaker warm start."""
MORE_OUT, MORE = OUT.with_name("textworld_more"), 3
"""Times the recipe's steps."""
BEFORE = ("scorer", "window")
"""Rows before RL: policy and scorer as the warm start left them."""
LONG, LONG_ROWS, LONG_GAMES = 100, ("scorer", "window"), 16
"""Commands of the longer episodes, games in a row; rows and episodes there."""


def config(seed: int, out: str, evaluated: str = "test") -> TrainConfig:
    made = recipe("textworld", seed=seed, out=out)
    return replace(made, env=replace(made.env, options={**made.env.options, "evaluated": evaluated}))


def plain(report: EvalReport) -> dict[str, Any]:
    """Rows by name."""
    return {row.controller: dataclasses.asdict(row) for row in report.rows}


class Quiet:
    """Reports of the warm start go nowhere."""

    def progress(self, title: str, total: int) -> Callable[[], None]:
        return lambda: None

    def say(self, text: str) -> None:
        """Nothing."""


def begun(made: TrainConfig) -> Agent:
    """What RL began with; the warm start is made again, to the same bits."""
    agent = build_agent(made)
    warm_up(agent, made, Quiet())
    return agent


def main(seed: int, runs: Path) -> None:
    folder = runs / f"{seed}"
    taken = trained(config(seed, str(folder)), runs / f"{seed}.json")
    made, _ = load_run(folder)
    before, report = before_and_after(folder, BEFORE, ROWS)
    told = {
        "seed": seed, "episodes": report.episodes, "steps": made.steps, "games": made.env.train_seeds,
        "walkthroughs": made.warm_start.demonstrations,
        "tries": made.steps * made.rollout.tasks * made.rollout.group_size,
        **taken, "floor": report.floor,
        "memory_tokens": report.memory_budget_tokens, "read_tokens": report.read_budget_tokens,
        "curve": curve_of(folder), "rows": plain(report), "before": plain(before),
    }  # fmt: skip
    write(seed, told)


def trained(made: TrainConfig, file: Path) -> dict[str, float]:
    """Train, or go on; what it took stands in ``file``."""
    folder = Path(str(made.out))
    started, used = time.perf_counter(), time.process_time()
    if not (folder / "done.json").exists():
        memrl.train(made, resume=folder if folder.exists() else None)
        taken = {"train_seconds": time.perf_counter() - started, "train_cpu_seconds": time.process_time() - used}
        file.write_text(json.dumps(taken))
    return json.loads(file.read_text())


def before_and_after(folder: Path, before: tuple[str, ...], after: tuple[str, ...]) -> tuple[EvalReport, EvalReport]:
    """Rows of what RL began with, and of what it ended with, on the same games."""
    made, _ = load_run(folder)
    agent = begun(made)
    start = agent.controller.state_dict() if hasattr(agent.controller, "state_dict") else None
    first = evaluate_agent(agent, made, seed=EVALUATED, rows=before, episodes=GAMES, trained=start)
    return first, evaluate(folder, rows=after, seed=EVALUATED, episodes=GAMES)


def greedily(seed: int, runs: Path) -> None:
    """Before and after RL with the likeliest command at each step, beside the run's other figures."""
    made, parts = load_run(runs / f"{seed}")
    made = replace(made, evaluation=replace(made.evaluation, greedy=True))
    agent = begun(made)
    found = {}
    for when in ("before", "after"):
        if when == "after":
            agent.policy.load_state_dict(parts["policy"])
            agent.controller.load_state_dict(parts["controller"])
        start = agent.controller.state_dict()
        report = evaluate_agent(agent, made, seed=EVALUATED, rows=("own",), episodes=GAMES, trained=start)
        found[when] = report.rows[0].success
    add(seed, {"greedy": found})


def window(seed: int, runs: Path) -> None:
    """The same policy with walkthroughs and RL of its own behind a window, which learns nothing itself."""
    made = config(seed, str(runs / f"window-{seed}"))
    made = replace(
        made,
        warm_start=replace(made.warm_start, demonstrated_with="own", controller_steps=0),
        controller=replace(made.controller, name="window", options={}),
    )
    trained(made, runs / f"window-{seed}.json")
    before, after = before_and_after(Path(str(made.out)), ("own",), ("own",))
    add(seed, {"taught_window": {"before": plain(before)["window"], "after": plain(after)["window"]}})


def few(seed: int, runs: Path, times: int = 1, out: Path = FEW_OUT) -> None:
    """What reward adds where there are few walkthroughs, in so many times the recipe's steps."""
    folder = runs / f"{out.name}-{seed}"
    made = config(seed, str(folder))
    made = replace(made, steps=times * made.steps, warm_start=replace(made.warm_start, demonstrations=FEW))
    trained(made, folder.with_suffix(".json"))
    before, after = before_and_after(Path(str(made.out)), ("own",), ("own",))
    told = {
        "seed": seed, "episodes": after.episodes, "walkthroughs": FEW, "steps": made.steps,
        "tries": made.steps * made.rollout.tasks * made.rollout.group_size,
        "curve": curve_of(Path(str(made.out))), "before": plain(before)["scorer"], "after": plain(after)["scorer"],
    }  # fmt: skip
    out.mkdir(parents=True, exist_ok=True)
    (out / f"{seed}.json").write_text(json.dumps(told, indent=1) + "\n")
    print(seed, {when: round(told[when]["success"], 3) for when in ("before", "after")}, flush=True)


def more(seed: int, runs: Path) -> None:
    """The same with more of it."""
    few(seed, runs, MORE, MORE_OUT)


def longer(seed: int, runs: Path) -> None:
    """The same run in longer episodes, beside its other figures."""
    far = evaluate(runs / f"{seed}", rows=LONG_ROWS, seed=EVALUATED, horizon=LONG, episodes=LONG_GAMES)
    add(seed, {"long": {"commands": LONG, "episodes": far.episodes, "rows": plain(far)}})


def add(seed: int, found: dict[str, Any]) -> None:
    """Put figures beside those that the run has."""
    print(seed, {name: one for name, one in found.items() if name == "greedy"}, flush=True)
    write(seed, {**json.loads((OUT / f"{seed}.json").read_text()), **found})


def write(seed: int, told: dict[str, Any]) -> None:
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / f"{seed}.json").write_text(json.dumps(told, indent=1) + "\n")
    for part, rows in (("rows", told["rows"]), ("before", told["before"]), ("long", told.get("long", {}).get("rows"))):
        print(seed, part, {name: round(row["success"], 3) for name, row in (rows or {}).items()}, flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    what, runs, *seeds = sys.argv[1:]
    for each in seeds:
        {"train": main, "greedy": greedily, "window": window, "few": few, "more": more, "long": longer}[what](
            int(each), Path(runs)
        )
