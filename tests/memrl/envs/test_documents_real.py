"""Real streams and official files, where they are at hand: no fault, every promise kept, known sizes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from memrl.contracts.options import options_from
from memrl.contracts.types import Say
from memrl.envs.documents import jsonl
from memrl.envs.documents.options import DocumentsOptions
from memrl.envs.documents.sources import load_set
from memrl.envs.documents.tasks import DocumentsTasks
from memrl.envs.locomo.env import LocomoTasks
from memrl.rollouts.guards import LeakGuard
from memrl.testing import check_env

REAL = Path(os.environ.get("MEMRL_DATA", Path(__file__).parents[4] / "shared" / "data"))
SETS = ("timeqa", "fairytaleqa", "friendsqa", "sgd_state", "2wiki_qa", "hotpotqa", "babi")


def real(place: str) -> Path:
    """A file or folder of the data, or the test is skipped."""
    if not (REAL / place).exists():
        pytest.skip(f"no {place} in {REAL}: set MEMRL_DATA to the data folder")
    return REAL / place


def tasks(data: Any, **options: Any) -> DocumentsTasks:
    return DocumentsTasks(options_from(DocumentsOptions, {"data": data, **options}, "env.options", "env 'documents'"))


@pytest.mark.parametrize("name", SETS)
def test_a_real_set_has_no_fault_and_keeps_the_promises(name: str) -> None:
    folder = real(f"streams/{name}")
    assert [fault for file in sorted(folder.glob("*.jsonl")) for fault in jsonl.faults(file)] == []
    for options in ({}, {"horizon": 60, "delay": [0, 20], "questions": 8, "chunk_tokens": 30}):
        source = tasks(str(folder), **options)
        check_env(source)
        for task in (source.held_out(0), source.train(name, 0)):
            guard, env = LeakGuard(), source.make(task)
            observation = env.start()
            while observation is not None:
                guard.check(observation)
                observation = env.step(None).next


def test_questions_whose_annotators_disagree_are_not_asked() -> None:
    friends = load_set(str(real("streams/friendsqa")))
    most = [q.agree or 0 for stream in (*friends.train, *(friends.valid or ())) for q in stream.questions]
    source = tasks(str(real("streams/friendsqa")))
    asked = [a for seed in range(4) for a in source._stories(source.train("friendsqa", seed)).asked.values()]
    assert min(most) == 1 and min(a.question.agree or 0 for a in asked) == 2


def test_locomo_has_the_turns_questions_and_scores_of_its_own_environment() -> None:
    folder = real("locomo")
    source, own = tasks(f"locomo:{folder}", held_out=["all"]), LocomoTasks(str(folder))
    assert source.num_tasks == own.num_tasks
    for index in range(source.num_tasks):
        ours, theirs = source.make(source.held_out(index)), own.make(own.held_out(index))
        shown, other, count = ours.start(), theirs.start(), 0
        while shown is not None and other is not None:
            assert shown.wants_action == other.wants_action
            said = _answer(count) if shown.wants_action else None
            first, second = ours.step(said), theirs.step(said)
            assert first.reward == second.reward and (first.verdict is None) == (second.verdict is None)
            shown, other, count = first.next, second.next, count + 1
        assert shown is None and other is None
    check_env(source, source.held_out(2))


def _answer(count: int) -> Any:
    return Say(("unknown", "7 May 2023", "yes", "painting, pottery", "a dog")[count % 5])


def test_official_files_give_streams_of_known_size() -> None:
    def size(entry: str) -> tuple[int, int, int]:
        streams = load_set(entry).train
        return len(streams), sum(len(s.units) for s in streams), sum(len(s.questions) for s in streams)

    assert size(f"squad:{real('squad')}") == (8, 1668, 2828)
    assert size(f"hotpotqa:{real('hotpotqa')}") == (10, 4117, 100)
