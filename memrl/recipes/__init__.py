"""Runs worth keeping, by name. Each is a function that makes a whole config; ``recipe`` finds it and changes knobs.

memworld.py        the main job, its halves, small and large runs beside it
acting.py          agents that act
text_memory.py     memory that a model writes
real_text.py       reading and writing of real text
self_training.py   tasks of one's own
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from memrl.contracts.config import TrainConfig
from memrl.contracts.config_io import changed, config_from_dict
from memrl.contracts.errors import ConfigError
from memrl.recipes.acting import textworld, toolworld
from memrl.recipes.memworld import (
    controller_only,
    graph,
    graph_token_only,
    long,
    plain,
    policy_only,
    quickstart,
    smoke,
    tiny,
)
from memrl.recipes.real_text import dialogue, documents, natural, natural_writing, poisoned, reading, writing
from memrl.recipes.self_training import selftrain, selftrain_tiny
from memrl.recipes.text_memory import mem1, memagent, memory_r1, overwrite

RECIPES: Mapping[str, Callable[[], TrainConfig]] = {
    maker.__name__: maker
    for maker in (
        quickstart,
        smoke,
        tiny,
        graph,
        graph_token_only,
        long,
        plain,
        overwrite,
        textworld,
        toolworld,
        memagent,
        mem1,
        memory_r1,
        reading,
        documents,
        dialogue,
        natural,
        natural_writing,
        poisoned,
        writing,
        controller_only,
        policy_only,
        selftrain,
        selftrain_tiny,
    )
}


def recipe(name: str = "quickstart", **changes: Any) -> TrainConfig:
    """The recipe of that name with some knobs changed: ``recipe("smoke", seed=1, policy={"lora_rank": 8})``.

    Raises:
        ConfigError: there is no such recipe or knob, or no run can have the value.
    """
    if not isinstance(name, str) or name not in RECIPES:
        raise ConfigError("recipe", name, f"it is none of {', '.join(RECIPES)}")
    return changed(RECIPES[name](), changes)


def configured(data: Mapping[str, Any], base: str | None = None) -> TrainConfig:
    """The config that a file holds, on top of a recipe: ``base``, else the one that ``recipe`` in it names.

    A file that holds every knob needs no recipe: its ``recipe`` may be any name.

    Raises:
        ConfigError: there is no such recipe or knob, or no run can have the value.
    """
    knobs = {name: value for name, value in data.items() if name != "recipe"}
    named = data.get("recipe", "quickstart")
    whole = knobs.keys() >= {knob.name for knob in fields(TrainConfig)} - {"recipe"}
    if base is None and whole and named not in list(RECIPES):
        return config_from_dict(data)
    return recipe(base or named, **{str(name): value for name, value in knobs.items()})
