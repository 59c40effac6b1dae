"""Runs that write their own tasks and study their own failures."""

from __future__ import annotations

from dataclasses import replace

from memrl.contracts.config import (
    CurriculumConfig,
    MonitorConfig,
    ReflectionConfig,
    TrainConfig,
)
from memrl.recipes.memworld import quickstart, tiny


def selftrain() -> TrainConfig:
    """``quickstart`` with tasks that the agent writes, lessons proven by replay, and a monitor against collapse."""
    base = quickstart()
    return replace(
        base,
        recipe="selftrain",
        # A task of the language model's own takes some seconds on a CPU: three a step.
        curriculum=CurriculumConfig(name="written", options={"proposed": 0.06}, proposer="lm"),
        reflection=ReflectionConfig(mode="dpo"),
        monitor=MonitorConfig(every=5),
    )


def selftrain_tiny() -> TrainConfig:
    """All of ``selftrain`` in seconds, as ``tiny`` is to ``quickstart``."""
    base = tiny()
    return replace(
        base,
        recipe="selftrain_tiny",
        steps=4,
        rollout=replace(base.rollout, practice_tasks=6),
        curriculum=CurriculumConfig(name="written", proposer="lm"),
        reflection=ReflectionConfig(mode="distil_memory"),
        monitor=MonitorConfig(every=2, anchors=4),
    )
