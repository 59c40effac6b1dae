"""Stream records: what is read, what is written, and every fault as one line with file, record and field."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from memrl.contracts.errors import DataError
from memrl.envs.documents import jsonl
from memrl.envs.documents.check import faults_of
from memrl.envs.documents.records import Question, Stream, Unit, record_of, stream_of

SMALL = Path(__file__).parents[1] / "streams" / "small.jsonl"


def record() -> dict[str, Any]:
    return {
        "id": "one",
        "source": "here",
        "licence": "none",
        "units": [
            {"id": "a", "text": "The lamp is red.", "speaker": "Ana", "time": "2024-01-01T00:00:10"},
            {"id": "b", "text": "The lamp is blue.", "time": 12.5},
        ],
        "questions": [
            {
                "id": "q",
                "question": "What colour is the lamp?",
                "answers": ["blue", "blue"],
                "evidence": ["b"],
                "evidence_alt": [["b"], ["a", "b"]],
                "outdated": [["a"]],
                "after_unit": "b",
                "category": "colour",
                "agree": 2,
                "region": ["a", "b"],
                "scope": "all",
            }
        ],
    }


def test_a_record_becomes_a_stream() -> None:
    # 2024-01-01 is 19,723 days after 1970-01-01: 19,723 * 86,400 s = 1,704,067,200 s; a time without a zone is UTC.
    question = Question(
        id="q",
        question="What colour is the lamp?",
        answers=("blue",),
        evidence=("b",),
        evidence_alt=(("b",), ("a", "b")),
        outdated=(("a",),),
        after_unit="b",
        category="colour",
        agree=2,
        region=("a", "b"),
        scope="all",
    )
    units = (
        Unit(id="a", text="The lamp is red.", speaker="Ana", time=1_704_067_210.0),
        Unit(id="b", text="The lamp is blue.", time=12.5),
    )
    stream = stream_of(record())
    assert stream == Stream(id="one", units=units, questions=(question,), source="here", licence="none")
    assert stream.units[0].shown == "Ana: The lamp is red." and stream.units[1].shown == "The lamp is blue."
    assert stream.questions[0].supports == (("b",), ("a", "b"))


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    streams = jsonl.load(SMALL)
    jsonl.save(streams, tmp_path / "deep" / "again.jsonl")
    assert jsonl.load(tmp_path / "deep" / "again.jsonl") == streams
    assert stream_of(record_of(stream_of(record()))) == stream_of(record())
    assert [len(streams), streams[1].units[0].speaker, streams[1].units[1].time] == [6, "Nadia", 1712394060.0]


def faulty(*changes: tuple[tuple[str | int, ...], Any]) -> dict[str, Any]:
    """The record with values put in at some places; ``...`` takes what is there away."""
    raw = copy.deepcopy(record())
    for place, value in changes:
        *way, last = place
        target: Any = raw
        for step in way:
            target = target[step]
        if value is ...:
            del target[last]
        else:
            target[last] = value
    return raw


@pytest.mark.parametrize(
    ("change", "field", "problem"),
    [
        ((("id",), ...), "id", "missing: this is no stream record"),
        ((("id",), " "), "id", "empty"),
        ((("units",), ...), "units", "missing"),
        ((("units",), {}), "units", "an object where a list is expected"),
        ((("questions",), []), "questions", "empty: there is nothing in it"),
        ((("source",), 3), "source", "a number where a text is expected"),
        ((("scoring",), "bleu"), "scoring", "'bleu' is none of f1, locomo"),
        ((("scoring",), "locomo"), "questions[0].category", "'colour' is none of multi_hop, temporal"),
        ((("units", 1, "text"), "  "), "units[1].text", "empty"),
        ((("units", 1, "text"), None), "units[1].text", "nothing where a text is expected"),
        ((("units", 1, "id"), "a"), "units[1].id", "'a' is the id of units[0] too"),
        ((("units", 0, "speaker"), ["Ana"]), "units[0].speaker", "a list where a text is expected"),
        ((("units", 0, "time"), "soon"), "units[0].time", "'soon' is neither seconds since 1970, to"),
        ((("units", 0, "time"), float("nan")), "units[0].time", "nan is neither"),
        ((("units", 0), "text"), "units[0]", "a text where an object is expected"),
        ((("questions", 0), 7), "questions[0]", "a number where an object is expected"),
        ((("questions", 0, "question"), ""), "questions[0].question", "empty"),
        ((("questions", 0, "answers"), "blue"), "questions[0].answers", "a text where a list is expected"),
        ((("questions", 0, "answers"), ["blue", 3]), "questions[0].answers", "3 is no text"),
        ((("questions", 0, "evidence"), ["c"]), "questions[0].evidence", "'c' names no unit of this stream"),
        ((("questions", 0, "evidence"), ...), "questions[0].evidence", "nothing where a list is expected"),
        ((("questions", 0, "evidence_alt"), [[]]), "questions[0].evidence_alt[0]", "empty: a set without units"),
        ((("questions", 0, "evidence_alt"), [["c"]]), "questions[0].evidence_alt[0]", "'c' names no unit"),
        ((("questions", 0, "outdated"), "a"), "questions[0].outdated", "a text where a list of lists is expected"),
        ((("questions", 0, "outdated"), [["c"]]), "questions[0].outdated[0]", "'c' names no unit"),
        ((("questions", 0, "outdated"), [[]]), "questions[0].outdated[0]", "empty: a set without units"),
        ((("questions", 0, "outdated"), [["b", "a"]]), "questions[0].outdated[0]", "it holds an accepted evidence set"),
        ((("questions", 0, "after_unit"), "c"), "questions[0].after_unit", "'c' names no unit of this stream"),
        ((("questions", 0, "after_unit"), "a"), "questions[0].evidence", "'b' comes after the question's after_unit"),
        ((("questions", 0, "ask"), "never"), "questions[0].ask", "'never' is none of later, at"),
        ((("questions", 0, "agree"), "two"), "questions[0].agree", "a text where a whole number is expected"),
    ],
)
def test_a_fault_is_told_with_its_field(change: tuple[tuple[str | int, ...], Any], field: str, problem: str) -> None:
    found = faults_of(faulty(change))
    assert any(fault.field == field and fault.problem.startswith(problem) for fault in found), found


def test_a_good_record_has_no_fault_and_a_bad_one_tells_all() -> None:
    assert faults_of(record()) == []
    twice = faulty((("units", 0, "text"), ""), (("questions", 0, "evidence"), ["x"]), (("id",), 1))
    assert {fault.field for fault in faults_of(twice)} == {"id", "units[0].text", "questions[0].evidence"}
    asked = record()["questions"][0]
    again = faulty((("questions",), [asked, asked]))
    assert [str(fault.problem) for fault in faults_of(again)] == ["'q' is the id of questions[0] too"]
    at = faulty((("questions", 0, "ask"), "at"), (("questions", 0, "after_unit"), None))
    assert [fault.field for fault in faults_of(at)] == ["questions[0].after_unit"]


def test_a_file_tells_all_its_faults_and_loading_raises_the_first(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    lines = [record(), faulty((("units", 0, "text"), "")), "no record", record()]
    path.write_text("\n\n".join(json.dumps(line) for line in lines), encoding="utf-8")
    told = [str(fault) for fault in jsonl.faults(path)]
    assert told == [
        f"{path}:3 (one): units[0].text: empty",
        f"{path}:3 (one): id: the stream of line 1 has this id too",
        f"{path}:5: record: a text where an object is expected",
        f"{path}:7 (one): id: the stream of line 1 has this id too",
    ]
    with pytest.raises(DataError) as caught:
        jsonl.load(path)
    assert str(caught.value) == f"{told[0]}; `memrl data check {path}` lists all faults"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "file: empty: there is no record in it"),
        (b"question,answer\n1,2\n", "1: record: not one JSON object a line"),
        (b"{\n}\n", "1: record: not one JSON object a line"),
        (b"[]", "1: record: a list where an object is expected"),
        (b"\xff\xfe", "file: cannot be read: it is not UTF-8 text"),
    ],
)
def test_a_file_of_another_format_is_one_line(tmp_path: Path, content: bytes, problem: str) -> None:
    path = tmp_path / "other.jsonl"
    path.write_bytes(content)
    [fault] = jsonl.faults(path)
    assert problem in str(fault) and str(path) in str(fault) and "\n" not in str(fault)


def test_a_missing_file_is_a_fault_and_a_place_that_cannot_be_written_an_error(tmp_path: Path) -> None:
    assert "No such file" in str(jsonl.faults(tmp_path / "none.jsonl")[0])
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(DataError, match="cannot be written"):
        jsonl.save([], tmp_path / "file" / "out.jsonl")


@pytest.mark.parametrize(
    ("change", "field", "problem"),
    [
        (lambda r: r["units"][0].update(text="bad \ud800 text"), "units[0].text", "place 4 is half of a surr"),
        (lambda r: r["units"][0].update(speaker="\udfff"), "units[0].speaker", "half of a surrogate pair"),
        (lambda r: r["questions"][0].update(answers=["\ud800"]), "questions[0].answers", "is no text"),
        (lambda r: r["units"][0].update(time=10**400), "units[0].time", "is neither seconds since 1970, to"),
        (lambda r: r["units"][0].update(time=1e300), "units[0].time", "1e+300 is neither seconds"),
        (lambda r: r["questions"][0].pop("ask", None) or r["questions"][0].update(askk="at"),
         "questions[0].askk", "did you mean ask?"),
        (lambda r: r["questions"][0].update(evidence_alts=r["questions"][0].pop("evidence_alt")),
         "questions[0].evidence_alts", "did you mean evidence_alt?"),
    ],
)  # fmt: skip
def test_what_no_run_could_use_is_a_fault_and_no_traceback(change: Any, field: str, problem: str) -> None:
    raw = record()
    change(raw)
    assert [(one.field, problem in one.problem) for one in faults_of(raw)] == [(field, True)]


def test_fields_of_ones_own_are_left_alone() -> None:
    assert faults_of({**record(), "split": "train", "notes": [1]}) == []


@pytest.mark.parametrize(
    "line", ["[" * 200_000, '{"id": ' + "[" * 5000 + "]" * 5000 + ', "units": [], "questions": []}']
)
def test_lists_without_end_are_a_fault(tmp_path: Path, line: str) -> None:
    (tmp_path / "deep.jsonl").write_text(line + "\n")
    [one, *_] = jsonl.faults(tmp_path / "deep.jsonl")
    assert "\n" not in str(one) and one.line == 1
