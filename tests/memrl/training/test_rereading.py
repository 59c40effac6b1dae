"""What practice asks, the policy learns to answer: the choice of questions, the loss, its place in a run."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import log
from typing import Any

import numpy as np
import pytest
import torch
from toy import Echo, Taker, ToyTasks, toy_agent

from memory_stores.types import Write
from memrl.contracts.config import LearnerConfig, TrainConfig
from memrl.contracts.errors import ConfigError
from memrl.contracts.protocols import Brief, SampleRequest
from memrl.contracts.types import Group, Task
from memrl.recipes import recipe
from memrl.rollouts.play import EpisodeContext, play_episode
from memrl.rollouts.scheduler import play_all
from memrl.train import train
from memrl.training.batch import make_batch
from memrl.training.learner import Learner
from memrl.training.rereading import DRAWN, AnswerLikelihood, questions, reread

STORY = ["Ana took the lantern.", "Is it the lantern?", "Rain fell.", "Is it the lantern?", "Is it light?"]


class Reader:
    """Knows tasks by their seeds: the answer to task k is the one token k, of the k-th likelihood."""

    version = 0

    def __init__(self, *logprobs: float) -> None:
        self.logprobs_K = torch.tensor(logprobs, requires_grad=True)
        self.batches: list[int] = []
        self.asked: list[int] = []

    def sample(self, requests: Sequence[SampleRequest]) -> list[Any]:
        return Echo().sample(requests)

    def answer_rows(self, requests: Sequence[SampleRequest], answers: Sequence[str]) -> list[Any]:
        return [((0,) * int(r.task.seed + 1), (int(r.task.seed),)) for r in requests]

    def answer_logprobs(self, requests: Sequence[SampleRequest], answers: Sequence[str]) -> list[float]:
        self.asked = [int(r.task.seed) for r in requests]
        return [float(self.logprobs_K[k].detach()) for k in self.asked]

    def token_logprobs(self, rows: Sequence[Any]) -> tuple[torch.Tensor, torch.Tensor]:
        self.batches.append(len(rows))
        chosen = self.logprobs_K[torch.tensor([answer[-1] for _, answer in rows])]
        return chosen[:, None], torch.ones(len(rows), 1, dtype=torch.bool)


class Trained:
    """A reader as the learner sees any network that further parts train; counts how often its weights changed."""

    learning_rate = 1e-3

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self.bumps = 0

    def bump(self) -> None:
        self.bumps += 1

    def parameters(self) -> Iterator[Any]:
        yield self._reader.logprobs_K


def practised(story: Sequence[str] = STORY, tries: int = 2, seed: int = 0, wanted: type = Write) -> Group:
    agent = toy_agent(ToyTasks(story), Taker(wanted))
    task = Task(env="toy", theta=None, seed=seed)
    contexts = [
        EpisodeContext(agent=agent, task=task, memory=agent.new_memory(), rng=np.random.default_rng(i))
        for i in range(tries)
    ]
    return Group(task=task, episodes=tuple(play_all((play_episode(context) for context in contexts), agent, tries)))


def config(**learner: Any) -> TrainConfig:
    return replace(recipe("tiny"), learner=LearnerConfig(**learner))


class Briefed(ToyTasks):
    def brief(self, task: Task) -> Brief:
        return Brief(header="Say yes or no.")


def test_a_question_is_asked_once_a_view_and_only_where_the_view_decided_it():
    asked = list(questions([practised(), practised()], Briefed(STORY)))
    assert [one.request.observation.text for one in asked] == [
        "Is it the lantern?",
        "Is it the lantern?",
        "Is it light?",
    ]
    assert [len(one.request.view) for one in asked] == [1, 2, 2]
    assert {one.answer for one in asked} == {"yes"}
    assert {one.request.brief.header for one in asked} == {"Say yes or no."}, "as play asks"
    # Nothing was written, so nothing in view could decide it.
    assert not list(questions([practised(wanted=int)], Briefed(STORY)))


def test_the_loss_is_the_mean_of_minus_the_logprobs_in_batches_within_the_budget():
    logprobs = [log(0.5), log(0.25), log(0.125)]
    reader = Reader(*logprobs)
    rows = [((0,) * 3, (k,)) for k in range(3)]
    part = AnswerLikelihood(policy=reader, rows=rows, logprobs=logprobs, batch_tokens=8, tokens_scored=100)
    told = part.backward()
    assert reader.batches == [2, 1]
    assert told["loss"] == pytest.approx((log(2) + log(4) + log(8)) / 3)
    assert told["p_right"] == pytest.approx((0.5 + 0.25 + 0.125) / 3)
    assert told["rows"] == 3 and told["tokens"] == 100 + 12
    assert reader.logprobs_K.grad is not None
    assert reader.logprobs_K.grad.tolist() == pytest.approx([-1 / 3] * 3)


def test_the_rows_are_dealt_out_over_the_optimiser_steps_of_an_update():
    logprobs = [log(p) for p in (0.5, 0.25, 0.125, 0.5, 0.25)]
    reader = Reader(*logprobs)
    rows = [((0,) * 3, (k,)) for k in range(5)]
    part = AnswerLikelihood(policy=reader, rows=rows, logprobs=logprobs, batch_tokens=99, tokens_scored=0)
    learner = Learner({}, None, LearnerConfig(epochs=1, minibatches=2), others=[Trained(reader)])
    told = learner.update(make_batch([], [part]))
    assert reader.batches == [3, 2]
    # What is told is of all turns' rows.
    assert told["rereading/p_right"] == pytest.approx((0.5 + 0.25 + 0.125 + 0.5 + 0.25) / 5)
    assert told["rereading/rows"] == 5 and told["rereading/tokens"] == 20
    # Only the second turn's rows have a gradient left.
    assert reader.logprobs_K.grad is not None
    assert reader.logprobs_K.grad.tolist() == pytest.approx([0, -1 / 2, 0, -1 / 2, 0])


def test_with_fewer_rows_than_optimiser_steps_the_last_ones_read_nothing():
    reader = Reader(log(0.5))
    part = AnswerLikelihood(policy=reader, rows=[((0,), (0,))], logprobs=[log(0.5)], batch_tokens=8, tokens_scored=0)
    policy: Any = Trained(reader)
    told = Learner({"policy": policy}, None, LearnerConfig(epochs=2, minibatches=1)).update(make_batch([], [part]))
    assert reader.batches == [1]
    assert policy.bumps == 1, "the second optimiser step changed no weight of the policy"
    assert told["rereading/loss"] == pytest.approx(log(2))


def test_the_least_likely_of_those_drawn_are_learned():
    reader = Reader(*(-float((7 * k) % 10) for k in range(10)))
    groups = [practised([f"Ana took lantern {k}.", "Is it the lantern?"], seed=k) for k in range(10)]
    agent = toy_agent(ToyTasks(STORY), Taker(), reader)
    [part] = reread(groups, agent, config(rereads=2), [0, 1])
    assert isinstance(part, AnswerLikelihood)
    assert len(reader.asked) == 2 * DRAWN
    chosen = [answer[0] for _, answer in part.rows]
    assert chosen == sorted(reader.asked, key=lambda k: float(reader.logprobs_K[k]))[:2]
    [again] = reread(groups, agent, config(rereads=2), [0, 1])
    assert isinstance(again, AnswerLikelihood) and again.rows == part.rows


def test_nothing_is_reread_without_questions_or_by_a_frozen_policy():
    agent = toy_agent(ToyTasks(STORY), Taker(), Reader(0.0))
    assert reread([], agent, config(rereads=2), [0]) == []
    assert reread([practised()], agent, config(), [0]) == []
    frozen = recipe("tiny", policy={"trained": False}, learner={"rereads": 2})
    assert reread([practised()], agent, frozen, [0]) == []


def test_a_policy_that_cannot_learn_a_given_answer_is_one_clear_line():
    with pytest.raises(ConfigError, match=r"learner.rereads = 2: Echo cannot learn a given answer .*set it to 0"):
        reread([practised()], toy_agent(ToyTasks(STORY), Taker()), config(rereads=2), [0])


def test_a_run_tells_what_it_reread(tmp_path):
    small = {"warm_start": {"steps": 1}, "rollout": {"tasks": 0, "practice_tasks": 8}, "steps": 2}
    [*_, line] = (train(recipe("tiny", out=str(tmp_path / "run"), **small)) / "metrics.jsonl").read_text().splitlines()
    told = json.loads(line)
    assert told["rereading/rows"] == 2
    assert 0 < told["rereading/p_right"] < 1 and told["rereading/loss"] > 0
    assert told["rereading/tokens"] > 0 and "success" not in told
