"""The recipes "documents" and "dialogue" on the suite's small streams, with a tiny model: both actors learn, and a run
repeats to the byte."""

import json
import sys
from pathlib import Path

import pytest

import memrl
from memrl.cli import main as cli
from memrl.evaluate import evaluate
from memrl.recipes import recipe
from memrl.training.build import build
from memrl.training.run_folder import load_run
from memrl.training.start import shipped

SMALL = str(Path(__file__).parent / "streams" / "small.jsonl")
TINY = {
    "env": {"options": {"data": SMALL, "questions": 4}},
    "memory": {"embedder": "hash", "read_budget": 150},
    "policy": {"model": "tiny", "lora_rank": 4, "max_new_tokens": 4},
    "warm_start": {"steps": 2, "batch_size": 4},
    "rollout": {"practice_tasks": 1, "group_size": 4},
}
"""A byte is a token of the tiny model."""


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    return memrl.train(recipe("documents", steps=2, out=str(tmp_path_factory.mktemp("one") / "run"), **TINY))


def test_both_actors_learn_from_what_ships_and_from_the_warm_start(run):
    config, parts = load_run(run)
    begun = build(config).agent
    assert config.controller.start == "shipped" and shipped().exists()
    old = begun.controller.state_dict()["net"]
    assert any((old[name] != value).any() for name, value in parts["controller"]["net"].items())
    assert all((value != 0).any() for name, value in parts["policy"]["lora"].items() if "lora_B" in name)
    told = [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(told) == 2
    # The exact reader answers where the evidence is in view; a random model of bytes hits no word.
    assert all(one["success"] < 0.5 < one["practice_success"] for one in told)


def test_a_second_run_writes_the_same_bytes(run, tmp_path):
    again = memrl.train(recipe("documents", steps=2, out=str(tmp_path / "run"), **TINY))
    assert (again / "metrics.jsonl").read_bytes() == (run / "metrics.jsonl").read_bytes()


def test_every_row_is_read_by_the_trained_model(run):
    rows = evaluate(run, episodes=1).rows
    assert [row.controller for row in rows] == list(dict.fromkeys(("scorer", *recipe("documents").evaluation.rows[1:])))
    assert all(0.0 <= row.success <= 1.0 and row.peak_context_tokens > 0 for row in rows)


def test_a_dialogue_in_locomo_s_own_form_is_trained_on_from_the_command_line(tmp_path, monkeypatch):
    talk = tmp_path / "locomo10.json"
    talk.write_text(json.dumps([dialogue("harbour"), dialogue("orchard")]), encoding="utf-8")
    config = tmp_path / "config.json"
    config.write_text(
        json.dumps({**TINY, "env": {"options": {"data": f"locomo:{talk}"}}, "steps": 1}), encoding="utf-8"
    )
    out = tmp_path / "run"
    words = ["train", "--recipe", "dialogue", "--config", str(config), "--out", str(out)]
    monkeypatch.setattr(sys, "argv", ["memrl", *words])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 0
    [told] = [json.loads(line) for line in (out / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    assert 0.0 <= told["success"] <= 1.0 and told["practice_success"] > 0.0


def dialogue(place: str) -> dict:
    """Two short sessions with a question on each."""

    def turn(id: str, speaker: str, text: str) -> dict:
        return {"dia_id": id, "speaker": speaker, "text": text}

    return {
        "sample_id": place,
        "conversation": {
            "speaker_a": "Ilse",
            "speaker_b": "Tomas",
            "session_1_date_time": "1:56 pm on 8 May, 2023",
            "session_1": [turn("D1:1", "Ilse", f"I moved to the {place}."), turn("D1:2", "Tomas", "I bought a boat.")],
            "session_2_date_time": "9:10 am on 9 June, 2023",
            "session_2": [turn("D2:1", "Tomas", "My boat is called Mallow.")],
        },
        "qa": [
            {"question": "Where did Ilse move?", "answer": f"the {place}", "evidence": ["D1:1"], "category": 4},
            {"question": "What is the name of Tomas's boat?", "answer": "Mallow", "evidence": ["D2:1"], "category": 4},
        ],
    }
