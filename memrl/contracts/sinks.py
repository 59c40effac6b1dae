"""Where metrics go besides ``metrics.jsonl``: the contract of a metric sink."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class MetricSink(Protocol):
    """Made from a ``SinkContext`` before the first step. What it raises later is told once and ends it, not the run."""

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Take one step's metrics, finite numbers by name such as ``ops/write``.

        Steps count from 1 and rise. A resumed run begins again at the step after its checkpoint: a sink that outlives
        the process should then drop what it holds of that step and later ones.
        """
        ...

    def close(self) -> None:
        """The run ends, however it ends; called once."""
        ...
