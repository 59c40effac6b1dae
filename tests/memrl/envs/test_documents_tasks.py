"""The environment on streams small enough to read: what is shown when, what supports an answer, who plays what."""

from __future__ import annotations

import dataclasses
import json
from math import log
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from memrl.advantages.reading import ReadingOptions, _potential
from memrl.contracts.capabilities import Bounded, EvidenceReader, Finite, Lessons, Stretchable, able, is_passive
from memrl.contracts.errors import ConfigError, DataError
from memrl.contracts.options import options_from
from memrl.contracts.types import Observation, Say, Unreadable
from memrl.envs.documents.lessons import _shared
from memrl.envs.documents.options import DocumentsOptions
from memrl.envs.documents.tasks import DocumentsTasks
from memrl.rollouts.guards import LeakGuard
from memrl.testing import check_env

SMALL = str(Path(__file__).parents[1] / "streams" / "small.jsonl")


def tasks(**options: Any) -> DocumentsTasks:
    return DocumentsTasks(options_from(DocumentsOptions, {"data": SMALL, **options}, "env.options", "env 'documents'"))


def shown(source: DocumentsTasks, task) -> list[Observation]:
    env = source.make(task)
    observation, seen = env.start(), []
    while observation is not None:
        seen.append(observation)
        observation = env.step(Say("?") if observation.wants_action else None).next
    return seen


def record(id: str, units: int, questions: list[dict[str, Any]]) -> dict[str, Any]:
    told = [{"id": f"u{i}", "text": f"{id} says {i}."} for i in range(units)]
    base = {"answers": ["x"], "after_unit": None}
    return {"id": id, "units": told, "questions": [{"id": f"q{i}", **base, **q} for i, q in enumerate(questions)]}


@pytest.fixture
def write(tmp_path: Path):
    def put(*records: dict[str, Any], name: str = "mine.jsonl") -> str:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text("".join(json.dumps(one) + "\n" for one in records), encoding="utf-8")
        return str(path)

    return put


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"questions": 2, "delay": [0, 4], "chunk_tokens": 6},
        {"horizon": 5, "delay": [1, 1]},
        {"horizon": 17, "held_out": ["harbour", "library"]},
    ],
)
def test_the_promises_of_an_environment_are_kept(options: dict[str, Any]) -> None:
    source = tasks(**options)
    check_env(source)
    guard = LeakGuard()
    for observation in shown(source, source.held_out(0)):
        guard.check(observation)
    assert is_passive(source)
    assert all(able(source, one) for one in (EvidenceReader, Stretchable, Lessons)) and able(source, Bounded) is None


def test_units_come_one_an_observation_and_questions_at_the_end() -> None:
    source = tasks(held_out=["allotment"])
    seen = shown(source, source.held_out(0))
    first = seen[0]
    assert (first.id, first.text, first.source) == ("u00", "Nadia: I dug the beds behind the shed today.", "Nadia")
    assert (first.time, first.writable, first.wants_action) == (1712394000.0, True, False)
    # a4 has one annotator, which is less than min_agree = 2.
    assert [o.id for o in seen] == [f"u{i:02}" for i in range(11)] + ["q:a1", "q:a2", "q:a3", "q:a5"]
    assert all(o.is_question and o.time == seen[10].time for o in seen[11:])
    # The task's own theta says so, whatever the source that makes it.
    assert [o.id for o in shown(tasks(held_out=["allotment"], min_agree=3), source.held_out(0))] == [o.id for o in seen]
    assert len(source.texts(source.held_out(0))) == 15


def test_an_answer_earns_its_score() -> None:
    source = tasks(held_out=["harbour"])
    env = source.make(source.held_out(0))
    answers = {"q:h1": Say("South"), "q:h2": Say("Tomas"), "q:h5": Say("unknown"), "q:h4": Unreadable("six")}
    observation, verdicts = env.start(), {}
    while observation is not None:
        outcome = env.step(answers.get(observation.id) if observation.wants_action else None)
        if outcome.verdict is not None:
            verdicts[observation.id] = (round(outcome.reward, 3), outcome.verdict.expected, outcome.verdict.category)
        observation = outcome.next
    assert verdicts == {
        "q:h6": (0.0, "the north quay", "latest"),
        "q:h1": (1.0, "the south quay", "latest"),
        "q:h2": (0.667, "Tomas Reek", "single"),
        "q:h3": (0.0, "Ferro", "hops"),
        "q:h4": (0.0, "at six", "single"),
        "q:h5": (1.0, "unknown", "none"),
    }
    with pytest.raises(RuntimeError, match="over"):
        env.step(None)
    with pytest.raises(RuntimeError, match="played once"):
        env.start()


