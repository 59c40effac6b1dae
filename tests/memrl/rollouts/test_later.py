"""Answers that wait for the end of a story are those that would have been given on the spot."""

from __future__ import annotations

from dataclasses import replace

from memrl.contracts.protocols import Outcome
from memrl.contracts.types import Decision, End, Episode, Observation, Say, Task, TokenDecision, Verdict
from memrl.recipes import recipe
from memrl.rollouts.scheduler import play
from memrl.training.build import build


def told(passive: bool, seed: int = 0, **rollout: object) -> list[Episode]:
    parts = build(recipe("tiny", seed=seed, rollout=dict(rollout)))
    source = parts.agent.task_source
    tasks = [source.train(source.cells()[-1], i) for i in range(2)]
    if not passive:
        source.passive = False  # pyright: ignore[reportAttributeAccessIssue]
    calls: list[int] = []
    sample = parts.agent.policy.sample
    parts.agent.policy.sample = lambda requests: (calls.append(len(requests)), sample(requests))[1]  # pyright: ignore
    episodes = [episode for group in play(parts.agent, tasks, [seed, 1]) for episode in group.episodes]
    assert (len(calls) == 1) is passive
    return episodes


def plain(episode: Episode) -> list[object]:
    """What an episode says, its log-probabilities to five places: sums over another batch differ in the last bits."""
    return [
        (step.observation, step.reward, step.verdict, step.view, step.context_tokens, [said(d) for d in step.decisions])
        for step in episode.steps
    ]


def said(decision: Decision) -> tuple[object, ...]:
    tokens = decision.action_ids if isinstance(decision, TokenDecision) else ()
    logprobs = decision.logprobs if isinstance(decision, TokenDecision) else ()
    return decision.actor, decision.action, decision.memory_hash, tokens, tuple(round(p, 4) for p in logprobs)


def test_the_story_is_the_same_and_the_policy_is_asked_once():
    for one, other in zip(told(True), told(False), strict=True):
        assert plain(one) == plain(other)
        assert (one.success, one.end, one.versions) == (other.success, other.end, other.versions)


def test_where_a_turn_may_be_kept_to_oneself_nobody_waits():
    assert told(False, scratch_turns=1)


class Changes:
    """Says that it is passive, and is not: a right answer is followed by another sentence."""

    def __init__(self, task: Task) -> None:
        self._at, self._right = 0, False

    def _shown(self) -> Observation:
        text = ("The key is red.", "Which key?", "Well done." if self._right else "No.")[self._at]
        asks = self._at == 1
        return Observation(id=f"o{self._at}", step=self._at, content=text, wants_action=asks, writable=not asks)

    def start(self) -> Observation:
        return self._shown()

    def step(self, action: object) -> Outcome:
        verdict = None
        if self._at == 1:
            self._right = isinstance(action, Say)
            verdict = Verdict(score=float(self._right), expected="red", category="key")
        self._at += 1
        return Outcome(float(self._right), self._shown() if self._at < 3 else None, verdict)


class ChangingTasks:
    name = "changing"
    passive = True
    make = staticmethod(Changes)

    def cells(self) -> list[str]:
        return ["one"]

    def train(self, cell: str, seed: int) -> Task:
        return Task(env=self.name, theta=None, seed=seed, cell=cell)

    def held_out(self, seed: int) -> Task:
        return Task(env=self.name, theta=None, seed=seed, split="eval")


def test_a_source_that_says_it_is_passive_and_is_not_is_told_so():
    agent = build(recipe("tiny")).agent
    source = ChangingTasks()
    [group] = play(replace(agent, task_source=source), [source.train("one", 0)], [0], tries=2)
    for episode in group.episodes:
        assert episode.end is End.ENV_ERROR
        assert "'o1'" in episode.error and "passive = True" in episode.error
        assert len(episode.steps) == 2 and episode.steps[1].verdict is not None
