"""Two policies in one episode: a speaker who sees a word, a listener who must say it later from what he was told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from toy import Taker, toy_agent

from memory_stores.types import Write
from memrl.advantages.credit import give_credit
from memrl.contracts.config import CreditConfig, LearnerConfig
from memrl.contracts.errors import ConfigError
from memrl.contracts.protocols import Outcome, SampleRequest
from memrl.contracts.types import Observation, Say, Task, TokenDecision, as_text
from memrl.recipes import recipe
from memrl.rollouts.scheduler import play
from memrl.testing import check_env
from memrl.training.batch import make_batch
from memrl.training.build import build
from memrl.training.learner import Learner
from memrl.training.policies import configs_of_others, load_policies

ANN, BOB = "policy:ann", "policy:bob"
SIGNS, COLOURS = ("dot", "dash"), ("red", "blue")


class Telegraph:
    """Ann sees a colour and sends a sign, which is written down; Bob sees the sign in memory and says the colour."""

    def __init__(self, task: Task) -> None:
        self._colour, self._at = COLOURS[task.seed % 2], 0

    def start(self) -> Observation:
        return Observation(
            id="seen", step=0, content=f"It is {self._colour}.", wants_action=True, writable=False, to=ANN
        )

    def step(self, action: Any) -> Outcome:
        self._at += 1
        if self._at == 1:
            return Outcome(0.0, Observation(id="told", step=1, content=f"Ann sent a {as_text(action)}."))
        if self._at == 2:
            asked = Observation(id="asked", step=2, content="Which colour?", wants_action=True, writable=False, to=BOB)
            return Outcome(0.0, asked)
        right = float(as_text(action) == self._colour)
        return Outcome(right, None, success=right)


class Telegraphs:
    name = "telegraph"

    def make(self, task: Task) -> Telegraph:
        return Telegraph(task)

    def cells(self) -> list[str]:
        return ["all"]

    def train(self, cell: str, seed: int) -> Task:
        return Task(env=self.name, theta=None, seed=seed, cell=cell)

    def held_out(self, seed: int) -> Task:
        return Task(env=self.name, theta=None, seed=seed, split="eval")


class TwoWords:
    """Sees one of two things, says one of two words: a table of two by two logits, ids for tokens."""

    def __init__(self, actor: str, sees: Sequence[str], says: Sequence[str]) -> None:
        self.actor, self._sees, self._says, self.version = actor, sees, says, 0
        self.logits = nn.Parameter(torch.zeros(2, 2))

    def sample(self, requests: Sequence[SampleRequest]) -> list[TokenDecision]:
        return [self._sampled(request) for request in requests]

    def _sampled(self, request: SampleRequest) -> TokenDecision:
        assert request.actor == self.actor
        read = " ".join([*(line.text for line in request.view), request.observation.text])
        state = next(i for i, word in enumerate(self._sees) if word in read)
        logprobs = self.logits[state].log_softmax(0).tolist()
        said = int(np.random.default_rng(request.seed).random() > np.exp(logprobs[0]))
        said = int(np.argmax(logprobs)) if request.greedy else said
        return TokenDecision(
            actor=request.actor,
            action=Say(self._says[said]),
            memory_hash=request.memory_hash,
            prompt_ids=(state,),
            action_ids=(said,),
            logprobs=(logprobs[said],),
        )

    def token_logprobs(self, rows: Sequence[Any]) -> tuple[Tensor, Tensor]:
        states, said = ([ids[0] for ids in column] for column in zip(*rows, strict=True))
        return self.logits.log_softmax(1)[states, said][:, None], torch.ones(len(rows), 1, dtype=torch.bool)

    def parameters(self) -> Iterator[nn.Parameter]:
        yield self.logits

    @contextmanager
    def reference(self) -> Iterator[None]:
        yield

    def freeze_reference(self) -> None: ...

    def bump(self) -> None:
        self.version += 1

    def state_dict(self) -> dict[str, Any]:
        return {"logits": self.logits.detach().clone()}

    def load_state_dict(self, state: Any) -> None:
        self.logits.data.copy_(state["logits"])


def telegraph(steps: int, learns: Sequence[str] = (ANN, BOB)) -> tuple[list[float], TwoWords, TwoWords]:
    """Success of each step, and both policies after them."""
    ann, bob = TwoWords(ANN, COLOURS, SIGNS), TwoWords(BOB, SIGNS, COLOURS)
    with torch.no_grad():
        ann.logits[0, 0] += 0.1  # or neither sign would ever mean anything
        bob.logits[0, 0] += 0.1
    agent = toy_agent(Telegraphs(), Taker(Write))
    agent = type(agent)(**{**{f: getattr(agent, f) for f in agent.__slots__}, "others": {ANN: ann, BOB: bob}})
    policies = {actor: model if actor in learns else None for actor, model in ((ANN, ann), (BOB, bob))}
    learner = Learner(policies, None, LearnerConfig(policy_learning_rate=0.2), seed=0)  # pyright: ignore[reportArgumentType]
    success = []
    for step in range(steps):
        groups = play(agent, [Telegraphs().train("all", seed) for seed in range(4)], [7, step], tries=16)
        success.append(float(np.mean([e.success for group in groups for e in group.episodes])))
        learner.update(make_batch(give_credit(groups, CreditConfig(), agent)))
    return success, ann, bob


def test_the_game_keeps_its_promises() -> None:
    check_env(Telegraphs())


def test_both_learn_to_understand_each_other() -> None:
    success, ann, bob = telegraph(40)
    assert np.mean(success[:2]) < 0.65 and np.mean(success[-3:]) > 0.95
    sent = ann.logits.argmax(1).tolist()
    assert sorted(sent) == [0, 1]
    assert [bob.logits.argmax(1).tolist()[sign] for sign in sent] == [0, 1]


def test_who_does_not_learn_stays_and_gets_nothing_of_the_others_credit() -> None:
    _, ann, bob = telegraph(3, learns=[BOB])
    assert torch.equal(ann.logits, torch.tensor([[0.1, 0.0], [0.0, 0.0]]))
    assert not torch.equal(bob.logits, torch.tensor([[0.1, 0.0], [0.0, 0.0]]))


def test_the_rows_of_each_are_its_own_decisions() -> None:
    ann, bob = TwoWords(ANN, COLOURS, SIGNS), TwoWords(BOB, SIGNS, COLOURS)
    agent = toy_agent(Telegraphs(), Taker(Write))
    agent = type(agent)(**{**{f: getattr(agent, f) for f in agent.__slots__}, "others": {ANN: ann, BOB: bob}})
    groups = play(agent, [Telegraphs().train("all", 1)], [0], tries=8)
    batch = make_batch(give_credit(groups, CreditConfig(), agent))
    assert set(batch.tokens) == {ANN, BOB}
    assert sum(row.count for row in batch.tokens[ANN]) == sum(row.count for row in batch.tokens[BOB]) == 8
    assert {row.prompt_ids for row in batch.tokens[ANN]} == {(1,)}  # she saw blue, he saw signs
    assert {row.prompt_ids for row in batch.tokens[BOB]} == {(0,), (1,)}


def others(**actors: Any) -> Any:
    named = {f"policy:{name}": knobs for name, knobs in actors.items()}
    return recipe(
        "plain",
        env={"name": "tests.memrl.training.test_policies:Telegraphs"},
        policy={"name": "pointer", "max_new_tokens": 3},
        memory={"embedder": "hash"},
        others=named,
    )


def test_a_config_names_further_policies_and_who_is_not_named_shares_the_first() -> None:
    config = others(bob={"trained": False, "options": {"width": 3}})
    [(actor, knobs)] = configs_of_others(config).items()
    assert actor == BOB and knobs.name == "pointer" and knobs.max_new_tokens == 3 and not knobs.trained
    agent = build(config).agent
    assert agent.policy_of(BOB) is not agent.policy and agent.policy_of(ANN) is agent.policy
    assert [name for name, _ in agent.versions] == ["policy", "controller", BOB]
    assert build(others()).agent.others == {}


def test_no_two_begin_alike_and_each_comes_back_from_a_checkpoint() -> None:
    agent = build(others(bob={}, eve={})).agent
    bob, eve = agent.others[BOB], agent.others["policy:eve"]
    first = {name: policy.state_dict() for name, policy in (("policy", agent.policy), *agent.others.items())}
    assert not torch.equal(first[BOB]["net"]["words.weight"], first["policy:eve"]["net"]["words.weight"])
    load_policies(agent, {**first, "policy:eve": first[BOB]})
    assert torch.equal(bob.state_dict()["net"]["words.weight"], eve.state_dict()["net"]["words.weight"])


@pytest.mark.parametrize(("named", "message"), [
    ({"controller": {}}, r"others.controller = {}: name a further policy"),
    ({"policy": {}}, r"others.policy = {}: name a further policy"),
    ({"policy:bob": {"lora_ranc": 4}}, r"others.policy:bob.lora_ranc = 4: there is no such knob"),
    ({"policy:bob": {"name": "nobody"}}, r"others.policy:bob.name = 'nobody'"),
])  # fmt: skip
def test_bad_names_and_knobs_are_told(named: dict[str, Any], message: str) -> None:
    config = recipe("plain", env={"name": "tests.memrl.training.test_policies:Telegraphs"}, others=named,
                    policy={"name": "pointer"}, memory={"embedder": "hash"})  # fmt: skip
    with pytest.raises(ConfigError, match=message):
        build(config)