def test_a_delay_counts_units_from_the_moment_that_a_question_may_be_asked(write) -> None:
    data = write(
        record("s", 6, [{"question": "Early?", "evidence": ["u0"], "after_unit": "u1"}]),
        record(
            "t",
            6,
            [
                {"question": "Early?", "evidence": ["u0"], "after_unit": "u1"},
                {"question": "Late?", "evidence": ["u4"], "after_unit": "u4"},
                {"question": "End?", "evidence": ["u0"]},
                {"question": "Now?", "evidence": ["u0"], "after_unit": "u0", "ask": "at"},
            ],
        ),
    )
    order = {
        (2, 2): ["u0", "q:q3", "u1", "u2", "u3", "q:q0", "u4", "u5", "q:q1", "q:q2"],
        (0, 0): ["u0", "q:q3", "u1", "q:q0", "u2", "u3", "u4", "q:q1", "u5", "q:q2"],
        "end": ["u0", "q:q3", "u1", "u2", "u3", "u4", "u5", "q:q0", "q:q1", "q:q2"],
    }
    for delay, ids in order.items():
        source = tasks(data=data, delay=delay)
        assert [o.id for o in shown(source, source.held_out(0))] == ids
        assert [o.step for o in shown(source, source.held_out(0))] == list(range(10))
    spread = tasks(data=data, delay=[0, 4])
    drawn = {[o.id for o in shown(spread, spread.held_out(seed))].index("q:q0") for seed in range(40)}
    assert drawn == {3, 4, 5, 6, 7, 8}  # After u1, and after u5 before or behind q1, where q1 is drawn as late.


def test_the_reader_answers_where_one_accepted_set_is_wholly_in_view() -> None:
    source = tasks(held_out=["harbour", "allotment"])
    harbour, allotment = source.held_out(0), source.held_out(1)
    assert source.read(harbour, "q:h3", frozenset(("u03", "u08", "u01"))) == "Ferro"
    assert source.read(harbour, "q:h3", frozenset(("u03",))) == "unknown"
    assert source.read(harbour, "q:h5", frozenset()) == "unknown"
    assert (
        source.read(allotment, "q:a3", frozenset(("u05",)))
        == "Piet"
        == source.read(allotment, "q:a3", frozenset(("u09",)))
    )
    assert source.blame(harbour, "q:h3", frozenset()) == {"u03", "u08"}
    assert source.blame(harbour, "q:h3", frozenset(("u08",))) == {"u03"}
    assert source.blame(harbour, "q:h5", frozenset()) == frozenset()
    assert source.blame(allotment, "q:a3", frozenset(("u05",))) == frozenset()
    with pytest.raises(ValueError, match="asks nothing"):
        source.read(harbour, "u03", frozenset())


def test_only_what_held_before_in_view_misleads_and_costs_more_than_nothing_in_view(write) -> None:
    question = {"question": "Which?", "evidence": ["u3"], "outdated": [["u0", "u1"], ["u2"]]}
    data = write(record("s", 4, [question]), record("t", 4, [question]))
    one, both = tasks(data=data), tasks(data=data, horizon=8, held_out=["s", "t"])
    for source, asked, mine in ((one, "q:q0", ""), (both, "q:1/q0", "1/")):
        task = source.held_out(0)
        views = [frozenset(f"{mine}u{i}" for i in seen) for seen in ((), (0,), (2,), (0, 1), (2, 3))]
        assert [source.misled(task, asked, view) for view in views] == [False, False, True, True, False]
    # phi = 1 with the evidence in view, 0 without; the estimator takes ``astray`` off where the view misleads.
    task = one.held_out(0)
    costs = [_potential(one, task, "q:q0", {"u2"}, 1, ReadingOptions(astray=cost)) for cost in (0, 0.5)]
    assert costs == [0.0, -0.5]
    assert _potential(one, task, "q:q0", {"u2", "u3"}, 1, ReadingOptions(astray=0.5)) == 1.0


def test_blame_goes_by_the_set_that_lacks_least(write) -> None:
    question = {
        "question": "Which?",
        "evidence": ["u0", "u1", "u2"],
        "evidence_alt": [["u0", "u1", "u2"], ["u3", "u4"]],
    }
    source = tasks(data=write(record("s", 5, [question])))
    task = source.held_out(0)
    assert source.blame(task, "q:q0", frozenset()) == {"u3", "u4"}
    assert source.blame(task, "q:q0", frozenset(("u0", "u1"))) == {"u2"}


def test_without_labels_only_all_that_was_told_supports_an_answer(write) -> None:
    source = tasks(
        data=write(record("s", 3, [{"question": "Which?", "evidence": [], "after_unit": "u1"}])), delay=[0, 0]
    )
    task = source.held_out(0)
    assert [o.id for o in shown(source, task)] == ["u0", "u1", "q:q0", "u2"]
    assert source.read(task, "q:q0", frozenset(("u0",))) == "unknown"
    assert source.read(task, "q:q0", frozenset(("u0", "u1"))) == "x"
    assert source.blame(task, "q:q0", frozenset()) == frozenset()
    assert source.held_out(1).theta.streams == ("s",)


