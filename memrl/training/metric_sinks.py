"""The sinks of a run: every one hears every step, and one that fails is told once and switched off."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path

from memrl.contracts.config import TrainConfig
from memrl.contracts.contexts import SinkContext
from memrl.contracts.errors import ConfigError
from memrl.contracts.registry import find, make_options
from memrl.contracts.sinks import MetricSink


class MetricSinks:
    """The sinks that ``config.logging`` names, made when the run opens.

    Raises:
        ConfigError: there is no such sink, it refuses its options, or options name a sink that is not there.
        MissingExtra: its package is not installed.
    """

    def __init__(self, config: TrainConfig, folder: Path, say: Callable[[str], None]) -> None:
        knobs = config.logging
        if lost := [name for name in knobs.options if name not in knobs.sinks]:
            raise ConfigError(
                "logging.options", dict(knobs.options), f"{lost[0]} is none of logging.sinks; name it there"
            )
        self._say = say
        context = SinkContext(folder=folder, config=config)
        self._sinks: dict[str, MetricSink] = {name: _made(name, config, context) for name in knobs.sinks}

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Hand a step's finite metrics to every sink that still works."""
        told = {name: float(value) for name, value in metrics.items() if math.isfinite(value)}
        for name, sink in list(self._sinks.items()):
            self._guarded(name, lambda sink=sink: sink.log(step, told))

    def close(self) -> None:
        """End every sink that still works."""
        for name, sink in list(self._sinks.items()):
            self._guarded(name, sink.close)
        self._sinks.clear()

    def _guarded(self, name: str, call: Callable[[], None]) -> None:
        try:
            call()
        except Exception as error:  # Whatever a sink of anybody raises, the run goes on.
            del self._sinks[name]
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            self._say(f"metric sink {name} failed and is switched off ({reason}); metrics.jsonl has every step")


def _made(name: str, config: TrainConfig, context: SinkContext) -> MetricSink:
    part = find("sink", name, "logging.sinks")
    options = make_options(part, config.logging.options.get(name, {}), f"logging.options.{name}")
    return part.make(context) if part.options is None else part.make(context, options)
