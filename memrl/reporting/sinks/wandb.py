"""Metrics to Weights & Biases; a resumed run goes on in the same W&B run."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from memrl.contracts.config_io import config_to_dict
from memrl.contracts.contexts import SinkContext
from memrl.contracts.registry import register
from memrl.reporting.sinks._extra import extra


@dataclass(frozen=True, slots=True, kw_only=True)
class WandbOptions:
    project: str = "memrl"
    entity: str | None = None
    mode: Literal["online", "offline", "disabled"] = "online"


class Wandb:
    """``wandb.init`` at the first step, so that a run that cannot begin leaves nothing there.

    Raises:
        MissingExtra: wandb is not installed.
    """

    def __init__(self, context: SinkContext, options: WandbOptions) -> None:
        self._wandb = extra("wandb", "wandb")
        self._context, self._options = context, options
        self._run: Any = None

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        if self._run is None:
            folder, options = self._context.folder, self._options
            self._run = self._wandb.init(
                project=options.project, entity=options.entity, mode=options.mode, dir=str(folder), name=folder.name,
                id=_kept_id(folder), resume="allow", config=config_to_dict(self._context.config),
            )  # fmt: skip
        self._run.log(dict(metrics), step=step)

    def close(self) -> None:
        if self._run is not None:
            self._run.finish()


def _kept_id(folder: Path) -> str:
    """The id of this run folder's W&B run."""
    path = folder / "wandb.id"
    if not path.exists():
        path.write_text(uuid.uuid4().hex[:12], encoding="utf-8")
    return path.read_text(encoding="utf-8").strip()


register("sink", "wandb", Wandb, WandbOptions)
