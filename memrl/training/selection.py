"""Which checkpoint is the best so far, and whether the run has stood still for long enough to end."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from memrl.contracts.checks import nearest
from memrl.contracts.run_config import CheckpointsConfig, EarlyStopConfig

_INSTEAD = {"success": "practice_success"}
"""Read where the first metric is not there."""


class Selection:
    """Follows two metrics step by step. Its state is part of every checkpoint, so a resumed run decides alike."""

    def __init__(self, best: CheckpointsConfig, stop: EarlyStopConfig) -> None:
        self._best, self._stop = best, stop
        self.best_step: int | None = None
        """Step of the best checkpoint; None while there is none."""
        self._best_value = 0.0
        self._sum, self._count = 0.0, 0
        self._top: float | None = None
        self._waited = 0
        self._is_known = False
        self._of_best = self._of_stop = ""
        """The metrics that were read for these, ``_INSTEAD`` among them."""

    @property
    def stopped(self) -> str:
        """Why the run ends now; empty while it goes on."""
        if self._stop.metric is None or self._waited < self._stop.patience:
            return ""
        verb = "risen above" if self._stop.mode == "max" else "fallen below"
        return f"{self._stop.metric} has not {verb} {self._top:.4g} for {self._waited} steps"

    def observe(self, metrics: Mapping[str, float]) -> list[str]:
        """Take in one step; what a person should know of it, in lines.

        A value that is missing or not finite is no news: it neither counts nor waits. Where the metric itself is there
        at last, what was read in its place no longer counts.
        """
        self._follow(metrics)
        said = [] if self._is_known else self._strange(metrics)
        self._is_known = True
        return said

    def _strange(self, metrics: Mapping[str, float]) -> list[str]:
        """Metrics that the first step did not tell: they may come later, or be misspelt."""
        followed = {"checkpoints.keep_best": self._best.keep_best, "early_stop.metric": self._stop.metric}
        return [
            f"{knob} = {name!r}: the first step told no such metric, and nothing happens until one does"
            f"{nearest(name, list(metrics))}"
            for knob, name in followed.items()
            if name is not None and name not in metrics and _INSTEAD.get(name, name) not in metrics
        ]

    def _follow(self, metrics: Mapping[str, float]) -> None:
        name, value = _read(metrics, self._best.keep_best, self._of_best)
        if value is not None:
            if self._of_best and name != self._of_best:
                self.best_step, self._sum, self._count = None, 0.0, 0
            self._of_best = name
            self._sum, self._count = self._sum + value, self._count + 1
        name, value = _read(metrics, self._stop.metric, self._of_stop)
        if value is None:
            return
        if self._of_stop and name != self._of_stop:
            self._top, self._waited = None, 0
        self._of_stop = name
        if self._top is None or _gain(value, self._top, self._stop.mode) > self._stop.min_delta:
            self._top, self._waited = value, 0
        else:
            self._waited += 1

    def mark(self, step: int) -> None:
        """A checkpoint is due at this step: it is the best one if its mean beats that of all before."""
        mean, some = self._sum / max(self._count, 1), self._count > 0
        self._sum, self._count = 0.0, 0
        if some and (self.best_step is None or _gain(mean, self._best_value, self._best.mode) > 0):
            self.best_step, self._best_value = step, mean

    def forget_best(self) -> None:
        """The best checkpoint is gone: the next one is the best again."""
        self.best_step = None

    def state_dict(self) -> dict[str, Any]:
        return {
            "metrics": [self._best.keep_best, self._best.mode, self._stop.metric, self._stop.mode],
            "best_step": self.best_step,
            "best_value": self._best_value,
            "sum": self._sum,
            "count": self._count,
            "top": self._top,
            "waited": self._waited,
            "read": [self._of_best, self._of_stop],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up where a checkpoint stood; what was learned of another metric than the config's is dropped."""
        keep, mode, stop, stop_mode = state["metrics"]
        if (keep, mode) == (self._best.keep_best, self._best.mode):
            self.best_step, self._best_value = state["best_step"], state["best_value"]
            self._sum, self._count = state["sum"], state["count"]
            self._of_best = state.get("read", ("", ""))[0]
        if (stop, stop_mode) == (self._stop.metric, self._stop.mode):
            self._top, self._waited = state["top"], state["waited"]
            self._of_stop = state.get("read", ("", ""))[1]


def _read(metrics: Mapping[str, float], metric: str | None, before: str) -> tuple[str, float | None]:
    """The name that was read, and its value; what stands in for a metric is read until that is there for once."""
    if metric is None:
        return before, None
    name = metric if metric in metrics or before == metric else _INSTEAD.get(metric, metric)
    value = metrics.get(name)
    return name, float(value) if value is not None and math.isfinite(value) else None


def _gain(value: float, before: float, mode: str) -> float:
    return value - before if mode == "max" else before - value
