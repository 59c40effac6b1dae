"""Credit for what is kept: against numbers worked by hand, and against a slow count of every loss."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from memory_stores.types import Forget, Keep, Link, MemoryOp, Overwrite, Write
from memrl.advantages.contract import Scene
from memrl.advantages.promises import check_estimator
from memrl.advantages.retention import RetentionOptions, deciding, lost_worth, potential, retention
from memrl.contracts.capabilities import EvidenceReader, able
from memrl.contracts.config import CreditConfig
from memrl.contracts.errors import ConfigError
from memrl.contracts.protocols import Agent
from memrl.contracts.types import (
    End,
    Episode,
    MemoryOps,
    Observation,
    OfferSet,
    OpDecision,
    Step,
    Task,
    TokenDecision,
)
from memrl.controllers.uniform_random import UniformRandom
from memrl.recipes import recipe
from memrl.rollouts.play import EpisodeContext, play_episode
from memrl.rollouts.scheduler import play_all
from memrl.training.build import build_agent

SMALL = str(Path(__file__).parents[1] / "streams" / "small.jsonl")
TASK = Task(env="told", theta=None, seed=0)


def exact_agent(budget: int = 64) -> Agent:
    """The small streams, read without error."""
    return build_agent(
        recipe(
            "plain",
            env={"name": "documents", "options": {"data": SMALL}},
            memory={"token_budget": budget, "read_budget": budget, "embedder": "hash"},
            policy={"name": "exact"},
        )
    )


class Told:
    """Questions by id, each with its accepted evidence sets."""

    name = "told"
    passive = True

    def __init__(self, **evidence: tuple[set[str], ...]) -> None:
        self.evidence = evidence
        self.asked = 0

    def read(self, task: Task, question_id: str, seen: frozenset[str]) -> str:
        return "yes" if not self.blame(task, question_id, seen) else "unknown"

    def blame(self, task: Task, question_id: str, held: frozenset[str]) -> frozenset[str]:
        self.asked += 1
        sets = self.evidence.get(question_id, ())
        return frozenset(min((one - held for one in sets), key=len, default=frozenset()))


def op(action: MemoryOp, created: tuple[str, ...] = (), refused: bool = False) -> OpDecision:
    offers = OfferSet(ops=(Keep(), action), rows=np.zeros((2, 3), dtype=np.int64), numbers=np.zeros((2, 0)))
    return OpDecision(
        actor="controller",
        action=action,
        memory_hash="",
        offers=offers,
        choice=1,
        logprob=0.0,
        created=created,
        refused=refused,
    )


def episode(*told: tuple[str, list[OpDecision]]) -> Episode:
    """Steps of observation id and decisions; ids that begin with q ask."""
    steps = [
        Step(
            observation=Observation(
                id=id, step=t, content=id, wants_action=id.startswith("q"), writable=not id.startswith("q")
            ),
            decisions=tuple(decisions),
        )
        for t, (id, decisions) in enumerate(told)
    ]
    return Episode(task=TASK, steps=tuple(steps), end=End.DONE)


def scene(source: Told, **options: float) -> Scene:
    agent = replace(exact_agent(), task_source=source)
    return Scene(agent, CreditConfig(name="retention"), RetentionOptions(**options))


WRITES_A = ("a", [op(Write("a"), ("t1",))])


def test_a_loss_costs_what_rested_on_it_and_could_still_be_answered():
    source = Told(qx=({"a", "b"},), qy=({"c"},), qz=({"b"}, {"c"}))
    played = episode(
        WRITES_A,
        ("b", [op(Overwrite("t1", "b"), ("t2",))]),  # a is lost: qx 1 -> 0.25
        ("c", [op(Forget("t2")), op(Write("c"), ("t3",))]),  # b is lost: qx 0.25 -> 0; qz has c
        ("d", [op(Keep())]),  # d is lost: nobody asks
        ("e", [op(Overwrite("t3", "e"), ("t4",))]),  # c is lost: qy 1 -> 0, qz 1 -> 0
        ("qx", []),
        ("qy", []),
        ("qz", []),
    )
    decided = deciding(played)
    assert [(loss.id, loss.decision) for loss in decided.losses] == [("a", 1), ("b", 2), ("d", 4), ("c", 5)]
    worth = lost_worth(played, decided.losses, source, 0.5)
    assert worth.tolist() == [-0.75, -0.25, 0.0, -2.0]
    assert lost_worth(played, decided.losses, source, 1.0).tolist() == [-0.5, -0.5, 0.0, -2.0]


def test_an_edge_alone_holds_what_it_was_found_in_only_where_edges_tell_all():
    played = episode(
        ("a", [op(Write("a"), ("t1",)), op(Link("ana", "in", "attic"), ("g1",))]), ("b", [op(Forget("t1"))])
    )
    assert [loss.id for loss in deciding(played).losses] == ["a", "b"]
    assert [loss.id for loss in deciding(played, edges=True).losses] == ["b"]


def test_what_goes_after_a_question_costs_it_nothing():
    source = Told(qx=({"a"},), qy=({"a"},))
    played = episode(WRITES_A, ("qx", []), ("b", [op(Overwrite("t1", "b"), ("t2",))]), ("qy", []))
    assert lost_worth(played, deciding(played).losses, source, 0.5).tolist() == [-1.0]  # of qy alone


def test_of_several_ops_the_refused_one_alone_loses_nothing():
    def said(refused_ops: tuple[int, ...]) -> TokenDecision:
        ops = MemoryOps((Forget("t1"), Forget("t99")))
        return TokenDecision(
            actor="controller", action=ops, memory_hash="", prompt_ids=(), action_ids=(), logprobs=(),
            refused=bool(refused_ops), refused_ops=refused_ops,
        )  # fmt: skip

    for refused_ops, lost in (((1,), ["a", "b"]), ((0,), ["b"]), ((0, 1), ["b"])):
        decision = said(refused_ops)
        told = episode(WRITES_A, ("b", []))
        step = replace(told.steps[1], decisions=(decision,))
        assert [one.id for one in deciding(replace(told, steps=(told.steps[0], step))).losses] == lost
    assert replace(said(()), refused=True).carried_out == (), "where none is named, all of them"


def test_what_is_held_twice_is_lost_with_the_second_and_a_refused_op_loses_nothing():
    played = episode(
        ("a", [op(Write("a"), ("t1",)), op(Write("a", "archive"), ("a1",))]),
        ("b", [op(Overwrite("t9", "b"), refused=True), op(Overwrite("t1", "b"), ("t2",))]),
        ("c", []),
        ("qx", []),
    )
    assert deciding(played).losses == [("c", -1, 2)]
    again = episode(("a", [op(Write("a"), ("t1",)), op(Forget("t1")), op(Write("a"), ("t2",))]), ("qx", []))
    assert not deciding(again).losses
    gone = episode(*[("a", [op(Write("a"), ("t1",))]), ("b", [op(Forget("t1"))])])
    assert [loss.id for loss in deciding(gone).losses] == ["a", "b"]


def test_siblings_are_compared_at_the_same_place_and_later_losses_count_by_the_discount():
    source = Told(qx=({"a"},), qy=({"b"},))
    keeps = episode(("a", [op(Keep())]), ("b", [op(Keep())]), ("qx", []), ("qy", []))
    writes = episode(WRITES_A, ("b", [op(Keep())]), ("qx", []), ("qy", []))
    found = retention([keeps, writes], scene(source))
    assert [own.tolist() for own in found] == [[-1.0, 0.0], [1.0, 0.0]]
    alone = retention([keeps, episode(("qx", []), ("qy", []))], scene(source))
    assert alone[0].tolist() == [0.0, 0.0]
    far = episode(WRITES_A, ("b", [op(Write("b"), ("t2",))]), ("qx", []), ("qy", []))
    found = retention([keeps, far], scene(source, discount=0.5))
    assert [own.tolist() for own in found] == [[-1.5, -1.0], [1.5, 1.0]]


@pytest.mark.parametrize("seed", range(3))
def test_it_is_what_counting_every_loss_of_a_played_stream_gives(seed: int):
    agent = replace(exact_agent(14), controller=UniformRandom())
    task = agent.task_source.train(agent.task_source.cells()[-1], seed)
    context = EpisodeContext(agent=agent, task=task, memory=agent.new_memory(), rng=np.random.default_rng(seed))
    [played] = play_all([play_episode(context)], agent, 1)
    losses = deciding(played).losses
    reader = able(agent.task_source, EvidenceReader)
    assert reader is not None
    worth = lost_worth(played, losses, reader, 0.5)
    told = [step.observation.id for step in played.steps]
    slow = np.zeros(len(losses))
    for t, step in enumerate(played.steps):
        size = len(reader.blame(task, step.observation.id, frozenset())) if step.observation.wants_action else 0
        gone, last = set(), 1.0
        for n, loss in enumerate(losses):
            if size and loss.step < t:
                gone.add(loss.id)
                left = frozenset(told) - gone
                now = potential(len(reader.blame(task, step.observation.id, left)), size, 0.5)
                slow[n] += now - last
                last = now
    assert worth == pytest.approx(slow)
    assert worth.sum() < 0
    known = [step for step in played.steps if step.observation.wants_action]
    known = [step for step in known if reader.blame(task, step.observation.id, frozenset())]
    whole = lost_worth(played, losses, reader, 0.0)
    assert len(known) + whole.sum() == pytest.approx(sum(step.reward for step in known)), (
        "with no share it is the environment's own reward"
    )


def test_looks_do_not_grow_with_the_number_of_losses():
    def looks(units: int) -> int:
        source = Told(q=({"u3", "u5"},))
        played = episode(*[(f"u{i}", [op(Keep())]) for i in range(units)], ("q", []))
        lost_worth(played, deciding(played).losses, source, 0.5)
        return source.asked

    assert looks(1024) <= looks(16) + 2 * 6 + 2


def test_promises_and_bad_options():
    check_estimator("retention")
    with pytest.raises(ConfigError, match=r"credit\.options\.share"):
        RetentionOptions(share=1.5)
    with pytest.raises(ConfigError, match=r"credit\.options\.discount"):
        RetentionOptions(discount=-1)
