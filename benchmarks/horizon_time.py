"""Does a step cost the same in a longer episode? The same checkpoint at its own horizon and at ten times it.

python benchmarks/horizon_time.py RUN                    # 5 rounds of 4 episodes at 48 and at 480 steps

The two horizons take turns in one process, as many episodes at a time at both, so that a busy machine slows both alike.
Reported: the median over rounds of seconds a step, tokens a step, and the ratio long to short of each round.
Result: benchmarks/results/horizon_time.json.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from machine import machine

from memrl.contracts.protocols import Agent
from memrl.rollouts.play import EpisodeContext, play_episode
from memrl.rollouts.scheduler import play_all
from memrl.training.build import build_agent, build_task_source
from memrl.training.run_folder import load_run

RESULT = Path(__file__).parent / "results" / "horizon_time.json"


def seconds_and_tokens(agent: Agent, theta: Any, first: int, episodes: int) -> tuple[float, float]:
    """Per step, of ``episodes`` held-out tasks played together; embedding is done before the clock starts."""
    tasks = [agent.task_source.task(first + i, "eval", theta) for i in range(episodes)]
    agent.table.add([text for task in tasks for text in agent.task_source.texts(task)])
    contexts = [
        EpisodeContext(agent=agent, task=task, memory=agent.new_memory(), rng=np.random.default_rng(0), greedy=True)
        for task in tasks
    ]
    started = time.perf_counter()
    played = play_all([play_episode(context) for context in contexts], agent, episodes)
    seconds = time.perf_counter() - started
    steps = [step for episode in played for step in episode.steps]
    return seconds / len(steps), sum(step.context_tokens for step in steps) / len(steps)


def measure(run: Path, rounds: int, episodes: int, times: int) -> dict[str, Any]:
    config, checkpoint = load_run(run)
    agent = build_agent(config)
    agent.policy.load_state_dict(checkpoint["policy"])
    agent.controller.load_state_dict(checkpoint["controller"])
    short = agent.task_source.thetas()["base"]
    horizon = short.horizon * times
    long = dataclasses.replace(short, **build_task_source(config.env).at_horizon(horizon))
    seconds_and_tokens(agent, short, 0, episodes)  # warms caches
    found: dict[int, list[tuple[float, float]]] = {short.horizon: [], horizon: []}
    for i in range(rounds):
        for theta in (short, long):
            # As many steps of the short one as of the long one, so that both see as much of a noisy machine.
            repeats = range(times if theta is short else 1)
            turns = [seconds_and_tokens(agent, theta, 10_000 + 1000 * i + 50 * r, episodes) for r in repeats]
            found[theta.horizon].append((float(np.mean([t[0] for t in turns])), float(np.mean([t[1] for t in turns]))))
    ratios = [b[0] / a[0] for a, b in zip(found[short.horizon], found[horizon], strict=True)]
    return {
        "run": run.name,
        "machine": machine(),
        "episodes_at_a_time": episodes,
        "rows": [
            {
                "horizon": h,
                "ms_per_step": 1000 * float(np.median([one[0] for one in ones])),
                "tokens_per_step": float(np.mean([one[1] for one in ones])),
            }
            for h, ones in found.items()
        ],
        "seconds_ratio": {"median": float(np.median(ratios)), "each": [round(r, 3) for r in ratios]},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--episodes", type=int, default=4)
    parser.add_argument("--times", type=int, default=10)
    options = parser.parse_args()
    result = measure(options.run, options.rounds, options.episodes, options.times)
    RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
