"""A run of a tiny acting world, for tests of parts that are put into one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from memrl.contracts import registry
from memrl.contracts.config import TrainConfig
from memrl.recipes import recipe


def kitchens(out: Path, **changes: Any) -> TrainConfig:
    """Two steps of a tiny acting world."""
    return recipe(
        "plain", env={"name": "kitchen:Kitchens"}, policy={"name": "pointer", "max_new_tokens": 6}, steps=1,
        memory={"token_budget": 24, "read_budget": 24, "embedder": "hash"}, out=str(out), evaluation={"episodes": 3},
        rollout={"tasks": 1, "group_size": 2}, **changes,
    )  # fmt: skip


def forget_parts() -> None:
    """What a test registered is gone; ours stay, as their modules do."""
    for kind, name in list(registry._PARTS):
        if registry.origin(kind, name):
            del registry._PARTS[kind, name]
    registry._HOMES.clear()
