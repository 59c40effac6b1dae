"""The LoCoMo environment on a dialogue small enough to read, and on the real file where it is at hand."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from memrl.contracts.capabilities import Bounded, EvidenceReader, Lessons, WritesTasks, able
from memrl.contracts.config import EnvConfig
from memrl.contracts.errors import ConfigError, DataError
from memrl.contracts.types import Say, Unreadable
from memrl.envs.locomo.env import LocomoTasks
from memrl.rollouts.play import LeakGuard
from memrl.testing import check_env
from memrl.training.build import build_task_source

REAL = Path(os.environ.get("MEMRL_DATA", Path(__file__).parents[4] / "shared" / "data")) / "locomo" / "locomo6.json"
needs_real = pytest.mark.skipif(not REAL.is_file(), reason=f"no LoCoMo at {REAL}: set MEMRL_DATA to the data folder")


def question(text: str, answer: object, category: int, *evidence: str) -> dict[str, Any]:
    key = "adversarial_answer" if category == 5 else "answer"
    return {"question": text, key: answer, "category": category, "evidence": list(evidence)}


def dialogue(name: str) -> dict[str, Any]:
    return {
        "sample_id": name,
        "conversation": {
            "speaker_a": "Ana",
            "speaker_b": "Ben",
            "session_10_date_time": "9:00 am on 1 July, 2023",
            "session_10": [{"speaker": "Ana", "dia_id": "D10:1", "text": "The lamp broke."}],
            "session_2_date_time": "1:56 pm on 8 May, 2023",
            "session_2": [
                {"speaker": "Ana", "dia_id": "D2:1", "text": "I bought a lamp\nyesterday!"},
                {"speaker": "Ben", "dia_id": "D2:2", "text": "Look.", "blip_caption": "a photo of a red bike"},
            ],
            "session_11_date_time": "9:00 am on 2 July, 2023",
        },
        "qa": [
            question("What did Ana buy?", "a lamp", 4, "D2:1"),
            question("In which year did Ana buy it?", 2023, 2, "D2:01; D2:2"),
            question("What happened to the lamp?", "It broke.", 1, "D:10:1"),
            question("What did Ben buy?", "a lamp", 5, "D2:1"),
            question("Would Ana buy another?", "Yes; she likes lamps", 3),
        ],
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "locomo10.json").write_text(json.dumps([dialogue("one"), dialogue("two")]), encoding="utf-8")
    return tmp_path


def play(task_source: LocomoTasks, answers: dict[str, str], seed: int = 0) -> list[Any]:
    env = task_source.make(task_source.task(seed))
    observation, played = env.start(), []
    while observation is not None:
        asked = observation.is_question
        outcome = env.step(Say(answers.get(observation.id, "nonsense")) if asked else None)
        played.append((observation, outcome))
        observation = outcome.next
    return played


def test_turns_are_told_in_order_of_their_sessions_with_day_speaker_and_caption(folder: Path) -> None:
    told = [o for o, _ in play(LocomoTasks(str(folder)), {}) if not o.is_question]
    assert [(o.id, o.text) for o in told] == [
        ("D2:1", "[8 May 2023] Ana: I bought a lamp yesterday!"),
        ("D2:2", "[8 May 2023] Ben: Look. [shares a photo of a red bike]"),
        ("D10:1", "[1 July 2023] Ana: The lamp broke."),
    ]


def test_questions_follow_and_are_judged_by_their_category(folder: Path) -> None:
    answers = {"q0": "The lamp", "q1": "2023", "q2": "it fell", "q3": "unknown", "q4": "yes"}
    asked = {o.id: outcome for o, outcome in play(LocomoTasks(str(folder)), answers) if o.is_question}
    assert [(v.score, v.expected, v.category) for v in (o.verdict for o in asked.values())] == [
        (1.0, "a lamp", "single_hop"),
        (1.0, "2023", "temporal"),
        (0.5, "It broke.", "multi_hop"),
        (1.0, "not mentioned", "adversarial"),
        (1.0, "Yes; she likes lamps", "open_domain"),
    ]
    assert [o.reward for o in asked.values()] == [1.0, 1.0, 0.5, 1.0, 1.0]


def test_a_family_keeps_the_promises_of_an_environment(folder: Path) -> None:
    task_source = LocomoTasks(str(folder / "locomo10.json"))
    check_env(task_source, task_source.task(1))
    task = task_source.task(0)
    assert list(task_source.texts(task)) == [o.text for o, _ in play(task_source, {})]
    nobody_knows = [able(task_source, one) for one in (EvidenceReader, Bounded, WritesTasks, Lessons)]
    assert nobody_knows == [None] * 4


def test_an_env_is_played_once_and_not_beyond_its_end(folder: Path) -> None:
    env = LocomoTasks(str(folder)).make(LocomoTasks(str(folder)).task(0))
    with pytest.raises(RuntimeError, match="not started"):
        env.step(None)
    env.start()
    with pytest.raises(RuntimeError, match="played once"):
        env.start()
    outcome = env.step(None)
    while outcome.next is not None:
        outcome = env.step(Unreadable("?"))
    with pytest.raises(RuntimeError, match="over"):
        env.step(None)


def test_what_is_no_text_scores_nothing_even_where_abstaining_is_right(folder: Path) -> None:
    env = LocomoTasks(str(folder)).make(LocomoTasks(str(folder)).task(0))
    env.start()
    verdicts = [env.step(Unreadable("unknown")).verdict for _ in range(8)]
    assert [v.score for v in verdicts if v] == [0.0] * 5


def test_max_turns_tells_less_and_asks_only_what_was_told(folder: Path) -> None:
    # Two turns: q2 rests on D10:1, and nobody knows what q4 rests on.
    task_source = LocomoTasks(str(folder), {"max_turns": 2})
    assert [o.id for o, _ in play(task_source, {})] == ["D2:1", "D2:2", "q0", "q1", "q3"]
    assert LocomoTasks(str(folder), {"horizon": 2}).theta == task_source.theta
    assert task_source.theta.horizon == 2


def test_max_questions_spreads_over_the_list(folder: Path) -> None:
    # 5 questions, 2 asked: indices 0 * 5 // 2 = 0 and 1 * 5 // 2 = 2.
    assert [o.id for o, _ in play(LocomoTasks(str(folder), {"max_questions": 2}), {})][3:] == ["q0", "q2"]


def test_the_seed_chooses_the_dialogue_and_theta_overrules_it(folder: Path) -> None:
    task_source = LocomoTasks(str(folder))
    assert task_source.num_tasks == 2
    assert [task_source.task(seed).theta.dialogue for seed in (0, 1, 2)] == [0, 1, 0]
    assert [task_source.held_out(seed).theta.dialogue for seed in (4, 5)] == [0, 1]
    assert list(task_source.cells()) == ["dialogue_0", "dialogue_1"]
    only = LocomoTasks(str(folder), {"dialogue": 1})
    assert only.num_tasks == 1
    assert [only.held_out(seed).theta.dialogue for seed in (0, 1)] == [1, 1]
    assert list(only.cells()) == ["dialogue_1"]


def test_corrected_answers_replace_the_gold_without_the_auditors_remarks(folder: Path) -> None:
    entry = {"question": "What did Ana buy?", "golden_answer": "a lamp", "correct_answer": "two lamps (not one)."}
    (folder / "gold_errors.json").write_text(json.dumps([entry]), encoding="utf-8")
    wrong, right = (LocomoTasks(str(folder), {"corrected": flag}) for flag in (False, True))
    assert play(wrong, {})[3][1].verdict.expected == "a lamp"
    assert play(right, {})[3][1].verdict.expected == "two lamps."
    assert play(right, {})[4][1].verdict.expected == "2023"


def test_corrected_without_the_audit_says_what_to_do(folder: Path) -> None:
    with pytest.raises(DataError, match=r"gold_errors\.json.*no such file.*corrected = False"):
        LocomoTasks(str(folder), {"corrected": True})


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("{not json", "not readable as JSON"),
        ("{}", "a JSON dict where a list is expected"),
        ("[]", "no dialogue in it"),
        ('[{"qa": []}]', "official format"),
        ('["text"]', "official format"),
        ('[{"qa": [], "conversation": {}}]', "official format"),
    ],
)
def test_a_corrupt_file_is_one_line_with_path_and_way_out(tmp_path: Path, content: str, problem: str) -> None:
    path = tmp_path / "mine.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DataError) as caught:
        LocomoTasks(str(path))
    message = str(caught.value)
    assert problem in message
    assert str(path) in message
    assert "snap-research/locomo" in message
    assert "\n" not in message


def test_a_missing_file_is_one_line_with_path_and_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEMRL_DATA", str(tmp_path))
    for data in (None, str(tmp_path / "no.json")):
        with pytest.raises(DataError) as caught:
            LocomoTasks(data)
        assert str(tmp_path) in str(caught.value)
        assert "MEMRL_DATA" in str(caught.value)


def test_the_environment_variable_names_the_data_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "locomo").mkdir()
    (folder / "locomo10.json").rename(folder / "locomo" / "locomo10.json")
    monkeypatch.setenv("MEMRL_DATA", str(folder))
    assert build_task_source(EnvConfig(name="locomo")).num_tasks == 2


@pytest.mark.parametrize(
    ("theta", "knob"),
    [
        ({"dialogue": 2}, "env.options.dialogue = 2"),
        ({"dialogue": -2}, "env.options.dialogue = -2"),
        ({"max_turns": -1}, "env.options.max_turns = -1"),
        ({"max_questions": 1.5}, "env.options.max_questions = 1.5"),
        ({"corrected": "yes"}, "env.options.corrected = 'yes'"),
        ({"objects": 3}, "env.options = 'objects'"),
    ],
)
def test_a_bad_axis_is_named(folder: Path, theta: dict[str, Any], knob: str) -> None:
    with pytest.raises(ConfigError, match=knob):
        LocomoTasks(str(folder), theta)


def test_too_few_turns_for_any_question_is_refused(folder: Path) -> None:
    raw = [dialogue("one")]
    raw[0]["qa"] = [question("What happened to the lamp?", "It broke.", 4, "D10:1")]
    (folder / "locomo10.json").write_text(json.dumps(raw), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"max_turns = 2: no question of dialogue 'one'"):
        LocomoTasks(str(folder), {"max_turns": 2})


@needs_real
def test_the_real_dialogues_play_without_leaking_a_question() -> None:
    task_source = LocomoTasks(str(REAL))
    assert task_source.num_tasks == 6
    for seed in range(6):
        guard = LeakGuard()
        for observation, _ in play(task_source, {}, seed):
            guard.check(observation)


@needs_real
def test_the_first_real_dialogue_has_its_419_turns_and_199_questions() -> None:
    played = play(LocomoTasks(str(REAL)), {"q0": "7 May 2023"})
    assert len(played) == 419 + 199
    assert played[0][0].text == "[8 May 2023] Caroline: Hey Mel! Good to see you! How have you been?"
    assert played[419][1].verdict.score == 1.0
    assert sum(outcome.verdict.category == "adversarial" for _, outcome in played[419:]) == 47


@needs_real
def test_the_real_audit_changes_answers() -> None:
    verdicts = {
        flag: [o.verdict for _, o in play(LocomoTasks(str(REAL), {"corrected": flag}), {}, 4) if o.verdict]
        for flag in (False, True)
    }
    assert ("Spanish", "French") in {
        (a.expected, b.expected) for a, b in zip(verdicts[False], verdicts[True], strict=True)
    }
