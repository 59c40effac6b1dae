"""Does a curriculum help? Every arm learns with the controller alone, read exactly, at an equal budget of tokens.

python benchmarks/curriculum.py --arm written --seed 0      # one run (its tasks feed yoked and shuffled)
python benchmarks/curriculum.py --all --seeds 0 1 2 3 4     # everything, written before yoked and shuffled
python benchmarks/curriculum.py --arm azr --seed 0 --coins  # with a tenth of coin flips in the task space
python benchmarks/curriculum.py --table                     # the markdown tables of what there is

The protocol is ``../shared/research/self_training.md`` 2.7. Equal budget: a run ends when it has shown its agent
``--tokens`` tokens (words of everything played, all tries) or would go over with another step; the candidates that
gates turned away are counted at their full length, as if one reading each had been paid for. Two held-out sets, with
names and phrasings that training never sees: H1 has the base theta; H2 is harder: path questions one hop longer where
the base asks any, delay x4, things x2, half the budget. Results go to benchmarks/results/curriculum/ARM-SEED.json.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from memrl.advantages.credit import give_credit
from memrl.contracts.config import TrainConfig
from memrl.contracts.protocols import Agent
from memrl.contracts.types import Group, Task
from memrl.curricula.recorded import played_tasks
from memrl.envs.memworld.coins import is_coin
from memrl.envs.memworld.program import program_of
from memrl.evaluate import EVAL_SEED
from memrl.policies.oracle_reader import OracleReader
from memrl.recipes import recipe
from memrl.rollouts.play import EpisodeContext, play_episode
from memrl.rollouts.scheduler import play, play_all
from memrl.training.batch import make_batch
from memrl.training.build import build_agent, build_curriculum, build_memory, build_task_source, keep_cost
from memrl.training.learner import Learner

RESULTS = Path(__file__).parent / "results" / "curriculum"
LOGS = Path("runs") / "curriculum"
ARMS = (
    "uniform", "horizon_schedule", "easy_to_hard", "raw_variance", "azr", "plr", "written", "yoked", "shuffled",
)  # fmt: skip
RECORDED = ("yoked", "shuffled")
BASE = {
    "horizon": 32, "objects": 1, "carried": 2, "people": 2, "hops": 1, "places": 8, "questions": 6, "delay": 4,
    "distractor_level": 3, "update_rate": 0.25, "contradict_rate": 0.06, "ask_latest": 1.0, "ask_path": 1.0,
}  # fmt: skip
HARDER = {
    "horizon": 80, "objects": 2, "carried": 4, "people": 4, "hops": 2, "delay": 16, "questions": 12,
}  # fmt: skip
BUDGET = 96
"""Words of token memory, all in view; H2 has half."""
TASKS, GROUP = 16, 8
TOKENS = 1_000_000
"""Default budget of a run: words shown over all tries, and words of candidates turned away."""
EVALUATED, LOOK = 48, 2
"""Held-out tasks of each set; steps between two looks at them."""


def config_of(arm: str, seed: int, coins: bool, steps: int) -> TrainConfig:
    """The same config for every arm but for the curriculum's own section."""
    donor = (seed + 1) % 5 if arm == "yoked" else seed
    file = str(log_path("written", donor, coins)) if arm in RECORDED else None
    return recipe(
        "quickstart",
        seed=seed,
        steps=steps,
        env={"name": "memworld_coins" if coins else "memworld", "options": BASE, "train_seeds": 64},
        memory={"token_budget": BUDGET, "read_budget": BUDGET, "embedder": "hash"},
        policy={"trained": False},
        warm_start={"steps": 0},
        controller={"options": {"width": 4, "hidden": 32}, "max_ops": 1},
        rollout={"tasks": 0, "practice_tasks": TASKS, "group_size": GROUP},
        learner={"decay_from": 1.0},
        curriculum={"name": arm, "options": {"tasks_file": file} if file else {}},
    )


def log_path(arm: str, seed: int, coins: bool) -> Path:
    """What a run drew, for the controls; too large to keep with the results."""
    return LOGS / f"{arm}{'-coins' if coins else ''}-{seed}.jsonl"


