"""Memory ops as calls that the policy model writes: the tools of Memory-R1 (arXiv:2508.19828), Mem-alpha
(arXiv:2509.25911) and AgeMem (arXiv:2601.01885).

    numbered entries + observation ─ policy model ─> "overwrite 2 lantern attic then forget 1" ─> Overwrite, Forget

    here          write    overwrite    forget    keep
    Memory-R1     ADD      UPDATE       DELETE    NOOP

The calls of a moment are a grammar (``contracts.calls``) that names entries that exist. A policy that can samples under
it, so that nothing else can be said; of any other the text is read by the same language, and what is none of it is
``Unreadable``, which training sees. An op that the store refuses is data too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from memory_stores.memory import AgentMemory
from memory_stores.token_store import TokenStore
from memory_stores.types import Forget, Item, Keep, MemoryOp, Overwrite, Write
from memrl.contracts.calls import Calls, Head
from memrl.contracts.capabilities import Example
from memrl.contracts.contexts import ControllerContext
from memrl.contracts.errors import ConfigError
from memrl.contracts.protocols import Brief, ControllerRequest, SampleRequest, TaskSource
from memrl.contracts.registry import register
from memrl.contracts.types import (
    Action,
    Decision,
    MemoryOps,
    Say,
    Task,
    TokenDecision,
    Unreadable,
    ViewLine,
)
from memrl.controllers.passing import answered, lines_of, moments
from memrl.controllers.writing import Writes, asked, taught, writer_of

JOIN = "then"
KINDS = ("write", "overwrite", "forget", "keep")
HEADER = (
    "Keep the numbered memory by calls, joined by then: write TEXT for what is new, overwrite NUMBER TEXT for what has "
    "changed, forget NUMBER for what no longer holds, keep for nothing."
)
_CALL = re.compile(r"(write|overwrite|forget|keep)\b:?\s*(.*)", re.IGNORECASE | re.DOTALL)
_NUMBERED = re.compile(r"(\d+)\b[.:]?\s*(.*)", re.DOTALL)
_NEXT = re.compile(rf"[\s.;,]+{JOIN}\s+(?=(?:write\b|overwrite\s+\d|forget\s+\d))", re.IGNORECASE)
NOBODY = "t?"
"""The id of no entry: what a number names that no entry has. The store refuses it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpsOptions:
    """Of the controller "ops"."""

    max_new_tokens: int = 64
    """Tokens of all calls of a step at the most."""
    max_calls: int = 4
    """Calls a step; 1 is Memory-R1's."""
    calls: tuple[str, ...] = KINDS
    """Those that there are; ``write`` is one of them, as memory begins empty."""
    header: str = HEADER
    """What the model is told to do; a policy that copies words says only calls whose words stand in it."""

    def __post_init__(self) -> None:
        for name, least in (("max_new_tokens", 2), ("max_calls", 1)):
            if getattr(self, name) < least:
                raise ConfigError(f"controller.options.{name}", getattr(self, name), f"it must be at least {least}")
        if not self.calls or set(self.calls) - set(KINDS):
            raise ConfigError("controller.options.calls", list(self.calls), f"list some of {', '.join(KINDS)}")
        if "write" not in self.calls:
            way_out = "memory begins empty, and nothing else fills it; add write"
            raise ConfigError("controller.options.calls", list(self.calls), way_out)


