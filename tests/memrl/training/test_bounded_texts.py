"""Fresh tasks bring new texts at every step: what a run keeps of them is bounded, and resuming changes no bit (T18)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from memrl.recipes import recipe
from memrl.train import train
from memrl.training.checkpoints import checkpoint_files, read_state

MOST = 60
STEPS = 8


def run(folder: Path, steps: int = STEPS, resume: bool = False, texts: int = MOST) -> Path:
    """Practice alone, on tasks that are new at every step."""
    knobs: dict[str, Any] = {
        "memory": {"texts": texts},
        "policy": {"trained": False},
        "warm_start": {"steps": 0},
        "rollout": {"tasks": 0, "practice_tasks": 3, "group_size": 2},
        "learner": {"rereads": 0},
        "checkpoints": {"keep_last": STEPS},
    }
    config = recipe("tiny", out=str(folder), steps=steps, schedule_steps=STEPS, checkpoint_every=1, **knobs)
    return train(config, resume=folder if resume else None)


def held(folder: Path) -> list[int]:
    """How many texts each checkpoint holds, and that their vectors are as many."""
    states = [read_state(path)["parts"]["texts"] for path in checkpoint_files(folder / "checkpoints")]
    assert all(len(state["texts"]) == len(state["matrix"]) for state in states)
    return [len(state["texts"]) for state in states][::-1]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(tmp_path_factory.mktemp("texts") / "run")


def test_a_long_run_keeps_no_more_texts_than_it_may(whole: Path, tmp_path: Path):
    free = held(run(tmp_path / "free", texts=0))
    assert len(free) == STEPS and free == sorted(free) and free[-1] > 3 * MOST
    assert held(whole)[-1] == MOST and max(held(whole)) <= MOST


@pytest.mark.parametrize("at", [2, 5])
def test_a_resumed_run_that_drops_texts_ends_with_the_bits_of_an_uninterrupted_one(
    whole: Path, tmp_path: Path, at: int
):
    run(tmp_path / "run", steps=at)
    run(tmp_path / "run", resume=True)
    assert (tmp_path / "run" / "metrics.jsonl").read_bytes() == (whole / "metrics.jsonl").read_bytes()
    one, other = (
        read_state(checkpoint_files(place / "checkpoints")[0])["parts"] for place in (whole, tmp_path / "run")
    )
    assert one["texts"]["texts"] == other["texts"]["texts"]
    assert one["texts"]["matrix"].tobytes() == other["texts"]["matrix"].tobytes()
    for name, weight in one["controller"]["net"].items():
        assert weight.equal(other["controller"]["net"][name])
