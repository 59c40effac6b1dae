"""Memory that a language model rewrites: one text, through the same journal, credit and loss as any other op."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from toy import TASK, ToyEnv, ToyTasks, count_words, toy_agent

from memrl.advantages.credit import give_credit
from memrl.contracts.config import CreditConfig
from memrl.contracts.errors import ConfigError
from memrl.contracts.protocols import SampleRequest
from memrl.contracts.types import CONTROLLER, Group, MemoryOps, Observation, Task, Unreadable
from memrl.controllers.overwrite import OverwriteMemory, OverwriteOptions
from memrl.policies.scripted import ScriptedPolicy
from memrl.recipes import recipe
from memrl.rollouts.replay import memory_after
from memrl.rollouts.scheduler import play
from memrl.training.build import build

STORY = ("The lantern is here.", "It rained all day.", "Is the lantern here?")


def agent_of(write: Any, budget: int = 16) -> Any:
    def script(request: SampleRequest) -> str:
        return write(request) if request.actor == CONTROLLER else "yes"

    policy = ScriptedPolicy(script)
    agent = toy_agent(ToyTasks(STORY), OverwriteMemory(policy, OverwriteOptions()), policy, budget=budget)
    return replace(agent, offers=None)


def keeps_everything(request: SampleRequest) -> str:
    return " ".join([*(line.text for line in request.view), request.observation.text])


def played(agent: Any) -> Any:
    [group] = play(agent, [TASK], [0], tries=2)
    return group.episodes[0], group


def test_each_observation_leaves_one_text_in_memory_and_it_is_what_was_written():
    episode, _ = played(agent_of(keeps_everything))
    assert [line.text for line in episode.steps[2].view] == ["The lantern is here. It rained all day."]
    first, second = episode.steps[0].decisions[0], episode.steps[1].decisions[0]
    assert (first.actor, type(first.action)) == (CONTROLLER, MemoryOps)
    assert first.created == (second.ops[-1].id,), "the next one is written over the entry that this one made"
    assert not episode.steps[2].decisions[0].ops, "the question is not remembered"


class Doubtful(ToyTasks):
    """Its first observation comes from a source that is hardly to be believed."""

    def make(self, task: Task) -> ToyEnv:
        class Env(ToyEnv):
            def _observation(self) -> Observation:
                seen = super()._observation()
                return replace(seen, trust=0.3 if seen.step == 0 else 1.0)

        return Env(task, self.story)


@pytest.mark.parametrize(
    ("write", "trust"),
    [(keeps_everything, 0.3), (lambda request: request.observation.text, 1.0), (lambda _: "all of it is true", 0.3)],
)
def test_a_note_on_a_doubtful_note_stays_doubtful_and_an_observation_is_believed_as_it_is(write: Any, trust: float):
    agent = replace(agent_of(write), task_source=Doubtful(STORY))
    episode, _ = played(agent)
    memory = memory_after(episode, agent)
    assert [entry.stamp.trust for entry in memory.entries()] == [trust]


def test_a_text_over_the_budget_is_refused_and_memory_stays():
    episode, _ = played(agent_of(lambda r: "word " * (3 if r.observation.step == 0 else 9), budget=5))
    assert [d.refused for step in episode.steps[:2] for d in step.decisions] == [False, True]
    assert count_words(episode.steps[2].view[0].text) == 3


def test_what_cannot_be_read_changes_nothing():
    class Mumbles(ScriptedPolicy):
        def sample(self, requests: Any) -> Any:
            told = super().sample(requests)
            return [replace(d, actor=r.actor, action=Unreadable("?")) for d, r in zip(told, requests, strict=True)]

    policy = Mumbles(["x"])
    agent = toy_agent(ToyTasks(STORY), OverwriteMemory(policy, OverwriteOptions()), policy)
    episode, _ = played(replace(agent, offers=None))
    assert episode.steps[2].view == () and episode.steps[0].decisions[0].ops == ()


def test_every_rewriting_earns_what_comes_after_it():
    agent = agent_of(keeps_everything)
    good, bad = played(agent)[0], played(agent_of(lambda r: "nothing"))[0]
    assert (good.success, bad.success) == (1.0, 1.0)  # the script says "yes" whatever it sees
    lost = replace(bad, steps=tuple(replace(step, reward=0.0) for step in bad.steps))
    credits = give_credit([Group(task=TASK, episodes=(good, lost))], CreditConfig(), agent)
    assert [a for a in credits[0].advantages[:2]] == [1.0, 1.0]
    assert [a for a in credits[1].advantages[:2]] == [-1.0, -1.0]


def test_a_run_trains_the_writer_and_the_reader_with_one_model_and_two_parts_of_the_loss(tmp_path: Any):
    config = recipe(
        "tiny",
        controller={"name": "overwrite", "options": {"max_new_tokens": 6}},
        rollout={"practice_tasks": 0, "tasks": 1, "group_size": 2},
        warm_start={"steps": 0},
        credit={"name": "dr_grpo"},
        learner={"rereads": 0},
    )
    parts = build(config)
    groups = play(parts.agent, parts.curriculum.draw(1), [0])
    actors = {d.actor for group in groups for episode in group.episodes for d in episode.decisions}
    assert actors == {"policy", "controller"}
    assert all(d.action_ids for g in groups for e in g.episodes for d in e.decisions)


def test_options_are_checked():
    with pytest.raises(ConfigError, match="max_new_tokens"):
        build(recipe("tiny", controller={"name": "overwrite", "options": {"max_new_tokens": 0}}))


class ToyOracle(ToyTasks):
    """Holds the first sentence's words from the start, and all that was told from the second observation on."""

    def ideal_memory(self, task: Any, observation_id: str, budget: int, cost: Any) -> list[str]:
        lines = {"o0": [], "o1": ["yes: lantern", "rain: all day"]}[observation_id]
        return [line for line in lines if cost(line) <= budget]


