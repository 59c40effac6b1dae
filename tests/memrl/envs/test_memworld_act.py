"""Plans and signals: what must be done follows from the plan that holds and from how things are now."""

from __future__ import annotations

import json
from dataclasses import replace
from hashlib import sha256

import numpy as np
import pytest

from memory_stores.pattern_linker import PatternLinker
from memory_stores.types import Keep
from memrl.contracts.errors import ConfigError
from memrl.contracts.types import Action, Choose, Say, Think, ToolCall, Unreadable
from memrl.envs.memworld import backward, forward, oracles
from memrl.envs.memworld.commands import is_done
from memrl.envs.memworld.env import ACTING_BRIEF, BRIEF, MemWorldTasks
from memrl.envs.memworld.events import (
    UNKNOWN,
    Alias,
    AskAct,
    Assert,
    Cancel,
    Event,
    Plan,
    Retract,
    Update,
)
from memrl.envs.memworld.ideal import brief_line
from memrl.envs.memworld.presets import errands
from memrl.envs.memworld.program import program_of, write_program, written
from memrl.envs.memworld.signature import skills_of
from memrl.envs.memworld.task_json import program_from_json, program_to_json
from memrl.envs.memworld.theta import Theta

FULL = Theta(
    horizon=128, people=3, plans=4, questions=24, update_rate=0.4, retract_rate=0.1, alias_rate=0.5,
    unanswerable_rate=0.1, ask_latest=1.0, ask_act=3.0,
)  # fmt: skip


def is_in(step: int, subject: str, value: str, kind: type[Assert] = Assert) -> Assert:
    return kind(step=step, wording=0, subject=subject, value=value, actor="Vera")


def plan(step: int, signal: str, subject: str, value: str) -> Plan:
    return Plan(step=step, wording=0, subject=subject, signal=signal, value=value)


LOG: tuple[Event, ...] = (
    is_in(0, "lantern", "attic"),
    is_in(1, "Ben", "garden"),
    plan(2, "siren", "lantern", "Ben"),
    plan(3, "buzzer", "drum", "barn"),
    Alias(step=4, wording=0, subject="lantern", alias="relic"),
    is_in(5, "relic", "cellar", Update),
    is_in(6, "Ben", "tent", Update),
    is_in(7, "drum", "cave"),
    plan(8, "buzzer", "drum", "Ben"),
    Cancel(step=9, wording=0, signal="siren"),
    Retract(step=10, wording=0, subject="Ben", value="tent"),
    plan(11, "siren", "lantern", "gym"),
)
CUES = [
    ("siren", range(3), "take lantern from attic to garden", {0, 1, 2}),
    ("siren", (0, 1), UNKNOWN, set()),  # nobody has said what to do
    ("siren", (0, 2), UNKNOWN, set()),  # where Ben is nobody knows
    ("siren", (1, 2), UNKNOWN, set()),
    ("siren", range(6), "take lantern from cellar to garden", {1, 2, 4, 5}),  # a second name tells of the first
    ("siren", (0, 1, 2, 5), "take lantern from attic to garden", {0, 1, 2}),
    ("siren", range(9), "take lantern from cellar to tent", {2, 4, 5, 6}),
    ("siren", range(10), UNKNOWN, set()),
    ("siren", range(12), "take lantern from cellar to gym", {4, 5, 11}),  # a place needs no other fact
    ("buzzer", range(8), "take drum from cave to barn", {3, 7}),
    ("buzzer", range(9), "take drum from cave to tent", {6, 7, 8}),
    ("buzzer", range(12), UNKNOWN, set()),
    ("cannon", range(12), UNKNOWN, set()),
]


@pytest.mark.parametrize(("signal", "seen", "expected", "steps"), CUES)
def test_what_to_do_worked_by_hand(signal, seen, expected, steps):
    cue = AskAct(step=12, wording=0, signal=signal)
    told = [LOG[step] for step in seen]
    assert forward.answer(told, cue) == expected
    assert backward.BackwardSearch(told).ask(cue) == (expected, steps)


