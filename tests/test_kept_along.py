"""A scorer imitates a keeper along walkthroughs: it comes to choose as that one does; nothing to imitate is refused."""

from __future__ import annotations

from typing import Any

import pytest
from kitchen import Kitchens

from benchmarks.kept_along import imitate, kept_along
from memrl.contracts.errors import ConfigError
from memrl.contracts.protocols import Agent
from memrl.contracts.types import Task
from memrl.recipes import recipe
from memrl.training.build import build_agent


def built() -> tuple[Agent, Any, list[Task]]:
    made = recipe(
        "plain",
        env={"name": "kitchen:Kitchens"},
        policy={"name": "chooser"},
        memory={"token_budget": 30, "read_budget": 30, "embedder": "hash"},
        controller={"options": {"width": 4, "hidden": 16}},
    )
    return build_agent(made), made, [Kitchens().train("2", seed) for seed in range(12)]


def test_a_scorer_comes_to_choose_as_the_keeper_does() -> None:
    agent, made, tasks = built()
    shown = kept_along(agent, made, tasks, "window")
    assert shown and all(len(one.offers) > 1 for one in shown)
    scorer: Any = agent.controller
    before = scorer.version
    first = imitate(scorer, shown, steps=1, learning_rate=0.0)
    last = imitate(scorer, shown, steps=150, learning_rate=0.02)
    assert last < 0.1 < 0.5 < first and scorer.version > before
    again, config, _ = built()
    assert imitate(again.controller, kept_along(again, config, tasks, "window"), steps=1, learning_rate=0.0) == first  # pyright: ignore


def test_nothing_to_imitate_is_refused() -> None:
    agent, made, tasks = built()
    with pytest.raises(ConfigError, match="nothing to choose"):
        imitate(agent.controller, [], steps=1)  # pyright: ignore
    with pytest.raises(ConfigError, match="imitation = 'nobody'"):
        kept_along(agent, made, tasks, "nobody")