def test_more_units_than_a_stream_has_are_joined_from_several_with_ids_of_their_own() -> None:
    source = tasks(horizon=18, held_out=["harbour", "library"])
    task = source.held_out(0)
    seen = shown(source, task)
    told = [o for o in seen if o.writable]
    assert task.theta.streams == ("harbour", "library") and len(told) == 18
    assert [told[0].id, told[12].id, told[17].id] == ["0/u00", "1/u00", "1/u05"]
    asked = {o.id for o in seen if o.wants_action}
    # The cut of the library holds the evidence of l1, l3 and l4; l2 rests on u08, and l5 on the whole.
    assert asked == {f"q:0/h{i}" for i in (1, 2, 3, 4, 5, 6)} | {"q:1/l1", "q:1/l3", "q:1/l4"}
    assert source.read(task, "q:1/l3", frozenset(("1/u01", "1/u05"))) == "bells"
    assert source.read(task, "q:1/l3", frozenset(("0/u01", "0/u05"))) == "unknown"


def test_fewer_units_are_a_cut_that_holds_what_its_questions_need() -> None:
    source = tasks(horizon=4, held_out=["harbour"])
    places = set()
    for seed in range(30):
        task = source.held_out(seed)
        told = [o.id for o in shown(source, task) if o.writable]
        assert told == [f"u{i:02}" for i in range(task.theta.start, task.theta.start + 4)] and task.theta.horizon == 4
        asked = [o.id for o in shown(source, task) if o.wants_action]
        assert asked and all(source.blame(task, id, frozenset(told)) == frozenset() for id in asked)
        places.add(task.theta.start)
    assert len(places) > 3


def test_questions_are_drawn_by_the_seed_and_a_task_says_all() -> None:
    source = tasks(questions=2, delay=[0, 3], held_out=["harbour"])
    task = source.held_out(3)
    assert [o.text for o in shown(tasks(held_out=["harbour"]), task)] == [o.text for o in shown(source, task)]
    assert sum(o.wants_action for o in shown(source, task)) == 2
    drawn = {tuple(o.id for o in shown(source, source.held_out(seed)) if o.wants_action) for seed in range(20)}
    assert len(drawn) > 5
    assert json.loads(json.dumps(dataclasses.asdict(task.theta)))["streams"] == ["harbour"] and hash(task)


def test_categories_choose_kinds_of_question() -> None:
    source = tasks(categories=["hops"], held_out=["harbour"])
    assert [o.id for o in shown(source, source.held_out(0)) if o.wants_action] == ["q:h3"]
    with pytest.raises(ConfigError, match=r"categories = \['poems'\]: .*it has hops, latest, none, single"):
        tasks(categories=["poems"])


def test_no_training_task_plays_what_is_held_out(write) -> None:
    for options, held in (({}, {"expedition"}), ({"held_out": [0, "bakery"]}, {"harbour", "bakery"})):
        source = tasks(**options)
        assert {source.held_out(seed).theta.streams[0] for seed in range(12)} == held
        assert {source.train("small", seed).theta.streams[0] for seed in range(60)}.isdisjoint(held)
        assert source.num_tasks == len(held)
    joined = tasks(horizon=20, held_out=["bakery", "library"])
    assert {id for seed in range(30) for id in joined.train("small", seed).theta.streams} == {
        "harbour", "allotment", "station", "expedition"
    }  # fmt: skip
    assert able(joined, Finite) is None
    alone = tasks(held_out=["all"])
    assert alone.num_tasks == 6
    with pytest.raises(ConfigError, match=r"held_out = \['all'\]: set 'small' has no training stream"):
        alone.train("small", 0)


def test_train_and_valid_files_are_the_two_splits_of_a_set(write, tmp_path: Path, monkeypatch) -> None:
    question = {"question": "Which?", "evidence": ["u0"]}
    write(record("a", 3, [question]), record("b", 3, [question]), name="streams/first/train.jsonl")
    write(record("c", 3, [question]), name="streams/first/valid.jsonl")
    write(*(record(id, 2, [question]) for id in "defgh"), name="streams/second.jsonl")
    monkeypatch.setenv("MEMRL_DATA", str(tmp_path))
    source = tasks(data=["first", "second"])
    assert list(source.cells()) == ["first", "second", "all"]
    assert [source.held_out(seed).theta.streams[0] for seed in range(3)] == ["c", "h", "c"]
    assert {source.train("first", seed).theta.streams[0] for seed in range(20)} == {"a", "b"}
    assert {source.train("all", seed).theta.set for seed in range(20)} == {"first", "second"}
    assert source.train("all", 1).cell == "all"
    fold = tasks(data=["first", "second"], held_out=["a"])
    assert [fold.held_out(seed).theta.streams[0] for seed in range(2)] == ["a", "h"]
    assert {fold.train("first", seed).theta.streams[0] for seed in range(20)} == {"b", "c"}
    assert tasks(data=str(tmp_path / "streams" / "first")).held_out(0).theta.set == "first"


