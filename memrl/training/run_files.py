"""What stands in a run folder, read back: config, metrics, checkpoints, whether and why it ended."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

from memrl.contracts.config import TrainConfig
from memrl.contracts.config_io import config_from_dict
from memrl.contracts.errors import ConfigError, RunFolderError
from memrl.contracts.registry import remember_origin
from memrl.training.checkpoints import checkpoint_files, read_newest, read_state, step_of
from memrl.training.line_files import read_lines
from memrl.training.progress import Bars

FORMAT = 2
"""Of the folder; a folder of another format is refused."""

CONFIG, METRICS, TASKS, TIMINGS, CHECKPOINTS, DONE = (
    "config.json", "metrics.jsonl", "tasks.jsonl", "timings.jsonl", "checkpoints", "done.json",
)  # fmt: skip


class Loaded(NamedTuple):
    """A run as ``evaluate`` and ``wrap`` need it."""

    config: TrainConfig
    checkpoint: dict[str, Any]
    """Part name -> its state: "policy", "controller", ..."""


def is_run(folder: Path) -> bool:
    """True where a run was begun in the folder. A model folder has a ``config.json`` too, but another one.

    Raises:
        RunFolderError: nobody may read that file.
    """
    try:
        data = json.loads((folder / CONFIG).read_bytes())
    except PermissionError as error:
        raise RunFolderError(f"{folder / CONFIG} cannot be read ({error.strerror}); make it readable") from error
    except (OSError, ValueError):
        return False
    return isinstance(data, dict) and "memrl_run" in data


def is_finished(folder: Path) -> bool:
    return (folder / DONE).exists()


def load_config(folder: str | Path) -> TrainConfig:
    """The config of a run.

    Raises:
        RunFolderError: no run is there, its config cannot be read, or it is of another version.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise RunFolderError(f"run folder {folder}: there is no such folder; name one that `memrl train` made")
    try:
        data = json.loads((folder / CONFIG).read_bytes())
    except (FileNotFoundError, IsADirectoryError) as error:
        raise RunFolderError(f"run folder {folder}: it holds no run; name one that `memrl train` made") from error
    except OSError as error:
        raise RunFolderError(f"{folder / CONFIG} cannot be read ({error.strerror}); make it readable") from error
    except ValueError as error:
        raise RunFolderError(f"run folder {folder}: {CONFIG} cannot be read ({error}); train again") from error
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
        raise RunFolderError(f"run folder {folder}: {CONFIG} is damaged ({error}); train again") from error


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
    state = read_newest(folder / CHECKPOINTS, Bars().say)
    if state is None:
        raise RunFolderError(f"run folder {folder}: it has no checkpoint yet; `memrl train --resume {folder}` goes on")
    if checkpoint == "best":
        state = _best_of(folder, state)
    return Loaded(config, state["parts"])


def _best_of(folder: Path, newest: Mapping[str, Any]) -> Mapping[str, Any]:
    step = newest["selection"]["best_step"]
    if step == newest["step"]:
        return newest
    files = {step_of(path): path for path in checkpoint_files(folder / CHECKPOINTS)}
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
    return read_lines(Path(folder) / METRICS)


def done_early(folder: Path) -> str:
    """Why a finished run ended before its last step; empty where it did not."""
    try:
        return str(json.loads((folder / DONE).read_bytes()).get("stopped", ""))
    except (OSError, ValueError, AttributeError):
        return ""


def steps_done(folder: Path) -> int:
    """Of a finished run its end, else the step of its newest checkpoint."""
    try:
        return int(json.loads((folder / DONE).read_bytes())["steps"])
    except (OSError, ValueError, TypeError, KeyError):
        return max(map(step_of, checkpoint_files(folder / CHECKPOINTS)), default=0)
