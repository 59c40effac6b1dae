"""memrl side by side with stock TRL ``GRPOTrainer`` over an append-only context: the same episodes, in one run.

python benchmarks/vs_trl.py                                   # SmolLM2; writes benchmarks/results/vs_trl.json
python benchmarks/vs_trl.py --model tiny --horizons 16 --steps 2 --threads 1

Both sides play the same MemWorld tasks with the same model, LoRA (rank, layers, start), dtype, sampler, group size and
``max_new_tokens``; a step is rollout and update together, optimiser included. memrl is the path of ``train.py`` without
practice episodes and without a warm start: ``play``, ``give_credit``, ``make_batch``, ``learner.update``; both of its
actors learn. TRL's side is ``trl_side.py``.

The headline is "memrl", in which both sides train every row that they sampled (``learner.skip_silent_rows = False``):
equal rows are read as one and what rows begin with alike is read once, which is exact. As it trains by itself, memrl
does not read rows without advantage: "memrl, silent rows skipped"; how many those are depends on how well the model
answers already. ``--start RUN`` puts all sides on the weights of a finished run.

Sides run one at a time, each horizon in a child process of its own with a time limit. Figures are medians over steps,
the first left out where there are others. Tokens are those that went through the model, padding included. Beside the
wall clock stands the CPU time of the process, which holds on a machine that others use as well.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

from memory_stores.files import write_json
from memrl.contracts.config import TrainConfig
from memrl.contracts.types import Task
from memrl.recipes import recipe

RESULT = Path(__file__).parent / "results" / "vs_trl.json"
SIDES = ("trl", "memrl", "memrl, silent rows skipped")
OPENING = 4
"""Facts of the default world: each is told once before anything is asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One side at one horizon."""

    side: str
    horizon: int
    every_step: bool
    """Every step after the opening asks, in place of one in ten."""
    model: str
    steps: int
    tasks: int
    group: int
    threads: int
    seed: int
    start: str | None = None
    """A run folder whose newest weights the actors start from."""

    @property
    def episodes(self) -> int:
        """Of one step."""
        return self.tasks * self.group

    def config(self) -> TrainConfig:
        """Quickstart at this horizon: no practice, no warm start. A byte is a token of ``tiny``, so it gets more."""
        questions = self.horizon - OPENING if self.every_step else max(1, round(self.horizon / 10))
        theta = {"horizon": self.horizon, "questions": questions, "delay": self.horizon // 6, "objects": OPENING}
        memory = {"token_budget": 160, "read_budget": 160, "embedder": "hash"} if self.model == "tiny" else {}
        return recipe(
            "quickstart",
            seed=self.seed,
            steps=self.steps,
            env={"options": theta},
            memory=memory,
            policy={"model": self.model},
            controller={"options": {"width": 4, "hidden": 32}},
            warm_start={"steps": 0},
            learner={"skip_silent_rows": self.side != "memrl"},
            rollout={"tasks": self.tasks, "practice_tasks": 0, "group_size": self.group},
        )


class Instant(NamedTuple):
    """Now, by two clocks, in seconds."""

    wall: float
    cpu: float
    """Of all threads of this process."""

    @staticmethod
    def now() -> Instant:
        return Instant(time.perf_counter(), time.process_time())


class Meter:
    """Tokens that go through a model's backbone, in rollouts and in updates apart, and what else a step tells."""

    def __init__(self, backbone: Any, out: Path) -> None:
        self._counts = {"read": 0, "trained": 0}
        self._out, self._steps = out, []
        self._loaded = _peak_mib()
        backbone.register_forward_pre_hook(self._count, with_kwargs=True)

    def _count(self, _module: Any, _inputs: Any, named: dict[str, Any]) -> None:
        import torch

        self._counts["trained" if torch.is_grad_enabled() else "read"] += named["input_ids"].numel()

    def record(self, step: dict[str, float]) -> None:
        """End of a step; written at once, so that a time limit keeps what was done."""
        self._steps.append({**step, **self._counts})
        self._counts = dict.fromkeys(self._counts, 0)
        self.write({})

    def write(self, settings: dict[str, Any]) -> None:
        import torch

        gpu = torch.cuda.max_memory_allocated() / 2**20 if torch.cuda.is_available() else 0.0
        memory = {"loaded_mib": self._loaded, "peak_mib": _peak_mib(), "gpu_peak_mib": gpu}
        write_json(self._out, {"steps": self._steps, **memory, "settings": settings})  # whole, or not at all


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def child(job: Job, out: Path) -> None:
    """Play one job; the parent reads ``out``."""
    import torch

    from memrl.training.checkpoints import seed_everything

    torch.set_num_threads(job.threads)
    config = job.config()
    seed_everything(config.seed)
    if job.side == "trl":
        _trl(config, job, out)
    else:
        _memrl(config, job, out)


