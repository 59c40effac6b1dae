"""A memory's own story, told by the stamps of what it holds: a moment for each observation that left something."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

from memory_stores.contents import newest
from memory_stores.memory import AgentMemory
from memory_stores.types import Edge, Entry
from memrl.reporting.pages.story import Decided, Life, Moment, Story, life_of


def memory_story(memory: AgentMemory, name: str) -> Story:
    """Of a memory that kept no log: entries that are gone left no trace, superseded edges did."""
    past = memory.graph.history() if memory.graph is not None else ()
    entries = sorted((*memory.entries(), *past), key=lambda entry: (entry.stamp.step, entry.id[0], newest(entry)))
    moments: list[Moment] = []
    lives: dict[str, Life] = {}
    for (step, source), group in groupby(entries, key=lambda entry: (entry.stamp.step, entry.stamp.observation_id)):
        told = list(group)
        lives.update((entry.id, life_of(entry, memory.store_of(entry.id), len(moments))) for entry in told)
        moments.append(_moment(step, source, told))
    gone: dict[int, list[str]] = defaultdict(list)
    for edge in past:
        end = _superseded(edge, moments)
        lives[edge.id] = replace(lives[edge.id], gone=end)
        gone[end].append(edge.id)
    held = f"{len(memory)} entries, {memory.tokens_used} of {memory.budget} tokens"
    return Story(
        name=name,
        moments=tuple(replace(one, gone=tuple(gone[t])) for t, one in enumerate(moments)),
        lives=lives,
        budget=memory.budget,
        about={"holds": held, "told by": "what is held; this file keeps no log"},
    )


def _superseded(edge: Edge, moments: Sequence[Moment]) -> int:
    """The first moment at which it held no more."""
    end = edge.stamp.step if edge.invalid_at is None else edge.invalid_at
    return next((t for t, one in enumerate(moments) if one.clock >= end), len(moments) - 1)


def _moment(step: int, source: str, told: Sequence[Entry]) -> Moment:
    return Moment(
        id=source,
        clock=step,
        text="\n".join(entry.text for entry in told),
        trust=min(entry.stamp.trust for entry in told),
        decisions=tuple(Decided(actor=entry.stamp.writer, said=f"wrote {entry.id}") for entry in told),
        born=tuple(entry.id for entry in told),
    )
