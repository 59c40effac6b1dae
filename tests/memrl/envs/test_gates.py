import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memrl.contracts.errors import DataError
from memrl.contracts.types import Task
from memrl.envs.memworld import presets
from memrl.envs.memworld.bank import Bank, append_line
from memrl.envs.memworld.cells import ladder
from memrl.envs.memworld.gates import GATES, Case, Limits, guess_floor, judge, leak_in
from memrl.envs.memworld.oracles import blind_score
from memrl.envs.memworld.program import Written, program_of, write_program, written
from memrl.envs.memworld.signature import Skill, fingerprint, signature_of, skills_of
from memrl.envs.memworld.task_json import program_from_json, program_to_json
from memrl.envs.memworld.theta import Theta


def words(text: str) -> int:
    return len(text.split())


def task(theta=None, seed=0):
    return Task(env="memworld", theta=theta or Theta(), seed=seed)


def tell(subject, value, kind="assert"):
    return {"kind": kind, "subject": subject, "value": value, "actor": "Ana"}


def ask(subject):
    return {"kind": "ask_latest", "subject": subject}


PLACES = ["attic", "barn", "cave", "forest", "garden", "harbor"]
THINGS = ["lantern", "hammer", "basket", "kettle", "violin", "ladder"]
WAIT = {"kind": "wait"}


def good():
    """Six facts first, six questions after."""
    return {"events": [*map(tell, THINGS, PLACES), WAIT, *map(ask, THINGS)]}


def at_once():
    """Each question right after its fact."""
    pairs = zip(THINGS, PLACES, strict=True)
    return {"events": [event for thing, place in pairs for event in (tell(thing, place), ask(thing))]}


def leaky():
    """Ana's boss is Ben and Ben's teacher is Ana: who is the teacher of Ana's boss?"""
    links = [
        {"kind": "link", "subject": "Ana", "relation": "boss", "value": "Ben"},
        {"kind": "link", "subject": "Ben", "relation": "teacher", "value": "Ana"},
    ]
    path = {"kind": "ask_path", "subject": "Ana", "relations": ["boss", "teacher"]}
    return {"events": [*links, *good()["events"], path]}


def two_meanings():
    """One second name of two things."""
    aliases = [{"kind": "alias", "subject": thing, "alias": "relic"} for thing in ("hammer", "lantern")]
    return {"events": [*aliases, *good()["events"], ask("relic")]}


def with_forged_texts():
    program = program_from_json(good())
    return written(replace(program, texts=("Nothing happened at all.", *program.texts[1:])))


def with_forged_answers():
    program = program_from_json(good())
    return written(replace(program, answers={**program.answers, 8: "cave"}))


class Restless(dict):
    """JSON that is other words at every look."""

    looks = 0

    def __getitem__(self, name):
        if name != "events":
            return super().__getitem__(name)
        self.looks += 1
        first, *rest = super().__getitem__(name)
        return [{**first, "wording": self.looks}, *rest]

    def items(self):
        return [(name, self[name]) for name in self]


def bank_with(candidate, times=1):
    bank = Bank()
    judgement = judge(candidate, Bank(), Limits(), words)
    assert judgement.accepted, judgement
    for _ in range(times):
        bank.add(judgement.signature, judgement.fingerprint)
    return bank


def rejecting(candidate, bank=None, limits=None):
    """Names of all the gates that would turn the candidate away, each asked by itself."""
    case = Case(candidate, bank or Bank(), limits or Limits(), words)
    if GATES["schema"](case) is not None:
        return ["schema"]
    return [name for name, gate in GATES.items() if gate(case) is not None]


COUNTS = Theta(objects=1, ask_latest=0.0, ask_count=1.0)


