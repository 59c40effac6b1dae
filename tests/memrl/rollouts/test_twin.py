"""Recorded decisions in a memory that parted from the recorded one, and decisions in tokens taken back as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from scripted_writer import CHATTER, LANTERN, Script
from toy import TASK, Echo, ToyTasks, count_words, toy_agent

from memory_stores.memory import AgentMemory
from memory_stores.token_store import TokenStore
from memory_stores.types import Forget, MemoryOp, Overwrite, Write
from memrl.advantages.credit import give_credit
from memrl.contracts.config import CreditConfig
from memrl.contracts.protocols import Agent, ControllerRequest
from memrl.contracts.types import Episode, Group, MemoryOps, Observation, TokenDecision
from memrl.rollouts import replay as replaying
from memrl.rollouts.replay import Change, Site, replay
from memrl.rollouts.scheduler import play


class Rewriter:
    """Forgets all that there is and writes what it sees, in one decision in tokens: MemAgent's way."""

    version, wants_offers = 0, False

    def __init__(self, until: int = 99) -> None:
        self._until = until

    def decide(self, requests: Sequence[ControllerRequest]) -> list[Any]:
        return [self._one(request) for request in requests]

    def _one(self, request: ControllerRequest) -> TokenDecision:
        ops: list[MemoryOp] = [Forget(entry.id) for entry in request.memory.entries()]
        ops.append(Write(request.observation.text))
        taken = tuple(ops) if request.observation.step < self._until else ()
        return TokenDecision(
            actor=request.actor,
            action=MemoryOps(taken),
            memory_hash=request.memory.state_hash(),
            prompt_ids=(1,),
            action_ids=(2,),
            logprobs=(-0.1,),
        )

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: Any) -> None:
        pass


def rewriting(*story: str, until: int = 99) -> Agent:
    agent: Any = toy_agent(ToyTasks(story), Rewriter(until), Echo())
    return replace(agent, offers=None)


def played(agent: Agent) -> Episode:
    [group] = play(agent, [TASK], [0], tries=1)
    return group.episodes[0]


def test_a_decision_in_tokens_is_taken_back_as_a_whole():
    agent = rewriting(CHATTER, LANTERN, "where is it?")
    episode = played(agent)
    assert [len(step.decisions) for step in episode.steps] == [1, 1, 1]
    replays = replay([episode], [Change(0, Site(0, 0)), Change(0, Site(1, 0))], agent)
    # Without the second rewriting the chatter stands, which the lantern had replaced.
    assert [one.rewards.tolist() for one in replays.each] == [[0, 0, 1], [0, 0, 0]]  # pyright: ignore[reportOptionalMemberAccess]


def test_what_was_rewritten_later_replaces_what_stayed():
    agent = rewriting(LANTERN, CHATTER, "snow again", "where is it?")
    episode = played(agent)
    policy = Echo()
    replay([episode], [Change(0, Site(1, 0))], replace(agent, policy=policy))
    # The chatter was never written, so the lantern stayed: until the snow replaced what stood there.
    assert not policy.requests


def test_leave_one_out_and_same_state_credit_a_controller_that_writes_in_tokens():
    agent, idle = rewriting(LANTERN, "where is it?"), rewriting(LANTERN, "where is it?", until=0)
    group = Group(task=TASK, episodes=(played(agent), played(idle)))
    for name in ("leave_one_out", "same_state"):
        won, kept = give_credit([group], CreditConfig(name=name), agent)
        assert won.advantages[0] == 1.0 and kept.advantages[0] == 0.0


def test_the_walk_after_a_change_ends_where_its_place_is_cleared(monkeypatch: Any):
    """A full memory in which each text replaces the one before: no change is followed for more than two steps."""
    story = [f"text number {i}" for i in range(40)]

    def wanted(step: int, op: MemoryOp) -> bool:
        return isinstance(op, Write | Overwrite)

    agent = toy_agent(ToyTasks([*story, "where is it?"]), Script(wanted), budget=3, max_ops=1)
    episode = played(agent)
    followed = []

    class Counted(replaying.Twin):
        def follow(self, *given: Any) -> Any:
            followed.append(1)
            return super().follow(*given)

    monkeypatch.setattr(replaying, "Twin", Counted)
    changes = [Change(0, Site(t, 0)) for t in range(1, 40)]
    replay([episode], changes, agent)
    assert len(followed) <= 2 * len(changes)


def test_what_was_not_forgotten_stands_in_the_place_of_what_then_found_no_room():
    """Forget(A) makes room for B, and B is forgotten for C. With A kept, B finds no room, and C stands for neither."""
    memory = AgentMemory(token=TokenStore(3, count_words))
    ops: list[MemoryOp] = [Write("a a a"), Forget("t1"), Write("b b b"), Forget("t2"), Write("c c c")]
    twin = None
    observation = Observation(id="o", step=0, content="o")
    for op in ops:
        before = memory.fork()
        created = memory.apply(op).created
        decision = TokenDecision(
            actor="controller",
            action=MemoryOps((op,)),
            memory_hash="",
            prompt_ids=(),
            action_ids=(),
            logprobs=(),
            created=created,
        )
        if twin is not None:
            twin.follow(decision, before, observation)
        elif isinstance(op, Forget):
            twin = replaying.Twin(before.fork())
            twin.instead((), decision, before, observation)
            assert [entry.text for entry in twin.memory.entries()] == ["a a a"]
    assert twin is not None and [entry.text for entry in twin.memory.entries()] == ["c c c"]


def test_reach_bounds_how_far_a_change_is_followed():
    agent = toy_agent(ToyTasks((LANTERN, "is it?", "where is it?")), Script(lambda t, op: isinstance(op, Write)))
    episode = played(agent)
    near, far = (replay([episode], [Change(0, Site(0, 0))], agent, reach=reach).each[0] for reach in (1, 2))
    assert near.rewards is not None and near.rewards.tolist() == [0, 0, 1]
    assert far.rewards is not None and far.rewards.tolist() == [0, 0, 0]