def words(texts: Sequence[str]) -> int:
    return sum(len(text.split()) for text in texts)


class Examined:
    """A held-out set, and what its best keeper scores."""

    def __init__(self, agent: Agent, config: TrainConfig, axes: Mapping[str, float], budget: int, seed: int) -> None:
        task_source = build_task_source(dataclasses.replace(config.env, name="memworld", options={**BASE, **axes}))
        memory = dataclasses.replace(config.memory, token_budget=budget, read_budget=budget)
        self.tasks = [task_source.held_out(seed * EVAL_SEED + i) for i in range(EVALUATED)]  # pyright: ignore[reportAttributeAccessIssue]
        self.agent = dataclasses.replace(
            agent,
            task_source=task_source,
            policy=OracleReader({"memworld": task_source}),
            new_memory=lambda: build_memory(memory, agent.count_tokens, agent.embedder),
            read_budget=budget,
        )
        cost = keep_cost(memory, agent.count_tokens)
        bounds = [task_source.bounds(task, budget, cost) for task in self.tasks]
        self.oracle = float(np.mean([b.ceiling for b in bounds if b]))
        self.floor = float(np.mean([b.floor for b in bounds if b]))
        agent.table.add([text for task in self.tasks for text in task_source.texts(task)])

    def success(self) -> list[float]:
        """Greedy success on every task."""
        agent = self.agent
        contexts = [
            EpisodeContext(
                agent=agent, task=task, memory=agent.new_memory(), rng=np.random.default_rng([i]), greedy=True
            )
            for i, task in enumerate(self.tasks)
        ]
        return [episode.success for episode in play_all(map(play_episode, contexts), agent, 256)]


