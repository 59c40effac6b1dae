"""What is known of a text when it arrives, in plain numbers: of itself, and of what came before it in its stream.

Nothing here knows a language: characters, words between them, cosines, who said it. Numbers stay as they were when the
text arrived, so that what is held and what is new are described alike.
"""

from __future__ import annotations

import math
import re
from collections import Counter, deque

import numpy as np
from numpy.typing import NDArray

from memrl.contracts.texts import TextTable
from memrl.contracts.types import Observation

ARRIVAL_NAMES = (
    "log_tokens", "tokens", "digits", "asks", "calls", "capitals", "long_words",
    "same_source", "same_start", "shared", "new_words", "rare", "cosine_last", "cosine_recent", "mean_recent", "place",
)  # fmt: skip
"""[A] what they mean, in order."""
NUM_ARRIVAL = len(ARRIVAL_NAMES)
RECENT = 8
"""Texts that "recent" looks back on."""
_WORD = re.compile(r"\w+")


Told = dict[int, NDArray[np.float32]]
"""All that a stream has told up to a text, hashed -> what is known of that text. Siblings are told the same."""
TOLD_KEPT = 65_536


class Arrivals:
    """The texts of one stream in order. Texts may come again: the numbers of an observation are worked out once.

    Args:
        told: shared by streams, so that what begins alike is looked at once.
    """

    def __init__(self, table: TextTable, told: Told | None = None) -> None:
        self._table = table
        self._told, self._so_far = {} if told is None else told, 0
        self._line_of: dict[str, int] = {}
        """By observation id."""
        self._seen = 0
        self._lines = np.zeros((64, NUM_ARRIVAL), dtype=np.float32)
        self._words: Counter[str] = Counter()
        self._last: tuple[str, ...] = ()
        self._source = ""
        self._recent: deque[NDArray[np.float32]] = deque(maxlen=RECENT)

    @property
    def lines(self) -> NDArray[np.float32]:
        """[L, A] of all texts; a line stays what it is."""
        return self._lines[: len(self._line_of)]

    def arrive(self, observation: Observation, tokens: int) -> int:
        """The line of an observation, which is taken in where it is new."""
        line = self._line_of.get(observation.id)
        if line is None:
            words = tuple(word.lower() for word in _WORD.findall(observation.text))
            line = self._new_line(observation.id)
            self._lines[line] = self._known(observation, words, tokens)
            self._words.update(set(words))
            self._last, self._source = words, observation.source
            self._recent.append(self._vector(observation.text).copy())
            self._seen += 1
        return line

    def of(self, observation_id: str, text: str, tokens: int) -> int:
        """The line of a text as it arrived; without what came before it where nobody saw it arrive."""
        line = self._line_of.get(observation_id)
        if line is None:
            line = self._new_line(observation_id)
            self._lines[line, :7] = alone(text, tokens)
        return line

    def _new_line(self, observation_id: str) -> int:
        line = self._line_of[observation_id] = len(self._line_of)
        if line == len(self._lines):
            self._lines = np.concatenate([self._lines, np.zeros_like(self._lines)])
        return line

    def _known(self, observation: Observation, words: tuple[str, ...], tokens: int) -> NDArray[np.float32]:
        """[A] of a text that arrives."""
        self._so_far = hash((self._so_far, observation.id, observation.text, observation.source, tokens))
        known = self._told.get(self._so_far)
        if known is None:
            if len(self._told) >= TOLD_KEPT:
                self._told.clear()
            numbers = (*alone(observation.text, tokens), *self._context(observation, words))
            known = self._told[self._so_far] = np.array(numbers, dtype=np.float32)
        return known

    def _vector(self, text: str) -> NDArray[np.float32]:
        row = self._table.row(text)
        return self._table.matrix[row]

    def _context(self, observation: Observation, words: tuple[str, ...]) -> list[float]:
        own, last, seen = set(words), set(self._last), self._seen
        start = 0
        while start < min(len(words), len(self._last), 8) and words[start] == self._last[start]:
            start += 1
        here = self._vector(observation.text)
        cosines = [float(here @ one) for one in self._recent] or [0.0]
        rare = [math.log((1 + seen) / (1 + self._words[word])) for word in sorted(own)]
        return [
            float(bool(observation.source) and observation.source == self._source),
            start / 4.0,
            len(own & last) / max(len(own), 1),
            min(sum(not self._words[word] for word in own), 20) / 10.0,
            sum(rare) / max(len(rare), 1) / 4.0,
            cosines[-1],
            max(cosines),
            sum(cosines) / len(cosines),
            min(seen / 500.0, 2.0),
        ]


def alone(text: str, tokens: int) -> tuple[float, ...]:
    """The first seven numbers: of a text by itself."""
    words = _WORD.findall(text)
    return (
        math.log(max(tokens, 1)) / 4.0,
        min(tokens, 100) / 50.0,
        min(sum(c.isdigit() for c in text), 8) / 4.0,
        float(text.rstrip().endswith("?")),
        float("!" in text),
        min(10.0 * sum(c.isupper() for c in text) / max(len(text), 1), 4.0),
        sum(len(word) > 6 for word in words) / max(len(words), 1),
    )
