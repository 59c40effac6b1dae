"""The run folder: what a training run writes, and how it is taken up again.

config.json      every knob, with the version of this layout, and which packages parts of others came from
metrics.jsonl    one line a step; the same seed gives the same bytes
tasks.jsonl      tasks written, judged and played, where a curriculum writes them (row format: curricula/written.py)
timings.jsonl    wall times, which never do
checkpoints/     the last two, each with every part's state and the random generators
done.json        only where the last step was reached
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, Self

from memory_stores.files import write_json
from memrl.contracts.config import TrainConfig
from memrl.contracts.config_io import config_from_dict, config_to_dict
from memrl.contracts.errors import ConfigError, MemrlError, RunFolderError
from memrl.contracts.protocols import Checkpointed
from memrl.contracts.registry import origins, remember_origin
from memrl.training.checkpoints import (
    checkpoint_files,
    drop_newer,
    read_newest,
    rng_state,
    seed_everything,
    set_rng_state,
    sweep,
    write_checkpoint,
    writing,
)
from memrl.training.progress import Bars

FORMAT = 2
"""Of the folder; a folder of another format is refused."""
MAY_CHANGE = ("steps", "out", "checkpoint_every", "evaluation")
"""Knobs that a resumed run may have otherwise than before."""

_CONFIG, _METRICS, _TASKS, _TIMINGS, _CHECKPOINTS, _DONE = (
    "config.json", "metrics.jsonl", "tasks.jsonl", "timings.jsonl", "checkpoints", "done.json",
)  # fmt: skip
_NOTED = ("success", "practice_success")
"""Metrics that stand beside the progress bar."""


class Run:
    """One training run and its folder. ``Run.open`` makes or resumes it; use it as a context manager.

    Steps count from 1, so that the number of a step is how many are done after it.
    """

    def __init__(self, folder: Path, config: TrainConfig, resumed: bool) -> None:
        self.folder = folder
        self._config, self._resumed = config, resumed
        self._done = 0
        self._bars, self._note = Bars(), ""
        self._step_started = time.perf_counter()

    @classmethod
    def open(cls, config: TrainConfig, resume: str | Path | None = None) -> Self:
        """Make the run's folder, or take up the run in folder ``resume`` with the same knobs.

        Raises:
            RunFolderError: ``config.out`` is taken; ``resume`` holds no run, one of another version or another config.
            StorageError: the folder cannot be made or written.
        """
        if resume is not None:
            folder = Path(resume)
            _check_same(folder, load_config(folder), config)
        else:
            with writing(Path(config.out or "runs")):
                folder = _new_folder(config)
        with writing(folder / _CONFIG):
            told = {"memrl_run": FORMAT, "config": config_to_dict(config), "parts_from": origins(config)}
            write_json(folder / _CONFIG, told)
        return cls(folder, config, resumed=resume is not None)

    def __enter__(self) -> Self:
        self._bars.__enter__()
        seed_everything(self._config.seed)
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: Any) -> None:
        self._bars.__exit__()
        if kind is None and self._done >= self._config.steps:
            with writing(self.folder / _DONE):
                write_json(self.folder / _DONE, {"steps": self._done})
        elif kind is not None and issubclass(kind, MemrlError) and not self._resumed and not self._done:
            self._withdraw()
        elif kind is not None and checkpoint_files(self.folder / _CHECKPOINTS):
            self.say(f"stopped after step {self._done}: `memrl train --resume {self.folder}` goes on")

    def _withdraw(self) -> None:
        """A run that could not begin leaves no folder in the way of the next try."""
        if [path.name for path in self.folder.iterdir()] == [_CONFIG]:
            (self.folder / _CONFIG).unlink()
            self.folder.rmdir()

    def say(self, text: str) -> None:
        """One line to the person who waits."""
        self._bars.say(text)

    def progress(self, title: str, total: int) -> Callable[[], None]:
        """Start a bar; each call of the result moves it by one."""
        advance = self._bars.start(title, total)
        return lambda: advance("")

    def steps(self) -> Iterator[int]:
        """The numbers of the steps that remain, 1 to ``config.steps``."""
        advance = self._bars.start("training", self._config.steps, self._done)
        for step in range(self._done + 1, self._config.steps + 1):
            self._step_started = time.perf_counter()
            yield step
            self._done = step
            advance(self._note)

    def log(self, step: int, metrics: Mapping[str, float], timings: Mapping[str, float] | None = None) -> None:
        """Append a step's metrics to one file, its wall times in seconds to another. What is not finite is null.

        Raises:
            StorageError: the disk is full; a line that was cut off is dropped when the run is resumed.
        """
        _append(self.folder / _METRICS, {**{name: _number(value) for name, value in metrics.items()}, "step": step})
        seconds = time.perf_counter() - self._step_started
        _append(self.folder / _TIMINGS, {"step": step, "seconds": round(seconds, 4), **(timings or {})})
        self._note = "  ".join(f"{name} {metrics[name]:.2f}" for name in _NOTED if name in metrics)

    def log_tasks(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Append what a curriculum wrote down; each row holds its ``step``. No rows, no file.

        Raises:
            StorageError: the disk is full; a line that was cut off is dropped when the run is resumed.
        """
        for row in rows:
            _append(self.folder / _TASKS, row)

    def checkpoint(self, step: int, **parts: Checkpointed) -> None:
        """Save every part, every ``config.checkpoint_every`` steps and at the last one.

        Raises:
            StorageError: the disk is full; the checkpoints before this one are as they were.
        """
        if step % self._config.checkpoint_every and step != self._config.steps:
            return
        state = {
            "step": step,
            "parts": {name: part.state_dict() for name, part in parts.items()},
            "rng": rng_state(),
            "metrics_bytes": _synced_size(self.folder / _METRICS),
        }
        write_checkpoint(self.folder / _CHECKPOINTS, step, state)

    def restore(self, **parts: Checkpointed) -> int:
        """Give every part its state of the newest checkpoint that can be read; returns how many steps are done.

        0 for a new run, and for one that stopped before its first checkpoint: that one starts over.

        Raises:
            RunFolderError: no checkpoint can be read, or one lacks a part.
        """
        if not self._resumed:
            return 0
        state = read_newest(self.folder / _CHECKPOINTS, self.say) or {"step": 0, "metrics_bytes": 0, "parts": {}}
        self._done = int(state["step"])
        sweep(self.folder)
        sweep(self.folder / _CHECKPOINTS)
        drop_newer(self.folder / _CHECKPOINTS, self._done)
        _truncate(self.folder / _METRICS, int(state["metrics_bytes"]))
        for lines in (_TIMINGS, _TASKS):
            _drop_after(self.folder / lines, self._done)
        (self.folder / _DONE).unlink(missing_ok=True)
        if self._done:
            if missing := sorted(parts.keys() - state["parts"].keys()):
                raise RunFolderError(
                    f"run folder {self.folder}: its checkpoint lacks {', '.join(missing)}; train again"
                )
            for name, part in parts.items():
                part.load_state_dict(state["parts"][name])
            set_rng_state(state["rng"])
        return self._done