def run_arm(arm: str, seed: int, coins: bool, tokens: int, steps: int) -> dict[str, Any]:
    """Train one arm on one seed until the budget is spent; returns its results, JSON-ready."""
    config = config_of(arm, seed, coins, steps)
    task_source = build_task_source(config.env)
    torch.manual_seed(seed)
    agent = build_agent(config, policy=OracleReader({task_source.name: task_source}))
    curriculum = build_curriculum(config, agent)
    learner = Learner(policies={}, scorer=agent.controller, config=config.learner, seed=seed)  # pyright: ignore[reportArgumentType]
    sets = {"h1": Examined(agent, config, {}, BUDGET, seed), "h2": Examined(agent, config, HARDER, BUDGET // 2, seed)}
    started, spent, step, coin_tokens = time.perf_counter(), 0, 0, 0
    curve, log, last = [], [], 0
    # A control ends with its file if that ends first: it pays for no rejects and would go on for longer.
    file = config.curriculum.options.get("tasks_file")
    recorded = len(played_tasks(Path(file))) if file else 0
    while spent + last <= tokens:
        if step % LOOK == 0:
            curve.append(_look(step, spent, sets))
        if arm in RECORDED and (step + 1) * TASKS > recorded:
            break
        step += 1
        tasks = curriculum.draw(TASKS)
        groups = play(agent, tasks, [seed, step, 1], practice=True)
        curriculum.observe(groups)
        rows = curriculum.drain_log()
        log += rows
        learner.update(make_batch(give_credit(groups, config.credit, agent), curriculum.auxiliary_losses()))
        last = shown(groups, agent) + rejected(rows, curriculum)
        spent += last
        coin_tokens += shown([group for group in groups if is_coin(group.task)], agent)
    final = _look(step, spent, sets)
    curve.append(final)
    if log:
        log_path(arm, seed, coins).write_text("".join(json.dumps(row) + "\n" for row in log), encoding="utf-8")
    return {
        "arm": arm, "seed": seed, "coins": coins, "tokens": tokens, "spent": spent, "steps": step,
        "seconds": round(time.perf_counter() - started, 1), "coin_share": coin_tokens / max(1, spent),
        "oracle": {name: one.oracle for name, one in sets.items()},
        "floor": {name: one.floor for name, one in sets.items()},
        "h1": sets["h1"].success(), "h2": sets["h2"].success(), "curve": curve,
        "rejected": sum(not row["accepted"] for row in log),
        "gates": {g: sum(row["gate"] == g for row in log) for g in sorted({row["gate"] for row in log} - {""})},
    }  # fmt: skip


def _look(step: int, spent: int, sets: dict[str, Examined]) -> dict[str, float]:
    found = {name: float(np.mean(one.success())) for name, one in sets.items()}
    print(f"  step {step:3d} {spent:9d} tokens  " + "  ".join(f"{k} {v:.3f}" for k, v in found.items()), flush=True)
    return {"step": step, "tokens": spent, **found}


def shown(groups: Sequence[Group], agent: Agent) -> int:
    """Words that the tries were shown."""
    return sum(words(agent.task_source.texts(group.task)) * len(group.episodes) for group in groups)


def rejected(rows: Sequence[dict[str, Any]], curriculum: Any) -> int:
    """Words of the candidates that were turned away after they could be read, once each."""
    task_generator = getattr(curriculum, "task_generator", None)
    turned = [row for row in rows if not row["accepted"] and row["gate"] not in ("schema", "trackers", "determinism")]
    return (
        sum(words(_texts(task_generator.from_json(row["task"]))) for row in turned) if task_generator is not None else 0
    )


def _texts(task: Task) -> Sequence[str]:
    return program_of(dataclasses.replace(task, theta=task.theta.theta) if is_coin(task) else task).texts


def interval(values: Sequence[float], rng: np.random.Generator) -> tuple[float, float, float]:
    """Mean with a 95 % bootstrap interval over seeds."""
    array = np.array(values)
    means = array[rng.integers(len(array), size=(10_000, len(array)))].mean(1)
    return float(array.mean()), float(np.quantile(means, 0.025)), float(np.quantile(means, 0.975))


def reached(result: dict[str, Any], share: float, name: str) -> float | None:
    """Tokens at the first look at which a set's success was ``share`` of its oracle; None if it never was."""
    hits = [point["tokens"] for point in result["curve"] if point[name] >= share * result["oracle"][name]]
    return hits[0] if hits else None


def table(coins: bool) -> str:
    """One markdown row an arm: both held-out sets, tokens to 0.8 of the oracle on H1, share on coin flips."""
    rng = np.random.default_rng(0)
    lines = [
        "| curriculum | seeds | H1 | H2 (harder) | tokens to 0.8 of the oracle on H1 | coin flips |",
        "|---|---|---|---|---|---|",
    ]
    for arm in ARMS:
        found = [
            json.loads(path.read_text())
            for path in sorted(RESULTS.glob(f"{arm}{'-coins' if coins else ''}-[0-9]*.json"))
        ]
        if not found:
            continue
        cells = []
        for name in ("h1", "h2"):
            mean, low, high = interval([float(np.mean(one[name])) for one in found], rng)
            cells.append(f"{mean:.3f} [{low:.3f}, {high:.3f}]")
        when = [reached(one, 0.8, "h1") for one in found]
        hits = [tokens for tokens in when if tokens is not None]
        told = f"{np.median(hits) / 1000:.0f}k ({len(hits)} of {len(when)})" if hits else f"never (0 of {len(when)})"
        share = f"{np.mean([one['coin_share'] for one in found]):.1%}" if coins else "-"
        lines.append(f"| {arm} | {len(found)} | {cells[0]} | {cells[1]} | {told} | {share} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arm", choices=ARMS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2, 3, 4])
    parser.add_argument("--coins", action="store_true")
    parser.add_argument("--tokens", type=int, default=TOKENS)
    parser.add_argument("--steps", type=int, default=40, help="that a schedule is laid out for")
    parser.add_argument("--table", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(1)
    if given.table:
        print(table(False), table(True), sep="\n\nWith a tenth of coin flips:\n\n")
        return
    pairs = [(arm, seed) for arm in ARMS for seed in given.seeds] if given.all else [(given.arm, given.seed)]
    for folder in (RESULTS, LOGS):
        folder.mkdir(parents=True, exist_ok=True)
    for arm, seed in pairs:
        target = RESULTS / f"{arm}{'-coins' if given.coins else ''}-{seed}.json"
        if given.all and target.exists():
            continue
        print(f"{arm} seed {seed}", flush=True)
        result = run_arm(arm, seed, given.coins, given.tokens, given.steps)
        target.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
