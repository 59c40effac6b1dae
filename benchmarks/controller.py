"""Controller decisions per second: 64 episodes side by side on the main job's task, texts embedded beforehand.

python benchmarks/controller.py            # writes benchmarks/results/controller.json

``play`` is the whole of it: the environment's steps, offers enumerated, features, the network, sampling, the op carried
out, the exact reader's answers. ``choose`` is the controller alone on the requests of one such play, 64 at a time.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from machine import machine

from memrl.contracts.protocols import Agent, Chooser, ControllerRequest, OpChoice
from memrl.contracts.types import Episode, OpDecision, Task
from memrl.evaluate import held_out_tasks
from memrl.recipes import recipe
from memrl.rollouts.play import EpisodeContext, play_episode
from memrl.rollouts.scheduler import play_all
from memrl.training.build import build

RESULT = Path(__file__).parent / "results" / "controller.json"
EPISODES = 64


class Recorder(Chooser):
    """Passes requests on to a controller and keeps them."""

    def __init__(self, inner: Agent) -> None:
        self._inner, self.version, self.batches = inner.controller, 0, list[list[ControllerRequest]]()

    def choose(self, requests: Sequence[ControllerRequest]) -> list[OpChoice]:
        self.batches.append([dataclasses.replace(r, memory=r.memory.fork()) for r in requests])
        return self._inner.choose(requests)

    def load_state_dict(self, state: object) -> None:
        """Nothing of its own."""


def play(agent: Agent, tasks: Sequence[Task]) -> list[Episode]:
    contexts = [
        EpisodeContext(agent=agent, task=task, memory=agent.new_memory(), rng=np.random.default_rng(i), practice=True)
        for i, task in enumerate(tasks)
    ]
    return play_all((play_episode(context) for context in contexts), agent, EPISODES)


def rate(run: Callable[[], int], rounds: int) -> float:
    """Decisions per second, median over rounds."""
    found = []
    for _ in range(rounds):
        started = time.perf_counter()
        count = run()
        found.append(count / (time.perf_counter() - started))
    return float(np.median(found))


def num_decisions(episodes: Sequence[Episode]) -> int:
    return sum(isinstance(d, OpDecision) for e in episodes for s in e.steps for d in s.decisions)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    config = recipe("quickstart", policy={"trained": False}, warm_start={"steps": 0})
    agent = build(config).practice
    tasks = held_out_tasks(agent, config, 0, EPISODES)
    agent.table.add([text for task in tasks for text in agent.task_source.texts(task)])
    recorder = Recorder(agent)
    play(dataclasses.replace(agent, controller=recorder), tasks)
    whole = rate(lambda: num_decisions(play(agent, tasks)), options.rounds)
    alone = rate(lambda: sum(len(agent.controller.choose(batch)) for batch in recorder.batches), options.rounds)
    found = {"play_decisions_per_second": whole, "choose_decisions_per_second": alone, "episodes": EPISODES}
    print(json.dumps(found, indent=1))
    RESULT.write_text(json.dumps({"machine": machine(), **found}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