@pytest.mark.parametrize(
    ("gate", "candidate", "limits"),
    [
        ("schema", {"events": [{"kind": "explode"}]}, Limits()),
        ("schema", {"theta": {"hops": 9}, "seed": 1}, Limits()),
        ("schema", "make me rich", Limits()),
        ("schema", replace(task(), env="locomo"), Limits()),
        ("schema", good(), Limits(max_steps=12)),
        ("schema", good(), Limits(max_questions=5)),
        ("schema", good(), Limits(min_questions=7)),
        ("schema", good(), Limits(max_tokens=50)),
        ("determinism", with_forged_texts(), Limits()),
        ("determinism", Restless(good()), Limits()),
        ("trackers", with_forged_answers(), Limits()),
        ("trackers", two_meanings(), Limits(budget=200)),
        ("solvable", good(), Limits(budget=30)),
        ("necessity", at_once(), Limits()),
        ("headroom", task(COUNTS), Limits()),
        ("leak", leaky(), Limits()),
    ],
)
def test_each_gate_has_a_candidate_that_only_it_turns_away(gate, candidate, limits):
    assert rejecting(candidate, limits=limits) == [gate]
    judgement = judge(candidate, Bank(), limits, words)
    assert (judgement.accepted, judgement.gate, judgement.task) == (False, gate, None)
    assert judgement.reason
    assert json.loads(json.dumps(judgement.to_json()))["gate"] == gate


def test_a_good_task_passes_all():
    judgement = judge(good(), Bank(), Limits(), words)
    assert rejecting(good()) == []
    assert (judgement.accepted, judgement.gate, judgement.reason) == (True, "", "")
    assert judgement.bounds is not None
    assert judgement.bounds.ceiling == 1.0
    assert judgement.bounds.floor == pytest.approx(1 / 40)
    assert judgement.task is not None
    assert judgement.task == written(program_from_json(good()))
    assert isinstance(judgement.task.theta, Written)


def test_the_ladder_and_the_main_presets_pass():
    for theta in (*ladder(Theta()).values(), presets.path_world()):
        for seed in range(5):
            judgement = judge(task(theta, seed), Bank(), Limits(budget=64), words)
            assert judgement.accepted, judgement


def test_the_bank_turns_a_duplicate_away_however_it_is_worded_and_handed_in():
    bank = bank_with(good())
    reworded = good()
    reworded["events"][0]["wording"] = 77
    for twin in (good(), reworded, written(program_from_json(good()))):
        assert rejecting(twin, bank) == ["novelty"]
        assert "same events" in judge(twin, bank, Limits(), words).reason
    seeded = task(seed=3)
    as_json = program_to_json(program_of(seeded))
    assert judge(as_json, bank_with(seeded), Limits(), words).gate == "novelty"


def test_the_bank_turns_away_the_twentieth_cousin():
    cousin = good()
    cousin["events"][0] = tell(THINGS[0], "cellar")
    judged = judge(cousin, Bank(), Limits(), words)
    bank = Bank(window=100)
    for i in range(20):
        assert judge(cousin, bank, Limits(), words).accepted
        bank.add(judged.signature, f"print {i}")
    turned = judge(cousin, bank, Limits(), words)
    assert (turned.gate, turned.signature) == ("novelty", judged.signature)
    assert "20 recent tasks" in turned.reason
    assert judge(cousin, bank, Limits(alike=0.25), words).accepted


def test_the_first_gate_in_order_has_the_word():
    """A task with every fault: each mended in turn shows the next gate's name."""
    assert list(GATES) == [
        "schema", "determinism", "trackers", "solvable", "necessity", "headroom", "leak", "novelty",
    ]  # fmt: skip
    program = program_from_json(leaky())
    answers = {**program.answers, 9: "cave"}
    texts = ("Nothing happened at all.", *program.texts[1:])
    bank = Bank()
    bank.add("any", fingerprint(program))
    faulty = Limits(max_steps=3, budget=1, necessity=1.0, headroom=1.0)
    stages = [
        (replace(program, texts=texts, answers=answers), faulty, "schema"),
        (replace(program, texts=texts, answers=answers), replace(faulty, max_steps=512), "determinism"),
        (replace(program, answers=answers), replace(faulty, max_steps=512), "trackers"),
        (program, replace(faulty, max_steps=512), "solvable"),
        (program, replace(faulty, max_steps=512, budget=200, necessity=1.1), "necessity"),
        (program, replace(faulty, max_steps=512, budget=200, necessity=0.4), "headroom"),
        (program, Limits(budget=200), "leak"),
        (program_from_json({"events": leaky()["events"][:-1]}), Limits(budget=200), ""),
    ]
    for stage, limits, gate in stages:
        assert judge(written(stage), bank, limits, words).gate == gate
    bank.add("any", fingerprint(stages[-1][0]))
    assert judge(written(stages[-1][0]), bank, Limits(budget=200), words).gate == "novelty"


