"""Knobs of what is taught before RL. A section of ``config.TrainConfig``."""

from __future__ import annotations

from dataclasses import dataclass

from memrl.contracts.checks import check
from memrl.contracts.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmStartConfig:
    steps: int = 200
    """Optimiser steps of TRL's SFTTrainer on answers read from short views; 0 for none."""
    memory_tasks: int = 0
    """Training tasks whose ideal memories a controller that writes in tokens learns to write, and the policy to read,
    in the place of the short views; 0 for none. The environment must know them (``capabilities.OracleMemory``)."""
    demonstrations: int = 0
    """Training tasks, of all cells in turn, that are played along their walkthrough; what is said at each step is
    taught in the place of the short views; 0 for none. The environment must know it (``capabilities.Demonstrates``)."""
    demonstrated_with: str = "foresight"
    """Who keeps memory in these plays: a part of kind "controller" or "row", such as "full_context", or "own" for the
    run's controller. What a step needs and memory lacks is taught as a guess; "foresight" holds it, given room."""
    controller_steps: int = 0
    """Optimiser steps in which a controller that chooses among offers learns to keep memory as it was kept in these
    plays, and one whose texts the policy writes ("hybrid") to choose as the ideal memories of ``memory_tasks`` would;
    0 for none: it begins as ``controller`` says."""
    batch_size: int = 8
    """Lessons a step: many small steps read better than a few large ones at the same cost."""
    learning_rate: float = 1e-3
    """At its highest; it falls to zero along a cosine."""
    reuse: bool = False
    """True keeps the warmed weights in the cache folder and takes them from there in a run with the same lessons,
    policy (the model by its name), seed and libraries: runs that differ in later knobs then share one warm start."""

    def __post_init__(self) -> None:
        check(
            self, steps="[0, inf)", memory_tasks="[0, inf)", demonstrations="[0, inf)", batch_size="[1, inf)",
            learning_rate="[0, inf)", controller_steps="[0, inf)",
        )  # fmt: skip
        for knob in ("memory_tasks", "demonstrations"):
            if getattr(self, knob) and not (self.steps or self.controller_steps):
                raise ConfigError(
                    f"warm_start.{knob}", getattr(self, knob), "with warm_start.steps = 0 nobody learns them"
                )
