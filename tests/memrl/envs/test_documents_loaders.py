"""Loaders on tiny files of each official form: which units, which answers, which evidence."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import official_samples as samples
import pytest

from memrl.contracts.errors import DataError, MissingExtra
from memrl.envs.documents import hub
from memrl.envs.documents.catalogue import KNOWN
from memrl.envs.documents.loaders import fairytaleqa, friendsqa, hotpotqa, locomo, musique, squad, timeqa, twowiki
from memrl.envs.documents.records import Question, Stream
from memrl.envs.documents.sources import load_set


def texts(stream: Stream, ids: tuple[str, ...]) -> set[str]:
    by_id = {unit.id: unit.text for unit in stream.units}
    return {by_id[id] for id in ids}


def only(stream: Stream, id: str) -> Question:
    [found] = [question for question in stream.questions if question.id == id]
    return found


def test_hotpotqa_pools_paragraphs_and_takes_supporting_sentences(tmp_path: Path) -> None:
    path = samples.write_json(tmp_path / "hotpot_dev_distractor_v1.json", samples.HOTPOT)
    [stream] = hotpotqa.load(tmp_path)
    # Three paragraphs once each, six sentences that hold something; x3 names no paragraph.
    assert len(stream.units) == 6 and [question.id for question in stream.questions] == ["x1", "x2"]
    first = only(stream, "x1")
    assert texts(stream, first.evidence) == {
        "Old Oak: It was planted by Edda Moor.",
        "Edda Moor: She was born in Tarn.",
    }
    assert (first.answers, first.category, first.after_unit) == (("Tarn",), "bridge", first.evidence[-1])
    assert texts(stream, only(stream, "x2").evidence) == {"Edda Moor: She was born in Tarn."}
    assert hotpotqa.from_rows(samples.as_rows(samples.HOTPOT)) == (stream,) == hotpotqa.load(path)


def test_ten_questions_make_a_stream_and_2wiki_has_the_same_form(tmp_path: Path) -> None:
    rows = [samples.hotpot(f"w{i}", samples.FACTS) for i in range(12)]
    samples.write_json(tmp_path / "dev.json", rows)
    streams = twowiki.load(tmp_path)
    assert [(stream.id, len(stream.questions)) for stream in streams] == [("2wiki_0000", 10), ("2wiki_0001", 2)]
    assert streams[0].source == "2WikiMultihopQA" and twowiki.from_rows(rows) == streams


def test_musique_narrows_paragraphs_to_the_sentence_of_each_hop(tmp_path: Path) -> None:
    samples.write_json(tmp_path / "musique_full_v1.0_dev.jsonl", samples.MUSIQUE)
    [stream] = musique.load(tmp_path)
    asked, without = only(stream, "2hop__1_2"), only(stream, "2hop__1_2_no")
    assert texts(stream, asked.evidence) == {
        "Old Oak: It was planted by Edda Moor.",
        "Edda Moor: She was born in Tarn.",
    }
    assert len(asked.region) == 5 and asked.answers == ("Tarn", "Tarn town") and asked.category == "2hop"
    assert (without.answers, without.evidence, without.category) == ((), (), "unanswerable")


def test_squad_takes_the_sentences_that_a_span_touches(tmp_path: Path) -> None:
    samples.write_json(tmp_path / "dev-v2.0.json", samples.SQUAD)
    [stream] = squad.load(tmp_path)
    assert [unit.text for unit in stream.units] == [
        "Ostwick Ferry: The ferry leaves at nine.",
        "Ostwick Ferry: It is painted red.",
        "Ostwick Ferry: A red flag hangs aft.",
        "Ostwick Ferry: Tickets are sold aboard.",
    ]
    asked, vain = stream.questions
    assert (asked.question, asked.answers) == ("What colour is the ferry?", ("red", "painted red"))
    assert asked.supports == (("p000_01",), ("p000_02",)) and asked.after_unit == "p000_02"
    assert (vain.answers, vain.evidence, vain.after_unit, vain.category) == ((), (), "p000_02", "unanswerable")
    [by_row] = squad.from_rows(samples.SQUAD_ROWS)
    assert by_row.questions == stream.questions and by_row.units == stream.units[:3]


def test_timeqa_finds_the_sentence_in_which_a_span_begins(tmp_path: Path) -> None:
    samples.write_json(tmp_path / "dataset" / "human_annotated_train.json", samples.TIMEQA)
    [stream] = timeqa.load(tmp_path)
    assert [unit.text for unit in stream.units[:5]] == [
        "Hanno Vick: Hanno Vick",
        "Hanno Vick: Hanno Vick is a signalman .",
        "Hanno Vick: He served in Tarn until 1990 .",
        "Hanno Vick: Then he moved to Verrin .",
        "Hanno Vick: Life .",
    ]
    assert len(stream.units) == 10  # Two pages; what is asked of the first stands in two entries.
    assert [question.id for question in stream.questions] == [
        "/wiki/Hanno#P1_0", "/wiki/Hanno#P1_1", "/wiki/Hanno#P2_0", "/wiki/Other#P1_0"
    ]  # fmt: skip
    one, none, two, other = stream.questions
    assert (one.supports, one.after_unit, one.category) == ((("p0_001_01",),), "p0_002_00", "P1")
    assert none.answers == none.evidence == ()
    assert (two.answers, two.supports) == (("Tarn", "Verrin"), (("p0_001_01",), ("p0_001_02",)))
    assert other.evidence == ("p1_001_02",)


def test_friendsqa_counts_who_named_an_utterance(tmp_path: Path) -> None:
    samples.write_json(tmp_path / "friendsqa_dev.json", samples.FRIENDSQA)
    first, second = friendsqa.load(tmp_path)
    assert [(unit.id, unit.speaker) for unit in first.units] == [
        ("s01_e01_c01_u000", "Ada, Oskar"),
        ("s01_e01_c02_u000", "Oskar"),
        ("s01_e01_c02_u001", "Lena"),
    ]
    cake = only(first, "k1")
    assert (cake.evidence, cake.agree, cake.category) == (("s01_e01_c02_u001",), 2, "which")
    assert cake.supports == (("s01_e01_c02_u001",), ("s01_e01_c02_u000",))
    assert (cake.after_unit, cake.scope) == ("s01_e01_c02_u001", "s01_e01_c02")
    assert (second.id, second.questions[0].category, second.questions[0].agree) == ("friendsqa_s02", "other", 1)


def test_fairytaleqa_takes_the_sentence_with_the_answers_words(tmp_path: Path) -> None:
    [stream] = fairytaleqa.load(samples.write_fairytale(tmp_path))
    assert [unit.text for unit in stream.units] == [
        "A miller had a blue cow.",
        "She gave beer.",
        "One night a fox came.",
        "The fox milked the blue cow.",
    ]
    # "very sad" stands nowhere, so the third question is left out.
    beer, fox = stream.questions
    assert (beer.evidence, beer.region, beer.category) == (("u0001",), ("u0000", "u0001"), "action")
    assert fox.supports == (("u0002",), ("u0003",)) and fox.region == ("u0000", "u0001", "u0002", "u0003")
    assert fox.answers == ("the fox", "A fox milked her.")


LOCOMO = {
    "sample_id": "talk",
    "conversation": {
        "session_1_date_time": "1:56 pm on 8 May, 2023",
        "session_1": [
            {"speaker": "Ana", "dia_id": "D1:1", "text": "Ana: I bought a lamp."},
            {"speaker": "Ben", "dia_id": "D1:2", "text": "Look.", "blip_caption": "a red bike"},
        ],
    },
    "qa": [
        {"question": "What did Ana buy?", "answer": "a lamp", "category": 4, "evidence": ["D1:1", "D9:9"]},
        {"question": "What did Ben buy?", "adversarial_answer": "a lamp", "category": 5, "evidence": ["D1:1"]},
    ],
}


def test_locomo_keeps_days_speakers_and_its_own_scoring(tmp_path: Path) -> None:
    samples.write_json(tmp_path / "locomo10.json", [LOCOMO])
    [stream] = locomo.load(tmp_path)
    # 8 May 2023, 13:56 UTC.
    assert [(unit.id, unit.shown, unit.time) for unit in stream.units] == [
        ("D1:1", "Ana: [8 May 2023] Ana: I bought a lamp.", 1683554160.0),
        ("D1:2", "Ben: [8 May 2023] Look. [shares a red bike]", 1683554160.0),
    ]
    assert stream.scoring == "locomo" and [q.category for q in stream.questions] == ["single_hop", "adversarial"]
    assert [(q.answers, q.evidence) for q in stream.questions] == [(("a lamp",), ("D1:1",)), ((), ("D1:1",))]
    audit = [{"question": "What did Ana buy?", "golden_answer": "a lamp", "correct_answer": "two lamps"}]
    samples.write_json(tmp_path / "errors.json", audit)
    assert locomo.load_corrected(tmp_path)[0].questions[0].answers == ("two lamps",)


@pytest.mark.parametrize(
    ("name", "file", "content", "problem"),
    [
        ("squad", "dev-v2.0.json", [], "not in the official form of SQuAD (TypeError"),
        ("squad", "dev-v2.0.json", {"data": []}, "no question of SQuAD in it"),
        ("hotpotqa", "hotpot_dev_distractor_v1.json", {"data": []}, "a JSON dict where a list is expected"),
        ("hotpotqa", "hotpot_dev_distractor_v1.json", [{"question": "?"}], "(KeyError: 'context')"),
        ("2wiki", "dev.json", [{"_id": 3}], "3 is no text"),
        ("musique", "musique_ans_v1.0_dev.jsonl", [{"id": "x"}], "(KeyError: 'paragraphs')"),
        ("timeqa", "human_annotated_train.json", [{"link": "x"}], "(KeyError: 'paras')"),
        ("friendsqa", "friendsqa_dev.json", {"data": [{"title": "s01_e01_c01"}]}, "(KeyError: 'paragraphs')"),
        ("locomo", "locomo10.json", [{"qa": []}], "not in LoCoMo's official format"),
    ],
)
def test_another_form_is_one_line_with_file_and_origin(
    tmp_path: Path, name: str, file: str, content: Any, problem: str
) -> None:
    path = samples.write_json(tmp_path / file, content)
    with pytest.raises(DataError) as caught:
        load_set(f"{name}:{path}")
    assert problem in str(caught.value) and str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_files_that_are_not_there_or_no_json_are_one_line(tmp_path: Path) -> None:
    for name, known in KNOWN.items():
        if known.load is not None and not name.startswith("locomo"):
            with pytest.raises(DataError, match=r"no .* there|no pair of"):
                known.load(tmp_path)
    (tmp_path / "dev.json").write_text("{", encoding="utf-8")
    with pytest.raises(DataError, match="not readable as the JSON of 2WikiMultihopQA"):
        twowiki.load(tmp_path)


def test_a_span_beyond_its_page_is_told_as_a_fault_of_the_file(tmp_path: Path) -> None:
    wrong = samples.page("/wiki/X", "P1", [["Where?", [{"para": 9, "from": 0, "end": 1, "answer": "x"}]]])
    path = samples.write_json(tmp_path / "human_annotated_train.json", [wrong])
    with pytest.raises(DataError, match=r"not in the official form of TimeQA .IndexError"):
        timeqa.load(path)


def test_rows_come_through_datasets_from_whatever_it_reads(tmp_path: Path) -> None:
    samples.write_json(tmp_path / "validation.jsonl", samples.SQUAD_ROWS)
    rows = hub.rows(str(tmp_path), "validation")
    assert squad.from_rows(rows) == squad.from_rows(samples.SQUAD_ROWS)
    for id, split in ((str(tmp_path), "poems"), (str(tmp_path / "nothing"), "train")):
        with pytest.raises(DataError, match=f"split '{split}'.*name them with --from") as caught:
            hub.rows(id, split)
        assert "\n" not in str(caught.value)


def test_a_missing_library_names_its_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingExtra, match="pip install datasets"):
        hub.rows("any", "train")
