"""Streams of documents and dialogues as a task source: units arrive, questions follow after any delay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np

from memrl.contracts.capabilities import ReadingLesson, fingerprint
from memrl.contracts.errors import ConfigError
from memrl.contracts.protocols import Brief
from memrl.contracts.registry import register
from memrl.contracts.types import Split, Task
from memrl.envs.documents.env import DocumentsEnv
from memrl.envs.documents.episode import Asked, Story, story_of, window, with_horizon
from memrl.envs.documents.judging import UNKNOWN, right_answer
from memrl.envs.documents.lessons import lessons_of
from memrl.envs.documents.library import ALL, Library, Part, Shelf
from memrl.envs.documents.options import DocumentsOptions, DocumentsTheta
from memrl.envs.documents.records import Stream

BRIEF = Brief(header="Answer from memory in a few words, or say unknown.")


class DocumentsTasks:
    """The streams of one or several sets.

    Evidence labels are an exact reader: an answer counts as read where one accepted evidence set is wholly in view.

    Raises:
        DataError: data are missing or at fault.
        ConfigError: an option that these data cannot have.
    """

    name = "documents"
    passive = True

    def __init__(self, options: DocumentsOptions) -> None:
        self.options = options
        self._library = Library(options)
        self._stories = lru_cache(maxsize=32)(self._story)
        self._held = _in_turn([shelf.eval for shelf in self._shelves])
        most = max((len(part.stream.questions) for shelf in self._shelves for part in shelf.eval), default=0)
        if not options.horizon and (not options.questions or most <= options.questions):
            self.num_tasks = len(self._held)
        for shelf in self._shelves:
            for split in ("train", "eval"):
                if shelf.parts(split):
                    self._task(shelf, 0, split)

    @property
    def _shelves(self) -> list[Shelf]:
        return list(self._library.shelves.values())

    def make(self, task: Task) -> DocumentsEnv:
        return DocumentsEnv(task, self._stories(task))

    def brief(self, task: Task) -> Brief:
        return BRIEF

    def cells(self) -> Sequence[str]:
        """One a set; of several sets, "all" at the end draws them alike."""
        names = tuple(self._library.shelves)
        return names if len(names) == 1 else (*names, ALL)

    def train(self, cell: str, seed: int) -> Task:
        """A task of a set's training streams. Raises ConfigError where it has none."""
        rng = np.random.default_rng([seed, 0xCE11])
        shelves = [shelf for shelf in self._shelves if cell in (shelf.name, ALL) and shelf.train]
        if not shelves:
            way_out = f"set {cell!r} has no training stream with a question: give more streams, or hold out fewer"
            raise ConfigError("env.options.held_out", list(self.options.held_out), way_out)
        return replace(self._task(shelves[int(rng.integers(len(shelves)))], seed, "train"), cell=cell)

    def held_out(self, seed: int) -> Task:
        """Of the evaluation streams, all sets and streams in turn."""
        shelf, part = self._held[seed % len(self._held)]
        return self._task(self._shelves[shelf], seed, "eval", self._shelves[shelf].eval[part])

    def texts(self, task: Task) -> list[str]:
        """Everything that a play of the task shows, questions included."""
        return [observation.text for observation in self._stories(task).observations]

    def fingerprints(self, split: Split) -> list[str]:
        """Of each stream as it stands in its file: what is told in it and asked; answers and evidence."""
        names = [(shelf.name, part.stream.id) for shelf in self._shelves for part in shelf.parts(split)]
        return [_fingerprint(self._library.stream(*name)) for name in names]

    def at_horizon(self, horizon: int) -> dict[str, Any]:
        """So many units, and questions in proportion where they are limited."""
        most, base = self.options.questions, self.options.horizon or self._mean_units()
        return {"horizon": horizon, "questions": max(1, round(most * horizon / base)) if most else 0}

    def read(self, task: Task, question_id: str, seen: frozenset[str]) -> str:
        """The right answer where the observations ``seen`` support it, else "unknown".

        Where nobody labelled the evidence, all that was told before supports it, and nothing less.
        """
        story = self._stories(task)
        asked = _asked(story, question_id)
        supports = asked.supports or (frozenset(unit.id for unit in story.units[: asked.shown]),)
        is_known = not asked.question.answers or any(ids <= seen for ids in supports)
        return right_answer(asked.question, asked.scoring) if is_known else UNKNOWN

    def blame(self, task: Task, question_id: str, held: frozenset[str]) -> frozenset[str]:
        """What is missing of the accepted evidence set that lacks least; empty where nothing is, or nobody knows."""
        asked = _asked(self._stories(task), question_id)
        if not asked.question.answers or not asked.supports:
            return frozenset()
        return min((ids - held for ids in asked.supports), key=len)

    def misled(self, task: Task, question_id: str, seen: frozenset[str]) -> bool:
        """Whether ``seen`` supports what held before and not what is asked for."""
        asked = _asked(self._stories(task), question_id)
        return any(ids <= seen for ids in asked.outdated) and not any(ids <= seen for ids in asked.supports)

    def reading_lessons(self, seed: int, rng: np.random.Generator, max_lines: int) -> list[ReadingLesson]:
        """Lessons from one training task, evidence among other lines of it; another where its questions have none."""
        for again in range(64):
            story = self._stories(self.train(self.cells()[-1], seed + again))
            if lessons := lessons_of(story, rng, max_lines):
                return lessons
        return []

    def _story(self, task: Task) -> Story:
        return story_of(task, self._library.parts(task.theta))

    def _task(self, shelf: Shelf, seed: int, split: Split, first: Part | None = None) -> Task:
        """A task of a set; ``first`` is the stream that it plays or begins with, None for any."""
        rng = np.random.default_rng([seed, split == "eval", 0x7A5C])
        parts = [shelf.parts(split)[i] for i in rng.permutation(len(shelf.parts(split)))]
        if first is not None:
            parts = [first, *(part for part in parts if part is not first)]
        return Task(env=self.name, theta=self._theta(shelf.name, parts, rng), seed=seed, split=split)

    def _theta(self, name: str, parts: Sequence[Part], rng: np.random.Generator) -> DocumentsTheta:
        """A whole stream, several of them, or a cut of the first that has one."""
        options, horizon = self.options, self.options.horizon
        theta = DocumentsTheta(
            set=name,
            streams=(),
            questions=options.questions,
            delay=options.span or (),
            categories=options.categories,
            min_agree=options.min_agree,
            chunk_tokens=options.chunk_tokens,
        )
        if not horizon:
            return with_horizon(theta, parts[:1], 0, len(parts[0]))
        joined = [parts[0]]
        while sum(map(len, joined)) < horizon:
            joined.append(parts[len(joined)])
        if len(joined) > 1:
            return with_horizon(theta, joined, 0, horizon)
        for part in parts:
            start = window(part, horizon, rng) if len(part) >= horizon else None
            if start is not None:
                return with_horizon(theta, [part], start, horizon)
        way_out = f"no {horizon} units in a row of set {name!r} hold what a question needs; raise it"
        raise ConfigError("env.options.horizon", horizon, way_out)

    def _mean_units(self) -> float:
        sizes = [len(part) for shelf in self._shelves for part in (*shelf.train, *shelf.eval)]
        return sum(sizes) / len(sizes)


def _asked(story: Story, question_id: str) -> Asked:
    if question_id not in story.asked:
        raise ValueError(f"question_id = {question_id!r}: this observation asks nothing")
    return story.asked[question_id]


def _in_turn(rows: Sequence[Sequence[Any]]) -> list[tuple[int, int]]:
    """(row, place) of all items: the first of each row, the second of each, ..."""
    longest = max(map(len, rows))
    return [(row, i) for i in range(longest) for row in range(len(rows)) if i < len(rows[row])]


def _fingerprint(stream: Stream) -> str:
    told = (*(unit.shown for unit in stream.units), *(one.question for one in stream.questions))
    return fingerprint(told, (repr((one.answers, one.evidence)) for one in stream.questions))


register("env", "documents", DocumentsTasks, DocumentsOptions)
