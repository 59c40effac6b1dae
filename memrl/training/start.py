"""Where a controller's training begins, if not from chance: one that was exported, or the one that ships."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import memrl.controllers as controllers
from memrl.contracts.config import ControllerConfig, TrainConfig
from memrl.contracts.config_io import changed
from memrl.contracts.errors import ConfigError
from memrl.training.export import read_controller

SHIPPED = "shipped"


def shipped() -> Path:
    """Folder of the controller that comes with the package: it reads entry by entry, in text of any kind."""
    return Path(str(controllers.__file__)).parent / "shipped" / "reading"


def begin(controller: Any, config: ControllerConfig) -> None:
    """Load the weights that ``config.start`` names, if it names any.

    Raises:
        DataError: nothing that can be read is there.
        ConfigError: they belong to a controller of another name, or of other options or offers.
    """
    if not config.start:
        return
    card, state = read_controller(_folder(config.start))
    made = card["controller"]
    for knob in ("name", "offers"):
        if made.get(knob, "ops") != getattr(config, knob):
            way_out = f"the controller of controller.start = {config.start!r} has {made.get(knob, 'ops')!r}"
            raise ConfigError(f"controller.{knob}", getattr(config, knob), way_out)
    try:
        controller.load_state_dict(state)
    except (RuntimeError, KeyError) as error:
        way_out = f"its weights do not fit controller.options; it was trained with {made['options']!r}"
        raise ConfigError("controller.start", config.start, way_out) from error


def started_config(start: str = SHIPPED) -> ControllerConfig:
    """The section ``controller`` with which an exported controller was trained, beginning with it. Raises DataError."""
    card, _ = read_controller(_folder(start))
    return changed(TrainConfig(), {"controller": {**card["controller"], "start": start}}).controller


def _folder(start: str) -> Path:
    return shipped() if start == SHIPPED else Path(start)
