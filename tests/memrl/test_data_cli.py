"""``memrl data``: what it prints and how it exits."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import NamedTuple

import official_samples as samples
import pytest

from memrl.cli import main as cli

SMALL = Path(__file__).parent / "streams" / "small.jsonl"


class Said(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def memrl(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path):
    monkeypatch.setenv("MEMRL_DATA", str(tmp_path / "data"))

    def call(*words: str) -> Said:
        monkeypatch.setattr(sys, "argv", ["memrl", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return Said(int(ended.value.code or 0), *capsys.readouterr())

    return call


def test_list_names_known_sets_and_those_in_the_folder(memrl, tmp_path: Path) -> None:
    streams = tmp_path / "data" / "streams"
    streams.mkdir(parents=True)
    (streams / "mine.jsonl").write_text(SMALL.read_text(encoding="utf-8"), encoding="utf-8")
    (streams / "broken.jsonl").write_text("{}", encoding="utf-8")
    samples.write_json(tmp_path / "data" / "squad" / "dev-v2.0.json", samples.SQUAD)
    rows = {row["name"]: row for row in json.loads(memrl("data", "list", "--json").out)["sets"]}
    mine, broken, squad, timeqa = (rows[name] for name in ("mine", "broken", "squad", "timeqa"))
    assert (mine["streams"], mine["units"], mine["questions"], mine["form"]) == (6, 64, 29, "streams")
    assert (mine["licence"], mine["where"]) == ("Apache-2.0", str(streams / "mine.jsonl"))
    assert "id: missing" in broken["problem"] and broken["units"] is None
    assert (squad["units"], squad["form"], squad["licence"]) == (4, "official", "CC BY-SA 4.0")
    assert (timeqa["where"], timeqa["streams"]) == (None, None) and "Time-Sensitive-QA" in timeqa["origin"]
    said = memrl("data", "list")
    assert "mine.jsonl (streams): 6 streams, 64 units, 29 questions" in said.out and said.code == 0
    assert "not at hand; from github.com/wenhuchen/Time-Sensitive-QA" in said.out


def test_check_lists_all_faults_and_ends_with_two(memrl, tmp_path: Path) -> None:
    good = memrl("data", "check", str(SMALL))
    assert (good.code, good.out) == (0, f"{SMALL}: 6 streams, 64 units, 29 questions, no faults\n")
    record = json.loads(SMALL.read_text(encoding="utf-8").splitlines()[0])
    record["units"][2]["text"] = ""
    record["questions"][1]["evidence"] = ["u99"]
    bad = tmp_path / "bad.jsonl"
    bad.write_text(json.dumps(record), encoding="utf-8")
    said = memrl("data", "check", str(bad))
    assert said.code == 2 and said.out.splitlines() == [
        f"{bad}:1 (harbour): units[2].text: empty",
        f"{bad}:1 (harbour): questions[1].evidence: 'u99' names no unit of this stream",
    ]
    told = memrl("data", "check", str(tmp_path), "--json")
    faults = json.loads(told.out)["faults"]
    assert told.code == 2 and [fault["field"] for fault in faults] == ["units[2].text", "questions[1].evidence"]
    assert json.loads(memrl("data", "check", str(SMALL), "--json").out) == {
        "file": str(SMALL), "faults": [], "streams": 6, "units": 64, "questions": 29
    }  # fmt: skip
    missing = memrl("data", "check", str(tmp_path / "none.jsonl"))
    assert missing.code == 2 and "No such file" in missing.out


def test_prepare_writes_what_check_accepts(memrl, tmp_path: Path) -> None:
    source = samples.write_json(tmp_path / "dev-v2.0.json", samples.SQUAD)
    out = tmp_path / "squad.jsonl"
    told = memrl("data", "prepare", "squad", "--from", str(source), "--out", str(out), "--json")
    assert json.loads(told.out) == {
        "name": "squad", "file": str(out), "from": str(source), "streams": 1, "units": 4, "questions": 2
    }  # fmt: skip
    assert memrl("data", "check", str(out)).code == 0
    again = memrl("data", "prepare", "squad", "--from", str(source), "--out", str(out))
    assert again.code == 2 and "it exists already" in again.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["poems"], "memrl data prepare NAME = 'poems': choose from locomo"),
        (["sgd_state"], "memrl data prepare NAME = 'sgd_state': choose from locomo"),
        (["timeqa"], "set 'timeqa': no official files at hand; take them from github.com/wenhuchen/Time-Sensitive-QA"),
        (["squad", "--from", "nowhere"], "--from nowhere: no such file or folder; take it from rajpurkar"),
    ],
)
def test_what_cannot_be_prepared_is_one_line(
    memrl, words: list[str], message: str, monkeypatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    said = memrl("data", "prepare", *words)
    assert said.code == 2 and message in said.err and said.err.count("\n") == 1 and not list(tmp_path.glob("*.jsonl"))
