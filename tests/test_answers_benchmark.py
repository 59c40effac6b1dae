"""The benchmark of answers: what is counted, and the tables it makes."""

import json
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SMALL = str(Path(__file__).parent / "memrl" / "streams" / "small.jsonl")
ROWS = ("none", "bm25_archive", "rrf", "shipped", "evidence")


@pytest.fixture(autouse=True)
def benchmarks(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))


def written(folder: Path, name: str, questions: list, **more) -> None:
    (folder / "answers").mkdir(exist_ok=True)
    told = {"reader": name, "warm_steps": 3, "asked": 9, "questions": questions, **more}
    (folder / "answers" / f"{name}.json").write_text(json.dumps(told), encoding="utf-8")


def question(set_: str, kind: str, id: str, *f1: float) -> dict:
    return {
        "set": set_,
        "category": kind,
        "id": id,
        "f1": dict(zip(ROWS, f1, strict=False)),
        "in_view": dict.fromkeys(ROWS, 1),
    }


def test_answers_are_judged_as_play_judges_them_and_questions_without_one_are_left_out():
    from answers import judged

    from memrl.contracts.options import options_from
    from memrl.envs.documents.options import DocumentsOptions
    from memrl.envs.documents.tasks import DocumentsTasks

    options = options_from(DocumentsOptions, {"data": SMALL, "held_out": ["harbour"]}, "env.options", "env 'documents'")
    source = DocumentsTasks(options)
    task = source.held_out(0)
    found = judged(source, task, {"q:h1": "the old south", "q:h2": "Nobody"})
    # "south" is one of the right answers: of "old south" (articles do not count) 2 * 1 / (2 + 1).
    assert {id: verdict.score for id, verdict in found.items()} == pytest.approx({"q:h1": 2 / 3, "q:h2": 0.0})


@pytest.fixture
def small(monkeypatch, tmp_path):
    """The benchmark on the suite's small streams, with a tiny model."""
    import answers

    (tmp_path / "streams" / "small").mkdir(parents=True)
    shutil.copy(SMALL, tmp_path / "streams" / "small" / "small.jsonl")
    monkeypatch.setenv("MEMRL_DATA", str(tmp_path))
    monkeypatch.setenv("MEMRL_HOME", str(tmp_path / "home"))
    model = {"memory": {"embedder": "hash"}, "policy": {"model": "tiny", "lora_rank": 2, "max_new_tokens": 4}}
    for name, value in {
        "TESTED": {"small": ("harbour",)}, "ANSWERABLE": {"small": ()}, "TRAINED": ("small",), "MODEL": model,
        "TOKENIZER": "", "BUDGET": 30, "RUNS": tmp_path / "runs", "RESULTS": tmp_path / "answers", "BATCH": 8,
    }.items():  # fmt: skip
        monkeypatch.setattr(answers, name, value)
    (tmp_path / "runs").mkdir()
    return answers


def test_views_are_chosen_read_once_and_scored_and_a_second_reading_goes_on(small, tmp_path):
    small.write_lines(small.views_file("small", "zero"), small.views("small", "zero"))
    asked = small.questions("zero")
    assert asked and all(set(one["views"]) == set(small.ROWS) - {"own"} for one in asked)
    assert all(not one["views"]["none"] and not one["in_view"]["none"] for one in asked)
    assert all(sum(len(line.split()) for line in view) <= 30 for one in asked for view in one["views"].values())
    small.read("zero", 1, 1, 0)
    first = small.read_lines(small.answers_file("zero", 0))
    small.read("zero", 10, 2, 0)
    every = small.read_lines(small.answers_file("zero", 0))
    assert 0 < len(first) < len(every) and every[: len(first)] == first
    views = {(one["id"], small.hashed(view)) for one in asked for view in one["views"].values()}
    assert len(every) == len(views) == len({(one["id"], one["view"]) for one in every})
    small.tell("zero", 0)
    told = json.loads((tmp_path / "answers" / "zero.json").read_text(encoding="utf-8"))
    assert len(told["questions"]) == told["asked"] == len(asked)
    assert all(set(one["f1"]) == set(small.ROWS) - {"own"} for one in told["questions"])