def test_a_huge_horizon_is_turned_away_before_it_is_written():
    judgement = judge({"theta": {"horizon": 10**12}, "seed": 0}, Bank(), Limits(), words)
    assert judgement.gate == "schema"
    assert "horizon" in judgement.reason


def test_one_word_for_every_question_is_no_task():
    """Every thing lies in one place: a dump of that one value would always hit."""
    dump = {"events": [*(tell(thing, "attic") for thing in THINGS), WAIT, *map(ask, THINGS)]}
    judgement = judge(dump, Bank(), Limits(), words)
    assert (judgement.gate, "'attic' answers 1.00" in judgement.reason) == ("necessity", True)


def test_a_theta_that_lies_about_unanswerable_questions_gains_nothing():
    never_told = ["bottle", "camera", "compass", "blanket", "wallet", "mirror"]
    data = {
        "theta": {"horizon": 8, "questions": 6, "objects": 1, "unanswerable_rate": 0.0},
        "events": [tell("lantern", "attic"), WAIT, *map(ask, never_told)],
    }
    judgement = judge(data, Bank(), Limits(), words)
    assert (judgement.gate, judgement.bounds) == ("necessity", (1.0, 1.0))


def test_a_theta_that_lies_about_counts_gains_nothing():
    theta = {"horizon": 13, "questions": 6, "objects": 6, "places": 3, "ask_latest": 0, "ask_count": 1}
    counts = [{"kind": "ask_count", "place": place} for place in PLACES]
    data = {"theta": theta, "events": [*map(tell, THINGS, PLACES), WAIT, *counts]}
    assert blind_score(program_from_json(data)) < 0.5
    assert guess_floor(program_from_json(data)) == 1.0
    assert rejecting(data) == ["necessity", "headroom"]


def test_answers_and_questions_that_leak_are_seen_in_any_text():
    question = "Where is the lamp now?"
    assert leak_in([(question, "attic")], ["The lamp is in the attic."]) is None
    assert "answer 'attic'" in (leak_in([("Where is the lamp, in the Attic or not?", "attic")], []) or "")
    assert leak_in([("Where is the latticework?", "attic")], []) is None
    assert "stands in what is told" in (leak_in([(question, "attic")], ["Hm. where is the lamp now? Ana left."]) or "")
    assert leak_in([(question, "attic"), (question, "barn")], []) is None


def test_judging_changes_no_bank():
    bank = Bank()
    judge(good(), bank, Limits(), words)
    assert len(bank) == 0


def test_skills_by_hand():
    program = program_from_json(
        {
            "events": [
                tell("lantern", "attic"),
                tell("lantern", "barn", "update"),
                {"kind": "alias", "subject": "lantern", "alias": "relic"},
                WAIT, WAIT, WAIT,
                ask("lantern"),
                ask("relic"),
                ask("hammer"),
            ]
        }
    )  # fmt: skip
    assert skills_of(program) == {
        6: Skill("latest", 1, 1, False),
        7: Skill("latest", 1, 1, True),
        8: Skill("unanswerable", 0, 0, False),
    }
    assert Skill("latest", 1, 1, True).key == "latest.d1.c1.a"
    assert signature_of(program, 1000, words).key == "latest.d1.c1x2+unanswerable.d0.c0x1|n000|a|p0"
    assert signature_of(program, 5, words).pressure == 2


def test_other_words_share_a_fingerprint_and_other_events_do_not():
    one, two = program_from_json(good()), good()
    two["events"][0]["wording"] = 3
    assert fingerprint(program_from_json(two)) == fingerprint(one)
    two["events"][0]["value"] = "cellar"
    assert fingerprint(program_from_json(two)) != fingerprint(one)


