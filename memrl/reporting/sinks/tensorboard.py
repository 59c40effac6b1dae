"""Metrics as TensorBoard scalars, in ``tensorboard/`` inside the run folder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from memrl.contracts.contexts import SinkContext
from memrl.contracts.registry import register
from memrl.reporting.sinks._extra import extra


class TensorBoard:
    """One scalar a metric and step. A resumed run hides what it plays again from the viewer.

    Raises:
        MissingExtra: tensorboard is not installed.
    """

    def __init__(self, context: SinkContext) -> None:
        self._make = extra("torch.utils.tensorboard", "tensorboard").SummaryWriter
        self._folder = context.folder / "tensorboard"
        self._writer: Any = None

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        if self._writer is None:
            # purge_step: events of that step and later ones, of a process that was killed, do not count.
            self._writer = self._make(self._folder, purge_step=step if self._folder.exists() else None)
        for name, value in metrics.items():
            self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()


register("sink", "tensorboard", TensorBoard)