def test_equal_views_have_one_name_and_others_another():
    from answers import hashed

    assert hashed(["a", "b"]) == hashed(("a", "b")) != hashed(["a b"])
    assert len({hashed([]), hashed([""]), hashed(["b", "a"])}) == 3


def test_what_is_tested_is_in_no_training_stream(monkeypatch):
    from answers import TESTED, TRAINED, testing, training

    held = training(3).env.options["held_out"]
    assert set(TESTED["locomo"]) <= set(held) and "locomo" in TRAINED
    assert testing("locomo").env.options["held_out"] == TESTED["locomo"]
    assert "adversarial" not in testing("locomo").env.options["categories"]


def test_the_table_counts_the_questions_that_every_first_row_has_answered(tmp_path):
    from answers_tables import sections

    assert sections()["answers"](tmp_path) is None
    written(
        tmp_path,
        "warm",
        [
            question("locomo", "temporal", "a", 0.0, 0.5, 0.5, 1.0, 1.0),
            question("locomo", "single_hop", "b", 0.0, 0.0, 0.5, 0.5, 1.0),
            question("timeqa", "easy", "c", 0.0, 0.0, 0.0, 0.0, 0.5),
            question("timeqa", "easy", "d", 0.0, 0.9),
        ],
    )
    text = sections()["answers"](tmp_path) or ""
    lines = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("| ")
    ]
    assert [line[:3] for line in lines[1:]] == [
        ["locomo", "single_hop", "1"], ["locomo", "temporal", "1"], ["locomo", "all", "2"], ["timeqa", "all", "1"],
        ["**both**", "all", "3"], ["both", "*all evidence in view*", "3"],
    ]  # fmt: skip
    assert lines[3][3:8] == ["0.000", "0.250", "0.500", "0.750", "1.000"]
    # Learned less bm25_archive: 0.5 on either question of LoCoMo.
    assert lines[3][8] == "+0.500 [+0.500, +0.500]" and lines[3][9] == "+0.250 [+0.000, +0.500]"
    assert "24 lessons" in text and "3 of 9 questions" in text


def test_two_readers_are_compared_on_the_answers_that_both_gave(tmp_path):
    from answers_tables import sections

    written(
        tmp_path,
        "warm",
        [question("s", "k", "a", 0.5, 1.0), question("s", "k", "b", 0.5), question("s", "k", "c", 1.0)],
    )
    assert sections()["answers_start"](tmp_path) is None
    written(tmp_path, "zero", [question("s", "k", "a", 0.0, 0.5), question("s", "k", "b", 0.0, 0.5)])
    text = sections()["answers_start"](tmp_path) or ""
    assert "| no memory | 2 | 0.000 | 0.500 | +0.500 [+0.500, +0.500] |" in text
    assert "| `bm25_archive` | 1 | 0.500 | 1.000 | +0.500 [+0.500, +0.500] |" in text
    assert "RRF" not in text


def test_a_run_learns_from_the_warm_start_and_its_own_views_are_read(small, tmp_path):
    small.write_lines(small.views_file("small", "warm"), small.views("small", "warm"))
    for reader, frozen in (("frozen", True), ("joint", False)):
        small.joint(1, 1, frozen)
        small.write_lines(small.views_file("small", reader), small.views("small", reader))
        assert all("own" in one["views"] for one in small.questions(reader))
        small.read(reader, 2, 0, 1)
        small.tell(reader, 1)
        told = json.loads((tmp_path / "answers" / f"{reader}.json").read_text(encoding="utf-8"))
        # A view that another row has chosen too counts for that row as well.
        assert ["own" in one["f1"] for one in told["questions"]] == [True, True]
        # Four tries at eight questions a step, where the policy plays at all.
        assert (told["run"]["steps"], told["run"]["answers"]) == (1, 0 if frozen else 32)
    assert {path.name for path in (tmp_path / "runs").glob("answers-*")} == {
        "answers-warm-1.jsonl",
        "answers-joint-1.jsonl",
    }