def test_a_question_that_a_unit_already_asks_is_left_out(write) -> None:
    told = record("s", 2, [{"question": "Who is there?", "evidence": ["u0"]}, {"question": "Why?", "evidence": ["u1"]}])
    told["units"][1]["text"] = "He called: well! who is there?"
    source = tasks(data=write(told))
    assert [o.id for o in shown(source, source.held_out(0)) if o.wants_action] == ["q:q1"]


def test_lessons_hold_the_evidence_among_other_lines_of_one_training_stream() -> None:
    source = tasks(held_out=["harbour"])
    rng = np.random.default_rng(0)
    lessons = [lesson for seed in range(30) for lesson in source.reading_lessons(seed, rng, 4)]
    unknown = sum(lesson.answer == "unknown" for lesson in lessons) / len(lessons)
    assert 0.0 < unknown < 0.2 and max(len(lesson.lines) for lesson in lessons) == 4
    # The larger of two even draws of 1 to 4 is 4 with 1 - (3/4)^2 = 0.44.
    assert 0.3 < sum(len(set(lesson.lines)) == 4 for lesson in lessons) / len(lessons) < 0.6
    assert not any("Mallow" in line for lesson in lessons for line in lesson.lines)
    hops = [lesson for lesson in lessons if lesson.answer == "bells"]
    assert hops and all(
        {"Its catalogue was drawn up by Edda Moor.", "Edda Moor also wrote a history of bells."} <= set(lesson.lines)
        for lesson in hops
    )
    again = np.random.default_rng(0)
    assert source.reading_lessons(0, again, 4) == lessons[: len(source.reading_lessons(0, np.random.default_rng(0), 4))]


def test_other_lines_of_a_lesson_share_rare_words_with_the_question() -> None:
    texts = ["The Mallow lies at the quay.", "A barge lies there.", "It rains.", "Gulls nest here."]
    told = [Observation(id=str(i), step=i, content=text) for i, text in enumerate(texts)]
    # Of four lines, two have "lies" and one "mallow": log(1 + 4/2) and log(1 + 4/1). "The" is in the question too.
    expected = [log(3) + log(5) + log(5), log(3), 0.0, 0.0]
    assert _shared(told, "Where lies the Mallow?") == pytest.approx(expected)


def test_other_horizons_keep_questions_in_proportion() -> None:
    # The six streams have 64 units, 10.67 on average: 3 questions there are 6 at 21 units (5.9).
    assert tasks(questions=3).at_horizon(21) == {"horizon": 21, "questions": 6}
    assert tasks(questions=4, horizon=8).at_horizon(6) == {"horizon": 6, "questions": 3}
    assert tasks().at_horizon(6) == {"horizon": 6, "questions": 0}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"data": ""}, "env.options.data = '': name a set"),
        ({"data": [SMALL, SMALL]}, "it names one thing twice"),
        ({"data": "no_such_set"}, "env.options.data = 'no_such_set': no such set, file or folder"),
        ({"data": "small.csv"}, "no such set, file or folder"),
        ({"data": __file__}, "not a .jsonl file of stream records; name its form before it"),
        ({"data": str(Path(__file__).parent)}, r"no \*.jsonl file of stream records in that folder"),
        ({"horizon": -1}, "env.options.horizon = -1: it must be at least 0"),
        ({"horizon": 999}, r"env.options.horizon = 999: all training streams of set 'small' together have 54 units"),
        ({"horizon": 1, "categories": ["hops"]}, "no 1 units in a row of set 'small' hold what a question needs"),
        ({"delay": [3, 1]}, r"env.options.delay = \(3, 1\): it is 'end' or \(least, most\)"),
        ({"delay": "soon"}, "env.options.delay = 'soon'"),
        ({"held_out": ["nobody"]}, "env.options.held_out = 'nobody': no stream has this id; there are harbour, allot"),
        ({"held_out": [6]}, "env.options.held_out = 6: the set has 6 streams, from 0"),
        ({"chunks": 3}, "env 'documents' has no such option"),
    ],
)
def test_a_bad_option_is_one_line(options: dict[str, Any], message: str, monkeypatch) -> None:
    monkeypatch.delenv("MEMRL_DATA", raising=False)
    with pytest.raises((ConfigError, DataError), match=message) as caught:
        tasks(**options)
    assert "\n" not in str(caught.value)