def test_the_penalty_is_the_share_of_the_recent_and_old_tasks_fall_out():
    bank = Bank(window=4)
    assert bank.penalty("a") == 0.0
    for signature, mark in zip("aabcd", "12345", strict=True):
        bank.add(signature, mark)
    assert (bank.penalty("a"), bank.alike("a"), bank.counts["a"], len(bank)) == (0.25, 1, 2, 5)
    assert bank.variety == 4
    assert "2" in bank
    assert "1" not in bank


def test_a_bank_comes_back_from_its_state():
    bank = Bank(window=3)
    for i in range(5):
        bank.add("ab"[i % 2], str(i))
    back = Bank()
    back.load_state_dict(json.loads(json.dumps(bank.state_dict())))
    assert back.state_dict() == bank.state_dict()
    assert (len(back), back.counts, back.penalty("a")) == (5, bank.counts, bank.penalty("a"))


def test_a_bank_window_must_hold_something():
    with pytest.raises(ValueError, match="window = 0"):
        Bank(0)


def test_a_log_keeps_rejects_with_their_reasons_and_gives_the_bank_back(tmp_path):
    path = tmp_path / "bank.jsonl"
    assert len(Bank.from_log(path)) == 0
    for candidate in (good(), at_once(), task()):
        append_line(path, judge(candidate, Bank(), Limits(), words).to_json())
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert [row["gate"] for row in rows] == ["", "necessity", ""]
    assert "last observation alone answers 1.00" in rows[1]["reason"]
    bank = Bank.from_log(path)
    assert len(bank) == 2
    assert judge(good(), bank, Limits(), words).gate == "novelty"


def test_a_torn_last_line_is_passed_over_and_mended(tmp_path):
    path = tmp_path / "bank.jsonl"
    row = judge(good(), Bank(), Limits(), words).to_json()
    append_line(path, row)
    with path.open("a") as file:
        file.write('{"accepted": tr')
    assert len(Bank.from_log(path)) == 1
    append_line(path, row)
    assert len(Bank.from_log(path)) == 2
    path.write_text("nonsense\n" + path.read_text())
    with pytest.raises(DataError, match="line 1"):
        Bank.from_log(path)


def test_no_gate_but_the_first_can_be_asked_alone():
    with pytest.raises(RuntimeError, match="'schema' must pass"):
        GATES["leak"](Case(good(), Bank(), Limits(), words))


def test_an_eval_task_is_judged_in_its_own_names():
    program = write_program(Theta(), 0, "eval")
    assert judge(written(program), Bank(), Limits(), words).accepted
    assert judge(replace(written(program), split="train"), Bank(), Limits(), words).gate == "schema"


def nodes(data, path=()):
    """Path of every value inside JSON data."""
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in items:
        yield (*path, key)
        yield from nodes(value, (*path, key))


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(["Ana", "attic"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
WHOLE = json.dumps(program_to_json(write_program(presets.everything(), 1, "train")))
PATHS = list(nodes(json.loads(WHOLE)))


@given(path=st.sampled_from(PATHS), value=ANYTHING, other=st.sampled_from(PATHS), swap=st.booleans())
@settings(max_examples=150, deadline=None)
def test_whatever_stands_in_the_json_is_judged_without_an_error(path, value, other, swap):
    data = json.loads(WHOLE)

    def at(where):
        here = data
        for part in where:
            here = here[part]
        return here

    at(path[:-1])[path[-1]] = json.loads(json.dumps(at(other))) if swap else value
    judgement = judge(data, Bank(), Limits(), words)
    assert judgement.accepted != bool(judgement.reason)


@given(data=ANYTHING)
@settings(max_examples=100, deadline=None)
def test_nonsense_is_judged_without_an_error(data):
    for candidate in (data, {"events": data}, {"theta": data, "seed": 0}, {"theta": {}, "seed": data}):
        judgement = judge(candidate, Bank(), Limits(), words)
        assert judgement.gate == "schema" or judgement.accepted