class OpsMemory(Writes):
    """Asks the policy for calls, and reads them as ops.

    Args:
        policy: whose model writes; its state and its weights are the run's policy.
    """

    def __init__(self, policy: Any, options: OpsOptions) -> None:
        most = options.max_new_tokens
        super().__init__(policy, Brief(header=options.header, sees="New", does="Calls", max_new_tokens=most, lines=1))
        self._options = options

    def decide(self, requests: Sequence[ControllerRequest]) -> list[Decision]:
        """The calls of each request, in order."""
        said = self.policy.sample([self._asked(request) for request in requests])
        return [self._read(one, request) for one, request in zip(said, requests, strict=True)]

    def _read(self, said: TokenDecision, request: ControllerRequest) -> TokenDecision:
        return replace(said, action=self.parsed(said.action, entries_of(request.memory)))

    def parsed(self, action: Action, entries: Sequence[Item]) -> Action:
        """The ops that a text calls for over the numbered entries; what is no text stays what it is."""
        if not isinstance(action, Say):
            return action
        said, more = action.text.strip(), self._options.max_calls - 1
        pieces = _NEXT.split(said, more) if more else [said]
        ops = [self._op(piece, entries) for piece in pieces]
        found = tuple(op for op in ops if op is not None)
        return MemoryOps(found) if len(found) == len(ops) else Unreadable(action.text)

    def _op(self, call: str, entries: Sequence[Item]) -> MemoryOp | None:
        """One op; None for no call, or for one that there is not."""
        named = _CALL.fullmatch(call)
        if named is None or (kind := named.group(1).lower()) not in self._options.calls:
            return None
        rest = named.group(2).strip()
        if kind == "keep":
            return None if rest.strip(" .") else Keep()
        if kind == "write":
            return Write(rest) if rest else None
        numbered = _NUMBERED.fullmatch(rest)
        if numbered is None:
            return None
        number, text = int(numbered.group(1)), numbered.group(2).strip()
        id = entries[number - 1].id if 0 < number <= len(entries) else NOBODY
        if kind == "forget":
            return None if text.strip(" .") else Forget(id)
        return Overwrite(id, text) if text else None

    def _asked(self, request: ControllerRequest) -> SampleRequest:
        entries = entries_of(request.memory)
        return asked(request, numbered(entries), self._brief, self.calls(len(entries)))

    def calls(self, count: int) -> Calls:
        """What may be called over so many entries."""
        made: dict[str, list[Head]] = {
            "write": [Head(text="write", takes_text=True)],
            "overwrite": [Head(text=f"overwrite {n}", takes_text=True, uses=str(n)) for n in range(1, count + 1)],
            "forget": [Head(text=f"forget {n}", uses=str(n)) for n in range(1, count + 1)],
            "keep": [Head(text="keep", alone=True)],
        }
        heads = tuple(head for kind in KINDS if kind in self._options.calls for head in made[kind])
        options = self._options
        return Calls(heads=heads, join=JOIN, most=options.max_calls, max_tokens=options.max_new_tokens)

    def lessons(self, source: TaskSource, task: Task, budget: int, count: Callable[[str], int]) -> list[Example]:
        """One passing of a task: the calls that turn what is held into the ideal memory, and the answers.

        Calls that would not fit into ``max_calls`` or ``max_new_tokens`` are left out, and what they would have written
        is not held from there on.

        Raises:
            ConfigError: the source knows no ideal memory.
        """
        memory, found = AgentMemory(token=TokenStore(budget, count)), list[Example]()
        for moment in moments(source, task, budget, count):
            entries = entries_of(memory)
            found += answered(source, task, moment, lines_of(*(entry.text for entry in entries)))
            if moment.observation.writable:
                text = self._to_call(entries, moment.ideal, count)
                lesson = taught(task, moment.observation, numbered(entries), self._brief, self.calls(len(entries)))
                action = self.parsed(Say(text), entries) if text else None
                if isinstance(action, MemoryOps):
                    found.append(Example(lesson, text))
                    for op in action.ops:
                        memory.apply(op)
        return found

    def _to_call(self, entries: Sequence[Item], ideal: Sequence[str], count: Callable[[str], int]) -> str:
        """Calls from what is held to what an ideal memory holds: what goes first, then what is new, oldest first."""
        held = {entry.text for entry in entries}
        gone = {n: entry.text for n, entry in enumerate(entries, 1) if entry.text not in ideal}
        pairs: list[tuple[str, int]] = []
        for line in reversed([line for line in ideal if line not in held]):
            number = max(gone, key=lambda n: _shared(gone[n], line), default=0)
            number = number if number and _shared(gone[number], line) else 0
            gone.pop(number, None)
            pairs.append((line, number))
        calls = [("forget", f"forget {number}") for number in gone]
        calls += [("overwrite", f"overwrite {n} {line}") if n else ("write", f"write {line}") for line, n in pairs]
        said = ""
        for call in [call for kind, call in calls if kind in self._options.calls][: self._options.max_calls]:
            longer = f"{said} {JOIN} {call}" if said else call
            if count(longer) >= self._options.max_new_tokens:
                break
            said = longer
        return said or ("keep" if "keep" in self._options.calls and not calls else "")


def entries_of(memory: AgentMemory) -> tuple[Item, ...]:
    """The texts that have numbers, from 1."""
    return memory.token.entries() if memory.token is not None else ()


def numbered(entries: Sequence[Item]) -> tuple[ViewLine, ...]:
    """Entries as lines of a view, each with its number."""
    return tuple(
        ViewLine(f"{n}. {entry.text}", entry.id, "token", entry.stamp.observation_id)
        for n, entry in enumerate(entries, 1)
    )


def _shared(one: str, other: str) -> int:
    """Words that two texts have in common, the first of each twice: it is what a short line speaks of."""
    mine, theirs = (re.findall(r"\w+", text.lower()) for text in (one, other))
    return len(set(mine) & set(theirs)) + (mine[:1] == theirs[:1])


def _make(context: ControllerContext, options: OpsOptions) -> OpsMemory:
    return OpsMemory(writer_of(context, "ops"), options)


register("controller", "ops", _make, OpsOptions)
