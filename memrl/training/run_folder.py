"""The run folder: what a training run writes, and how it is taken up again.

config.json      every knob, with the version of this layout, and which packages parts of others came from
metrics.jsonl    one line a step; the same seed gives the same bytes
tasks.jsonl      tasks written, judged and played, where a curriculum writes them (row format: curricula/written.py)
timings.jsonl    wall times, which never do
checkpoints/     the newest and the best, each with every part's state and the random generators
done.json        only where the run came to its end: the steps done, and why where it ended early
.lock            held by the process that trains here
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self

from memory_stores.files import write_json
from memrl.contracts.config import TrainConfig
from memrl.contracts.config_io import config_from_dict, config_to_dict
from memrl.contracts.errors import ConfigError, RunFolderError
from memrl.contracts.protocols import Checkpointed
from memrl.contracts.registry import origins, remember_origin
from memrl.training.checkpoints import (
    checkpoint_files,
    drop_newer,
    read_newest,
    read_state,
    rng_state,
    seed_everything,
    set_rng_state,
    step_of,
    sweep,
    write_checkpoint,
    writing,
)
from memrl.training.line_files import append, drop_after, finite, read_lines, synced_size, truncate
from memrl.training.progress import Bars
from memrl.training.run_lock import LOCK, FolderLock
from memrl.training.selection import Selection

FORMAT = 2
"""Of the folder; a folder of another format is refused."""
MAY_CHANGE = (
    "steps", "schedule_steps", "out", "checkpoint_every", "evaluation", "checkpoints", "early_stop", "logging",
)  # fmt: skip
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

    def __init__(self, folder: Path, config: TrainConfig, lock: FolderLock, resumed: bool) -> None:
        self.folder, self.config = folder, config
        self._lock, self._resumed = lock, resumed
        self._done = 0
        self._selection = Selection(config.checkpoints, config.early_stop)
        self._bars, self._note = Bars(), ""
        self._step_started = time.perf_counter()

    @classmethod
    def open(cls, config: TrainConfig, resume: str | Path | None = None) -> Self:
        """Make the run's folder, or take up the run in folder ``resume`` with the same knobs; the folder is locked.

        With other ``steps`` than before, learning rates and curriculum keep the plan that the run began with:
        ``run.config`` then says so, and parts are built from it.

        Raises:
            RunFolderError: ``config.out`` is taken; ``resume`` holds no run, one of another version or another config;
                another process trains there.
            ConfigError: fewer ``steps`` than are done.
            StorageError: the folder cannot be made or written.
        """
        if resume is not None:
            folder = Path(resume)
            load_config(folder)
        else:
            with writing(Path(config.out or "runs")):
                folder = _new_folder(config)
        lock = FolderLock.take(folder)
        try:
            if resume is not None:
                return cls(folder, _resumable(folder, config), lock, resumed=True)
            sweep(folder)
            if is_run(folder):
                raise _taken(folder)
            _write_config(folder, config)
            return cls(folder, config, lock, resumed=False)
        except BaseException:
            lock.release()
            raise

    def __enter__(self) -> Self:
        self._bars.__enter__()
        seed_everything(self.config.seed)
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: Any) -> None:
        self._bars.__exit__()
        try:
            self._leave(kind)
        finally:
            self._lock.release()

    def _leave(self, kind: type[BaseException] | None) -> None:
        stopped = self._selection.stopped
        if kind is None and (stopped or self._done >= self.config.steps):
            with writing(self.folder / _DONE):
                write_json(self.folder / _DONE, {"steps": self._done} | ({"stopped": stopped} if stopped else {}))
        elif kind is not None and not self._resumed and not self._done:
            self._withdraw()
        elif kind is not None and checkpoint_files(self.folder / _CHECKPOINTS):
            self.say(f"stopped after step {self._done}: `memrl train --resume {self.folder}` goes on")

    def _withdraw(self) -> None:
        """A run that could not begin leaves no folder in the way of the next try."""
        if {path.name for path in self.folder.iterdir()} <= {_CONFIG, LOCK}:
            for name in (_CONFIG, LOCK):
                (self.folder / name).unlink(missing_ok=True)
            self.folder.rmdir()

    def say(self, text: str) -> None:
        """One line to the person who waits."""
        self._bars.say(text)

    def progress(self, title: str, total: int) -> Callable[[], None]:
        """Start a bar; each call of the result moves it by one."""
        advance = self._bars.start(title, total)
        return lambda: advance("")

    def steps(self) -> Iterator[int]:
        """The numbers of the steps that remain, 1 to ``config.steps``, or to the one at which the run stands still."""
        advance = self._bars.start("training", self.config.steps, self._done)
        for step in range(self._done + 1, self.config.steps + 1):
            if stopped := self._selection.stopped:
                self.say(f"ended after step {self._done} of {self.config.steps}: {stopped}")
                return
            self._step_started = time.perf_counter()
            yield step
            self._done = step
            advance(self._note)

    def log(self, step: int, metrics: Mapping[str, float], timings: Mapping[str, float] | None = None) -> None:
        """Append a step's metrics to one file, its wall times in seconds to another. What is not finite is null.

        Raises:
            StorageError: the disk is full; a line that was cut off is dropped when the run is resumed.
        """
        append(self.folder / _METRICS, {**{name: finite(value) for name, value in metrics.items()}, "step": step})
        seconds = time.perf_counter() - self._step_started
        append(self.folder / _TIMINGS, {"step": step, "seconds": round(seconds, 4), **(timings or {})})
        self._selection.observe(metrics)
        self._note = "  ".join(f"{name} {metrics[name]:.2f}" for name in _NOTED if name in metrics)

    def log_tasks(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Append what a curriculum wrote down; each row holds its ``step``. No rows, no file.

        Raises:
            StorageError: the disk is full; a line that was cut off is dropped when the run is resumed.
        """
        for row in rows:
            append(self.folder / _TASKS, row)

    def checkpoint(self, step: int, **parts: Checkpointed) -> None:
        """Save every part, every ``config.checkpoint_every`` steps and at the last one.

        Raises:
            StorageError: the disk is full; the checkpoints before this one are as they were.
        """
        last = step == self.config.steps or self._selection.stopped
        if step % self.config.checkpoint_every and not last:
            return
        self._selection.mark(step)
        state = {
            "step": step,
            "parts": {name: part.state_dict() for name, part in parts.items()},
            "rng": rng_state(),
            "selection": self._selection.state_dict(),
            "metrics_bytes": synced_size(self.folder / _METRICS),
        }
        kept = self.config.checkpoints.keep_last
        write_checkpoint(self.folder / _CHECKPOINTS, step, state, kept, self._selection.best_step)

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
        truncate(self.folder / _METRICS, int(state["metrics_bytes"]))
        for lines in (_TIMINGS, _TASKS):
            drop_after(self.folder / lines, self._done)
        _write_config(self.folder, self.config)
        (self.folder / _DONE).unlink(missing_ok=True)
        if self._done:
            self._take_up(state, parts)
        if self.config.planned_steps != self.config.steps:
            self.say(
                f"{self.config.steps} steps, by the learning rates and curriculum planned for "
                f"{self.config.planned_steps}; --set schedule_steps={self.config.steps} plans them anew"
            )
        return self._done

    def _take_up(self, state: Mapping[str, Any], parts: Mapping[str, Checkpointed]) -> None:
        if missing := sorted(parts.keys() - state["parts"].keys()):
            raise RunFolderError(f"run folder {self.folder}: its checkpoint lacks {', '.join(missing)}; train again")
        for name, part in parts.items():
            part.load_state_dict(state["parts"][name])
        self._selection.load_state_dict(state["selection"])
        if self._selection.best_step not in [step_of(path) for path in checkpoint_files(self.folder / _CHECKPOINTS)]:
            self._selection.forget_best()
        set_rng_state(state["rng"])


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


