"""Other ways to play the same tasks: full context, thoughts, drafts, second tries; and who cannot play so."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from kitchen import Kitchens

from memrl.contracts import registry
from memrl.contracts.config import TrainConfig
from memrl.contracts.errors import ConfigError
from memrl.contracts.protocols import Agent, SampleRequest
from memrl.contracts.registry import register
from memrl.contracts.rows import Played, Row, RowContext
from memrl.contracts.types import End, Episode, Task, Think, Unreadable
from memrl.evaluate import evaluate_agent
from memrl.policies.scripted import ScriptedPolicy
from memrl.recipes import recipe
from memrl.rollouts.rows.one_try import OneTry
from memrl.rollouts.scheduler import play
from memrl.training.build import build_agent
from memrl.training.players import make_row, with_controller

BUDGET = 24
ROWS = ("full_context", "react", "self_refine", "reflexion")


def config(**changes: Any) -> TrainConfig:
    made = recipe(
        "plain",
        env={"name": "kitchen:Kitchens"},
        policy={"name": "pointer", "max_new_tokens": 6},
        memory={"token_budget": BUDGET, "read_budget": BUDGET, "embedder": "hash"},
        evaluation={"episodes": 4},
    )
    return replace(made, **{name: replace(getattr(made, name), **knobs) for name, knobs in changes.items()})


def agent_of(said: Callable[[SampleRequest], str], source: Any = None) -> Agent:
    return replace(build_agent(config(), policy=ScriptedPolicy(said)), task_source=source or Kitchens())


def row_of(name: str, said: Callable[[SampleRequest], str], source: Any = None) -> Row:
    return make_row(agent_of(said, source), config(), name, "rows")


def tasks(count: int = 2, source: Any = None) -> list[Task]:
    return [(source or Kitchens()).held_out(seed) for seed in range(count)]


def right(request: SampleRequest) -> str:
    """What solves the task: it counts its steps by the clock of the observation."""
    return Kitchens().walkthrough(request.task)[request.observation.step]


def shown(episode: Episode) -> list[list[str]]:
    return [[line.text for line in step.view] for step in episode.steps]


def test_full_context_shows_all_that_was_seen_and_done_whatever_the_budget() -> None:
    source = Kitchens(walk=6)
    way = lambda request: source.walkthrough(request.task)[request.observation.step]  # noqa: E731
    [played] = row_of("full_context", way, source).play(tasks(1, source), [0])
    steps, views = played.episode.steps, shown(played.episode)
    assert played.episode.success == 1.0 and len(steps) == 8 and played.tries == 1 and played.tokens == 0
    for number, view in enumerate(views):
        assert view == [
            f"{step.observation.text}\n> {text}"
            for step, text in zip(steps[:number], source.walkthrough(played.episode.task), strict=False)
        ]
    window = OneTry(with_controller(agent_of(way, source), config(), "window", "rows")).play(tasks(1, source), [0])
    most = [max(step.context_tokens for step in one.episode.steps) for one in (played, window[0])]
    assert most[0] > 50 > most[1], "full context reads more than the budget, and says so"
    assert all(sum(len(line.split()) for line in view) <= BUDGET for view in shown(window[0].episode))


def test_full_context_leaves_room_in_what_a_model_can_read() -> None:
    agent = agent_of(right)
    agent.policy.context_length = 400  # pyright: ignore[reportAttributeAccessIssue]
    assert make_row(agent, config(), "full_context", "rows").agent.read_budget == 300
    assert row_of("full_context", right).agent.read_budget > 10**6


def thinking(request: SampleRequest) -> str:
    return f"note {request.observation.step}\nand more" if request.brief.does == "Thought" else right(request)


def test_react_thinks_before_each_action_and_remembers_what_it_thought_within_the_read_budget() -> None:
    [played, _] = row_of("react", thinking).play(tasks(), [0])
    episode = played.episode
    assert episode.success == 1.0
    for number, step in enumerate(episode.steps):
        actions = [one.action for one in step.decisions if one.actor == "policy"]
        assert [type(one).__name__ for one in actions] == ["Think", "Say"]
        assert actions[0] == Think(f"note {number}"), "one line, whatever the model wrote after it"
    said = Kitchens().walkthrough(episode.task)
    last = shown(episode)[-1][-1].split("\n")
    assert last[1:] == [f"Thought: note {len(said) - 2}", f"> {said[-2]}"]
    assert all(sum(len(line.split()) for line in view) <= BUDGET for view in shown(episode))


def test_self_refine_drafts_criticises_and_then_acts_on_both() -> None:
    asked: list[SampleRequest] = []

    def said(request: SampleRequest) -> str:
        asked.append(request)
        if request.brief.does == "Draft":
            return "go nowhere"
        if request.brief.does == "Feedback":
            return f"{request.scratch[-1]} is wrong"
        return right(request) if request.scratch[1:] == ("Feedback: Draft: go nowhere is wrong",) else "dance"

    [played] = row_of("self_refine", said).play(tasks(1), [0])
    assert played.episode.success == 1.0
    assert [one.scratch[:1] for one in asked[:3]] == [(), ("Draft: go nowhere",), ("Draft: go nowhere",)]
    assert asked[0].brief.header.startswith("Cook what the cookbook says.") and asked[2].brief.max_new_tokens is None
    assert not any("Draft" in line for view in shown(played.episode) for line in view), "turns hold for one action"


class Learner:
    """Solves a task once a lesson about it stands in view; one task in two needs none."""

    def __init__(self, lesson: str = "follow the recipe") -> None:
        self.lesson = lesson
        self.reflected: list[SampleRequest] = []
        self.views: list[tuple[str, ...]] = []

    def __call__(self, request: SampleRequest) -> str:
        if request.brief.does == "Thought":
            return "hm"
        if request.brief.does == "Reflection":
            self.reflected.append(request)
            return self.lesson
        self.views.append(tuple(line.text for line in request.view))
        knows = request.task.seed % 2 or any(line.text == "Lesson: follow the recipe" for line in request.view)
        return right(request) if knows or request.observation.step < 2 else "dance"


def test_reflexion_tries_again_what_failed_with_its_reflections_in_view() -> None:
    learner = Learner()
    first, second = row_of("reflexion", learner).play(tasks(2), [0])
    assert (first.tries, second.tries) == (2, 1) and first.episode.success == second.episode.success == 1.0
    [asked] = learner.reflected
    assert asked.task.seed == 0 and "did not succeed" in asked.brief.header and asked.view[-1].text.endswith("> dance")
    assert all(view[0] == "Lesson: follow the recipe" for view in learner.views[-4:])
    assert all(sum(len(line.split()) for line in view) <= BUDGET for view in learner.views)
    assert first.tokens > 0 == second.tokens, "what the failed try read is told"


def test_reflexion_stops_after_three_reflections_and_a_blank_one_is_none() -> None:
    learner = Learner("cook better")
    [played] = row_of("reflexion", learner).play(tasks(1), [0])
    assert played.tries == 4 and len(learner.reflected) == 3 and played.episode.success < 1
    assert sum(line.startswith("Lesson") for line in learner.views[-1]) == 3


@pytest.mark.parametrize("name", ["react", "self_refine", "reflexion"])
def test_a_policy_that_cannot_write_freely_is_refused_in_one_line(name: str) -> None:
    made = config(policy={"name": "chooser", "options": {}})
    line = f"rows = {name!r}: it needs a policy that writes freely, such as 'hf'; ChooserPolicy does not"
    played: list[str] = []
    with pytest.raises(ConfigError, match=line):
        evaluate_agent(build_agent(made), made, rows=["none", name], progress=played.append)
    assert played == [], "it is told before another row has played"


def test_a_memory_of_written_text_needs_a_policy_that_writes() -> None:
    made = config(policy={"name": "chooser", "options": {}})
    with pytest.raises(ConfigError, match="which can only choose; use 'hf', or 'pointer' with writes = true"):
        evaluate_agent(build_agent(made), made, rows=["overwrite"])


def test_an_evaluation_plays_controllers_and_rows_side_by_side() -> None:
    agent = agent_of(thinking)
    report = evaluate_agent(agent, config(), rows=["none", "window", "everything", *ROWS])
    told = {row.controller: row for row in report.rows}
    assert list(told) == ["none", "window", "everything", *ROWS]
    assert all(row.success == 1.0 and row.tries == 1.0 and row.tokens_per_episode > 0 for row in told.values())
    assert told["full_context"].tokens_per_episode > told["none"].tokens_per_episode
    with pytest.raises(ConfigError, match="rows = 'reflex'"):
        evaluate_agent(agent, config(), rows=["reflex"])


def test_a_row_of_ones_own_is_one_class() -> None:
    class Twice:
        def __init__(self, context: RowContext) -> None:
            self.agent = context.with_controller("window")

        def play(self, tasks: Sequence[Task], seed: Sequence[int]) -> list[Played]:
            groups = play(self.agent, tasks, seed, tries=2)
            return [Played(max(group.episodes, key=lambda one: one.success), tries=2) for group in groups]

    register("row", "twice", Twice)
    try:
        [row] = evaluate_agent(agent_of(right), config(), rows=["twice"]).rows
        assert row.controller == "twice" and row.tries == 2.0 and row.success == 1.0
    finally:
        registry._PARTS.pop(("row", "twice"))


@pytest.mark.parametrize("name", ["own", "window", *ROWS])
@pytest.mark.parametrize("greedy", [True, False])
def test_every_row_draws_where_the_evaluation_says_so(name: str, greedy: bool) -> None:
    asked: list[SampleRequest] = []
    agent = agent_of(lambda request: asked.append(request) or "look")
    report = evaluate_agent(agent, config(evaluation={"episodes": 2, "greedy": greedy}), rows=[name])
    assert report.greedy == greedy and {request.greedy for request in asked} == {greedy}
    seeds = [request.seed for request in asked]
    assert len(asked) > 4 and len(set(seeds)) == len(seeds), "each draw has a seed of its own"


@pytest.mark.parametrize("name", ["window", *ROWS])
def test_a_model_that_never_says_an_admissible_choice_loses_its_game_and_not_the_run(name: str) -> None:
    made = config(policy={"name": "hf", "model": "tiny", "lora_rank": 2, "options": {}, "dtype": "float32",
                          "max_new_tokens": 4}, memory={"token_budget": 300, "read_budget": 300})  # fmt: skip
    agent = replace(build_agent(made), task_source=Kitchens(walk=1))
    row = make_row(agent, made, name, "rows") if name in ROWS else OneTry(with_controller(agent, made, name, "rows"))
    for played in row.play(tasks(2), [0]):
        assert played.episode.end is End.DONE and played.episode.success == 0.0
        assert all(isinstance(step.acted, Unreadable) for step in played.episode.steps)