class Loaded(NamedTuple):
    """A run as ``evaluate`` and ``wrap`` need it."""

    config: TrainConfig
    checkpoint: dict[str, Any]
    """Part name -> its state: "policy", "controller", ..."""


def is_run(folder: Path) -> bool:
    """True where a run was begun in the folder. A model folder has a ``config.json`` too, but another one."""
    try:
        data = json.loads((folder / _CONFIG).read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(data, dict) and "memrl_run" in data


def is_finished(folder: Path) -> bool:
    return (folder / _DONE).exists()


def load_config(folder: str | Path) -> TrainConfig:
    """The config of a run.

    Raises:
        RunFolderError: no run is there, its config cannot be read, or it is of another version.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise RunFolderError(f"run folder {folder}: there is no such folder; name one that `memrl train` made")
    try:
        data = json.loads((folder / _CONFIG).read_bytes())
    except FileNotFoundError as error:
        raise RunFolderError(f"run folder {folder}: it holds no run; name one that `memrl train` made") from error
    except ValueError as error:
        raise RunFolderError(f"run folder {folder}: {_CONFIG} cannot be read ({error}); train again") from error
    version = data.get("memrl_run") if isinstance(data, dict) else None
    if version is None:
        raise RunFolderError(f"run folder {folder}: it holds no run; name one that `memrl train` made")
    if version != FORMAT:
        raise RunFolderError(
            f"run folder {folder}: it is of version {version!r} and this memrl reads version {FORMAT}; "
            "use the memrl that wrote it, or train again into another folder"
        )
    try:
        for kind, name, home in data["parts_from"]:
            remember_origin(kind, name, home)
        return config_from_dict(data["config"])
    except (KeyError, AttributeError, TypeError, ConfigError) as error:
        raise RunFolderError(f"run folder {folder}: {_CONFIG} is damaged ({error}); train again") from error


def load_run(folder: str | Path) -> Loaded:
    """A run's config and the parts of its newest checkpoint that can be read.

    Raises:
        RunFolderError: no run is there, it is of another version, or it has no readable checkpoint.
    """
    folder = Path(folder)
    config = load_config(folder)
    state = read_newest(folder / _CHECKPOINTS, Bars().say)
    if state is None:
        raise RunFolderError(f"run folder {folder}: it has no checkpoint yet; `memrl train --resume {folder}` goes on")
    return Loaded(config, state["parts"])


def read_metrics(folder: str | Path) -> list[dict[str, Any]]:
    """The lines of ``metrics.jsonl``; a last line that was cut off by a crash is left out."""
    return _read_lines(Path(folder) / _METRICS)


def _new_folder(config: TrainConfig) -> Path:
    if config.out is not None:
        folder = Path(config.out)
        sweep(folder)
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            what = "a run" if is_run(folder) else "something else"
            raise RunFolderError(f"out = {str(folder)!r}: it holds {what} already, which stays; name another folder")
        folder.mkdir(parents=True, exist_ok=True)
        return folder
    base, number = Path("runs") / f"{config.recipe}-{config.seed}", 1
    base.parent.mkdir(parents=True, exist_ok=True)
    while True:
        folder = base if number == 1 else base.with_name(f"{base.name}-{number}")
        try:
            folder.mkdir()
        except FileExistsError:
            number += 1
        else:
            return folder


def _check_same(folder: Path, saved: TrainConfig, config: TrainConfig) -> None:
    """Raises RunFolderError at the first knob that a resumed run may not change."""
    same = {name: getattr(saved, name) for name in MAY_CHANGE}
    before, now = config_to_dict(saved), config_to_dict(replace(config, **same))
    for name, value in before.items():
        if now[name] != value:
            raise RunFolderError(
                f"run folder {folder}: {name} was {value!r} and is {now[name]!r} now; "
                f"a resumed run may change only {', '.join(MAY_CHANGE)}: train again into another folder"
            )


def _append(path: Path, line: Mapping[str, Any]) -> None:
    with writing(path), path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line, sort_keys=True, allow_nan=False) + "\n")


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _read_lines(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    whole = path.read_text(encoding="utf-8").rpartition("\n")[0]
    return [json.loads(line) for line in whole.splitlines()]


def _synced_size(path: Path) -> int:
    """Bytes of a file that has reached the disk."""
    with writing(path), path.open("ab") as file:
        os.fsync(file.fileno())
    return path.stat().st_size


def _truncate(path: Path, size: int) -> None:
    have = path.stat().st_size if path.exists() else 0
    if have < size:
        raise RunFolderError(
            f"{path}: {have} bytes where its checkpoint counted {size}: it was changed; restore it, or train again"
        )
    if have > size:
        os.truncate(path, size)


def _drop_after(path: Path, step: int) -> None:
    """Cut a file of lines after a step's, or before the first line that a kill left torn."""
    kept = 0
    for line in path.read_bytes().splitlines(keepends=True) if path.exists() else ():
        if not line.endswith(b"\n") or _step_in(line) > step:
            break
        kept += len(line)
    _truncate(path, kept)


def _step_in(line: bytes) -> float:
    try:
        return float(json.loads(line)["step"])
    except (ValueError, TypeError, KeyError):
        return math.inf
