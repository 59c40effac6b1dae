"""What happens to an observation: checked, cut where it is long, kept once, or refused with a reason.

text ─> held already? ─> duplicate: held once, as the newest
     ─> longer than a view shows at once? ─> pieces, each with the observation it came from
     ─> could it ever fit? ─> refused, nothing changed
     ─> the archive takes it, older entries make room; or the controller decides
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from hashlib import blake2b
from secrets import token_bytes
from typing import NamedTuple

from memory_stores.types import Forget, Item, Keep, MemoryOp, OpResult, Overwrite, Stamp, Write
from memrl.agent.engine import Engine
from memrl.agent.keeping import Keeping, Known, Room, key_of
from memrl.agent.results import Details, Fate, Observed, Reason
from memrl.agent.said import Said
from memrl.agent.support import again
from memrl.agent.texts import is_blank, piece_of, pieces
from memrl.contracts.types import ARCHIVIST, CONTROLLER, Observation


class Intake:
    """Takes observations into one memory; its clock goes on from the last step there."""

    def __init__(self, engine: Engine, keeping: Keeping) -> None:
        self._engine, self._keeping = engine, keeping
        entries = keeping.memory.entries()
        self._clock = max((max(entry.stamp.step, entry.used_at) for entry in entries), default=-1) + 1
        self._known, self._room = Known(keeping.memory), Room(keeping.memory)
        self._gone, self._salt = set[bytes](), token_bytes(16)
        """What was taken back, as digests that tell nothing once the process has ended."""

    def refresh(self) -> None:
        """Take over what other processes wrote; their steps come before the next one here."""
        self._keeping.refresh()
        entries = self._keeping.memory.entries()
        if entries:
            self._clock = max(self._clock, entries[-1].stamp.step + 1)

    def tick(self) -> int:
        """A new step of the clock."""
        self._clock += 1
        return self._clock - 1

    def take(self, said: Said, resent: bool = False) -> Observed:
        """One text. What is refused changes nothing.

        Args:
            resent: a client sends it again with a whole conversation: what is held of it keeps its date.
        """
        if is_blank(said.text):
            return Observed(fate=Fate.REFUSED, reason=Reason.BLANK)
        self.refresh()
        if (held := self._again(said, resent)) is not None:
            return held
        engine = self._engine
        # Cut only what has a chance: blanks that fall away at the cuts never halve a text.
        if engine.keeps_all and engine.agent.count_tokens(said.text) > 2 * _largest(self._keeping):
            return Observed(fate=Fate.REFUSED, reason=Reason.TOO_LONG)
        parts = pieces(said.text, engine.longest, engine.agent.count_tokens)
        tokens = sum(map(engine.agent.count_tokens, parts))
        if not parts or (engine.keeps_all and tokens > _largest(self._keeping)):
            return Observed(fate=Fate.REFUSED, reason=Reason.TOO_LONG)
        if len(parts) > 1 and all(self._known.holder(part) is not None for part in parts):
            return _together([self._again(replace(said, text=part), resent) for part in parts])
        if resent and any(self._digest(part) in self._gone for part in parts):
            return Observed(fate=Fate.REFUSED, reason=Reason.TAKEN_BACK)
        self._gone.difference_update(map(self._digest, (said.text, *parts)))
        shown = self._observations(parts, said)
        taken = [self._archive(one, said) if engine.keeps_all else self._decide(one, said) for one in shown]
        return _joined(taken)

    def replace(self, old: Item, said: Said) -> Observed:
        """Another text in the place of an item. What is refused changes nothing."""
        engine = self._engine
        if is_blank(said.text):
            return Observed(fate=Fate.REFUSED, reason=Reason.BLANK)
        if engine.agent.count_tokens(said.text) > engine.longest:
            return Observed(fate=Fate.REFUSED, reason=Reason.TOO_LONG)
        held = self._known.holder(said.text)
        if held is not None and held.id != old.id:
            return Observed(fate=Fate.DUPLICATE, ids=(held.id,))
        op, step = Overwrite(old.id, said.text), self.tick()
        stamp = Stamp(step=step, observation_id=f"u{step}", writer="user", trust=said.trust)
        [result] = self.change([op], stamp, said.details, said.now)
        if result.done:
            self.take_back([old.text])
            return Observed(fate=Fate.KEPT, ids=result.created, ops=(op,))
        return Observed(fate=Fate.REFUSED, reason=Reason.OVER_BUDGET)

    def take_back(self, texts: Iterable[str]) -> None:
        """What a user deleted, changed or had forgotten: a client that sends the whole conversation again with its next
        turn does not say it anew. Who says it in a turn of its own does."""
        self._gone.update(map(self._digest, texts))

    def _digest(self, text: str) -> bytes:
        return blake2b(key_of(text).encode(), digest_size=16, key=self._salt).digest()

    def change(self, ops: Sequence[MemoryOp], stamp: Stamp, details: Details, now: float) -> list[OpResult]:
        """Ops that nobody need decide on."""
        before = self._keeping.memory.state_hash()
        results = self._keeping.apply(ops, stamp, details, now)
        self._known.follow(results, before)
        return results

    def _observations(self, parts: Sequence[str], said: Said) -> list[Observation]:
        """Of each piece, in order; ids tell which are of one text."""
        shown = [self._observation(part, said) for part in parts]
        if len(shown) == 1:
            return shown
        first = shown[0].step
        return [replace(one, id=piece_of(first, said.now, place)) for place, one in enumerate(shown)]

    def _observation(self, text: str, said: Said) -> Observation:
        step = self.tick()
        details = said.details
        return Observation(
            id=f"u{step}", step=step, content=text, time=details.time, source=details.source, trust=said.trust
        )

    def _again(self, said: Said, resent: bool) -> Observed | None:
        """A text that is held already is held once, as the newest, and believed more where another source says it; one
        that is trusted less and no other's changes nothing, nor does what a source only sends again."""
        held = self._known.holder(said.text)
        if held is None:
            return None
        before = self._keeping.details(held.id)
        if resent and said.details.source in (before.source, *before.also) and said.trust <= held.stamp.trust:
            return Observed(fate=Fate.DUPLICATE, ids=(held.id,))
        trust, details = again(held.stamp.trust, before, said.trust, said.details)
        if resent and before.time is not None:
            details = replace(details, time=before.time)
        less = held.stamp.trust > said.trust and trust == held.stamp.trust
        newest = held is self._keeping.memory.entries()[-1]
        same = newest and trust == held.stamp.trust and self._same_day(details, before)
        if less or same or held.id[:1] not in ("t", "a"):
            return Observed(fate=Fate.DUPLICATE, ids=(held.id,))
        observation = replace(self._observation(held.text, said), trust=trust)
        op = Overwrite(held.id, held.text)
        [result] = self.change([op], _stamp(observation, ARCHIVIST), details, said.now)
        return Observed(fate=Fate.DUPLICATE, ids=result.created or (held.id,), ops=(op,) if result.done else ())

    def _same_day(self, now: Details, before: Details) -> bool:
        """Whether nothing is new about it but the hour."""
        days = [
            None if one.time is None else datetime.fromtimestamp(one.time, self._engine.zone).date()
            for one in (now, before)
        ]
        return days[0] == days[1] and replace(now, time=None) == replace(before, time=None)

    def _archive(self, observation: Observation, said: Said) -> _Taken:
        """Everything is kept; what nobody needed for longest makes room."""
        text = observation.text
        making_room = self._room.needed(self._engine.agent.count_tokens(text))
        ops = [*making_room, Write(text, "archive")]
        results = self.change(ops, _stamp(observation, ARCHIVIST), said.details, said.now)
        with self._engine.parts:
            self._engine.took_in(self._keeping.memory, text)
        return _taken(ops, results)

    def _decide(self, observation: Observation, said: Said) -> _Taken:
        """The controller decides on a twin of the memory; what it did there is then done here, with the details."""
        with self._engine.parts:
            decisions = self._engine.decide_writes(self._keeping.memory.fork(), observation)
        ops: list[MemoryOp] = []
        results: list[OpResult] = []
        for decision in decisions:
            wanted = [op for op in decision.ops if not isinstance(op, Keep)]
            results += self.change(wanted, _stamp(observation, decision.actor), said.details, said.now)
            ops += wanted
        with self._engine.parts:
            self._engine.took_in(self._keeping.memory, observation.text)
        return _taken(ops, results)


