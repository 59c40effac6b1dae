"""Knobs of what a run keeps, when it ends early and where its metrics go. Sections of ``config.TrainConfig``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from memrl.contracts.checks import check
from memrl.contracts.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointsConfig:
    keep_last: int = 2
    """Newest checkpoints that stay; with 1, a damaged one has none before it to fall back to."""
    keep_best: str | None = "success"
    """The metric whose best checkpoint stays beside them: by its mean over the steps since the checkpoint before. Where
    no question went to the policy, ``success`` is that of practice. Null keeps no best one."""
    mode: Literal["max", "min"] = "max"
    """Whether more of the metric is better."""

    def __post_init__(self) -> None:
        check(self, keep_last="[1, inf)")


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlyStopConfig:
    metric: str | None = None
    """The metric whose standstill ends the run; null for never. ``success`` falls back to that of practice."""
    patience: int = 10
    """Steps in a row without a better value after which the run ends."""
    min_delta: float = 0.0
    """By how much a value must beat the best so far to be better."""
    mode: Literal["max", "min"] = "max"
    """Whether more of the metric is better."""

    def __post_init__(self) -> None:
        check(self, patience="[1, inf)", min_delta="[0, inf)")


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggingConfig:
    sinks: tuple[str, ...] = ()
    """Where metrics go besides ``metrics.jsonl``: ``tensorboard``, ``wandb``, ``trackio``, or "module:attr"."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Options by sink, such as ``{"wandb": {"project": "memory"}}``."""

    def __post_init__(self) -> None:
        check(self)
        if doubled := [name for name in self.sinks if self.sinks.count(name) > 1]:
            raise ConfigError("logging.sinks", list(self.sinks), f"{doubled[0]} stands twice; name it once")
