"""The scorer decides, the model writes: two decisions, one op in memory, and credit for each."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from toy import TASK, ToyTasks, count_words, toy_agent

from memory_stores.types import Forget, Keep, Overwrite, Write
from memrl.advantages.contract import Scene
from memrl.advantages.credit import give_credit
from memrl.advantages.leave_one_out import leave_one_out
from memrl.advantages.same_state import RolloutOptions, same_state
from memrl.contracts.config import CreditConfig
from memrl.contracts.contexts import ControllerContext
from memrl.contracts.errors import ConfigError
from memrl.contracts.protocols import ControllerRequest, OpChoice, SampleRequest
from memrl.contracts.registry import find, make_options
from memrl.contracts.types import CONTROLLER, MemoryOps, OpDecision, TokenDecision, Unreadable
from memrl.controllers.hybrid import HybridMemory, HybridOptions
from memrl.policies.scripted import ScriptedPolicy
from memrl.recipes import recipe
from memrl.reporting.trajectories import read_jsonl, to_jsonl
from memrl.rollouts.replay import Change, Site, memory_after, replay, tape
from memrl.rollouts.scheduler import play
from memrl.training.batch import make_batch
from memrl.training.build import build

STORY = ("The lantern is here.", "It rained and rained all day long.", "Is the lantern here?")


class Chosen(HybridMemory):
    """Takes ops of given kinds, one after the other, in place of what a network would."""

    kinds: tuple[type, ...] = ()

    def choose(self, requests: Any) -> list[OpChoice]:
        return [OpChoice(self._first(request), -0.5) for request in requests]

    def _first(self, request: ControllerRequest) -> int:
        wanted = self.kinds[request.observation.step] if request.count == 0 else Keep
        return next((i for i, op in enumerate(request.offers.ops) if isinstance(op, wanted)), 0)


def agent_of(write: Any, *kinds: type, budget: int = 16, note_tokens: int = 4) -> Any:
    asked: list[SampleRequest] = []

    def script(request: SampleRequest) -> str:
        asked.append(request)
        if request.actor == CONTROLLER:
            return write(request)
        return "yes" if any("lantern" in line.text for line in request.view) else "no"

    policy = ScriptedPolicy(script)
    agent = toy_agent(ToyTasks(STORY), None, policy, budget=budget)
    context = ControllerContext(table=agent.table, seed=0, plan=lambda task: {}, policy=policy)
    controller = Chosen(context, policy, HybridOptions(width=4, hidden=8, note_tokens=note_tokens))
    controller.kinds = kinds
    return replace(agent, controller=controller), asked


def played(write: Any, *kinds: type, **options: Any) -> tuple[Any, Any, list[SampleRequest]]:
    agent, asked = agent_of(write, *kinds, **options)
    [group] = play(agent, [TASK], [0], tries=1)
    return group.episodes[0], agent, [one for one in asked if one.actor == CONTROLLER]


def test_a_choice_to_write_is_followed_by_the_note_that_is_carried_out_in_its_stead():
    episode, agent, asked = played(lambda r: "lantern here" if not r.view else "lantern, rain", Write, Overwrite)
    chosen, note, *_ = episode.steps[0].decisions
    assert isinstance(chosen, OpDecision) and isinstance(note, TokenDecision)
    assert (chosen.action, chosen.ops) == (Write(STORY[0]), ())
    assert note.action == MemoryOps((Write("lantern here"),)) and note.created == ("t1",)
    chosen, note, *_ = episode.steps[1].decisions
    assert chosen.action == Overwrite("t1", STORY[1])
    assert note.action == MemoryOps((Overwrite("t1", "lantern, rain"),))
    assert [line.text for line in episode.steps[2].view] == ["lantern, rain"]
    assert [[line.text for line in one.view] for one in asked] == [[], ["lantern here"]]
    assert memory_after(episode, agent).entries()[0].text == "lantern, rain"


def test_what_writes_nothing_has_no_note():
    episode, _, asked = played(lambda r: "lantern", Write, Forget)
    [gone, *_] = episode.steps[1].decisions
    assert gone.ops == (Forget("t1"),) and gone.note is None and len(asked) == 1


def test_a_note_that_cannot_be_read_or_finds_no_room_changes_nothing():
    class Mumbles(ScriptedPolicy):
        def sample(self, requests: Any) -> Any:
            told = super().sample(requests)
            return [replace(one, action=Unreadable("")) for one in told]

    agent, _ = agent_of(lambda r: "x", Write, Keep)
    agent.controller.policy = Mumbles(["x"])
    [group] = play(agent, [TASK], [0], tries=1)
    assert group.episodes[0].steps[2].view == ()
    episode, _, _ = played(lambda r: "one two three four five", Write, Keep, budget=4)
    assert episode.steps[0].decisions[1].refused and episode.steps[2].view == ()


def options_of(config: Any, step: int = 0) -> Any:
    parts = build(config)
    [group] = play(parts.agent, parts.curriculum.draw(1), [0], tries=2)
    return parts, group


SMALL = {
    "rollout": {"practice_tasks": 0, "tasks": 1, "group_size": 2}, "warm_start": {"steps": 0},
    "learner": {"rereads": 0},
}  # fmt: skip


def test_texts_are_offered_for_a_notes_tokens_so_that_long_ones_can_be_kept():
    memory = {"token_budget": 12, "read_budget": 12, "linker": "none"}
    env = {"name": "chunks", "options": {"env": "memworld", "size": 4, "env_options": {"horizon": 12}}}
    knobs = {"policy": {"name": "pointer", "options": {"writes": True}}, "memory": memory, "env": env}
    scorer = recipe("tiny", controller={"name": "scorer"}, **knobs, **SMALL)
    hybrid = recipe("tiny", controller={"name": "hybrid", "options": {"note_tokens": 6}}, **knobs, **SMALL)
    longest = []
    for config in (scorer, hybrid):
        parts, group = options_of(config)
        offered = [d.offers for e in group.episodes for d in e.decisions if isinstance(d, OpDecision)]
        texts = [op.text for offers in offered for op in offers.ops if isinstance(op, Write)]
        longest.append(max(map(parts.agent.count_tokens, texts)))
    assert longest[0] <= 12 < longest[1]


@pytest.mark.parametrize("policy", ["pointer", "hf"])
def test_both_decisions_become_parts_of_one_update(policy: str):
    options = {"writes": True} if policy == "pointer" else {}
    config = recipe(
        "tiny",
        policy={"name": policy, "options": options},
        controller={"name": "hybrid", "options": {"note_tokens": 6, "width": 4, "hidden": 8}},
        credit={"name": "return_to_go"},
        **SMALL,
    )
    parts, group = options_of(config)
    noted = [d for e in group.episodes for d in e.decisions if isinstance(d, OpDecision) and d.note is not None]
    credits = give_credit([group], config.credit, parts.agent)
    batch = make_batch([one._replace(advantages=np.ones_like(one.advantages)) for one in credits])
    assert noted and batch.ops is not None and {"controller", "policy"} <= set(batch.tokens)
    told = parts.learner.update(batch)
    assert {"controller_loss", "controller/loss"} <= set(told) and told["controller/logprob_gap"] < 1e-3


def test_an_estimator_that_serves_no_written_ops_is_refused_before_anything_is_played():
    with pytest.raises(ConfigError, match=r"credit.name = 'answer_likelihood_gain'.*this controller decides in tokens"):
        build(recipe("tiny", controller={"name": "hybrid"}, credit={"name": "answer_likelihood_gain"}, **SMALL))


def test_taking_back_a_choice_takes_back_its_note():
    episode, agent, _ = played(lambda r: "lantern here", Write, Keep)
    sites = [Site(0, 0), Site(0, 1)]
    done = replay([episode], [Change(0, site) for site in sites], agent)
    assert [np.sum(one.rewards) - np.sum(one.reference) for one in done.each] == [-1.0, -1.0]
    assert set(tape(episode, agent)) >= set(sites)
    scene = Scene(agent, CreditConfig(), RolloutOptions(rollouts=1))
    for estimator in (same_state, lambda e, s: leave_one_out(e, s._replace(options=_options("leave_one_out")))):
        found = estimator([episode, episode], scene)
        assert np.allclose(found[0][:2], 1.0), "both earn what the entry won"


def _options(name: str) -> Any:
    return make_options(find("estimator", name, "credit.name"), {}, "credit.options")


def test_an_episode_comes_back_from_a_file_with_its_notes(tmp_path: Any):
    episode, agent, _ = played(lambda r: "lantern here", Write, Keep)
    [again] = read_jsonl(to_jsonl([episode], tmp_path / "one.jsonl"))
    assert again.steps[0].decisions[0].ops == () and again.steps[0].decisions[1] == episode.steps[0].decisions[1]
    assert memory_after(again, agent).entries()[0].text == "lantern here"


class Oracle(ToyTasks):
    def ideal_memory(self, task: Any, observation_id: str, budget: int, cost: Any) -> list[str]:
        lines = {"o0": ["yes: lantern"], "o1": ["rain: all day", "yes: lantern"]}[observation_id]
        return [line for line in lines if cost(line) <= budget]


def test_lessons_are_the_ideal_memory_in_one_note_over_the_last_one():
    agent, _ = agent_of(lambda r: "x")
    source = Oracle(STORY)
    found = agent.controller.lessons(source, TASK, 16, count_words)
    assert [(one.text, [line.text for line in one.request.view]) for one in found] == [
        ("yes: lantern", []),
        ("rain: all day; yes: lantern", ["yes: lantern"]),
        ("yes", ["rain: all day; yes: lantern"]),
    ]


def test_options_are_checked():
    with pytest.raises(ConfigError, match=r"controller.options.note_tokens = 0"):
        build(recipe("tiny", controller={"name": "hybrid", "options": {"note_tokens": 0}}))
    long = {"name": "hybrid", "options": {"note_tokens": 500}}
    with pytest.raises(ConfigError, match=r"= 500: a memory of 400 tokens \(memory.token_budget\) holds no such note"):
        build(recipe("tiny", controller=long, memory={"token_budget": 400}))
