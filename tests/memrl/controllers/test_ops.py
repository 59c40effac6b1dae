"""Memory ops as calls: how a text is read, what may be called, what is refused, and what an ideal memory teaches."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from toy import TASK, ToyTasks, count_words, toy_agent

from memory_stores.types import Forget, Item, Keep, Overwrite, Stamp, Write
from memrl.contracts.errors import ConfigError
from memrl.contracts.protocols import SampleRequest
from memrl.contracts.types import CONTROLLER, Episode, MemoryOps, Say, Unreadable
from memrl.controllers.ops import NOBODY, OpsMemory, OpsOptions
from memrl.policies.scripted import ScriptedPolicy
from memrl.recipes import recipe
from memrl.rollouts.scheduler import play
from memrl.training.build import build

HELD = tuple(
    Item(id=id, text=text, tokens=2, stamp=Stamp()) for id, text in (("t3", "rope shed"), ("t5", "lamp attic"))
)


def memory(**options: Any) -> OpsMemory:
    return OpsMemory(ScriptedPolicy(["keep"]), OpsOptions(**options))


@pytest.mark.parametrize(
    ("said", "ops"),
    [
        ("keep", (Keep(),)),
        ("Keep.", (Keep(),)),
        ("write lamp cellar", (Write("lamp cellar"),)),
        ("write: lamp: cellar", (Write("lamp: cellar"),)),
        ("overwrite 2 lamp cellar", (Overwrite("t5", "lamp cellar"),)),
        ("overwrite 2: lamp: cellar", (Overwrite("t5", "lamp: cellar"),)),
        ("FORGET 1", (Forget("t3"),)),
        ("forget 1 then overwrite 2 lamp cellar then write kettle barn",
         (Forget("t3"), Overwrite("t5", "lamp cellar"), Write("kettle barn"))),
        ("write he went home then slept", (Write("he went home then slept"),)),
        ("forget 7", (Forget(NOBODY),)),
        ("overwrite 0 lamp cellar", (Overwrite(NOBODY, "lamp cellar"),)),
    ],
)  # fmt: skip
def test_a_text_is_read_as_ops_on_the_entries_that_its_numbers_name(said: str, ops: tuple[Any, ...]):
    assert memory().parsed(Say(said), HELD) == MemoryOps(ops)


@pytest.mark.parametrize(
    "said",
    ["the lamp is in the cellar", "write", "overwrite 2", "overwrite lamp cellar", "forget", "forget 1 lamp", "keep it",
     "writes lamp", "forget 1 then overwrite 2"],
)  # fmt: skip
def test_what_is_no_call_is_unreadable(said: str):
    assert memory().parsed(Say(said), HELD) == Unreadable(said)
    assert memory().parsed(Unreadable("?"), HELD) == Unreadable("?")


def test_more_calls_than_there_may_be_are_words_of_the_last_one():
    told = memory(max_calls=1).parsed(Say("write lamp then forget 1"), HELD)
    assert told == MemoryOps((Write("lamp then forget 1"),))
    told = memory(max_calls=2).parsed(Say("forget 1 then write a then write b"), HELD)
    assert told == MemoryOps((Forget("t3"), Write("a then write b")))


def test_a_call_that_there_is_not_is_unreadable():
    assert memory(calls=("write", "keep")).parsed(Say("forget 1"), HELD) == Unreadable("forget 1")


def test_the_grammar_names_the_entries_that_exist():
    calls = memory(max_calls=3, max_new_tokens=9).calls(2)
    assert [head.text for head in calls.heads] == [
        "write",
        "overwrite 1",
        "overwrite 2",
        "forget 1",
        "forget 2",
        "keep",
    ]
    assert (calls.most, calls.max_tokens) == (3, 9)
    used = calls.heads[3:4]
    assert [head.text for head in calls.after(used)] == ["write", "overwrite 2", "forget 2"]
    assert calls.after(calls.heads[-1:]) == (), "keep goes alone"


STORY = ("The lantern is here.", "It rained all day.", "Is the lantern here?")


def played(script: Any, budget: int = 16, **options: Any) -> tuple[Episode, list[SampleRequest]]:
    asked: list[SampleRequest] = []

    def answer(request: SampleRequest) -> str:
        asked.append(request)
        return script(request) if request.actor == CONTROLLER else "yes"

    policy = ScriptedPolicy(answer)
    agent = toy_agent(ToyTasks(STORY), OpsMemory(policy, OpsOptions(**options)), policy, budget=budget)
    [group] = play(replace(agent, offers=None), [TASK], [0], tries=1)
    return group.episodes[0], [one for one in asked if one.actor == CONTROLLER]


def test_entries_stand_in_its_prompt_with_their_numbers_and_in_the_policys_without():
    episode, asked = played(lambda r: f"write {r.observation.text}")
    assert [line.text for line in asked[1].view] == ["1. The lantern is here."]
    assert [line.text for line in episode.steps[2].view] == ["The lantern is here.", "It rained all day."]
    assert [len(one.calls.heads) for one in asked if one.calls] == [2, 4]


@pytest.mark.parametrize("said", ["forget 3", "write a b c d e f g h i"])
def test_what_the_store_refuses_is_data(said: str):
    episode, _ = played(lambda r: said, budget=5)
    [decision] = episode.steps[0].decisions
    assert isinstance(decision.action, MemoryOps) and decision.refused


def test_an_unreadable_text_changes_nothing():
    episode, _ = played(lambda r: "I think we should remember this.")
    assert isinstance(episode.steps[0].decisions[0].action, Unreadable) and episode.steps[2].view == ()


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"max_calls": 0}, "controller.options.max_calls = 0: it must be at least 1"),
        ({"max_new_tokens": 1}, "controller.options.max_new_tokens = 1: it must be at least 2"),
        ({"calls": ("forget", "keep")}, r"calls = \['forget', 'keep'\]: memory begins empty, .*; add write"),
        ({"calls": ()}, r"controller.options.calls = \[\]: list some of write, overwrite, forget, keep"),
        ({"calls": ("delete",)}, r"controller.options.calls = \['delete'\]: list some of"),
    ],
)
def test_options_are_checked(options: Any, line: str):
    with pytest.raises(ConfigError, match=line):
        build(recipe("tiny", controller={"name": "ops", "options": options}))


class Oracle(ToyTasks):
    """What an ideal memory holds after each of four observations."""

    def ideal_memory(self, task: Any, observation_id: str, budget: int, cost: Any) -> list[str]:
        first = ["rope: shed", "lamp: attic"]
        later = {"o2": ["lamp: cellar", "rope: shed"], "o4": ["kettle: barn", "lamp: cellar"]}
        lines = later.get(observation_id, first)
        return [line for line in lines if cost(line) <= budget]


def taught(**options: Any) -> list[tuple[str, list[str]]]:
    source = Oracle(("a", "b", "c", "where?", "d"))
    found = memory(**options).lessons(source, TASK, 16, count_words)
    return [(one.text, [line.text for line in one.request.view]) for one in found if one.request.actor == CONTROLLER]


def test_lessons_are_the_calls_from_one_ideal_memory_to_the_next():
    assert taught() == [
        ("write lamp: attic then write rope: shed", []),
        ("keep", ["1. lamp: attic", "2. rope: shed"]),
        ("overwrite 1 lamp: cellar", ["1. lamp: attic", "2. rope: shed"]),
        ("forget 1 then write kettle: barn", ["1. rope: shed", "2. lamp: cellar"]),
    ]


def test_what_lessons_have_no_room_to_call_is_not_held_from_there_on():
    assert taught(max_calls=1)[:2] == [("write lamp: attic", []), ("write rope: shed", ["1. lamp: attic"])]
    assert taught(max_new_tokens=4)[0] == ("write lamp: attic", [])
    assert [text for text, _ in taught(calls=("write",))] == [
        "write lamp: attic then write rope: shed", "write kettle: barn",
    ]  # fmt: skip


@pytest.mark.parametrize("policy", ["pointer", "hf"])
def test_a_run_with_either_policy_says_nothing_but_calls(policy: str):
    options = {"writes": True} if policy == "pointer" else {}
    config = recipe(
        "tiny",
        policy={"name": policy, "options": options},
        controller={"name": "ops", "options": {"max_new_tokens": 24, "max_calls": 2}},
        rollout={"practice_tasks": 0, "tasks": 1, "group_size": 2},
        warm_start={"steps": 0},
        credit={"name": "dr_grpo"},
        learner={"rereads": 0, "kl": 0.1},
    )
    parts = build(config)
    groups = play(parts.agent, parts.curriculum.draw(1), [0])
    written = [d for g in groups for e in g.episodes for d in e.decisions if d.actor == CONTROLLER]
    assert written and all(isinstance(d.action, MemoryOps) for d in written)
