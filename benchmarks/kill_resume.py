"""Kill a training run and resume it: does it end with the very bits of a run that nobody touched?

    python benchmarks/kill_resume.py --kills 20 --seed 0 --out benchmarks/results/kill_resume.json

Kills come at random times, and at every point at which files are half done (``POINTS``). Compared are the bytes of
``metrics.jsonl`` and, bit by bit, all of the last checkpoint: weights, optimiser, generators, curriculum.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

import memrl
from memrl.contracts.config import TrainConfig
from memrl.contracts.protocols import Env, Outcome
from memrl.contracts.types import Action, Observation, Say, Task
from memrl.envs.memworld.env import MemWorldTasks
from memrl.envs.memworld.theta import Theta
from memrl.recipes import recipe
from memrl.train import train
from memrl.training.build import build
from memrl.training.checkpoints import checkpoint_files, read_state
from memrl.training.run_folder import is_finished, is_run


@dataclass(frozen=True, slots=True)
class Setting:
    """Of every run."""

    steps: int
    warm_start: int
    """SFT steps before the first step."""


class Graded:
    """A MemWorld that grades how varied an answer is: an untaught model's answers differ, so every part learns."""

    def __init__(self, env: Env) -> None:
        self.task, self._env = env.task, env

    def start(self) -> Observation:
        return self._env.start()

    def step(self, action: Action | None) -> Outcome:
        outcome = self._env.step(action)
        if outcome.verdict is None:
            return outcome
        score = min(len(set(action.text)) / 8, 1.0) if isinstance(action, Say) else 0.0
        return outcome._replace(reward=score, verdict=replace(outcome.verdict, score=score))


class GradedFamily(MemWorldTasks):
    def make(self, task: Task) -> Env:
        return Graded(super().make(task))


def config(folder: Path, setting: Setting) -> TrainConfig:
    """The tiny recipe with more steps, fewer and shorter episodes, and a curriculum that has state of its own."""
    return recipe(
        "tiny",
        out=str(folder),
        steps=setting.steps,
        env={"name": "graded", "options": {"horizon": 6, "objects": 1, "places": 3, "questions": 2, "delay": 1}},
        policy={"max_new_tokens": 4},
        controller={"max_ops": 1},
        warm_start={"steps": setting.warm_start},
        rollout={"practice_tasks": 1, "group_size": 3},
        curriculum={"name": "bandit"},
    )


def in_child(work: Callable[[], Any]) -> int:
    """Fork a process that does the work; returns its id. It says nothing and leaves by itself."""
    pid = os.fork()
    if pid:
        return pid
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    if not os.environ.get("KILL_RESUME_LOUD"):
        os.dup2(quiet, 2)
    code = 1
    try:
        work()
        code = 0
    finally:
        os._exit(code)


