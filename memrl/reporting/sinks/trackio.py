"""Metrics to trackio, whose dashboard runs on this machine: ``trackio show``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from memrl.contracts.config_io import config_to_dict
from memrl.contracts.contexts import SinkContext
from memrl.contracts.registry import register
from memrl.reporting.sinks._extra import extra


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackioOptions:
    project: str = "memrl"


class Trackio:
    """``trackio.init`` at the first step; a resumed run goes on under the same name.

    Raises:
        MissingExtra: trackio is not installed.
    """

    def __init__(self, context: SinkContext, options: TrackioOptions) -> None:
        self._trackio = extra("trackio", "trackio")
        self._context, self._options = context, options
        self._run: Any = None

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        if self._run is None:
            config = config_to_dict(self._context.config)
            name = self._context.folder.name
            self._run = self._trackio.init(project=self._options.project, name=name, config=config, resume="allow")
        self._trackio.log(dict(metrics), step=step)

    def close(self) -> None:
        if self._run is not None:
            self._trackio.finish()


register("sink", "trackio", Trackio, TrackioOptions)
