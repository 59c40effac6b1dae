"""A task's JSON as a form to fill in: the words are given, and only legal levels can stand in its gaps."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence

from memrl.proposers.space import TaskSpace


def level_text(level: float) -> str:
    """A level as JSON writes it: 4, not 4.0."""
    return f"{level:g}"


def to_json(levels: Mapping[str, float]) -> str:
    """One line without blanks, as the form is filled in."""
    inner = ",".join(f"{json.dumps(axis)}:{level_text(level)}" for axis, level in levels.items())
    return f"{{{inner}}}"


class Form:
    """Which tokens may come next, as ``policies.constrained.Rule``; filled in once, from left to right.

    An axis that has but one legal level, given those before it, is left out of the text. Two levels never share all
    tokens up to the end of the shorter one, since each carries the comma or brace that ends it.

    Args:
        ids_of: token ids of a piece of text in the middle of another.
    """

    def __init__(self, space: TaskSpace, ids_of: Callable[[str], Sequence[int]]) -> None:
        self._space, self._ids_of = space, ids_of
        self._axes = list(space.levels)
        self._forced: list[int] = list(ids_of("{"))
        self._gap: dict[tuple[int, ...], float] = {}
        self._axis, self._filled, self._read = "", (), 0
        self.levels: dict[str, float] = {}
        """Axis -> level, of what was filled in so far."""
        self.allowed: list[tuple[int, ...]] = []
        """What was on offer at each token so far."""

    def __call__(self, ids: Sequence[int]) -> Sequence[int]:
        """Tokens that may follow ``ids``, which are those of the last call and one more; none at the end."""
        for token in ids[self._read :]:
            self._take(token)
        self._read = len(ids)
        if not self._forced and not self._gap:
            self._open()
        offered = self._offered()
        if offered:
            self.allowed.append(offered)
        return offered

    def _take(self, token: int) -> None:
        if self._forced:
            self._forced.pop(0)
            return
        self._filled = (*self._filled, token)
        if self._filled in self._gap:
            self.levels[self._axis] = self._gap[self._filled]
            self._gap, self._filled = {}, ()

    def _offered(self) -> tuple[int, ...]:
        if self._forced:
            return (self._forced[0],)
        at = len(self._filled)
        return tuple(sorted({ids[at] for ids in self._gap if ids[:at] == self._filled}))

    def _open(self) -> None:
        """Go on to the next axis that leaves a choice; the last one is always written, since it ends the text."""
        while self._axes:
            axis = self._axes.pop(0)
            offers = zip(self._space.levels[axis], self._space.legal(self.levels, axis), strict=True)
            legal = [level for level, is_legal in offers if is_legal]
            if len(legal) == 1 and self._axes:
                self.levels[axis] = legal[0]
                continue
            end = "," if self._axes else "}"
            self._axis, self._forced = axis, list(self._ids_of(f"{json.dumps(axis)}:"))
            self._gap = {tuple(self._ids_of(f"{level_text(level)}{end}")): level for level in legal}
            return
