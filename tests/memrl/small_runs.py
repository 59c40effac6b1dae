"""Runs whose metrics are given step by step, for tests of what a run folder keeps."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from memrl.recipes import recipe
from memrl.training.run_folder import Run


class Part:
    """Knows at which step it was saved."""

    def __init__(self) -> None:
        self.step = torch.zeros(1)

    def state_dict(self) -> dict[str, Any]:
        return {"step": self.step.clone()}

    def load_state_dict(self, state: Any) -> None:
        self.step = state["step"].clone()


class Killed(Exception):
    """Stands for the end of a process."""


def play(folder: Path, values: Sequence[float], resume: bool = False, die_at: int = 0, **knobs: Any) -> Path:
    """A run whose metric is given step by step, with a checkpoint after each."""
    part = Part()
    config = recipe("tiny", out=str(folder), steps=len(values), **{"checkpoint_every": 1, **knobs})
    with Run.open(config, folder if resume else None) as run:
        run.restore(part=part)
        for step in run.steps():
            part.step += 1
            run.log(step, {"success": values[step - 1], "loss": -values[step - 1]})
            if step == die_at:
                raise Killed
            run.checkpoint(step, part=part)
    return folder
