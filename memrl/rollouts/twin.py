"""A memory that parted from the recorded one, and how the recorded ops read in it.

What an op would have touched may not be here. Then it is for what stands in the same place: the entry that the recorded
one had replaced, or that had kept it out because there was no room. So the two memories say the same again once that
place is cleared in both, as a rule soon in a memory that is full, and what followed a change need not be walked to the
end of the episode.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from memory_stores.memory import AgentMemory
from memory_stores.types import (
    Edge,
    Forget,
    Hit,
    Keep,
    Link,
    MemoryOp,
    Overwrite,
    Refusal,
    Relink,
    Stamp,
    StoreName,
    Unlink,
    Write,
)
from memrl.contracts.types import Decision, Observation
from memrl.rollouts.carrying import provenance


class Done(NamedTuple):
    """One op as it was recorded."""

    op: MemoryOp
    created: tuple[str, ...]
    before: AgentMemory
    """The recorded memory just before it."""


def recorded_ops(decision: Decision, before: AgentMemory, observation: Observation) -> Iterator[Done]:
    """The ops of a decision, one by one.

    Args:
        before: the recorded memory before the decision.
    """
    if len(decision.ops) == 1:
        yield Done(decision.ops[0], decision.created, before)
        return
    memory, stamp = before.fork(), provenance(observation, decision, before)
    for op in decision.ops:
        held = memory.fork()
        yield Done(op, memory.apply(op, stamp).created, held)


class Twin:
    """A changed memory, and which of its entries stands for which recorded one."""

    def __init__(self, memory: AgentMemory) -> None:
        self.memory = memory
        self._id_of = {entry.id: entry.id for entry in memory.entries()}
        self._place_of: dict[str, str] = {}
        """Recorded entry that is not here -> the recorded one that stands in its place."""

    def follow(self, decision: Decision, before: AgentMemory, observation: Observation) -> tuple[Hit, ...]:
        """Carry out a recorded decision as it reads here; returns what it finds."""
        stamp = provenance(observation, decision, self.memory)
        done = recorded_ops(decision, before, observation)
        return tuple(hit for one in done for hit in self._carry_out(self._carried_over(one), one, stamp))

    def instead(
        self, ops: Sequence[MemoryOp], decision: Decision, before: AgentMemory, observation: Observation
    ) -> tuple[Hit, ...]:
        """Carry out other ops, at most as many, where ``decision`` was recorded; returns what they find."""
        stamp = provenance(observation, decision, self.memory)
        done = list(recorded_ops(decision, before, observation))
        ahead = [*ops, *[Keep()] * (len(done) - len(ops))]
        # What one decision forgot and what it wrote then are a replacement, as an Overwrite is.
        gone = [one.op.id for one in done if isinstance(one.op, Forget)]
        written = [id for one in done if isinstance(one.op, Write) for id in one.created]
        self._place_of.update(zip(written, gone, strict=False))
        return tuple(hit for op, one in zip(ahead, done, strict=True) for hit in self._carry_out(op, one, stamp))

    def _carry_out(self, op: MemoryOp, one: Done, stamp: Stamp) -> tuple[Hit, ...]:
        result = self.memory.apply(op, stamp)
        if isinstance(one.op, Overwrite | Relink):
            self._place_of.update((id, one.op.id) for id in one.created)
        elif result.refused is Refusal.OVER_BUDGET and isinstance(op, Write):
            self._kept_out(one, op.store)
        if _said(op) == _said(one.op):
            self._id_of.update(zip(one.created, result.created, strict=False))
        return result.hits

    def _kept_out(self, one: Done, store: StoreName) -> None:
        """No room for what was written then: what is here and was not there any more stands in its place."""
        there = {self._id_of.get(entry.id) for entry in one.before.entries()}
        recorded = {id: name for name, id in self._id_of.items()}
        taken = set(self._place_of.values())
        for entry in self.memory.entries():
            name = recorded.get(entry.id)
            if name is None or entry.id in there or name in taken or self.memory.store_of(entry.id) != store:
                continue
            self._place_of.update((id, name) for id in one.created)
            return

    def _carried_over(self, one: Done) -> MemoryOp:
        """The recorded op as it reads in this memory.

        Where nothing stands for what it would have touched, Overwrite becomes Write, Relink becomes Link, and Forget or
        Unlink has nothing left to do.
        """
        op = one.op
        match op:
            case Overwrite():
                id = self._standing(op.id)
                return Write(op.text, self.memory.store_of(op.id)) if id is None else Overwrite(id, op.text)
            case Forget() | Unlink():
                id = self._standing(op.id)
                return Keep() if id is None else type(op)(id)
            case Relink():
                id, edge = self._standing(op.id), one.before.get(op.id)
                if id is None and isinstance(edge, Edge):
                    return Link(edge.subject, edge.relation, op.object)
                return Keep() if id is None else Relink(id, op.object)
            case _:
                return op

    def _here(self, recorded_id: str) -> str | None:
        id = self._id_of.get(recorded_id)
        return id if id is not None and self.memory.get(id) is not None else None

    def _standing(self, recorded_id: str | None) -> str | None:
        """The entry here for a recorded one, or for the nearest of those that stand in its place."""
        while recorded_id is not None:
            id = self._here(recorded_id)
            if id is not None:
                return id
            recorded_id = self._place_of.get(recorded_id)
        return None


def _said(op: MemoryOp) -> str | None:
    """What an op puts into memory."""
    if isinstance(op, Write | Overwrite):
        return op.text
    return op.object if isinstance(op, Link | Relink) else None
