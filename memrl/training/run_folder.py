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

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from memory_stores.files import write_json
from memrl.contracts.config import TrainConfig
from memrl.contracts.config_io import config_to_dict
from memrl.contracts.errors import ConfigError, InputError, RunFolderError
from memrl.contracts.kept_state import check_kept
from memrl.contracts.protocols import Checkpointed
from memrl.contracts.registry import origins
from memrl.training.checkpoints import (
    checkpoint_files,
    drop_newer,
    drop_old,
    read_newest,
    rng_state,
    seed_everything,
    set_rng_state,
    step_of,
    sweep,
    write_checkpoint,
    writing,
)
from memrl.training.line_files import append, drop_after, finite, synced_size, truncate
from memrl.training.metric_sinks import MetricSinks
from memrl.training.progress import Bars
from memrl.training.run_files import (
    CHECKPOINTS,
    CONFIG,
    DONE,
    FORMAT,
    METRICS,
    TASKS,
    TIMINGS,
    is_run,
    load_config,
    steps_done,
)
from memrl.training.run_files import Loaded as Loaded
from memrl.training.run_files import done_early as done_early
from memrl.training.run_files import is_finished as is_finished
from memrl.training.run_files import load_run as load_run
from memrl.training.run_files import read_metrics as read_metrics
from memrl.training.run_lock import LOCK, FolderLock
from memrl.training.selection import Selection

MAY_CHANGE = (
    "steps", "schedule_steps", "out", "checkpoint_every", "evaluation", "checkpoints", "early_stop", "logging",
)  # fmt: skip
"""Knobs that a resumed run may have otherwise than before."""

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
        self._sinks: MetricSinks | None = None
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
            InputError: ``config`` is something else.
        """
        if not isinstance(config, TrainConfig):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InputError(f"{config!r:.60} is no config; make one: memrl.recipe('smoke')")
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
        try:
            self._sinks = MetricSinks(self.config, self.folder, self.say)
        except BaseException as error:
            self.__exit__(type(error))
            raise
        seed_everything(self.config.seed)
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: Any) -> None:
        if self._sinks is not None:
            self._sinks.close()
        self._bars.__exit__()
        try:
            self._leave(kind)
        finally:
            self._lock.release()

    def _leave(self, kind: type[BaseException] | None) -> None:
        stopped = self._selection.stopped
        if kind is None and (stopped or self._done >= self.config.steps):
            with writing(self.folder / DONE):
                write_json(self.folder / DONE, {"steps": self._done} | ({"stopped": stopped} if stopped else {}))
        elif kind is not None and not self._resumed and not self._done:
            self._withdraw()
        elif kind is not None and not issubclass(kind, RunFolderError):
            kept = [step_of(path) for path in checkpoint_files(self.folder / CHECKPOINTS)]
            since = f"goes on after step {max(kept)}" if kept else "begins anew: there is no checkpoint yet"
            self.say(f"stopped after step {self._done}: `memrl train --resume {self.folder}` {since}")

    def _withdraw(self) -> None:
        """A run that could not begin leaves no folder in the way of the next try."""
        if {path.name for path in self.folder.iterdir()} <= {CONFIG, LOCK}:
            for name in (CONFIG, LOCK):
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
        append(self.folder / METRICS, {**{name: finite(value) for name, value in metrics.items()}, "step": step})
        seconds = time.perf_counter() - self._step_started
        append(self.folder / TIMINGS, {"step": step, "seconds": round(seconds, 4), **(timings or {})})
        for line in self._selection.observe(metrics):
            self.say(line)
        if self._sinks is not None:
            self._sinks.log(step, metrics)
        self._note = "  ".join(f"{name} {metrics[name]:.2f}" for name in _NOTED if name in metrics)

    def log_tasks(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Append what a curriculum wrote down; each row holds its ``step``. No rows, no file.

        Raises:
            StorageError: the disk is full; a line that was cut off is dropped when the run is resumed.
        """
        for row in rows:
            append(self.folder / TASKS, row)

    def checkpoint(self, step: int, **parts: Checkpointed) -> None:
        """Save every part, every ``config.checkpoint_every`` steps and at the last one, be it none.

        Raises:
            StorageError: the disk is full; the checkpoints before this one are as they were.
        """
        last = step == self.config.steps or self._selection.stopped
        if not last and (not step or step % self.config.checkpoint_every):
            return
        self._selection.mark(step)
        state = {
            "step": step,
            "parts": {name: part.state_dict() for name, part in parts.items()},
            "rng": rng_state(),
            "selection": self._selection.state_dict(),
            "metrics_bytes": synced_size(self.folder / METRICS),
        }
        kept = self.config.checkpoints.keep_last
        write_checkpoint(self.folder / CHECKPOINTS, step, state, kept, self._selection.best_step)

    def restore(self, **parts: Checkpointed) -> int:
        """Give every part its state of the newest checkpoint that can be read; returns how many steps are done.

        0 for a new run, and for one that stopped before its first checkpoint: that one starts over.

        Raises:
            RunFolderError: no checkpoint can be read, or one lacks a part.
            ConfigError: a part keeps what no checkpoint could give back.
        """
        check_kept(parts)
        if not self._resumed:
            return 0
        state = read_newest(self.folder / CHECKPOINTS, self.say) or {"step": 0, "metrics_bytes": 0, "parts": {}}
        self._done = int(state["step"])
        if self._done:
            self._give_back(state, parts)  # A part may refuse, and then the folder is as it was.
        sweep(self.folder)
        sweep(self.folder / CHECKPOINTS)
        drop_newer(self.folder / CHECKPOINTS, self._done)
        truncate(self.folder / METRICS, int(state["metrics_bytes"]))
        for lines in (TIMINGS, TASKS):
            drop_after(self.folder / lines, self._done)
        _write_config(self.folder, self.config)
        (self.folder / DONE).unlink(missing_ok=True)
        if self._done:
            self._take_up(state)
            # Its process may have been killed between the newest checkpoint and this.
            drop_old(self.folder / CHECKPOINTS, self.config.checkpoints.keep_last, self._selection.best_step)
        if self.config.planned_steps != self.config.steps:
            self.say(
                f"{self.config.steps} steps, by the learning rates and curriculum planned for "
                f"{self.config.planned_steps}; --set schedule_steps={self.config.steps} plans them anew"
            )
        return self._done

    def _give_back(self, state: Mapping[str, Any], parts: Mapping[str, Checkpointed]) -> None:
        needed = {name for name, part in parts.items() if not getattr(part, "optional", False)}
        if missing := sorted(needed - state["parts"].keys()):
            raise RunFolderError(f"run folder {self.folder}: its checkpoint lacks {', '.join(missing)}; train again")
        for name, part in parts.items():
            if name in state["parts"]:
                part.load_state_dict(state["parts"][name])
            else:
                self.say(f"this run is older than {name!r} in checkpoints, which begins as it is now")

    def _take_up(self, state: Mapping[str, Any]) -> None:
        self._selection.load_state_dict(state["selection"])
        if self._selection.best_step not in [step_of(path) for path in checkpoint_files(self.folder / CHECKPOINTS)]:
            self._selection.forget_best()
        set_rng_state(state["rng"])


