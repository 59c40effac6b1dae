"""Negative controls: the tasks that another run drew, in its order or in none."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from memrl.contracts.contexts import CurriculumContext
from memrl.contracts.errors import ConfigError, DataError
from memrl.contracts.learning import Lesson
from memrl.contracts.registry import register
from memrl.contracts.types import Group, Task
from memrl.curricula._base import Quiet


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedOptions:
    """Of the curricula "yoked" and "shuffled"."""

    tasks_file: str | None = None
    """The ``tasks.jsonl`` of another run."""


class Recorded(Quiet):
    """Plays back the tasks of ``options.tasks_file``, whatever the agent does: yoked to the run that wrote it.

    What a run gains from such a file is the selection of tasks; what it lacks to that run is adaptation.

    Args:
        shuffled: the same tasks in random order: what is lost then was the order's merit.

    Raises:
        ConfigError: no file is named, or the environment has no task_generator to read its tasks.
        DataError: the file cannot be read.
    """

    def __init__(self, context: CurriculumContext, options: RecordedOptions, shuffled: bool = False) -> None:
        task_generator = context.need_task_generator()
        file = options.tasks_file
        if not file:
            way_out = f"curriculum.name = {context.config.name!r} needs the tasks.jsonl of another run"
            raise ConfigError("curriculum.options.tasks_file", file, way_out)
        self._file, self._next = Path(file), 0
        self._tasks = [task_generator.from_json(data) for data in played_tasks(self._file)]
        if shuffled:
            order = np.random.default_rng([context.seed, 0x5F1E]).permutation(len(self._tasks))
            self._tasks = [self._tasks[int(i)] for i in order]

    def draw(self, count: int) -> list[Task]:
        """The next ``count`` tasks. Raises ConfigError where the file has no more."""
        end = self._next + count
        if end > len(self._tasks):
            way_out = (
                f"it holds {len(self._tasks)} played tasks, too few for this run; record a longer run, or train less"
            )
            raise ConfigError("curriculum.options.tasks_file", str(self._file), way_out)
        tasks, self._next = self._tasks[self._next : end], end
        return tasks

    def observe(self, groups: Sequence[Group], lessons: Sequence[Lesson] = ()) -> None:
        """It looks away."""

    def metrics(self) -> dict[str, float]:
        return {}

    def state_dict(self) -> dict[str, Any]:
        return {"next": self._next}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._next = int(state["next"])


def played_tasks(path: Path) -> list[Mapping[str, Any]]:
    """The JSON of every task that was played, in order. Raises DataError for a file that is no ``tasks.jsonl``."""
    try:
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n")[:-1]]
        return [row["task"] for row in rows if row["accepted"]]
    except OSError as error:
        raise DataError(
            f"curriculum.options.tasks_file = {str(path)!r}: it cannot be read ({error.strerror})"
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"curriculum.options.tasks_file = {str(path)!r}: no log of tasks ({error})") from error


def _yoked(context: CurriculumContext, options: RecordedOptions) -> Recorded:
    return Recorded(context, options)


def _shuffled(context: CurriculumContext, options: RecordedOptions) -> Recorded:
    return Recorded(context, options, shuffled=True)


register("curriculum", "yoked", _yoked, RecordedOptions)
register("curriculum", "shuffled", _shuffled, RecordedOptions)
