"""Practice play, old code and new side by side: environment steps a second of one core, and bytes a decision.

python benchmarks/play.py --old CHECKOUT           # practice at horizons 48 and 480, memories of 64 and 512 tokens
python benchmarks/play.py --old CHECKOUT --step    # a step of the main job as well: play, credit, update

Each side is a process of its own with its own ``sys.path`` and one thread; they take turns, round by round, on the same
tasks with the same seeds, and only one works at a time. Seconds are those of the processor, not of the clock, as the
machine may be shared. Texts are embedded in a round before the first, as they are in a run from its second step on.
Result: benchmarks/results/play.json.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
RESULT = HERE / "results" / "play.json"
SETTINGS = ((48, 64, 40), (48, 512, 8), (480, 64, 3), (480, 512, 1))
"""Horizon, tokens of memory, tasks; 8 tries at each."""
SIZES = (64, 4096)
"""Tokens of memory at which bytes are counted."""
COLUMNS = (("steps_per_second", "steps/s"), ("seconds", "s"))


def sides() -> tuple[Any, Callable[..., Any], Any]:
    """Of whichever code is on the path: its build, one way to play, and its modules for credit and update."""
    try:
        from memrl.advantages.credit import give_credit
        from memrl.rollouts.scheduler import play
        from memrl.training.batch import make_batch
        from memrl.training.build import build
        from memrl.training.rereading import reread

        return build, play, (give_credit, reread, make_batch)
    except ImportError:
        from memrl.batch import make_batch  # pyright: ignore
        from memrl.build import build  # pyright: ignore
        from memrl.credit import give_credit  # pyright: ignore
        from memrl.rereading import reread  # pyright: ignore
        from memrl.rollout import play_groups  # pyright: ignore

        def play(agent: Any, tasks: Any, seed: Any, *, practice: bool = False) -> Any:
            return play_groups(agent, tasks, CONFIG["rollout"], seed, practice=practice)

        return build, play, (give_credit, reread, make_batch)


CONFIG: dict[str, Any] = {}


def made(horizon: int, tokens: int, **changes: Any) -> tuple[Any, Any]:
    """A config of the quickstart recipe and its parts."""
    from memrl.recipes import recipe

    theta = {} if horizon == 48 else {"horizon": horizon, "questions": horizon // 6}
    memory = {"token_budget": tokens, "read_budget": tokens}
    knob = "theta" if sides()[1].__module__ == __name__ else "options"
    config = recipe("quickstart", warm_start={"steps": 0}, memory=memory, env={knob: theta}, **changes)
    CONFIG["rollout"] = config.rollout
    return config, sides()[0](config)


def task_of(practice: Any, seed: int) -> Any:
    """A training task of either code's source."""
    if not hasattr(practice, "task_source"):
        return practice.family.task(seed)
    source = practice.task_source
    return source.train(source.cells()[-1], seed)  # the last cell is the base task


def practice_round(parts: Any, count: int) -> dict[str, float]:
    practice, play = parts[1], sides()[1]
    tasks = [task_of(practice, i) for i in range(count)]
    started = time.process_time()
    groups = play(practice, tasks, [0, 0, 1], practice=True)
    seconds = time.process_time() - started
    episodes = [episode for group in groups for episode in group.episodes]
    steps = sum(len(episode.steps) for episode in episodes)
    success = sum(episode.success for episode in episodes)
    return {"steps_per_second": steps / seconds, "seconds": seconds, "steps": steps, "success": success}


def step_round(config: Any, parts: Any, number: int) -> dict[str, float]:
    """One step of the main job, its parts in seconds."""
    agent, practice, curriculum, learner = parts[:4]
    _, play, (give_credit, reread, make_batch) = sides()
    marks = [time.process_time()]

    def mark() -> None:
        marks.append(time.process_time())

    groups = play(agent, curriculum.draw(config.rollout.tasks), [0, number, 0])
    mark()
    practised = play(practice, curriculum.draw(config.rollout.practice_tasks), [0, number, 1], practice=True)
    mark()
    credits = give_credit(groups, config.credit, agent) + give_credit(practised, config.credit, practice)
    mark()
    rereads = reread(practised, agent, config, [0, number, 2])
    mark()
    learner.update(make_batch(credits, rereads))
    mark()
    names = ("policy_play", "practice_play", "credit", "reread", "update")
    taken = {name: end - start for name, start, end in zip(names, marks, marks[1:], strict=False)}
    return {**taken, "all": marks[-1] - marks[0]}