def steps_of_tasks(job: Job, theta: Any) -> list[list[Task]]:
    """The same tasks for every side."""
    seeds = [[s * job.tasks + i for i in range(job.tasks)] for s in range(job.steps)]
    return [[Task(env="memworld", theta=theta, seed=seed) for seed in step] for step in seeds]


def _saved(job: Job) -> dict[str, Any]:
    """States of the run that the actors start from; empty where they start fresh."""
    from memrl.training.run_folder import load_run

    return dict(load_run(job.start)[1]) if job.start else {}


def _trl(config: TrainConfig, job: Job, out: Path) -> None:
    import trl_side

    from memrl.policies.hf import HFPolicy
    from memrl.training.build import build_task_source

    task_source, policy = build_task_source(config.env), HFPolicy(config.policy, seed=config.seed)
    if saved := _saved(job):
        policy.load_state_dict(saved["policy"])
    meter = Meter(policy.model.get_base_model().base_model, out)
    steps = steps_of_tasks(job, task_source.thetas()["base"])  # pyright: ignore[reportAttributeAccessIssue]
    meter.write(trl_side.train(config, task_source, policy, steps, meter.record))


def _memrl(config: TrainConfig, job: Job, out: Path) -> None:
    from memrl.advantages.credit import give_credit
    from memrl.contracts.types import TokenDecision
    from memrl.rollouts.scheduler import play
    from memrl.training.batch import make_batch
    from memrl.training.build import build

    parts = build(config)
    agent, learner = parts.agent, parts.learner
    if saved := _saved(job):
        agent.policy.load_state_dict(saved["policy"])
        agent.controller.load_state_dict(saved["controller"])
    meter = Meter(agent.policy.model.get_base_model().base_model, out)  # pyright: ignore[reportAttributeAccessIssue]
    for number, tasks in enumerate(steps_of_tasks(job, agent.task_source.thetas()["base"])):  # pyright: ignore[reportAttributeAccessIssue]
        clock = [Instant.now()]
        groups = play(agent, tasks, [config.seed, number, 0])
        clock.append(Instant.now())
        batch = make_batch(give_credit(groups, config.credit, agent))
        update = learner.update(batch)
        clock.append(Instant.now())
        episodes = [episode for group in groups for episode in group.episodes]
        generated = [len(d.action_ids) for e in episodes for d in e.decisions if isinstance(d, TokenDecision)]
        told = {
            "seconds": clock[2].wall - clock[0].wall,
            "cpu_seconds": clock[2].cpu - clock[0].cpu,
            "update_cpu_seconds": clock[2].cpu - clock[1].cpu,
            "generated": sum(generated),
            "answers": len(generated),
            "success": sum(episode.success for episode in episodes) / len(episodes),
            "rows": update["token_rows"],
            "grad_norm": update["grad_norm"],
        }
        meter.record(told)
    meter.write({})


