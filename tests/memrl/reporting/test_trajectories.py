"""Episodes go out and come back without loss."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from memory_stores.types import Keep, Overwrite, Write
from memrl.contracts.errors import DataError
from memrl.contracts.offer_sets import OfferSet
from memrl.contracts.types import (
    Blob,
    Choose,
    End,
    Episode,
    MemoryOps,
    Observation,
    OpDecision,
    Say,
    Step,
    Task,
    Text,
    TokenDecision,
    ToolCall,
    Unreadable,
    Verdict,
    ViewLine,
)
from memrl.reporting.trajectories import _out, read_jsonl, to_dataset, to_jsonl, token_rows


@dataclass(frozen=True)
class Theta:
    horizon: int = 3


def token(action, actor: str = "policy", ids: tuple[int, ...] = (4, 5)) -> TokenDecision:
    return TokenDecision(
        actor=actor, action=action, memory_hash="h", prompt_ids=(1, 2, 3), action_ids=ids, logprobs=(-0.1, -1 / 3)
    )


def op(choice: int) -> OpDecision:
    offers = OfferSet(
        ops=(Keep(), Write("a\nb", "token")),
        rows=np.array([[0, -1], [1, 2]], dtype=np.int32),
        numbers=np.array([[0.1, 0.2], [1 / 3, 4.0]], dtype=np.float32),
    )
    return OpDecision(
        actor="controller", action=offers.ops[choice], memory_hash="g", offers=offers, choice=choice, logprob=-0.7,
        created=("t1",), refused=True,
    )  # fmt: skip


def episode() -> Episode:
    seen = Observation(
        id="o1", step=7, content=(Text("Ünïcode \u2028 line"), Blob("image/png", b"\x00\xff", "a key")), time=1.5,
        source="tool", trust=0.5, wants_action=True, to="policy:bob", choices=("a", "b"),
    )  # fmt: skip
    view = (ViewLine("a line", "t1", "token", "o0"),)
    steps = (
        Step(
            observation=seen,
            decisions=(token(Say("attic")), op(1)),
            reward=0.25,
            view=view,
            verdict=Verdict(score=1.0, expected="attic", category="latest"),
            context_tokens=9,
        ),
        Step(
            observation=Observation(id="o2", step=8, content="x"),
            decisions=(op(0), token(Choose(1, "b"), "policy:bob")),
        ),
        Step(
            observation=Observation(id="o3", step=9, content="y"),
            decisions=(
                token(ToolCall("open", (("door", 3), ("keys", ("a", "b"))))),
                token(MemoryOps((Overwrite("t1", "z"), Keep())), "controller"),
                token(Unreadable("<think>\n")),
            ),
        ),
    )
    task = Task(env="toy", theta={"horizon": 3, "names": ["a"]}, seed=1, cell="c")
    return Episode(task=task, steps=steps, end=End.STEP_LIMIT, judged=0.5, versions=(("policy", 3),), cut=seen)


def test_every_field_comes_back(tmp_path: Path):
    before = [episode(), episode()]
    after = read_jsonl(to_jsonl(before, tmp_path / "out.jsonl"))
    assert len((tmp_path / "out.jsonl").read_bytes().splitlines()) == 2
    assert [_out(one, True) for one in after] == [_out(one, True) for one in before]
    one = after[0]
    assert (one.task, one.end, one.cut, one.success) == (before[0].task, End.STEP_LIMIT, before[0].cut, 0.5)
    assert one.steps[0].observation == before[0].steps[0].observation and one.steps[0].view == before[0].steps[0].view
    assert [d.action for d in one.decisions] == [d.action for d in before[0].decisions]
    offers = one.steps[0].decisions[1].offers  # pyright: ignore[reportAttributeAccessIssue]
    want = op(1).offers
    assert offers.ops == want.ops and offers.rows.dtype == np.int32 and offers.numbers.dtype == np.float32
    assert offers.numbers.tobytes() == want.numbers.tobytes()
    assert offers.rows.shape == (len(want.ops), 0), "they number texts of a process that is no more"


@pytest.mark.parametrize(
    "theta",
    [{"is": "tuple", "of": [1, 2]}, {"is": "Task"}, {1: "a", "b": (2, {"is": "bytes", "base64": "QUJD"})}, {"map": 1}],
)
def test_data_that_look_like_ours_come_back_as_they_were(theta: Any, tmp_path: Path):
    before = replace(episode(), task=Task(env="toy", theta=theta, seed=1))
    [after] = read_jsonl(to_jsonl([before], tmp_path / "out.jsonl"))
    assert after.task.theta == theta


def test_a_file_stays_what_it_was_where_writing_fails(tmp_path: Path):
    path = to_jsonl([episode()], tmp_path / "out.jsonl")
    whole = path.read_bytes()
    odd = Observation(id="o", step=0, content="x\udc80y")
    for wrong in (
        replace(episode(), task=Task(env="toy", theta=frozenset({1}), seed=1)),
        replace(episode(), steps=(Step(observation=odd, decisions=()),)),
    ):
        with pytest.raises(DataError, match="an episode holds what JSON cannot"):
            to_jsonl([episode(), wrong], path)
        assert path.read_bytes() == whole and len(list(tmp_path.iterdir())) == 1


def test_a_link_stays_a_link_and_a_file_keeps_its_mode(tmp_path: Path):
    real = to_jsonl([episode()], tmp_path / "real.jsonl")
    real.chmod(0o640)
    (tmp_path / "link.jsonl").symlink_to(real)
    to_jsonl([episode(), episode()], tmp_path / "link.jsonl")
    assert (tmp_path / "link.jsonl").is_symlink() and real.stat().st_mode & 0o777 == 0o640
    assert len(read_jsonl(real)) == 2


@pytest.mark.parametrize("lists", [1, 3])
def test_advantages_of_more_or_fewer_episodes_are_refused(lists: int):
    with pytest.raises(ValueError, match=f"advantages: {lists} lists for 2 episodes"):
        list(token_rows([episode(), episode()], [[0.5, -0.5, 0.0, 1.0, 2.0]] * lists))


def test_arrays_of_offers_may_be_left_out(tmp_path: Path):
    small = read_jsonl(to_jsonl([episode()], tmp_path / "small.jsonl", offers=False))[0]
    decision = small.steps[0].decisions[1]
    assert isinstance(decision, OpDecision) and decision.offers.ops == op(1).offers.ops
    assert decision.offers.rows.shape == (2, 0) and decision.offers.numbers.shape == (2, 0)


def test_a_theta_of_an_environments_own_class_comes_back_as_a_dictionary(tmp_path: Path):
    task = Task(env="toy", theta=Theta(), seed=1)
    back = read_jsonl(to_jsonl([Episode(task=task, steps=(), end=End.DONE)], tmp_path / "out.jsonl"))
    assert back[0].task.theta == {"horizon": 3}


def test_a_dataset_has_one_row_a_decision_in_tokens():
    advantages = [[0.5, 9.0, 9.0, -0.5, 0.0, 1.0, 2.0]]
    rows = to_dataset([episode()], advantages)
    assert rows.column_names == [
        "episode", "step", "actor", "prompt_ids", "action_ids", "logprobs", "reward", "success", "advantage",
    ]  # fmt: skip
    assert rows["advantage"][:] == [0.5, -0.5, 0.0, 1.0, 2.0]
    assert rows["actor"][:] == ["policy", "policy:bob", "policy", "controller", "policy"]
    first = rows[0]
    assert (first["prompt_ids"], first["action_ids"], first["reward"]) == ([1, 2, 3], [4, 5], 0.25)
    assert first["logprobs"] == pytest.approx([-0.1, -1 / 3]) and first["step"] == 7
    with pytest.raises(ValueError, match="advantages of episode 0: 1 for 7 decisions"):
        list(token_rows([episode()], [[1.0]]))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "line 1: no episode"),
        ('{"format": "other/1"}', "line 1: no episode .*'other/1' is not memrl_trajectories/1"),
        (
            '{"format": "memrl_trajectories/1", "episode": {"is": "Episode", "task": 1}}',
            "line 1: no episode .TypeError",
        ),
    ],
)
def test_a_file_of_something_else_is_refused_by_line(tmp_path: Path, text: str, message: str):
    (tmp_path / "x.jsonl").write_text(text + "\n")
    with pytest.raises(DataError, match=message):
        read_jsonl(tmp_path / "x.jsonl")
    with pytest.raises(DataError, match="cannot be read"):
        read_jsonl(tmp_path / "nowhere.jsonl")


def test_what_cannot_be_written_is_told(tmp_path: Path):
    task = Task(env="toy", theta={"x": object()}, seed=1)
    with pytest.raises(DataError, match="holds what JSON cannot"):
        to_jsonl([Episode(task=task, steps=(), end=End.DONE)], tmp_path / "out.jsonl")
    with pytest.raises(DataError, match="cannot be written"):
        to_jsonl([], tmp_path / "no" / "out.jsonl")
