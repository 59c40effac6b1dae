"""One state, written before the policy acts: what it sees, what the policy sees, and what a question may change."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from toy import TASK, ToyEnv, ToyTasks, count_words, toy_agent

from memrl.advantages.contract import Scene
from memrl.advantages.same_state import RolloutOptions, same_state
from memrl.contracts.config import CreditConfig
from memrl.contracts.protocols import SampleRequest
from memrl.contracts.types import CONTROLLER, Episode, Observation, Task
from memrl.controllers.overwrite import OverwriteMemory, OverwriteOptions
from memrl.controllers.state import StateMemory, StateOptions
from memrl.policies.scripted import ScriptedPolicy
from memrl.recipes import recipe
from memrl.rollouts.replay import memory_after
from memrl.rollouts.scheduler import play
from memrl.training.build import build

STORY = ("You stand at a door.", "The door is locked.", "It rained.", "Is it open?")


class Acting(ToyTasks):
    """Acts on the first two observations, which may be remembered; then one is shown, then it asks."""

    def make(self, task: Task) -> ToyEnv:
        class Env(ToyEnv):
            def _observation(self) -> Observation:
                seen = super()._observation()
                return replace(seen, wants_action=True) if seen.step < 2 else seen

        return Env(task, self.story)


def played(maker: Any = None, **limits: Any) -> tuple[Episode, list[SampleRequest], Any]:
    asked: list[SampleRequest] = []

    def script(request: SampleRequest) -> str:
        asked.append(request)
        if request.actor == CONTROLLER:
            return f"state {len([one for one in asked if one.actor == CONTROLLER])}"
        return f"push {request.observation.step}" if request.observation.writable else "yes"

    policy = ScriptedPolicy(script)
    controller = StateMemory(policy, StateOptions()) if maker is None else maker(policy)
    agent = replace(toy_agent(Acting(STORY, passive=False), controller, policy, **limits), offers=None)
    [group] = play(agent, [TASK], [0], tries=1)
    return group.episodes[0], asked, agent


def test_the_state_is_written_before_the_policy_acts_and_is_what_it_acts_from():
    episode, _, _ = played()
    actors = [[decision.actor for decision in step.decisions] for step in episode.steps]
    assert actors == [["controller", "policy"], ["controller", "policy"], ["controller"], ["policy"]]
    assert [[line.text for line in step.view] for step in episode.steps] == [["state 1"], ["state 2"], [], ["state 3"]]


def test_it_sees_what_was_done_with_what_came_of_it():
    _, asked, _ = played()
    assert [one.observation.text for one in asked if one.actor == CONTROLLER] == [
        "You stand at a door.",
        "> push 0\nThe door is locked.",
        "> push 1\nIt rained.",
    ]


def test_overwrite_comes_after_the_action_and_sees_it_with_what_it_was_done_about():
    episode, asked, _ = played(lambda policy: OverwriteMemory(policy, OverwriteOptions()))
    assert [decision.actor for decision in episode.steps[0].decisions] == ["policy", "controller"]
    assert [one.observation.text for one in asked if one.actor == CONTROLLER][:2] == [
        "You stand at a door.\n> push 0",
        "The door is locked.\n> push 1",
    ]


def test_a_question_changes_the_state_only_where_memory_may_learn_what_is_asked():
    episode, asked, _ = played(query_free=False)
    last = episode.steps[3]
    assert [decision.actor for decision in last.decisions] == ["controller", "policy"]
    assert [line.text for line in last.view] == ["state 4"]
    assert [one.observation.text for one in asked if one.actor == CONTROLLER][3] == "Is it open?"


def test_its_journal_leads_where_play_led_and_it_can_be_played_on_from_any_state():
    episode, _, agent = played()
    [entry] = memory_after(episode, agent).entries()
    assert entry.text == "state 3"
    scene = Scene(agent, CreditConfig(), RolloutOptions(rollouts=1))
    found = same_state([episode, episode], scene)
    # The answer is "yes" whatever is remembered, so that no state is worth more than another; nor is an action.
    assert np.allclose(found[0], 0.0) and found[0].shape == (6,)


class Oracle(ToyTasks):
    """Holds what the first observation told for as long as somebody asks."""

    def ideal_memory(self, task: Any, observation_id: str, budget: int, cost: Any) -> list[str]:
        return ["yes: lantern"] if observation_id == "o0" else []


@pytest.mark.parametrize(
    ("questions", "texts"),
    [(False, ["yes: lantern", "yes", "yes"]), (True, ["yes: lantern", "yes: lantern", "yes", "yes: lantern", "yes"])],
)
def test_lessons_write_the_state_first_and_leave_it_as_it_is_for_a_question(questions: bool, texts: list[str]):
    source = Oracle(("The lantern is here.", "Is it here?", "Is it there?", "It snowed."))
    writer = StateMemory(ScriptedPolicy(["x"]), StateOptions(questions=questions))
    found = writer.lessons(source, TASK, 16, count_words)
    assert [one.text for one in found] == texts
    assert all([line.text for line in one.request.view] == ["yes: lantern"] for one in found[1:])


@pytest.mark.parametrize("policy", ["pointer", "hf"])
def test_a_run_with_either_policy_writes_at_every_turn(policy: str):
    options = {"writes": True} if policy == "pointer" else {}
    config = recipe(
        "tiny",
        policy={"name": policy, "options": options},
        controller={"name": "state", "options": {"max_new_tokens": 6}},
        rollout={"practice_tasks": 0, "tasks": 1, "group_size": 2, "query_free": False},
        warm_start={"steps": 0},
        credit={"name": "gae"},
        learner={"rereads": 0},
    )
    parts = build(config)
    [group] = play(parts.agent, parts.curriculum.draw(1), [0])
    for step in group.episodes[0].steps:
        assert step.decisions[0].actor == CONTROLLER and step.decisions[0].action_ids  # pyright: ignore