COMMANDS: list[tuple[Action | None, bool]] = [
    (Say("take lantern from attic to garden"), True),
    (Say("Take the lantern from the attic to the garden.\nBecause it was planned."), True),
    (Say("I will bring the LANTERN into the garden, from the attic!"), True),
    (Say("move lantern attic garden"), True),
    (Say("take the relic from the attic to the garden"), True),
    (Say("take the lantern from the attic, yes the attic, to the garden"), False),  # "yes the attic" goes there
    (ToolCall("take", (("thing", "lantern"), ("from", "attic"), ("to", "garden"))), True),
    (ToolCall("move", (("target", "garden"), ("thing", "lantern"), ("source", "attic"))), True),
    (ToolCall("take", (("thing", "lantern"), ("from", "garden"), ("to", "attic"))), False),
    (Choose(2, "take the lantern from the attic to the garden"), True),
    (Say("take the drum from the attic to the garden"), False),
    (Say("take the lantern and the drum from the attic to the garden"), False),
    (Say("take the lantern from the cellar to the garden"), False),
    (Say("take the lantern from the garden to the attic"), False),
    (Say("take the lantern to the garden"), False),
    (Say("take the lantern from the attic to Ben"), False),
    (Say("take the lantern from the attic to the garden to Ben"), False),
    (Say("don't take the lantern from the attic to the garden"), False),
    (Say("attic"), False),
    (Say(""), False),
    (Say(UNKNOWN), False),
    (None, False),
    (Keep(), False),
    (Think("take lantern from attic to garden"), False),
    (Unreadable("take lantern from attic to garden"), False),
]


@pytest.mark.parametrize(("action", "right"), COMMANDS)
def test_a_command_is_free_in_its_words_and_exact_in_its_names(action, right):
    assert is_done(action, "take lantern from attic to garden", {"relic": "lantern"}) is right


@pytest.mark.parametrize(
    ("said", "right"),
    [("unknown", True), ("Nothing.", True), ("do nothing", True), ("", False), ("unknown or take it", False)],
)
def test_where_nothing_is_planned_nothing_is_done(said, right):
    assert is_done(Say(said), UNKNOWN, {}) is right


def test_plans_come_first_and_are_revised_and_cancelled_and_signals_recur():
    plans, cancels, sounded, revised = 0, 0, 0, 0
    for seed in range(20):
        program = write_program(FULL, seed, "train")
        holds: dict[str, Plan] = {}
        for event in program.events:
            if isinstance(event, Plan):
                before = holds.get(event.signal)
                assert before is None or (before.subject, before.value) != (event.subject, event.value)
                revised += before is not None
                holds[event.signal] = event
                plans += 1
            if isinstance(event, Cancel):
                assert holds.pop(event.signal)
                cancels += 1
            sounded += isinstance(event, AskAct)
    assert plans > 200 and revised > 100 and cancels > 20 and sounded > 250


def test_what_was_done_is_told_at_the_next_telling_step_and_nothing_rests_on_the_action():
    told = 0
    for seed in range(10):
        program = write_program(FULL, seed, "train")
        for query in program.queries:
            answer = program.answers[query.step]
            if not isinstance(query, AskAct) or answer == UNKNOWN:
                continue
            _, thing, _, _, _, end = answer.split()
            others = [e for e in program.events[query.step + 1 :] if e.step not in program.answers]
            outcomes = [e for e in others[:2] if isinstance(e, Update) and e.value == end]
            if others:
                names = {thing, *(alias for named, alias in program.cast.aliases if named == thing)}
                assert any(outcome.subject in names for outcome in outcomes), (seed, query.step)
                told += 1
    assert told > 80
    assert MemWorldTasks(FULL).passive


def test_most_signals_sound_long_after_the_facts_behind_them():
    theta = replace(errands(), horizon=240, questions=16, plans=6, update_rate=0.1)
    late = [
        query.step - max(needed) >= theta.delay
        for seed in range(10)
        for program in [write_program(theta, seed, "train")]
        for query in program.queries
        for needed in [backward.supports(program.events)[query.step]]
        if needed and isinstance(query, AskAct)
    ]
    assert len(late) > 60 and sum(late) / len(late) > 0.5