def bytes_per_decision(tokens: int) -> float:
    """Bytes that one decision adds to what a play keeps, at a full memory: episodes traced, memories and texts not."""
    import tracemalloc

    horizon = max(48, tokens // 5)
    changes: dict[str, Any] = {"policy": {"trained": False, "model": "tiny"}, "rollout": {"group_size": 2}}
    _, parts = made(horizon, tokens, **changes)
    practice_round(parts, 1)
    practice, play = parts[1], sides()[1]
    task = task_of(practice, 0)
    tracemalloc.start()
    groups = play(practice, [task], [0, 0, 1], practice=True)
    late = [
        decision.offers
        for group in groups
        for episode in group.episodes
        for step in episode.steps[-len(episode.steps) // 4 :]
        for decision in step.decisions
        if hasattr(decision, "offers")
    ]
    before, _ = tracemalloc.get_traced_memory()
    count = len(late)
    late.clear()
    for group in groups:
        for episode in group.episodes:
            for step in episode.steps[-len(episode.steps) // 4 :]:
                object.__setattr__(step, "decisions", ())
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return (before - after) / count


def work(root: str) -> None:
    """Answer one request a line until the input ends."""
    import torch

    torch.set_num_threads(1)
    built: dict[str, Any] = {}
    for line in sys.stdin:
        asked = json.loads(line)
        key = json.dumps([asked["kind"], asked.get("horizon"), asked.get("tokens")])
        if asked["kind"] == "bytes":
            answer: Any = bytes_per_decision(asked["tokens"])
        elif asked["kind"] == "step":
            if key not in built:
                built = {key: made(48, 64)}
            answer = step_round(*built[key], asked["round"])
        else:
            if key not in built:
                built = {key: made(asked["horizon"], asked["tokens"], policy={"trained": False})}
            answer = practice_round(built[key][1], asked["tasks"])
        print("=>", json.dumps(answer), flush=True)


class Side:
    """One checkout, at work in a process of its own."""

    def __init__(self, root: Path) -> None:
        env = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(root)}
        command = [sys.executable, str(Path(__file__).resolve()), "--worker", str(root)]
        self._process = subprocess.Popen(
            command,
            cwd=root,
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def ask(self, **what: Any) -> Any:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(what) + "\n")
        self._process.stdin.flush()
        for line in self._process.stdout:
            if line.startswith("=> "):
                return json.loads(line[3:])
        raise RuntimeError(f"the side {self._process.args} stopped at {what}")

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def compare(old: Side, new: Side, rounds: int, **what: Any) -> dict[str, Any]:
    """Medians of both sides over rounds in turns, and the ratio of each round."""
    import numpy as np

    pairs = [(old.ask(**what, round=i), new.ask(**what, round=i)) for i in range(rounds + 1)][1:]
    found: dict[str, Any] = {k: v for k, v in what.items() if k != "kind"}
    for name in pairs[0][0]:
        before, after = ([pair[side][name] for pair in pairs] for side in (0, 1))
        found[name] = {"old": float(np.median(before)), "new": float(np.median(after))}
        if name in ("steps_per_second", "all"):
            each = [b / a if name == "steps_per_second" else a / b for a, b in zip(before, after, strict=True)]
            found["times"] = {"median": float(np.median(each)), "each": [round(x, 2) for x in each]}
    print(json.dumps(found), flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--old", type=Path, help="a checkout of the code to compare with")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--step", action="store_true", help="time whole steps of the main job as well")
    parser.add_argument("--only", type=int, help="the first so many settings")
    parser.add_argument("--no-bytes", action="store_true")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        work(options.worker)
        return
    if options.old is None:
        parser.error("name the checkout to compare with: --old CHECKOUT")
    from machine import machine

    old, new = Side(options.old.resolve()), Side(HERE.parent.resolve())
    result = json.loads(RESULT.read_text(encoding="utf-8")) if RESULT.exists() else {}
    result["machine"] = machine() | {"threads": 1}
    result["practice"] = [
        compare(old, new, options.rounds, kind="practice", horizon=horizon, tokens=tokens, tasks=tasks)
        for horizon, tokens, tasks in SETTINGS[: options.only]
    ]
    if not options.no_bytes:
        result["bytes_per_decision"] = [
            {"tokens": n, "old": old.ask(kind="bytes", tokens=n), "new": new.ask(kind="bytes", tokens=n)} for n in SIZES
        ]
        print(json.dumps(result["bytes_per_decision"]), flush=True)
    if options.step:
        result["step"] = compare(old, new, 2, kind="step")
    for side in (old, new):
        side.close()
    RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
