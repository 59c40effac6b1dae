"""T20: whether environments are called one after the other or side by side, every byte is the same."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from toy import Taker, ToyEnv, ToyTasks, toy_agent

from memory_stores.types import Write
from memrl.contracts.types import End
from memrl.policies.scripted import ScriptedPolicy
from memrl.rollouts.scheduler import play

STORY = ["a lantern is here", "rain fell", "is it here?", "wind blew", "is it here?"]


class Waits(ToyEnv):
    """Waits longer than what counts as slow, and notes in which thread."""

    def __init__(self, *told: Any, threads: set[str]) -> None:
        super().__init__(*told)
        self._threads = threads

    def step(self, action: Any) -> Any:
        time.sleep(0.02)
        self._threads.add(threading.current_thread().name)
        return super().step(action)


class WaitingTasks(ToyTasks):
    def __init__(self, fail_at: int) -> None:
        super().__init__(STORY, fail_at)
        self.threads: set[str] = set()

    def make(self, task: Any) -> Waits:
        return Waits(task, self.story, self.fail_at if task.seed == 1 else -1, threads=self.threads)


def played(workers: int, fail_at: int = -1) -> tuple[list[Any], set[str]]:
    source = WaitingTasks(fail_at)
    agent = toy_agent(source, Taker(Write), ScriptedPolicy(lambda r: f"yes {r.seed}"), env_workers=workers)
    groups = play(agent, [source.train("base", seed) for seed in range(3)], [4], tries=3)
    told = [
        (e.end, e.error, [(s.observation, s.reward, s.verdict, s.view, s.acted, s.decisions[-1].memory_hash)
                          if s.decisions else s.observation for s in e.steps])
        for group in groups for e in group.episodes
    ]  # fmt: skip
    return told, source.threads


@pytest.mark.parametrize("fail_at", [-1, 2])
def test_threads_change_no_byte(fail_at: int) -> None:
    alone, own_thread = played(0, fail_at)
    beside, threads = played(16, fail_at)
    assert alone == beside
    assert len(own_thread) == 1 and len(threads) > 1
    failed = [end for end, _, _ in alone if end is End.ENV_ERROR]
    assert len(failed) == (3 if fail_at >= 0 else 0)


def test_calls_of_all_episodes_run_at_the_same_time() -> None:
    """A call of the second half ends only once all eight episodes are in theirs."""
    together = threading.Barrier(8)
    met: list[int] = []

    class Meets(ToyEnv):
        def step(self, action: Any) -> Any:
            if self._at < 2:
                time.sleep(0.03)  # long enough for threads to be turned on
            elif self._at == 2:
                met.append(together.wait(timeout=30))
            return super().step(action)

    class MeetingTasks(ToyTasks):
        def make(self, task: Any) -> Meets:
            return Meets(task, self.story)

    source = MeetingTasks(STORY, passive=False)  # every answer is given on the spot
    agent = toy_agent(source, Taker(Write), ScriptedPolicy(lambda r: "yes"), env_workers=8)
    [group] = play(agent, [source.train("base", 0)], [4], tries=8)
    assert sorted(met) == list(range(8)) and {episode.end for episode in group.episodes} == {End.DONE}
