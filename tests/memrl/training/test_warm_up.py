"""What is taught before RL: short views, or the memories that an ideal memory holds; to a language model or another."""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby
from math import cos, pi
from pathlib import Path
from typing import Any

import pytest
import torch
from rows_read import rows_read

from memory_stores.types import Keep, Overwrite, Write
from memrl.contracts.capabilities import Example, ReadingLesson
from memrl.contracts.config import ControllerConfig, TrainConfig, WarmStartConfig
from memrl.contracts.errors import ConfigError, InputError
from memrl.contracts.protocols import Agent
from memrl.contracts.types import CONTROLLER, TokenDecision
from memrl.controllers.overwrite import BETWEEN
from memrl.controllers.passing import moments
from memrl.policies.prompts import render
from memrl.policies.scripted import ScriptedPolicy
from memrl.policies.warm_start import share, teach
from memrl.recipes import recipe
from memrl.reflection.auxiliary_losses import offer_logprobs
from memrl.rollouts.scheduler import play
from memrl.train import train
from memrl.training.build import build_agent
from memrl.training.ideal_memories import ideal_choices, memory_lessons
from memrl.training.run_folder import is_finished, load_run
from memrl.training.warm_up import lessons_of, warm_up

SMALL = str(Path(__file__).parents[1] / "streams" / "small.jsonl")
WORLD = {"horizon": 12, "objects": 2, "places": 4, "questions": 3, "delay": 2, "distractor_level": 1}


class Quiet:
    def __init__(self) -> None:
        self.ticks = 0

    def progress(self, title: str, total: int) -> Any:
        def tick() -> None:
            self.ticks += 1

        return tick

    def say(self, text: str) -> None:
        raise AssertionError(text)


def config(**changes: Any) -> TrainConfig:
    made = recipe(
        "plain",
        env={"name": "chunks", "options": {"env": "memworld", "size": 3, "env_options": WORLD}},
        policy={"name": "pointer", "max_new_tokens": 3, "options": {"writes": True, "hidden": 32}},
        memory={"token_budget": 12, "read_budget": 12, "embedder": "hash"},
        controller={"name": "overwrite", "options": {"max_new_tokens": 8}},
        warm_start={"steps": 60, "memory_tasks": 6, "batch_size": 8, "learning_rate": 0.02},
        learner={"rereads": 0},
        rollout={"practice_tasks": 0},
    )
    return replace(made, **{name: replace(getattr(made, name), **knobs) for name, knobs in changes.items()})


def read_in_warm_up(agent: Agent, made: TrainConfig) -> list[list[int]]:
    """The rows of ids that the model reads in its warm start, padding cut off."""
    return rows_read(agent.policy, lambda: warm_up(agent, made, Quiet()))


def test_the_rows_are_memories_to_write_and_answers_to_read_and_the_same_every_time() -> None:
    made = config()
    lessons = memory_lessons(build_agent(made), made)
    assert lessons == memory_lessons(build_agent(made), made) == lessons_of(build_agent(made), made)
    actors = [one.request.actor for one in lessons]
    assert actors.count("policy") > 6 and actors.count(CONTROLLER) > 12
    assert len({(one.request.task.seed, one.request.task.split) for one in lessons}) == 6
    assert all(one.request.task.split == "train" for one in lessons)
    for one in lessons:
        view = " ".join(line.text for line in one.request.view)
        seen = f"{view} {one.request.observation.text}"
        if one.request.actor == CONTROLLER:
            assert all(word.strip(":") in seen for word in one.text.replace(";", "").split())
        else:
            assert one.text in view, "an answer is taught only where memory holds it"


def test_the_pointer_learns_them_and_the_last_token_is_the_end() -> None:
    made, quiet = config(), Quiet()
    agent = build_agent(made)
    lessons = memory_lessons(agent, made)
    rows = agent.policy.answer_rows([one.request for one in lessons], [one.text for one in lessons])  # pyright: ignore[reportAttributeAccessIssue]
    assert all(ids[-1] == 0 for _, ids in rows if len(ids) < 8)

    def likelihood() -> float:
        with torch.no_grad():
            logprobs, mask = agent.policy.token_logprobs(rows)  # pyright: ignore[reportAttributeAccessIssue]
        return float(logprobs[mask].mean())

    before = likelihood()
    warm_up(agent, made, quiet)
    assert likelihood() > before + 1.0 and quiet.ticks == 60 and agent.policy.version == 1