def load_run(folder: str | Path, checkpoint: Literal["last", "best"] = "last") -> Loaded:
    """A run's config and the parts of its newest checkpoint that can be read, or of its best one.

    Raises:
        RunFolderError: no run is there, it is of another version, or it has no such readable checkpoint.
        ConfigError: ``checkpoint`` is neither.
    """
    if checkpoint not in ("last", "best"):
        raise ConfigError("checkpoint", checkpoint, "it is none of last, best")
    folder = Path(folder)
    config = load_config(folder)
    state = read_newest(folder / _CHECKPOINTS, Bars().say)
    if state is None:
        raise RunFolderError(f"run folder {folder}: it has no checkpoint yet; `memrl train --resume {folder}` goes on")
    if checkpoint == "best":
        state = _best_of(folder, state)
    return Loaded(config, state["parts"])


def _best_of(folder: Path, newest: Mapping[str, Any]) -> Mapping[str, Any]:
    step = newest["selection"]["best_step"]
    if step == newest["step"]:
        return newest
    files = {step_of(path): path for path in checkpoint_files(folder / _CHECKPOINTS)}
    if step not in files:
        metric = newest["selection"]["metrics"][0]
        why = "it kept none (checkpoints.keep_best)" if metric is None else f"no step had the metric {metric!r}"
        why = why if step is None else f"that of step {step} is gone"
        raise RunFolderError(f"run folder {folder}: it has no best checkpoint: {why}; take the last")
    try:
        return read_state(files[step])
    except (OSError, RuntimeError, EOFError, ValueError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise RunFolderError(f"{files[step]} cannot be read ({reason}); take the last checkpoint") from error


def read_metrics(folder: str | Path) -> list[dict[str, Any]]:
    """The lines of ``metrics.jsonl``; a last line that was cut off by a crash is left out."""
    return read_lines(Path(folder) / _METRICS)


def done_early(folder: Path) -> str:
    """Why a finished run ended before its last step; empty where it did not."""
    try:
        return str(json.loads((folder / _DONE).read_bytes()).get("stopped", ""))
    except (OSError, ValueError):
        return ""


def _write_config(folder: Path, config: TrainConfig) -> None:
    with writing(folder / _CONFIG):
        told = {"memrl_run": FORMAT, "config": config_to_dict(config), "parts_from": origins(config)}
        write_json(folder / _CONFIG, told)


def _new_folder(config: TrainConfig) -> Path:
    if config.out is not None:
        folder = Path(config.out)
        # What a process that was killed at once may have left does not count.
        left = [] if not folder.is_dir() else [p for p in folder.iterdir() if not p.match(".*.tmp") and p.name != LOCK]
        if left or (folder.exists() and not folder.is_dir()):
            raise _taken(folder)
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


def _taken(folder: Path) -> RunFolderError:
    what = "a run" if is_run(folder) else "something else"
    return RunFolderError(f"out = {str(folder)!r}: it holds {what} already, which stays; name another folder")


def _resumable(folder: Path, config: TrainConfig) -> TrainConfig:
    """The config to go on with, its schedule kept. Raises RunFolderError, ConfigError."""
    saved = load_config(folder)
    same = {name: getattr(saved, name) for name in MAY_CHANGE}
    before, now = config_to_dict(saved), config_to_dict(replace(config, **same))
    for name, value in before.items():
        if now[name] != value:
            raise RunFolderError(
                f"run folder {folder}: {name} was {value!r} and is {now[name]!r} now; "
                f"a resumed run may change only {', '.join(MAY_CHANGE)}: train again into another folder"
            )
    done = _steps_done(folder)
    if config.steps < done:
        way_out = f"run folder {folder} has done {done} steps already; give at least as many, or train another run"
        raise ConfigError("steps", config.steps, way_out)
    if not config.schedule_steps and config.steps != saved.planned_steps:
        return replace(config, schedule_steps=saved.planned_steps)
    return config


def _steps_done(folder: Path) -> int:
    """Of a finished run its end, else the step of its newest checkpoint."""
    try:
        return int(json.loads((folder / _DONE).read_bytes())["steps"])
    except (OSError, ValueError, TypeError, KeyError):
        return max(map(step_of, checkpoint_files(folder / _CHECKPOINTS)), default=0)
