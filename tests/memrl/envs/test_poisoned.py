"""Planted texts: where they stand, what they say, whom they fool, and what is not touched."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import pytest

from memrl.contracts.capabilities import EvidenceReader, Misleads, Stretchable, able
from memrl.contracts.config import CreditConfig
from memrl.contracts.errors import ConfigError
from memrl.contracts.registry import make
from memrl.contracts.types import Observation, Say, Task
from memrl.envs.memworld.env import MemWorldTasks
from memrl.envs.poisoned import ATTACKS, CHANNEL, ORDERS, PoisonedOptions, PoisonedTasks
from memrl.testing import check_env

SHORT = {"horizon": 24, "objects": 3, "places": 6, "questions": 6, "delay": 3, "distractor_level": 1}


def source(**options) -> PoisonedTasks:
    return PoisonedTasks(PoisonedOptions(env="memworld", env_options=SHORT, **{"rate": 1.0, **options}))


def shown(tasks, task: Task, answer: str = "") -> tuple[list[Observation], list[float]]:
    """Everything that a play shows, and its scores."""
    env, scores = tasks.make(task), []
    told = [env.start()]
    while True:
        outcome = env.step(Say(answer) if told[-1].wants_action else None)
        scores += [outcome.verdict.score] if outcome.verdict is not None else []
        if outcome.next is None:
            return told, scores
        told.append(outcome.next)


def test_it_keeps_the_promises_of_an_environment():
    check_env(make("env", "poisoned", {"env": "memworld", "env_options": SHORT}, "env.options"))


@pytest.mark.parametrize("split", ["train", "eval"])
def test_the_attacked_story_is_the_same_but_for_what_is_planted(split: str):
    tasks = source()
    for seed in range(4):
        task = tasks.held_out(seed) if split == "eval" else tasks.train(tasks.cells()[-1], seed)
        told, _ = shown(tasks, task)
        plain, _ = shown(MemWorldTasks(SHORT), replace(task, env="memworld"))
        assert [one.text for one in told if one.source != CHANNEL] == [one.text for one in plain]
        assert [one.step for one in told] == list(range(len(told)))
        planted = [one for one in told if one.source == CHANNEL]
        assert {one.id: one.text for one in planted} == {one.id: one.text for one in tasks.attacks(task)}
        assert planted and all((one.trust, one.wants_action, one.writable) == (0.3, False, True) for one in planted)


@pytest.mark.parametrize("kind", ATTACKS)
def test_each_kind_stands_where_it_should_and_says_what_it_wants(kind: str):
    tasks, found = source(attacks=(kind,)), 0
    for seed in range(6):
        task = tasks.held_out(seed)
        told, _ = shown(tasks, task)
        place = {one.id: i for i, one in enumerate(told)}
        for attack in tasks.attacks(task):
            found += 1
            asked = [one for one in told if one.text == attack.question and place[one.id] > place[attack.id]]
            assert asked and attack.target in attack.text
            needed = [[place[id] for id in tasks.blame(task, one.id, frozenset())] for one in asked]
            if kind == "delayed":
                assert any(place[attack.id] < min(numbers) for numbers in needed)
            else:
                assert any(max(numbers) < place[attack.id] for numbers in needed)
            assert (attack.question.replace("?", "") in attack.text) == (kind != "contradict")
    assert found > 10


def test_a_planted_text_in_view_fools_the_exact_reader_and_evidence_alone_does_not():
    tasks, tried = source(attacks=("inject",)), 0
    task = tasks.held_out(0)
    told, _ = shown(tasks, task)
    for one in told:
        attacks = tasks.against(task, one.id)
        if not attacks:
            continue
        tried += 1
        evidence = tasks.blame(task, one.id, frozenset())
        right = tasks.read(task, one.id, evidence)
        assert right not in {attack.target for attack in attacks} and not tasks.misled(task, one.id, evidence)
        fooled = evidence | {attacks[0].id}
        assert tasks.read(task, one.id, fooled) == attacks[0].target and tasks.misled(task, one.id, fooled)
        assert not tasks.blame(task, one.id, fooled), "evidence stays evidence"
    assert tried


def test_what_misleads_in_the_source_itself_misleads_under_attack_too(tmp_path):
    question = {"id": "q", "question": "Which?", "answers": ["x"], "evidence": ["u1"], "outdated": [["u0"]]}
    units = [{"id": f"u{i}", "text": f"Unit {i}."} for i in range(2)]
    streams = [{"id": id, "units": units, "questions": [{**question, "after_unit": None}]} for id in "st"]
    (tmp_path / "mine.jsonl").write_text("".join(json.dumps(one) + "\n" for one in streams))
    tasks = PoisonedTasks(
        PoisonedOptions(env="documents", env_options={"data": str(tmp_path / "mine.jsonl")}, rate=0.0)
    )
    task = tasks.held_out(0)
    assert [tasks.misled(task, "q:q", frozenset(seen)) for seen in ((), ("u0",), ("u0", "u1"))] == [False, True, False]


def test_held_out_orders_are_worded_as_training_never_words_them():
    assert not set(ORDERS["train"]) & set(ORDERS["eval"])
    tasks = source(attacks=("delayed",))
    for split, task in (("train", tasks.train(tasks.cells()[-1], 1)), ("eval", tasks.held_out(1))):
        starts = {order.split("{")[0] for order in ORDERS[split]}
        assert all(any(one.text.startswith(start) for start in starts) for one in tasks.attacks(task))


def test_rate_0_plants_nothing_and_a_rate_in_between_leaves_questions_alone():
    assert not source(rate=0.0).attacks(source(rate=0.0).held_out(0))
    count = [
        sum(len(source(rate=rate).attacks(source(rate=rate).held_out(s))) for s in range(8)) for rate in (0.5, 1.0)
    ]
    assert 0 < count[0] < count[1]


def test_what_the_source_can_is_passed_on():
    tasks = source()
    assert able(tasks, EvidenceReader) and able(tasks, Misleads) and able(tasks, Stretchable) and tasks.edges_tell
    assert tasks.at_horizon(48)["env_options"]["horizon"] == 48
    assert asdict(PoisonedOptions(attacks=("inject",)))["attacks"] == ("inject",)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rate": 1.5}, "env.options.rate = 1.5"),
        ({"attacks": ("bribe",)}, "env.options.attacks = 'bribe': there is no such attack; take some of contradict"),
        ({"attacks": ()}, "env.options.attacks"),
        ({"env": "conversation", "env_options": {}}, "env.options.env = 'conversation'"),
    ],
)
def test_what_cannot_be_attacked_is_said(options: dict, message: str):
    with pytest.raises(ConfigError, match=message):
        PoisonedTasks(PoisonedOptions(**{"env": "memworld", **options}))


def test_credit_by_hand_a_planted_text_costs_what_evidence_earns():
    from memrl.advantages.reading import ReadingOptions, _potential

    tasks = source(attacks=("inject",))
    task = tasks.held_out(0)
    question = next(one.id for one in shown(tasks, task)[0] if tasks.against(task, one.id))
    evidence = set(tasks.blame(task, question, frozenset()))
    assert len(evidence) == 1
    planted = tasks.against(task, question)[0].id
    seen = [
        _potential(tasks, task, question, held, 1, ReadingOptions(share=0.5))
        for held in (set(), evidence, evidence | {planted}, {planted})
    ]
    assert seen == [0.0, 1.0, 0.0, 0.0]
    assert CreditConfig(name="reading").name == "reading"