def test_the_same_seed_teaches_the_same_weights() -> None:
    made = config(warm_start={"steps": 5})
    states = []
    for one in (made, made, replace(made, seed=1)):
        agent = build_agent(one)
        warm_up(agent, one, Quiet())
        states.append(torch.cat([value.flatten() for value in agent.policy.state_dict()["net"].values()]))
    assert torch.equal(states[0], states[1]) and not torch.equal(states[0], states[2])


def hybrid(**warm_start: Any) -> TrainConfig:
    options = {"note_tokens": 10, "width": 4, "hidden": 16}
    return config(
        controller={"name": "hybrid", "options": options, "max_ops": 1},
        warm_start={"steps": 0, "controller_steps": 60, **warm_start},
    )


def test_a_scorer_that_has_notes_written_learns_when_to_write() -> None:
    made, quiet = hybrid(), Quiet()
    agent = build_agent(made)
    shown = ideal_choices(agent, made)
    kinds = {type(one.action) for one in shown}
    assert {Write, Overwrite, Keep} <= kinds, "a change is written, nothing new is let be"
    controller: Any = agent.controller

    def taken() -> float:
        choice_D1 = torch.tensor([[one.choice] for one in shown])
        return float(offer_logprobs(controller, shown).gather(1, choice_D1).detach().exp().mean())

    before = taken()
    warm_up(agent, made, quiet)
    assert taken() > before + 0.3 and quiet.ticks == 60


def test_whoever_shows_when_to_write_ends_with_the_ideal_memory() -> None:
    made = hybrid()
    agent = build_agent(made)
    source = agent.task_source
    task = source.train(source.cells()[-1], 7)
    controller: Any = agent.controller
    keeper = controller.ideal(source, 12, agent.count_tokens)
    [group] = play(replace(agent, controller=keeper, policy=ScriptedPolicy([""])), [task], [0], tries=1)
    notes = [one for one in group.episodes[0].decisions if isinstance(one, TokenDecision) and one.ops]
    written = [getattr(one.ops[0], "text", "") for one in notes]
    ideals = [BETWEEN.join(one.ideal) for one in moments(source, task, 10, agent.count_tokens, BETWEEN)]
    changes = [ideal for ideal, _ in groupby(ideal for ideal in ideals if ideal)]
    assert written == changes and len(written) > 1


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (hybrid(memory_tasks=0), r"warm_start\.controller_steps = 60: .*memory_tasks = 0"),
        (
            replace(hybrid(), controller=ControllerConfig(options={"width": 4})),
            r"warm_start\.memory_tasks = 6: with warm_start\.steps = 0 controller 'scorer' learns nothing",
        ),
    ],
    ids=["nobody shows it", "nobody takes it"],
)
def test_when_to_write_is_asked_for_in_vain(made: TrainConfig, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        warm_up(build_agent(made), made, Quiet())


def test_a_reader_that_is_no_language_model_learns_short_views() -> None:
    made = config(
        warm_start={"memory_tasks": 0, "steps": 5}, controller={"name": "scorer", "options": {}},
        policy={"options": {}, "max_new_tokens": 2},
    )  # fmt: skip
    agent = build_agent(made)
    lessons = lessons_of(agent, made)
    assert len(lessons) == 5 * 8 and all(isinstance(one, ReadingLesson) for one in lessons)
    warm_up(agent, made, Quiet())
    assert agent.policy.version == 1


def test_short_views_are_taught_under_the_environment_s_own_brief_token_for_token_as_play_asks() -> None:
    made = recipe(
        "documents",
        env={"options": {"data": SMALL}}, memory={"embedder": "hash", "read_budget": 400},
        policy={"model": "tiny", "lora_rank": 2}, warm_start={"steps": 1, "batch_size": 2},
    )  # fmt: skip
    agent = build_agent(made)
    policy: Any = agent.policy
    source: Any = agent.task_source
    brief = source.brief(source.train(source.cells()[-1], 0))
    lessons: Any = lessons_of(agent, made)
    expected = [
        policy.encode([f"{render(one.lines, one.question, brief)} {one.answer}"])[0] + (policy.tokenizer.eos_token_id,)
        for one in lessons
    ]
    assert "in a few words" in brief.header
    assert sorted(map(tuple, read_in_warm_up(agent, made))) == sorted(expected)


def test_a_language_model_is_taught_them_by_trl_token_for_token_as_play_asks() -> None:
    made = config(
        policy={"name": "hf", "model": "tiny", "lora_rank": 2, "options": {}, "dtype": "float32"},
        memory={"token_budget": 120, "read_budget": 120}, controller={"options": {"max_new_tokens": 100}},
        warm_start={"steps": 1, "memory_tasks": 1, "batch_size": 2},
    )  # fmt: skip
    agent = build_agent(made)
    policy: Any = agent.policy
    lessons = memory_lessons(agent, made)
    expected = [
        [*policy.sample([one.request])[0].prompt_ids, *policy.renderer.completion(one.request, one.text)]
        for one in lessons
    ]
    rows = read_in_warm_up(agent, made)
    assert len(rows) == 2 and all(row in expected for row in rows)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"controller": {"name": "scorer", "options": {}}}, "controller 'scorer' writes no texts; set it to 0"),
        ({"env": {"name": "popgym", "options": {}}}, "env 'popgym' has no oracle memory"),
    ],
)
def test_asked_for_in_vain_it_is_told(changes: dict[str, Any], said: str) -> None:
    if changes.get("env", {}).get("name") == "popgym":
        pytest.importorskip("popgym")
    made = config(**changes)
    with pytest.raises(ConfigError, match=said):
        warm_up(build_agent(made), made, Quiet())