def _write_config(folder: Path, config: TrainConfig) -> None:
    with writing(folder / CONFIG):
        told = {"memrl_run": FORMAT, "config": config_to_dict(config), "parts_from": origins(config)}
        write_json(folder / CONFIG, told)


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


def _changed(before: Mapping[str, Any], now: Mapping[str, Any], within: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Each knob whose value is another one, its values before and now."""
    for name in [*before, *(name for name in now if name not in before)]:
        was, is_now = before.get(name), now.get(name)
        if isinstance(was, Mapping) and isinstance(is_now, Mapping):
            yield from _changed(was, is_now, f"{within}{name}.")
        elif was != is_now:
            yield f"{within}{name}", was, is_now


def _resumable(folder: Path, config: TrainConfig) -> TrainConfig:
    """The config to go on with, its schedule kept. Raises RunFolderError, ConfigError."""
    saved = load_config(folder)
    same = {name: getattr(saved, name) for name in MAY_CHANGE}
    before, now = config_to_dict(saved), config_to_dict(replace(config, **same))
    for knob, was, is_now in _changed(before, now):
        raise RunFolderError(
            f"run folder {folder}: {knob} was {was!r} and is {is_now!r} now; "
            f"a resumed run may change only {', '.join(MAY_CHANGE)}: train again into another folder"
        )
    done = steps_done(folder)
    if config.steps < done:
        way_out = f"run folder {folder} has done {done} steps already; give at least as many, or train another run"
        raise ConfigError("steps", config.steps, way_out)
    if not config.schedule_steps and config.steps != saved.planned_steps:
        return replace(config, schedule_steps=saved.planned_steps)
    return config
