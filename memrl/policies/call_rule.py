"""``Calls`` as a rule over tokens: what may come next, after what was sampled so far.

head, token by token ─> text: anything, at least one word ─> the word that joins ─> head …
                     └> complete: a stop, or the word that joins
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import NamedTuple

from memrl.contracts.calls import Calls, Head

Ids = tuple[int, ...]


class Allowed(NamedTuple):
    """Tokens that may come next."""

    only: frozenset[int] | None
    """These; None for all but ``but``."""
    but: frozenset[int] = frozenset()

    def __contains__(self, token: object) -> bool:
        return token not in self.but if self.only is None else token in self.only


@dataclass(frozen=True, slots=True, kw_only=True)
class Spelling:
    """How a policy's tokens spell calls."""

    ids: Callable[[str], Ids]
    """Of words that follow others."""
    first: Callable[[str], Ids]
    """Of words at the beginning of an answer."""
    stops: frozenset[int]
    """Tokens that end an answer."""
    opens: frozenset[int] | None = None
    """Tokens that a text of one's own may begin with; None for all but ``stops``."""
    blanks: frozenset[int] = frozenset()
    """Tokens that are a blank and no more: a text may begin with one, and then with one of ``bare``."""
    bare: frozenset[int] = frozenset()


class Phase(Enum):
    """What is being said."""

    HEAD = "head"
    CLOSED = "closed"
    """Nothing: a call that takes no text was made."""
    OPENS = "opens"
    """The first word of a text."""
    BARE = "bare"
    """The same, after a blank alone."""
    TEXT = "text"
    JOIN = "join"


class _At(NamedTuple):
    """One reading of what was sampled."""

    phase: Phase = Phase.HEAD
    part: Ids = ()
    """Of the head, or of the joining word, so far."""
    used: tuple[Head, ...] = ()
    """Calls so far, the present one included once its head is whole."""


class CallRule:
    """Follows an answer token by token."""

    def __init__(self, calls: Calls, spelling: Spelling) -> None:
        self._calls, self._spelling, self.most = calls, spelling, calls.max_tokens
        self._join = spelling.ids(calls.join)
        self._first = {spelling.first(head.text): head for head in calls.heads}
        self._later = {spelling.ids(head.text): head for head in calls.heads}
        self._said = 0
        self._readings: list[_At] = [_At()]

    def allowed(self) -> Allowed:
        """What may come next; nothing where there is no call, or no room for one."""
        only: frozenset[int] = frozenset()
        free: Allowed | None = None
        for at in self._readings:
            found = self._of(at)
            if found.only is None:
                free = found
            else:
                only |= found.only
        return Allowed(only) if free is None else Allowed(None, free.but - only)

    def say(self, token: int) -> None:
        """Go on after a token. Raises ValueError where it was not allowed."""
        if token not in self.allowed():
            raise ValueError(f"token {token} is not allowed after {self._said} tokens of these calls")
        following = [after for at in self._readings for after in self._after(at, token)]
        joined = [at for at in following if at.phase is Phase.JOIN and at.part == self._join]
        self._readings = [_At(Phase.HEAD, (), at.used) for at in joined] or following
        self._said += 1

    def along(self, ids: Sequence[int]) -> Iterator[Allowed]:
        """What was allowed at each place of an answer. Raises ValueError as ``say``."""
        for token in ids:
            yield self.allowed()
            self.say(token)

    def _of(self, at: _At) -> Allowed:
        spelling = self._spelling
        match at.phase:
            case Phase.HEAD:
                return Allowed(frozenset(ids[len(at.part)] for ids, _ in self._heads(at, longer=True)))
            case Phase.JOIN:
                return Allowed(frozenset({self._join[len(at.part)]}))
            case Phase.CLOSED:
                return Allowed(spelling.stops | (frozenset(self._join[:1]) if self._joins(at) else frozenset()))
            case Phase.OPENS if spelling.opens is not None:
                return Allowed(spelling.opens | spelling.blanks)
            case Phase.OPENS:
                return Allowed(None, spelling.stops)
            case Phase.BARE:
                return Allowed(spelling.bare)
            case Phase.TEXT:
                return Allowed(None)

    def _after(self, at: _At, token: int) -> Iterator[_At]:
        """All readings of one more token."""
        if token not in self._of(at):
            return
        said = (*at.part, token)
        match at.phase:
            case Phase.HEAD:
                for ids, head in self._heads(at):
                    if ids == said:
                        yield _At(Phase.OPENS if head.takes_text else Phase.CLOSED, (), (*at.used, head))
                yield _At(Phase.HEAD, said, at.used)
            case Phase.JOIN:
                yield at._replace(part=said)
            case Phase.OPENS | Phase.BARE:
                blank = at.phase is Phase.OPENS and token in self._spelling.blanks
                yield at._replace(phase=Phase.BARE if blank else Phase.TEXT)
            case _ if token not in self._spelling.stops:
                if token == self._join[0] and self._joins(at):
                    yield _At(Phase.JOIN, said, at.used)
                if at.phase is Phase.TEXT:
                    yield at
            case _:
                return

    def _heads(self, at: _At, longer: bool = False) -> Iterator[tuple[Ids, Head]]:
        """The heads that go on as ``at.part`` begins, as far as there is room for them and for a word of text."""
        following = self._calls.after(at.used)
        done = self._said - len(at.part)
        for ids, head in (self._later if at.used else self._first).items():
            fits = done + len(ids) + 2 * head.takes_text <= self.most
            if fits and head in following and ids[: len(at.part)] == at.part and len(ids) >= len(at.part) + longer:
                yield ids, head

    def _joins(self, at: _At) -> bool:
        """Whether another call has room behind the joining word."""
        done = self._said + len(self._join)
        return any(
            done + len(ids) + 2 * head.takes_text <= self.most
            for ids, head in self._later.items()
            if head in self._calls.after(at.used)
        )


def sayable(calls: Calls, spelling: Spelling, known: Collection[int]) -> Calls:
    """The calls of which every token is known, for a policy that copies what it reads."""
    heads = tuple(head for head in calls.heads if set(spelling.first(head.text)) <= set(known))
    return replace(calls, heads=heads, most=calls.most if set(spelling.ids(calls.join)) <= set(known) else 1)
