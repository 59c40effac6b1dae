"""Walkthroughs as lessons: what is asked and said, under whose memory, and what cannot be followed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from kitchen import Kitchens
from rows_read import rows_read

from memrl.contracts.capabilities import Example
from memrl.contracts.config import TrainConfig, WarmStartConfig
from memrl.contracts.errors import ConfigError, DataError
from memrl.contracts.protocols import Agent
from memrl.contracts.types import Say, Task
from memrl.recipes import recipe
from memrl.rollouts.scheduler import play
from memrl.testing import check_env
from memrl.training.build import build_agent
from memrl.training.demonstrations import Guide, demonstrations
from memrl.training.warm_up import lessons_of, warm_up


class Quiet:
    def progress(self, title: str, total: int) -> Any:
        return lambda: None

    def say(self, text: str) -> None:
        raise AssertionError(text)


def config(**changes: Any) -> TrainConfig:
    made = recipe(
        "plain",
        env={"name": "kitchen:Kitchens"},
        policy={"name": "pointer", "max_new_tokens": 6},
        memory={"token_budget": 60, "read_budget": 60, "embedder": "hash"},
        warm_start={"steps": 40, "demonstrations": 6, "batch_size": 8, "learning_rate": 0.02},
    )
    return replace(made, **{name: replace(getattr(made, name), **knobs) for name, knobs in changes.items()})


def built(source: Any = None, **changes: Any) -> tuple[Agent, TrainConfig]:
    made = config(**changes)
    agent = build_agent(made)
    return (agent if source is None else replace(agent, task_source=source)), made


def by_task(lessons: Sequence[Example]) -> dict[Task, list[Example]]:
    found: dict[Task, list[Example]] = {}
    for one in lessons:
        found.setdefault(one.request.task, []).append(one)
    return found


def test_the_kitchen_keeps_its_promises_and_its_walkthroughs_solve_it() -> None:
    check_env(Kitchens())
    source = Kitchens()
    game = source.make(source.held_out(1))
    observation, texts = game.start(), list(source.walkthrough(source.held_out(1)))
    outcome = None
    for text in texts:
        assert observation is not None and text in observation.choices
        outcome = game.step(Say(text))
        observation = outcome.next
    assert outcome is not None and outcome.success == 1.0 and observation is None


def test_lessons_are_what_play_asks_along_the_walkthrough_and_the_same_every_time() -> None:
    agent, made = built()
    lessons = demonstrations(agent, made).lessons
    assert lessons == demonstrations(*built()).lessons == lessons_of(agent, made)
    tasks = by_task(lessons)
    assert [task.cell for task in tasks] == ["1", "2"] * 3 and all(task.split == "train" for task in tasks)
    for task, told in tasks.items():
        assert [one.text for one in told] == list(Kitchens().walkthrough(task))
        assert all(one.text in one.request.observation.choices for one in told)
        assert told[0].request.view == () and "Directions" in told[0].request.observation.text
        assert told[0].request.brief.header == "Cook what the cookbook says."
        # Sixty words of memory hold all of so short a game, what was done included.
        assert [line.text.split("> ")[-1] for line in told[-1].request.view] == [one.text for one in told[:-1]]


def test_memory_is_kept_by_whom_the_knob_names() -> None:
    agent, made = built(warm_start={"demonstrated_with": "none"})
    assert all(one.request.view == () for one in demonstrations(agent, made).lessons)
    agent, made = built(warm_start={"demonstrated_with": "own"}, controller={"name": "fifo", "trained": False})
    assert any(one.request.view for one in demonstrations(agent, made).lessons)
    agent, made = built(warm_start={"demonstrated_with": "nobody"})
    with pytest.raises(ConfigError, match=r"warm_start\.demonstrated_with = 'nobody'"):
        demonstrations(agent, made)


class Knowing(Kitchens):
    """Knows that a command at the table rests on the cookbook, which is read first."""

    def read(self, task: Task, question_id: str, seen: frozenset[str]) -> str:
        return "never asked"

    def blame(self, task: Task, question_id: str, held: frozenset[str]) -> frozenset[str]:
        return (frozenset({"o0"}) if int(question_id[1:]) >= len(self.make(task).ways) else frozenset()) - held


def test_what_rests_on_evidence_that_is_not_in_view_is_not_taught() -> None:
    agent, made = built(Knowing(), warm_start={"demonstrated_with": "none"})
    lessons = demonstrations(agent, made).lessons
    assert len(lessons) == 6 * 2 and all(one.text.startswith("go ") for one in lessons)
    agent, made = built(Knowing())
    assert len(demonstrations(agent, made).lessons) == 6 * 2 + 3 * 1 + 3 * 2


def test_the_policy_learns_to_say_what_was_shown() -> None:
    agent, made = built()
    policy: Any = agent.policy
    lessons = demonstrations(agent, made).lessons
    rows = policy.answer_rows([one.request for one in lessons], [one.text for one in lessons])

    def likelihood() -> float:
        with torch.no_grad():
            logprobs, mask = policy.token_logprobs(rows)
        return float(logprobs[mask].mean())

    before = likelihood()
    warm_up(agent, made, Quiet())
    assert likelihood() > before + 0.5 and policy.version == 1


def test_a_language_model_is_taught_them_token_for_token_as_play_asks() -> None:
    knobs = {"name": "hf", "model": "tiny", "lora_rank": 2, "options": {}, "dtype": "float32"}
    agent, made = built(policy=knobs, warm_start={"demonstrations": 1, "steps": 1, "batch_size": 3},
                        memory={"token_budget": 400, "read_budget": 400})  # fmt: skip
    policy: Any = agent.policy
    lessons = demonstrations(agent, made).lessons
    expected = [
        [*policy.sample([one.request])[0].prompt_ids, *policy.renderer.completion(one.request, one.text)]
        for one in lessons
    ]
    rows = rows_read(policy, lambda: warm_up(agent, made, Quiet()))
    assert len(rows) == 3 and all(row in expected for row in rows)


class Wrong(Kitchens):
    """Walkthroughs that cannot be followed, by name."""

    def walkthrough(self, task: Task) -> Sequence[str]:
        way = list(Kitchens.walkthrough(self, task))
        return {"strange": ["dance", *way], "short": way[:-1]}[self.kind]

    kind: str = "strange"


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (
            "strange",
            r"env 'kitchen': the walkthrough of task 1 \d+ says 'dance', which is no action there: the choices",
        ),
        ("short", r"the walkthrough of task 1 \d+ has 2 texts and ends before the task does"),
    ],
)
def test_a_walkthrough_that_cannot_be_followed_is_told(kind: str, said: str) -> None:
    source = Wrong()
    source.kind = kind
    with pytest.raises(DataError, match=said):
        demonstrations(*built(source))


def test_walkthroughs_that_solve_nothing_are_told() -> None:
    agent, made = built()
    agent = replace(agent, rollout=replace(agent.rollout, step_limit=2))
    with pytest.raises(ConfigError, match="no walkthrough solves its task; the first ends so: step_limit, success 0"):
        demonstrations(agent, made)


def test_a_source_without_walkthroughs_is_refused() -> None:
    agent, made = built()
    agent = replace(agent, task_source=build_agent(recipe("smoke")).task_source)
    way_out = (
        r"warm_start\.demonstrations = 6: env 'memworld' has no walkthrough of its tasks \(walkthrough\); set it to 0"
    )
    with pytest.raises(ConfigError, match=way_out):
        demonstrations(agent, made)


def test_demonstrations_without_steps_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"warm_start\.demonstrations = 4: with warm_start\.steps = 0"):
        WarmStartConfig(steps=0, demonstrations=4)
    assert WarmStartConfig(steps=0, demonstrations=4, controller_steps=4).demonstrations == 4


LONG, TIGHT = Kitchens(walk=10), {"token_budget": 40, "read_budget": 40}
"""The cookbook is out of a window of that size long before the table is reached."""


def test_foresight_holds_what_is_needed_where_a_window_has_lost_it() -> None:
    for keeper, holds in (("foresight", 1.0), ("window", 0.0)):
        agent, made = built(LONG, memory=TIGHT, warm_start={"demonstrated_with": keeper})
        last = [told[-1].request.view for told in by_task(demonstrations(agent, made).lessons).values()]
        assert np.mean([any("Directions" in line.text for line in view) for view in last]) == holds


def holding(agent: Agent) -> float:
    """Share of held-out games, played as their walkthroughs say, in which the cookbook is in view at the end."""
    games = [LONG.held_out(seed) for seed in range(20)]
    player = replace(agent, policy=Guide(LONG, games))
    episodes = [group.episodes[0] for group in play(player, games, [3], tries=1, greedy=True)]
    return float(np.mean([any("Directions" in line.text for line in one.steps[-1].view) for one in episodes]))


def test_the_controller_learns_to_keep_what_foresight_keeps() -> None:
    knobs = {"steps": 0, "demonstrations": 20, "controller_steps": 60, "learning_rate": 0.01}
    agent, made = built(LONG, memory=TIGHT, warm_start=knobs)
    before = holding(agent)
    warm_up(agent, made, Quiet())
    assert before <= 0.3 and holding(agent) >= 0.9 and agent.policy.version == 0
    again, _ = built(LONG, memory=TIGHT, warm_start=knobs)
    assert holding(again) == before
    warm_up(again, made, Quiet())
    for one, other in zip(agent.controller.parameters(), again.controller.parameters(), strict=True):  # pyright: ignore[reportAttributeAccessIssue]
        assert torch.equal(one, other)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"controller": {"name": "fifo", "options": {}}}, "controller 'fifo' does not learn to choose among offers"),
        ({"warm_start": {"demonstrations": 0}}, "with warm_start.demonstrations = 0 there is nothing to learn from"),
        (
            {"warm_start": {"demonstrated_with": "full_context"}},
            "'full_context' .* chooses among no offers; set it to 0",
        ),
    ],
)
def test_a_controller_that_cannot_learn_from_them_is_told(changes: dict[str, Any], said: str) -> None:
    knobs = {"steps": 0, "demonstrations": 2, "controller_steps": 5, **changes.get("warm_start", {})}
    agent, made = built(**{**changes, "warm_start": knobs})
    with pytest.raises(ConfigError, match=rf"warm_start\.controller_steps = 5: {said}"):
        warm_up(agent, made, Quiet())


def test_it_is_told_before_the_policy_is_taught() -> None:
    agent, made = built(warm_start={"steps": 3, "demonstrations": 0, "controller_steps": 5})
    version = agent.policy.version
    with pytest.raises(ConfigError, match=r"warm_start\.controller_steps = 5"):
        warm_up(agent, made, Quiet())
    assert agent.policy.version == version


def test_foresight_needs_walkthroughs() -> None:
    with pytest.raises(ConfigError, match=r"controller\.name = 'foresight': it knows what will be done"):
        build_agent(recipe("smoke", controller={"name": "foresight"}))