class _Taken(NamedTuple):
    """What was done for one piece."""

    ops: tuple[MemoryOp, ...]
    created: tuple[str, ...]
    evicted: tuple[str, ...]
    refused: bool


def _taken(ops: Sequence[MemoryOp], results: Sequence[OpResult]) -> _Taken:
    done = [(op, result) for op, result in zip(ops, results, strict=True) if result.done]
    return _Taken(
        ops=tuple(op for op, _ in done),
        created=tuple(id for _, result in done for id in result.created),
        evicted=tuple(id for op, result in done if isinstance(op, Forget) for id in result.removed),
        refused=len(done) < len(ops),
    )


def _together(found: Sequence[Observed | None]) -> Observed:
    """One result for all pieces of a text that is held already."""
    held = [one for one in found if one is not None]
    ids, ops = (id for one in held for id in one.ids), (op for one in held for op in one.ops)
    return Observed(fate=Fate.DUPLICATE, ids=tuple(ids), ops=tuple(ops))


def _joined(taken: Sequence[_Taken]) -> Observed:
    """One result for all pieces of a text."""
    made = Observed(
        fate=Fate.KEPT,
        ids=tuple(id for one in taken for id in one.created),
        ops=tuple(op for one in taken for op in one.ops),
        evicted=tuple(id for one in taken for id in one.evicted),
    )
    if made.ids:
        return made
    if any(one.refused for one in taken):
        return replace(made, fate=Fate.REFUSED, reason=Reason.OVER_BUDGET)
    return replace(made, fate=Fate.NOT_WORTH_KEEPING)


def _stamp(observation: Observation, writer: str = CONTROLLER) -> Stamp:
    return Stamp(step=observation.step, observation_id=observation.id, writer=writer, trust=observation.trust)


def _largest(keeping: Keeping) -> int:
    """Tokens of the largest of its stores."""
    memory = keeping.memory
    return max(part.budget for part in (memory.token, memory.graph, memory.archive) if part is not None)