def play(job: Job, limit: float) -> dict[str, Any]:
    """The job in a child process; what it had done where the limit or a failure ended it."""
    root = str(Path(__file__).parent.parent)
    paths = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    env = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": str(job.threads), "TRL_EXPERIMENTAL_SILENCE": "1"}
    ended = "done"
    with tempfile.TemporaryDirectory() as folder:
        out, log = Path(folder) / "out.json", Path(folder) / "log"
        command = [sys.executable, __file__, "--child", json.dumps(asdict(job)), "--out", str(out)]
        with log.open("w") as file, contextlib.suppress(subprocess.TimeoutExpired):
            ended = "time limit"
            code = subprocess.run(command, env=env, stdout=file, stderr=file, timeout=limit).returncode
            ended = "done" if code == 0 else f"exit {code}"
        if ended.startswith("exit"):
            print(log.read_text()[-2000:], file=sys.stderr)
        found = json.loads(out.read_text()) if out.exists() else {"steps": []}
    return {**asdict(job), "ended": ended, **summary(found["steps"], job.episodes), **found}


def summary(steps: Sequence[dict[str, float]], episodes: int) -> dict[str, float]:
    """Medians over steps, without the first where there are others; tokens an episode."""
    if not steps:
        return {}
    counted = steps[1:] or steps
    middle = {name: median(step[name] for step in counted) for name in counted[0]}
    per_episode = {f"{name}_an_episode": middle[name] / episodes for name in ("read", "generated", "trained")}
    speed = {"episodes_per_s": episodes / middle["seconds"], "episodes_per_cpu_s": episodes / middle["cpu_seconds"]}
    return {**speed, **per_episode, "success": middle["success"]}


def show(results: Sequence[dict[str, Any]]) -> None:
    """A table a variant; tokens are those of an episode, the ratios are to TRL at the same horizon."""
    columns = ("steps", "side", "episodes/s", "× TRL", "× CPU", "read", "generated", "trained", "success", "ended")
    for every_step in sorted({r["every_step"] for r in results}):
        table = Table(*columns, title="every step asks" if every_step else "a tenth of the steps asks")
        base: dict[str, Any] = {}
        for r in (r for r in results if r["every_step"] == every_step):
            base = r if r["side"] == "trl" else base
            told = [f"{ratio(r, base, 'episodes_per_s'):.1f}", f"{ratio(r, base, 'episodes_per_cpu_s'):.1f}"]
            told += [f"{r.get(f'{name}_an_episode', math.nan):,.0f}" for name in ("read", "generated", "trained")]
            told += [f"{r.get('success', math.nan):.2f}", r["ended"]]
            table.add_row(str(r["horizon"]), r["side"], f"{r.get('episodes_per_s', math.nan):.3f}", *told)
        Console(width=120).print(table)


def ratio(one: dict[str, Any], base: dict[str, Any], speed: str) -> float:
    """How many times as fast; NaN where one of them did not get through a step."""
    return one.get(speed, math.nan) / base.get(speed, math.nan)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--horizons", type=int, nargs="+", default=[16, 64, 256])
    parser.add_argument("--every-step-horizons", type=int, nargs="*", default=[16, 64], help="of the second variant")
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--tasks", type=int, default=1, help="tasks a step")
    parser.add_argument("--group", type=int, default=4, help="episodes a task")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--start", help="run folder whose weights all sides start from")
    parser.add_argument("--sides", nargs="+", default=list(SIDES), choices=SIDES)
    parser.add_argument("--limit", type=float, default=300, help="seconds of a child process")
    parser.add_argument("--out", type=Path, default=RESULT)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(Job(**json.loads(options.child)), options.out)
        return
    shared = {name: getattr(options, name) for name in ("model", "steps", "tasks", "group", "threads", "seed", "start")}
    variants = [(h, False) for h in options.horizons] + [(h, True) for h in options.every_step_horizons]
    from machine import machine

    results: list[dict[str, Any]] = []
    for horizon, every_step in variants:
        for side in options.sides:
            results.append(play(Job(side=side, horizon=horizon, every_step=every_step, **shared), options.limit))
            on = {**machine(), "threads": options.threads}
            options.out.write_text(json.dumps({"machine": on, "results": results}, indent=1) + "\n", encoding="utf-8")
    show(results)
    if any(result["ended"].startswith("exit") for result in results):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
