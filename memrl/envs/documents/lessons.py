"""Short views of a stream with a question and its answer: what a reader is warmed up on."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from math import log

import numpy as np

from memrl.contracts.capabilities import ReadingLesson
from memrl.contracts.types import Observation
from memrl.envs.documents.episode import Asked, Story
from memrl.envs.documents.judging import UNKNOWN, right_answer

MOST = 8
"""Lessons of one task: more streams teach more than more of one."""
SUPPORTED = 0.95
"""Share of the views that hold what the question needs; over the others the right word is "unknown"."""
_NEAR = 0.75
"""Share of the other lines that are drawn among those that share most with the question, as a search would."""
_WORD = re.compile(r"\w{3,}")


def lessons_of(story: Story, rng: np.random.Generator, max_lines: int) -> list[ReadingLesson]:
    """One view of 1 to ``max_lines`` lines, in order of arrival, of each of up to 8 questions that have evidence."""
    asked = [(name, one) for name, one in story.asked.items() if one.supports and one.question.answers]
    order = rng.permutation(len(asked))[:MOST]
    return [_lesson(story, asked[i][1], rng, max_lines) for i in order]


def _lesson(story: Story, asked: Asked, rng: np.random.Generator, max_lines: int) -> ReadingLesson:
    told = story.units[: asked.shown]
    fitting = [ids for ids in asked.supports if len(ids) <= max_lines]
    needed = fitting[int(rng.integers(len(fitting)))] if fitting and rng.random() < SUPPORTED else frozenset[str]()
    # The larger of two draws: a memory in use is full more often than not.
    size = int(rng.integers(max(1, len(needed)), max_lines + 1, size=2).max())
    evidence = frozenset().union(*asked.supports)
    others = [i for i, unit in enumerate(told) if unit.id not in evidence]
    chosen = {i for i, unit in enumerate(told) if unit.id in needed}
    chosen.update(_drawn(told, others, asked.question.question, size - len(needed), rng))
    answer = right_answer(asked.question, asked.scoring) if needed else UNKNOWN
    return ReadingLesson(tuple(told[i].text for i in sorted(chosen)), asked.question.question, answer)


def _drawn(
    told: Sequence[Observation], others: list[int], question: str, count: int, rng: np.random.Generator
) -> list[int]:
    """Places of ``count`` other lines, or as many as there are."""
    order = [others[i] for i in rng.permutation(len(others))]
    shared = _shared(told, question)
    near = sorted(order, key=lambda i: -shared[i])[: 4 * count]
    near = [near[i] for i in rng.permutation(len(near))]
    chosen: set[int] = set()
    for _ in range(min(count, len(order))):
        first, second = (near, order) if rng.random() < _NEAR else (order, near)
        chosen.add(next(i for i in (*first, *second) if i not in chosen))
    return list(chosen)


def _shared(told: Sequence[Observation], question: str) -> list[float]:
    """Of each line: what it has in common with the question, a word of n lines counting log(1 + lines / n)."""
    asked = _words(question)
    common = [asked & _words(line.text) for line in told]
    seen = Counter(word for words in common for word in words)
    return [sum(log(1 + len(told) / seen[word]) for word in sorted(words)) for words in common]


def _words(text: str) -> frozenset[str]:
    return frozenset(_WORD.findall(text.lower()))