def ended(pid: int) -> int:
    """Wait for a child: 0, its exit code, or minus the signal that killed it."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


Hook = Callable[[str, tuple[Any, ...]], None]


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_when_a_file_reaches(size: int) -> None:
    """The kernel kills this process in the middle of a write, with ``size`` bytes of the file on disk."""
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


@dataclass
class At:
    """Does something at the nth audit event of a kind whose first argument holds a word."""

    event: str
    word: str
    nth: int
    act: Callable[[], None] = die

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == self.event and self.word in str(arguments[0]):
            self.nth -= 1
            if self.nth == 0:
                self.act()


def _tear_metrics(folder: Path) -> None:
    die_when_a_file_reaches((folder / "metrics.jsonl").stat().st_size + 40)


POINTS: dict[str, Callable[[Path], Hook]] = {
    "before the first checkpoint": lambda folder: At("open", "metrics.jsonl", 1),
    "metrics line half written": lambda folder: At("open", "metrics.jsonl", 7, lambda: _tear_metrics(folder)),
    "between metrics and timings": lambda folder: At("open", "timings.jsonl", 4),
    "checkpoint begun": lambda folder: At("tempfile.mkstemp", "step-000003", 1),
    "checkpoint half written": lambda folder: At(
        "tempfile.mkstemp", "step-000004", 1, lambda: die_when_a_file_reaches(40_000)
    ),
    "checkpoint written, not yet renamed": lambda folder: At("os.rename", "step-000004", 1),
    "checkpoint renamed, old ones not yet dropped": lambda folder: At("os.remove", "step-000002", 1),
    "last checkpoint there, the run not yet marked done": lambda folder: At("tempfile.mkstemp", "done.json", 1),
}
"""A point -> the audit hook that kills there. Production code knows nothing of it."""


def begin(folder: Path, setting: Setting, hook: Hook | None = None) -> int:
    def work() -> None:
        if hook is not None:
            sys.addaudithook(hook)
        train(config(folder, setting), resume=folder if is_run(folder) else None)

    return in_child(work)


def state_of(folder: Path) -> dict[str, Any]:
    """Where the kill landed."""
    metrics = folder / "metrics.jsonl"
    raw = metrics.read_bytes() if metrics.exists() else b""
    checkpoints = checkpoint_files(folder / "checkpoints")
    return {
        "metrics_lines": raw.count(b"\n"),
        "torn_line": bool(raw) and not raw.endswith(b"\n"),
        "newest_checkpoint": checkpoints[0].name if checkpoints else None,
        "scratch_files": len(list(folder.rglob(".*.tmp"))),
        "finished": is_finished(folder),
    }


def difference(folder: Path, reference: Path, steps: int) -> str | None:
    """What a resumed run has otherwise than the uninterrupted one; None for nothing."""
    if not is_finished(folder):
        return "it did not reach its last step"
    if (folder / "metrics.jsonl").read_bytes() != (reference / "metrics.jsonl").read_bytes():
        return "metrics.jsonl"
    done = [json.loads(line)["step"] for line in (folder / "timings.jsonl").read_text().splitlines()]
    if done != list(range(1, steps + 1)):
        return "timings.jsonl"
    if scratch := list(folder.rglob(".*.tmp")):
        return f"scratch file {scratch[0].name}"
    mine, theirs = (checkpoint_files(where / "checkpoints") for where in (folder, reference))
    if [path.name for path in mine] != [path.name for path in theirs]:
        return "names of the checkpoints"
    return differs(read_state(mine[0]), read_state(theirs[0]), "checkpoint")


def differs(a: Any, b: Any, path: str) -> str | None:
    """The path of the first value that is not the same to the bit."""
    if type(a) is not type(b):
        return path
    if isinstance(a, dict):
        if list(a) != list(b):
            return path
        return next((found for key in a if (found := differs(a[key], b[key], f"{path}/{key}"))), None)
    if isinstance(a, (list, tuple)):
        if len(a) != len(b):
            return path
        pairs = enumerate(zip(a, b, strict=True))
        return next((found for i, (x, y) in pairs if (found := differs(x, y, f"{path}/{i}"))), None)
    if isinstance(a, torch.Tensor):
        return None if a.dtype == b.dtype and torch.equal(a, b) else path
    if isinstance(a, np.ndarray):
        return None if a.dtype == b.dtype and a.tobytes() == b.tobytes() else path
    return None if a == b else path


def one_kill(folder: Path, reference: Path, setting: Setting, point: str | None, after: float) -> dict[str, Any]:
    """Kill one run, at a point or after some seconds, resume it, compare."""
    pid = begin(folder, setting, POINTS[point](folder) if point else None)
    if not point:
        time.sleep(after)
        os.kill(pid, signal.SIGKILL)
    killed_by = -ended(pid)
    landed = state_of(folder)
    code = ended(begin(folder, setting))
    wrong = f"the resumed run ended with {code}" if code else difference(folder, reference, setting.steps)
    when = {"point": point} if point else {"after_seconds": round(after, 3)}
    return {**when, "signal": killed_by, "landed": landed, "difference": wrong, "identical": wrong is None}


def measure(kills: int, seed: int, points: Sequence[str], setting: Setting) -> dict[str, Any]:
    """All kills, each on a run of its own."""
    memrl.register("env", "graded", GradedFamily, Theta)
    rng, rows = random.Random(seed), []
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        build(config(root / "never", setting))  # The children are forked: they need not load again what stands here.
        reference, started = root / "reference", time.perf_counter()
        if code := ended(begin(reference, setting)):
            raise SystemExit(f"the uninterrupted run ended with {code}; KILL_RESUME_LOUD=1 shows why")
        seconds = time.perf_counter() - started
        for point in points:
            rows.append(one_kill(root / f"point-{len(rows)}", reference, setting, point, 0.0))
        for _ in range(kills):
            rows.append(one_kill(root / f"time-{len(rows)}", reference, setting, None, rng.uniform(0, seconds)))
        learned = [json.loads(line) for line in (reference / "metrics.jsonl").read_text().splitlines()]
    return {
        "recipe": "tiny",
        "steps": setting.steps,
        "warm_start_steps": setting.warm_start,
        "seed": seed,
        "run_seconds": round(seconds, 2),
        "token_rows": sum(line["token_rows"] for line in learned),
        "op_decisions": sum(line["op_decisions"] for line in learned),
        "random_identical": sum(row["identical"] for row in rows if "after_seconds" in row),
        "random_kills": kills,
        "points_identical": sum(row["identical"] for row in rows if "point" in row),
        "points": len(points),
        "rows": rows,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20, help="at uniformly random times of the run")
    parser.add_argument("--seed", type=int, default=0, help="of the times")
    parser.add_argument("--points", nargs="*", choices=POINTS, default=list(POINTS), help="all, if not given")
    parser.add_argument("--steps", type=int, default=6, help="of a run, 4 or more")
    parser.add_argument("--warm-start", type=int, default=2, help="SFT steps before the first step")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "kill_resume.json")
    given = parser.parse_args()
    report = measure(given.kills, given.seed, given.points, Setting(given.steps, given.warm_start))
    given.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    for row in report["rows"]:
        print(row.get("point") or f"{row['after_seconds']:.3f} s", row["landed"], row["difference"] or "identical")
    print(f"points: {report['points_identical']} of {report['points']} identical")
    print(f"random: {report['random_identical']} of {report['random_kills']} identical")
    if not all(row["identical"] for row in report["rows"]):
        sys.exit(1)


if __name__ == "__main__":
    main()