def test_no_window_reaches_the_plan_and_the_best_keeper_holds_all():
    programs = [write_program(errands(), seed, "eval") for seed in range(20)]
    scores = [oracles.scores(program, 140, lambda text: len(text.split())) for program in programs]
    assert {one.unbounded for one in scores} == {1.0}
    assert np.mean([one.keeper for one in scores]) > 0.99
    assert np.mean([one.window for one in scores]) < np.mean([one.keeper for one in scores]) - 0.3
    assert {brief_line(plan(0, "siren", "lantern", "Ben"))} == {"siren: lantern to Ben"}


def test_a_blind_guess_is_of_a_thing_and_two_places():
    program = write_program(replace(errands(), unanswerable_rate=0.0, ask_latest=0.0), 0, "eval")
    known = sum(answer != UNKNOWN for answer in program.answers.values())
    assert known > 5
    assert oracles.blind_score(program) == pytest.approx(known / 10 / 20 / 20 / 19)


def test_a_program_of_plans_comes_back_from_json_and_from_its_events_alone():
    program = write_program(FULL, 5, "train")
    data = json.loads(json.dumps(program_to_json(program)))
    again = program_from_json(data)
    assert again.texts == program.texts and again.answers == program.answers
    bare = program_from_json({"events": data["events"]})
    assert bare.answers == program.answers and bare.theta.plans == 4 and bare.theta.ask_act > 0
    source = MemWorldTasks(FULL)
    assert source.brief(written(bare)) == ACTING_BRIEF and source.brief(MemWorldTasks().task(0)) == BRIEF
    data["events"][0] = {"kind": "plan", "subject": "relic", "signal": "siren", "value": "barn"}
    with pytest.raises(ConfigError, match=r"subject = 'relic'"):
        program_from_json(data)
    data["events"][0] = {"kind": "cancel", "signal": "alarm"}
    with pytest.raises(ConfigError, match=r"signal = 'alarm'"):
        program_from_json(data)


def test_acting_counts_as_a_skill_and_as_a_category_of_its_own():
    source = MemWorldTasks(replace(FULL, unanswerable_rate=0.4))
    task = source.held_out(1)
    program = program_of(task)
    acts = {query.step for query in program.queries if isinstance(query, AskAct)}
    skills = skills_of(program)
    assert {skills[step].form for step in acts} == {"act", "unanswerable"}
    env, categories = source.make(task), set()
    observation = env.start()
    while observation is not None:
        if observation.step in acts:
            assert observation.wants_action and not observation.writable
        answer = program.answers.get(observation.step)
        outcome = env.step(None if answer is None else Say(answer))
        if outcome.verdict is not None:
            assert outcome.verdict.score == 1.0
            categories.add(outcome.verdict.category)
        observation = outcome.next
    assert categories == {"latest", "act", "unanswerable"}


def test_an_edge_stands_for_no_plan():
    """Of the plain sentences of plans the linker makes no edge; where there are plans no edge counts as evidence."""
    linker, looked = PatternLinker(), 0
    for split in ("train", "eval"):
        for seed in range(10):
            program = write_program(FULL, seed, split)
            for event, text in zip(program.events, program.texts, strict=True):
                if isinstance(event, Plan | Cancel | AskAct):
                    assert not linker.link(text), text
                    looked += 1
    assert looked > 300
    assert MemWorldTasks().edges_tell and not MemWorldTasks(FULL).edges_tell


def test_worlds_without_plans_are_what_they_were_to_the_byte():
    programs = [write_program(replace(Theta(), days=3, ask_day=1.0), seed, "train") for seed in range(3)]
    told = repr([(p.cast, p.events, p.texts, sorted(p.answers.items())) for p in programs])
    assert sha256(told.encode()).hexdigest()[:16] == "f47a89812e2b4c40"
