"""Policies without a model: a script, and a reader that knows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, cast

import pytest
from cells import CellSource
from policy_samples import ask

from memrl.contracts.errors import ConfigError
from memrl.contracts.protocols import TaskSource
from memrl.contracts.types import Say, Task
from memrl.policies.oracle_reader import OracleReader
from memrl.policies.scripted import ScriptedPolicy


@dataclass
class Reads:
    """The part of a task source that an exact reader uses; knows the answer once it has seen o1."""

    edges_tell: bool = False

    def read(self, task: Task, question_id: str, seen: frozenset[str]) -> str:
        return f"{question_id}: attic" if "o1" in seen else "unknown"

    def blame(self, task: Task, question_id: str, held: frozenset[str]) -> frozenset[str]:
        return frozenset({"o1"}) - held


def reader(source: Any = None) -> OracleReader:
    return OracleReader({"toy": cast(TaskSource, source or Reads())})


def test_a_script_is_played_in_order_and_over_again() -> None:
    policy = ScriptedPolicy(["one", "two"])
    answers = [d.action for _ in range(2) for d in policy.sample([ask(), ask()])]
    assert answers == [Say("one"), Say("two"), Say("one"), Say("two")]


def test_a_script_may_be_a_function_of_the_request() -> None:
    [decision] = ScriptedPolicy(lambda request: request.observation.text.upper()).sample([ask("Who?")])
    assert decision.action == Say("WHO?")


def test_a_script_goes_on_where_its_state_stood() -> None:
    policy, other = ScriptedPolicy(["one", "two"]), ScriptedPolicy(["one", "two"])
    policy.sample([ask()])
    other.load_state_dict(policy.state_dict())
    assert other.sample([ask()])[0].action == Say("two")


def test_the_exact_reader_knows_what_the_observations_in_view_support() -> None:
    without, with_it = reader().sample([ask(lines=["a"]), ask(lines=["a", "b"])])
    assert (without.action, with_it.action) == (Say("unknown"), Say("q0: attic"))


def test_an_edge_in_view_supports_an_answer_only_where_edges_tell_all() -> None:
    asked = ask(lines=["a", "b"])
    linked = replace(asked, view=tuple(replace(line, store="graph") for line in asked.view))
    sources = (Reads(), Reads(edges_tell=True))
    assert [reader(source).sample([linked])[0].action for source in sources] == [
        Say("unknown"),
        Say("q0: attic"),
    ]


def test_stand_ins_leave_nothing_to_learn_from() -> None:
    for decision in reader().sample([ask()]) + ScriptedPolicy(["x"]).sample([ask()]):
        assert (decision.prompt_ids, decision.action_ids, decision.logprobs) == ((), (), ())
        assert (decision.actor, decision.memory_hash) == ("policy", "h")


def test_a_family_without_an_exact_reader_is_refused_in_one_line() -> None:
    with pytest.raises(ConfigError, match=r"env\.name = 'toy': .*rollout\.practice_tasks to 0") as raised:
        reader(CellSource({})).sample([ask()])
    assert "\n" not in str(raised.value)
