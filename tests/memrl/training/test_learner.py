"""The joint learner on hand-made decisions: what is rewarded grows, and how rows are cut changes nothing."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from episodes import NOBODY, answer, episode

from memory_stores.embed import HashEmbedder
from memory_stores.types import Keep, Write
from memrl.advantages.credit import give_credit
from memrl.contracts.config import CreditConfig, LearnerConfig, PolicyConfig
from memrl.contracts.errors import ConfigError
from memrl.contracts.protocols import SampleRequest
from memrl.contracts.texts import TextTable
from memrl.contracts.types import Group, Observation, OfferSet, OpDecision, Task
from memrl.controllers.offers import NUM_NUMBERS
from memrl.controllers.scorer import Scorer, ScorerOptions
from memrl.policies.hf import HFPolicy
from memrl.training.batch import Batch, TokenRow, make_batch
from memrl.training.learner import Learner, falling
from memrl.training.token_loss import TokenLoss

TASK = Task(env="toy", theta=None, seed=0)


def scorer() -> Scorer:
    table = TextTable(HashEmbedder(16))
    table.add(["a fact", "small talk"])
    return Scorer(table, ScorerOptions(width=4, hidden=8), seed=0)


def offers(row: int) -> OfferSet:
    numbers = np.zeros((2, NUM_NUMBERS), dtype=np.float32)
    numbers[0, 0] = numbers[1, 1] = 1.0
    rows = np.array([[row, -1, -1], [row, row, -1]], dtype=np.int64)
    return OfferSet(ops=(Keep(), Write("x")), rows=rows, numbers=numbers)


def op(row: int, choice: int) -> OpDecision:
    on_offer = offers(row)
    return OpDecision(
        actor="controller", action=on_offer.ops[choice], memory_hash="", offers=on_offer, choice=choice,
        logprob=float(np.log(0.5)),
    )  # fmt: skip


def writing_pays() -> Batch:
    wrote = episode(([op(0, 1)], 0.0), ([answer(5)], 1.0))
    kept = episode(([op(0, 0)], 0.0), ([answer(7)], 0.0))
    return make_batch(give_credit([Group(task=TASK, episodes=(wrote, kept))], CreditConfig(), NOBODY))


def probability_of_writing(controller: Scorer) -> float:
    on_offer = offers(0)
    with torch.no_grad():
        logprobs, _ = controller.logprobs(
            torch.from_numpy(on_offer.rows), torch.from_numpy(on_offer.numbers), torch.tensor([2])
        )
    return float(logprobs[0, 1].exp())


def test_a_write_that_paid_becomes_likelier():
    controller = scorer()
    before = probability_of_writing(controller)
    learner = Learner({}, controller, LearnerConfig(epochs=4, minibatches=1))
    metrics = learner.update(writing_pays())
    assert probability_of_writing(controller) > before
    assert metrics["op_decisions"] == 2 and controller.version == 4


def test_choosing_and_learning_see_the_same_probabilities():
    controller = scorer()
    on_offer = offers(1)
    with torch.no_grad():
        learned, _ = controller.logprobs(
            torch.from_numpy(on_offer.rows), torch.from_numpy(on_offer.numbers), torch.tensor([2])
        )
        played = controller.net(
            controller._projected(), torch.from_numpy(on_offer.rows), torch.from_numpy(on_offer.numbers)
        )
    torch.testing.assert_close(played.log_softmax(0), learned[0])


def test_mini_batches_hold_every_decision_once_with_its_own_candidates():
    ops = [op(i % 2, i % 2) for i in range(5)]
    batch = make_batch(
        give_credit(
            [Group(task=TASK, episodes=(episode((ops, 1.0)), episode(([op(0, 0)], 0.0))))], CreditConfig(), NOBODY
        )
    ).ops
    assert batch is not None
    parts = batch.shuffled(3, np.random.default_rng(0))
    assert sum(len(part) for part in parts) == 6
    for part in parts:
        assert float(part.weight.sum()) == pytest.approx(1.0)
        firsts = part.counts.cumsum(0) - part.counts
        assert part.rows[firsts, 1].tolist() == [-1] * len(part)  # each starts with its own Keep
    assert sorted(c for part in parts for c in part.choice.tolist()) == sorted([0, 1, 0, 1, 0, 0])


def test_joint_update_moves_both_actors_by_one_optimiser():
    policy = HFPolicy(PolicyConfig(model="tiny", lora_rank=2))
    controller = scorer()
    before = [p.detach().clone() for p in policy.parameters()]
    Learner({"policy": policy}, controller, LearnerConfig(policy_learning_rate=1e-2)).update(writing_pays())
    assert any(not torch.equal(a, b) for a, b in zip(before, policy.parameters(), strict=True))
    assert policy.version == 1 and controller.version > 1


def row(prompt: tuple[int, ...], action: tuple[int, ...], advantage: float) -> TokenRow:
    return TokenRow(prompt_ids=prompt, action_ids=action, logprobs=(-5.5,) * len(action), advantage=advantage)


def gradient(rows: list[TokenRow], budget: int) -> torch.Tensor:
    policy = HFPolicy(PolicyConfig(model="tiny", lora_rank=2))
    with torch.no_grad():
        for i, p in enumerate(policy.parameters()):
            p.copy_(torch.randn(p.shape, generator=torch.Generator().manual_seed(i)) * 0.1)
    TokenLoss("policy", policy, rows, LearnerConfig(batch_tokens=budget)).backward()
    return torch.cat([p.grad.flatten() for p in policy.parameters() if p.grad is not None])


ROWS = [
    row((5, 6, 7), (8,), 0.5), row((9,), (10, 11, 12), -0.25), row((5, 6), (7, 8), 1.0), row((3,) * 9, (4,), -1.0)
]  # fmt: skip


@pytest.mark.parametrize("budget", [1, 12, 1000])
def test_the_gradient_does_not_depend_on_how_rows_are_ordered_padded_or_split(budget):
    reference = gradient(ROWS, 1000)
    other = gradient(ROWS[::-1], budget)
    assert (other - reference).norm() / reference.norm() < 1e-5


def test_a_merged_row_pulls_like_the_rows_it_stands_for():
    twice = [ROWS[0], row((5, 6, 7), (8,), 0.25)]
    once = [row((5, 6, 7), (8,), 0.75)]
    a, b = gradient(twice, 1000), gradient(once, 1000)
    assert (a - b).norm() / b.norm() < 1e-5


def test_a_gradient_that_is_not_finite_changes_no_weight():
    policy = HFPolicy(PolicyConfig(model="tiny", lora_rank=2))
    before = [p.detach().clone() for p in policy.parameters()]
    bad = Batch(ops=None, tokens={"policy": (row((5,), (6,), float("nan")),)})
    told = Learner({"policy": policy}, None, LearnerConfig()).update(bad)
    assert told["skipped_updates"] == 1 and policy.version == 0
    assert all(torch.equal(a, b) for a, b in zip(before, policy.parameters(), strict=True))


def question(i: int) -> Observation:
    return Observation(id=f"q{i}", step=i, content=f"Where is {i}?", wants_action=True, writable=False)


def asked(policy: HFPolicy) -> list[TokenRow]:
    requests = [
        SampleRequest(task=TASK, observation=question(i),
                      view=(), memory_hash="", seed=i)
        for i in range(4)
    ]  # fmt: skip
    return [
        TokenRow(prompt_ids=d.prompt_ids, action_ids=d.action_ids, logprobs=d.logprobs, advantage=0.1)
        for d in policy.sample(requests)
    ]


@pytest.mark.parametrize("knobs", [{}, {"importance_cap": 2.0}])
def test_what_is_learned_from_has_the_logprobs_that_the_rollout_reported(knobs):
    policy = HFPolicy(PolicyConfig(model="tiny", lora_rank=2))
    learner = Learner({"policy": policy}, None, LearnerConfig(policy_learning_rate=1e-2, **knobs))
    for _ in range(3):
        found = learner.update(Batch(ops=None, tokens={"policy": tuple(asked(policy))}))
        assert found["logprob_gap"] <= 1e-4


def test_a_kl_holds_the_policy_near_its_base():
    def drift(kl: float) -> float:
        policy = HFPolicy(PolicyConfig(model="tiny", lora_rank=2))
        rows = tuple(asked(policy))
        learner = Learner({"policy": policy}, None, LearnerConfig(policy_learning_rate=1e-2, kl=kl))
        for _ in range(8):
            learner.update(Batch(ops=None, tokens={"policy": rows}))
        pairs = [(r.prompt_ids, r.action_ids) for r in rows]
        with torch.no_grad():
            now, mask = policy.token_logprobs(pairs)
            with policy.reference():
                base, _ = policy.token_logprobs(pairs)
        return float(((now - base).abs() * mask).sum())

    assert drift(100.0) < 0.25 * drift(0.0)


def test_learning_rates_fall_along_a_line_to_a_twentieth():
    shares = [falling(done, total=10, start=0.5) for done in range(10)]
    assert shares == pytest.approx([1, 1, 1, 1, 1, 1, 0.8, 0.6, 0.4, 0.2])
    assert falling(19, total=20, start=0.0) == pytest.approx(0.05)
    assert falling(99, total=100, start=0.5) == pytest.approx(0.05)
    assert falling(9, total=10, start=1.0) == 1.0
    assert falling(9, total=0, start=0.5) == 1.0


def test_the_value_head_learns_what_there_is_to_earn():
    table = TextTable(HashEmbedder(16))
    table.add(["a fact", "small talk"])
    config = ScorerOptions(width=4, hidden=8, critic=True)
    controller = Scorer(table, config, seed=0)
    learner = Learner({}, controller, LearnerConfig(controller_learning_rate=1e-2, entropy=0.0), seed=0)
    decisions = [
        OpDecision(actor="controller", action=Keep(), memory_hash="", offers=offers(row), choice=0, logprob=-0.7)
        for row in (0, 1)
    ]
    rich, poor = episode(([decisions[0]], 6.0)), episode(([decisions[1]], 2.0))
    group = Group(task=TASK, episodes=(rich, poor, rich, poor))
    for _ in range(100):
        told = learner.update(
            make_batch(give_credit([group], CreditConfig(name="gae"), replace(NOBODY, controller=controller)))
        )
    assert controller.values([offers(0), offers(1)]) == pytest.approx([6.0, 2.0], abs=0.4)
    assert told["value_loss"] < 0.05
    again = Scorer(table, config, seed=1)
    again.load_state_dict(controller.state_dict())
    assert again.values([offers(0)]) == pytest.approx(controller.values([offers(0)]))


def test_a_scorer_without_a_value_head_says_so():
    with pytest.raises(ConfigError, match=r"controller.options.critic = False: this scorer has no value head"):
        scorer().values([offers(0)])
