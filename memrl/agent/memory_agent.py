"""``MemoryAgent``: what a user holds. It remembers what it observes, under a budget, and answers from it."""

from __future__ import annotations

import asyncio
import sys
import time as clocks
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any, Literal, Self, overload

from memory_stores.memory import AgentMemory
from memory_stores.types import Forget, Item, Overwrite, Stamp
from memrl.agent.asking import Answering, Looked
from memrl.agent.conversation import Turns, read_messages
from memrl.agent.engine import Engine
from memrl.agent.forgetting import THRESHOLD, checked_threshold, meant
from memrl.agent.homes import Home, checked_path
from memrl.agent.intake import Intake
from memrl.agent.keeping import Event, Keeping, found
from memrl.agent.results import Answer, Details, Forgotten, Found, Observed
from memrl.agent.said import Now, all_checked, checked
from memrl.agent.searching import matching, search
from memrl.agent.texts import checked_text, checked_time
from memrl.contracts.errors import InputError
from memrl.contracts.types import Observation
from memrl.training.feedback import rate

if TYPE_CHECKING:
    from memrl.agent.mem0 import Mem0

Time = float | datetime | None
"""Seconds since 1970 or a datetime; None for now."""


class MemoryAgent:
    """A model with a memory. Safe to use from several threads; ``user`` gives each person a memory apart.

    Args:
        engine: the parts, which several agents may share.
        home: where memories live.
        name: whose memory this is.
        clock: tells the time, in seconds since 1970.
    """

    def __init__(
        self, engine: Engine, home: Home, name: str = "default", clock: Callable[[], float] = clocks.time
    ) -> None:
        self._engine, self._home, self.name, self._time = engine, home, name, clock
        self._lock = RLock()
        self._users: dict[str, MemoryAgent] = {name: self}
        self._keeping: Keeping = home.open(name)
        self._intake = Intake(engine, self._keeping)

    @property
    def memory(self) -> AgentMemory:
        """To read, or to change by ops of your own through ``apply``."""
        return self._keeping.memory

    @property
    def engine(self) -> Engine:
        """The parts behind this agent."""
        return self._engine

    def _now(self) -> Now:
        return Now(self._time(), self._engine.zone)

    # Remembering

    def observe(
        self,
        text: str,
        *,
        trust: float = 1.0,
        time: Time = None,
        source: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Observed:
        """Take in one text; the result says whether it was kept, known already, refused and why, or not worth keeping.

        A text of more tokens than half the view is cut into pieces at sentence ends. The same text is held once. Where
        the archive is full, what was neither written nor read for the longest time makes room.

        Args:
            trust: how far its source may be believed, in [0, 1].
            time: when it was said; shown beside it on other days, so that "yesterday" keeps its meaning.
            source: who or what said it.
            metadata: JSON-ready, to find it again by ``search(where=)``.

        Raises:
            InputError: ``text`` is no string, or an argument is out of range. Blank text is refused, not an error.
        """
        said = checked("observe", self._now(), text, trust, time, source, metadata)
        with self._lock:
            return self._intake.take(said)

    def observe_many(self, texts: Iterable[str | Mapping[str, Any]]) -> list[Observed]:
        """``observe`` of each, in order: strings, or mappings with "text" and the other arguments of ``observe``.

        All are checked before the first is taken in. Raises InputError.
        """
        said = all_checked("observe_many", self._now(), texts)
        with self._lock:
            return [self._intake.take(one) for one in said]

    # Answering

    @overload
    def ask(
        self, question: str, *, time: Time = None, instructions: str = "", stream: Literal[False] = False
    ) -> Answer: ...

    @overload
    def ask(self, question: str, *, time: Time = None, instructions: str = "", stream: Literal[True]) -> Answering: ...

    def ask(
        self, question: str, *, time: Time = None, instructions: str = "", stream: bool = False
    ) -> Answer | Answering:
        """Answer from memory. The question itself is not remembered.

        Args:
            time: when it is asked; None for now.
            instructions: what the model is told first, such as a system message.
            stream: True returns the answer as it is written: iterate over its pieces, then read ``.answer``.

        Raises:
            InputError: ``question`` is blank or no string; the model cannot be reached. Memory is as it was.
        """
        looked = self._looked(question, time, instructions)
        answering = Answering(self._engine, looked, stream)
        return answering if stream else answering.answer

    def _looked(self, question: str, time: Time, instructions: str) -> Looked:
        """A question with what is in view for it."""
        text = checked_text("ask(question)", question)
        if not text:
            raise InputError("ask(question): question is blank; pass what is to be answered")
        told = checked_text("ask(instructions=)", instructions)
        asked_at = checked_time("ask(time=)", time, self._engine.zone)
        now = self._time() if asked_at is None else asked_at
        with self._lock:
            self._intake.refresh()
            step = self._intake.tick()
            asked = Observation(id=f"u{step}", step=step, content=text, time=now, wants_action=True, writable=False)
            return Looked(self._engine, self._keeping, asked, self._engine.briefed(told), now)

    def stream(self, question: str, *, time: Time = None, instructions: str = "") -> Answering:
        """``ask`` in pieces."""
        return self.ask(question, time=time, instructions=instructions, stream=True)

    @overload
    def chat(
        self,
        messages: Sequence[Mapping[str, Any]],
        *,
        trust: float = 1.0,
        time: Time = None,
        stream: Literal[False] = False,
    ) -> Answer: ...

    @overload
    def chat(
        self, messages: Sequence[Mapping[str, Any]], *, trust: float = 1.0, time: Time = None, stream: Literal[True]
    ) -> Answering: ...

    def chat(
        self, messages: Sequence[Mapping[str, Any]], *, trust: float = 1.0, time: Time = None, stream: bool = False
    ) -> Answer | Answering:
        """Answer the last of some OpenAI messages, with memory in view; what users state in them is observed.

        Of a user's turn everything but its questions is remembered, once and with its first date however often a client
        sends it again; ``Answer.observed`` says what became of it. System messages go before the memory as they are;
        assistants' turns are not remembered.

        Raises:
            InputError: a message without role or text, or the last one is no user's.
        """
        turns: Turns = read_messages(messages)
        earlier = [checked("chat", self._now(), one, trust, time, "user") for one in turns.before]
        stated = [checked("chat", self._now(), one, trust, time, "user") for one in (turns.stated,) if one]
        with self._lock:
            observed = [self._intake.take(one, resent=True) for one in earlier]
            looked = self._looked(turns.last, time, turns.instructions)
            observed += [self._intake.take(one) for one in stated]
        answering = Answering(self._engine, looked, stream, tuple(observed))
        return answering if stream else answering.answer

    async def aobserve(self, text: str, **arguments: Any) -> Observed:
        """``observe`` in a thread of its own."""
        return await asyncio.to_thread(self.observe, text, **arguments)

    async def aask(self, question: str, **arguments: Any) -> Answer:
        """``ask`` in a thread of its own."""
        return await asyncio.to_thread(self.ask, question, **arguments)

    async def achat(self, messages: Sequence[Mapping[str, Any]], **arguments: Any) -> Answer:
        """``chat`` in a thread of its own."""
        return await asyncio.to_thread(self.chat, messages, **arguments)

    def feedback(self, answer: Answer, reward: float, to: str | Path) -> int:
        """Say what an answer was worth: its readings go to a JSONL file for ``memrl train --from-feedback``.

        The file holds numbers, no text. An answer that is rated again counts as rated last.

        Args:
            reward: any number, such as 1 for a good answer and 0 for a bad one.
            to: the file, which is made or appended to.

        Returns:
            How many readings of the answer count: those whose entries were in view.

        Raises:
            InputError: ``reward`` is no finite number, or the file cannot be written.
        """
        if not isinstance(answer, Answer):
            raise InputError(f"feedback(answer) = {answer!r:.60}: pass what `ask` or `chat` returned")
        if not (isinstance(reward, int | float) and abs(reward) <= sys.float_info.max):
            raise InputError(f"feedback(reward) = {reward!r:.60}: it must be a finite number, such as 1 or 0")
        names = getattr(self._engine.agent.offers, "names", ())
        shown = {line.entry_id for line in answer.used}
        with self._lock:
            return rate(checked_path("feedback(to=)", to), answer.id, answer.decisions, names, float(reward), shown)

    # Looking

    def search(self, query: str, k: int = 5, *, where: Mapping[str, Any] | None = None) -> list[Found]:
        """The k entries that fit a query best, the best first, without a model.

        Args:
            where: metadata, "trust", "time" (seconds), "source" or "writer" that they must have; a value, or operators
                ``$eq $ne $gt $gte $lt $lte $in``.

        Raises:
            InputError: ``query`` is blank or no string, ``k`` is below 1, or an unknown operator.
        """
        text = checked_text("search(query)", query)
        if not text:
            raise InputError("search(query): query is blank; pass what to look for")
        if not isinstance(k, int) or k < 1:
            raise InputError(f"search(k) = {k!r}: it must be a whole number of at least 1")
        with self._lock, self._engine.parts:
            self._intake.refresh()
            return search(self._keeping, self._engine.agent.table, text, k, where)

    def all(self, *, where: Mapping[str, Any] | None = None) -> list[Found]:
        """Every entry that has the metadata, oldest first."""
        with self._lock:
            self._intake.refresh()
            return [found(one, 1.0, self._keeping) for one in matching(self._keeping, where)]

    def get(self, id: str) -> Found | None:
        """One entry, by an id that it has or had; None where there is none."""
        with self._lock:
            self._intake.refresh()
            entry = self.memory.get(self._keeping.current(id)) if isinstance(id, str) else None
            return None if entry is None else found(entry, 1.0, self._keeping)

    def history(self, id: str) -> list[Event]:
        """All changes of an entry, and of those it came from and turned into, oldest first. Raises InputError."""
        if not isinstance(id, str):
            raise InputError(f"history(id) = {id!r:.60}: it must be an id; `search` and `all` name them")
        with self._lock:
            return self._keeping.history(id)

    # Changing

    def update(self, id: str, text: str, *, metadata: Mapping[str, Any] | None = None) -> Observed:
        """Put another text in the place of an entry, under a new id. Details stay but for ``metadata`` that is given.

        A text that another entry holds is a duplicate, one longer than half a view too long: then nothing is changed.

        Raises:
            InputError: there is no item of that id, or ``text`` is no string.
        """
        with self._lock:
            self._intake.refresh()
            old = self._item("update", id)
            details = self._keeping.details(old.id)
            said = checked("update", self._now(), text, old.stamp.trust, metadata=metadata)
            kept = details if metadata is None else replace(details, metadata=said.details.metadata)
            return self._intake.replace(old, replace(said, details=kept))

    def verify(self, id: str) -> Found:
        """Say that what an item tells has proven right: it is believed from now on, whoever said it. Returns it.

        Raises:
            InputError: there is none of that id.
        """
        with self._lock:
            self._intake.refresh()
            item = self._item("verify", id)
            step = self._intake.tick()
            stamp = Stamp(step=step, observation_id=f"u{step}", writer="user")
            op = Overwrite(item.id, item.text)
            [result] = self._intake.change([op], stamp, self._keeping.details(item.id), self._time())
            return found(self._item("verify", result.created[0]), 1.0, self._keeping)

    def delete(self, id: str) -> Found:
        """Remove one item; returns what it was. Its history stays; ``forget`` takes that too.

        Raises:
            InputError: there is none of that id.
        """
        with self._lock:
            self._intake.refresh()
            gone = found(self._item("delete", id), 1.0, self._keeping)
            step = self._intake.tick()
            self._intake.change([Forget(gone.id)], Stamp(step=step, writer="user"), Details(), self._time())
            self._intake.take_back([gone.text])
            return gone

    def forget(self, what: str, *, dry_run: bool = False, threshold: float = THRESHOLD) -> Forgotten:
        """Forget what matches, by id or by what it says, held or gone; the result says what went and what stays.

        What was deleted, evicted or overwritten goes out of the past too. An id or an exact text is always found. All
        pieces of one long text go together. No byte of it is left in a memory file, nor in the cache of embeddings. The
        words of earlier questions go as well where they have ``what`` in them, or say what no other entry does.

        Args:
            what: an entry's id, or words such as "my phone number"; what looks like an id is never taken for words.
            dry_run: True only says what would go.
            threshold: score of ``search`` from which an entry matches.

        Raises:
            InputError: ``what`` is blank or no string, or ``threshold`` no number.
        """
        text, least = checked_text("forget(what)", what), checked_threshold(threshold)
        if not text:
            raise InputError("forget(what): it is blank; pass an id, or say what is to be forgotten")
        with self._lock:
            self._intake.refresh()
            with self._engine.parts:
                table = self._engine.agent.table
                which = meant(self._keeping, table, text, least)
            if not dry_run:
                self._home.purge(self.name, self._keeping, which.entries, self._intake, text)
                self._intake.take_back([text, *(one.text for one in which.entries)])
                with self._engine.parts:
                    table.forget_kept(sorted({text, *(one.text for one in which.entries)}))
            told = {"gone": which.gone, "past": which.past, "together": which.together, "keeps": which.keeps}
            return Forgotten(**told, dry_run=dry_run)

    def _item(self, call: str, id: str) -> Item:
        entry = self.memory.get(self._keeping.current(id)) if isinstance(id, str) else None
        if not isinstance(entry, Item):
            raise InputError(f"{call}(id) = {id!r}: there is no item of that id; `search` and `all` name them")
        return entry

    # Homes

    def user(self, name: str) -> MemoryAgent:
        """The same model with the memory of one user, apart from all others. The same name gives the same agent.

        Raises:
            InputError: ``name`` is blank or no string, or the memory's file holds one memory only.
        """
        text = checked_text("user(name)", name)
        if not text:
            raise InputError("user(name): it is blank; name the user")
        with self._lock:
            if text not in self._users:
                own = MemoryAgent(self._engine, self._home, text, self._time)
                own._users = self._users
                self._users[text] = own
            return self._users[text]

    def users(self) -> tuple[str, ...]:
        """Everybody who has a memory here."""
        return tuple(sorted({*self._home.names(), *self._users}))

    @property
    def mem0(self) -> Mem0:
        """This memory under mem0's verbs: ``add get get_all update delete delete_all history search``."""
        from memrl.agent.mem0 import Mem0

        return Mem0(self)

    def save(self, path: str | Path | None = None) -> Path:
        """Write the memory to one file, never over another; ``wrap(..., memory=path)`` takes it up again.

        Raises:
            InputError: no path was given here or to ``wrap``, there is a file already, or it cannot be written.
        """
        with self._lock:
            return self._home.save(path, self.name, self._keeping)

    def close(self) -> None:
        """Let go of the memory file, for all users; everything is in it already. A second call does nothing."""
        self._home.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