def lessons(budget: int = 16, **options: Any) -> list[Any]:
    writer = OverwriteMemory(ScriptedPolicy(["x"]), OverwriteOptions(**options))
    return writer.lessons(ToyOracle((*STORY, "Is it dry?")), TASK, budget, count_words)


def test_lessons_are_the_ideal_memories_to_write_and_the_answers_that_stand_in_them():
    write, *answers = lessons()
    assert (write.request.actor, write.text) == (CONTROLLER, "yes: lantern; rain: all day")
    assert (write.request.view, write.request.observation.text) == ((), STORY[1]), "an empty memory is no text to write"
    assert [(a.request.actor, a.text, a.request.observation.text) for a in answers] == [
        ("policy", "yes", STORY[2]),
        ("policy", "yes", "Is it dry?"),
    ]
    assert [line.text for line in answers[0].request.view] == [write.text]


def test_a_lesson_is_asked_as_play_asks():
    asked: list[SampleRequest] = []
    played(agent_of(lambda request: asked.append(request) or "yes: lantern; rain: all day"))
    write = lessons()[0].request
    [told] = [one for one in asked if one.observation.id == "o1"][:1]
    assert (told.brief, told.actor, told.observation) == (write.brief, write.actor, write.observation)


def test_what_the_ideal_memory_does_not_hold_is_not_taught():
    assert lessons(budget=1) == [], "no line fits, so there is nothing to write and no answer to read"
    assert [one.text for one in lessons(budget=2)] == ["yes: lantern", "yes", "yes"]
    assert [one.text for one in lessons(max_new_tokens=2)] == ["yes: lantern", "yes", "yes"]


def test_an_environment_without_an_ideal_memory_is_told_of():
    writer = OverwriteMemory(ScriptedPolicy(["x"]), OverwriteOptions())
    with pytest.raises(ConfigError, match="env 'toy' has no oracle memory"):
        writer.lessons(ToyTasks(STORY), TASK, 16, count_words)