def test_where_an_answer_changes_what_is_shown_nothing_can_be_taught() -> None:
    agent = build_agent(config())
    agent.task_source.passive = False  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(ConfigError, match="what env 'chunks' shows may hang on what is done"):
        memory_lessons(agent, config())


def test_a_writer_that_is_taught_nothing_is_told_of() -> None:
    class Told(Quiet):
        said = ""

        def say(self, text: str) -> None:
            self.said += text

    made, told = config(warm_start={"memory_tasks": 0, "steps": 1}), Told()
    warm_up(build_agent(made), made, told)
    assert told.said == "warm start: what to write is not taught (warm_start.memory_tasks = 0)"


def test_a_policy_that_cannot_be_taught_is_told() -> None:
    made = config()
    agent = replace(build_agent(made), policy=ScriptedPolicy(["x"]))
    with pytest.raises(ConfigError, match=r"policy\.name = 'pointer' cannot be warm-started; set it to 0"):
        warm_up(agent, made, Quiet())


def test_memories_without_steps_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"warm_start.memory_tasks = 4: with warm_start.steps = 0"):
        WarmStartConfig(steps=0, memory_tasks=4)


def test_the_rate_rises_and_falls_as_trls() -> None:
    assert [share(step, 100) for step in (0, 5, 10)] == [0.0, 0.5, 1.0]
    assert share(55, 100) == pytest.approx(0.5 * (1 + cos(pi * 45 / 90))) == pytest.approx(0.5)
    assert share(0, 5) == 1.0, "so few steps have no rise"


def test_no_examples_is_an_error_with_the_way_out() -> None:
    agent = build_agent(config())
    with pytest.raises(ValueError, match=r"warm_start\.steps = 0"):
        teach(agent.policy, [], WarmStartConfig())


def test_what_a_pointer_does_not_read_it_cannot_be_taught() -> None:
    made = config()
    agent = build_agent(made)
    one: Example = memory_lessons(agent, made)[0]
    with pytest.raises(InputError, match="cannot say 'zebra'"):
        teach(agent.policy, [one._replace(text="zebra: attic")], made.warm_start)


def test_no_steps_leave_what_the_warm_start_made_and_can_be_gone_on_from(tmp_path: Path) -> None:
    small = config(warm_start={"steps": 3, "memory_tasks": 2}, rollout={"tasks": 1, "group_size": 2})
    made = replace(small, steps=0, out=str(tmp_path / "taught"))
    folder = train(made)
    agent = build_agent(made)
    warm_up(agent, made, Silent())
    kept = load_run(folder)[1]["policy"]
    assert is_finished(folder) and not (folder / "metrics.jsonl").read_bytes()
    weights = {name: weight for name, weight in agent.policy.state_dict()["net"].items()}
    assert weights and all(torch.equal(kept["net"][name], weight) for name, weight in weights.items())
    on = train(replace(made, steps=1), resume=folder)
    fresh = train(replace(made, steps=1, out=str(tmp_path / "fresh")))
    assert (on / "metrics.jsonl").read_bytes() == (fresh / "metrics.jsonl").read_bytes()


class Silent(Quiet):
    """Whatever is said."""

    def say(self, text: str) -> None:
        """Nothing."""
