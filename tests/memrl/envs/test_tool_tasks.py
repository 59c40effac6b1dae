"""Your own tasks with your own tools: what is shown when, what a call gives, what an answer earns, what is refused."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from memrl.contracts.capabilities import Demonstrates, Finite, Stretchable, able
from memrl.contracts.errors import ConfigError, DataError
from memrl.contracts.options import options_from
from memrl.contracts.types import Observation, Say, ToolCall, Unreadable
from memrl.envs.tool_tasks.options import ToolTasksOptions
from memrl.envs.tool_tasks.tasks import ToolTasks
from memrl.testing import check_env

OWN = """
import collections
import functools


class Hotel:
    \"\"\"Rooms of one town.\"\"\"

    def __init__(self, price: int = 80) -> None:
        self.price, self.booked = price, 0

    def cost(self, nights: int) -> int:
        \"\"\"What so many nights cost.\"\"\"
        return self.price * nights

    def book(self) -> str:
        \"\"\"Book one more room.\"\"\"
        self.booked += 1
        return f"{self.booked} booked"

    def hidden(self) -> str:
        return "no docstring, no tool"

    def _inner(self) -> str:
        \"\"\"Nobody's.\"\"\"
        return ""


def length(text: str) -> int:
    \"\"\"How many letters a text has.\"\"\"
    return len(text)


def echo(text: str) -> str:
    \"\"\"Says the same.\"\"\"
    return text


def fewest(answer, turn, calls):
    return 1.0 if answer == turn["wanted"] and len(calls) == 1 and calls[0][3] else 0.25


class Cart:
    \"\"\"What was bought.\"\"\"

    def __init__(self, items: list) -> None:
        self.items = items

    def add(self, item: str) -> str:
        \"\"\"Put it in; says how many there are.\"\"\"
        self.items.append(item)
        return str(len(self.items))


class Base:
    def mine(self) -> str:
        \"\"\"Of the base.\"\"\"
        return "mine"


class Kept(collections.UserDict, Base):
    @functools.lru_cache
    def cost(self, nights: int) -> int:
        \"\"\"What so many nights cost.\"\"\"
        return nights

    def other(self) -> str:
        \"\"\"Another.\"\"\"
        return "other"


def sort(numbers: list) -> list:
    \"\"\"In order.\"\"\"
    numbers.sort()
    return numbers


def near(answer, turn, calls):
    return float(abs(float(answer) - turn["wanted"]) < 1)


def wild(answer, turn, calls):
    return 7
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with a module of its own for each test."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / f"{module_of(tmp_path)}.py").write_text(OWN)
    return tmp_path


def module_of(folder: Path) -> str:
    return "own_" + "".join(letter if letter.isalnum() else "_" for letter in folder.name)


def asked(text: str, *answers: str, **more: Any) -> dict[str, Any]:
    return {"text": text, "answers": list(answers), **more}


def trip(id: str, price: int = 80) -> dict[str, Any]:
    calls = [{"name": "cost", "arguments": {"nights": 2}}]
    return {
        "id": id,
        "state": {"price": price},
        "turns": [{"text": f"{id} wants two nights."}, asked("What do two nights cost?", str(2 * price), calls=calls)],
    }


def write(folder: Path, *records: Any) -> str:
    path = folder / "tasks.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in records))
    return str(path)


def source(folder: Path, *records: Any, own: tuple[str, ...] = ("Hotel",), **options: Any) -> ToolTasks:
    tools = (*options.pop("tools", ()), *(f"{module_of(folder)}:{name}" for name in own))
    given = {"data": write(folder, *(records or (trip("Ana"), trip("Ben", 50)))), "tools": tools, **options}
    return ToolTasks(options_from(ToolTasksOptions, given, "env.options", "env 'tool_tasks'"))


def call(name: str, **arguments: Any) -> ToolCall:
    return ToolCall(name, tuple(arguments.items()))


def played(tasks: ToolTasks, task: Any, *actions: Any) -> tuple[list[Observation], list[float], list[float]]:
    """Everything that is shown, the rewards, and the scores; an action for each observation that wants one."""
    env, left = tasks.make(task), list(actions)
    seen, rewards, scores = [env.start()], [], []
    while True:
        outcome = env.step(left.pop(0) if seen[-1].wants_action else None)
        rewards.append(outcome.reward)
        scores += [] if outcome.verdict is None else [outcome.verdict.score]
        if outcome.next is None:
            assert not left
            return seen, rewards, scores
        seen.append(outcome.next)


def test_it_keeps_the_promises_of_an_environment(folder: Path) -> None:
    check_env(source(folder), max_steps=20)


def test_a_call_is_shown_by_itself_and_below_the_question_then_the_answer_is_judged(folder: Path) -> None:
    tasks = source(folder, call_cost=0.125, invalid_cost=0.5)
    task = tasks.held_out(0)
    assert task.theta.ids == ("Ben",) and tasks.train("all", 3).theta.ids == ("Ana",)
    seen, rewards, scores = played(
        tasks, task, call("cost", nights=2), call("cost", days=2), Unreadable("<tool_call>"), Say("100")
    )
    assert [(o.id, o.wants_action, o.writable) for o in seen] == [
        ("t0", False, True), ("t1", True, False), ("c1.1", False, True), ("t1.1", True, False), ("c1.2", False, True),
        ("t1.2", True, False), ("c1.3", False, False), ("t1.3", True, False),
    ]  # fmt: skip
    assert [o.step for o in seen] == list(range(8)) and seen[2].text == "100" and seen[2].source == "cost"
    assert seen[3].text == "What do two nights cost?\ncost(nights=2) -> 100"
    assert seen[5].text.endswith("-> Error: cost: there is no argument 'days'; it takes nights")
    assert seen[6].text == "Error: that is neither a call of a tool nor an answer"
    assert rewards == [0.0, -0.125, 0.0, -0.625, 0.0, -0.625, 0.0, 1.0] and scores == [1.0]


def test_tools_that_are_classes_are_made_anew_for_each_task_and_keep_their_state_in_it(folder: Path) -> None:
    turns = [asked("How many are booked?", "1 booked"), asked("And now, all told?", "2 booked")]
    one, other = ({"id": id, "turns": turns} for id in ("one", "other"))
    tasks = source(folder, one, other)
    assert {spec.name for spec in tasks.brief(tasks.held_out(0)).tools} == {"cost", "book"}
    for _ in range(2):
        actions = [call("book"), Say("1 booked"), call("book"), Say("2 booked")]
        seen, _, scores = played(tasks, tasks.held_out(0), *actions)
        assert scores == [1.0, 1.0] and [o.text for o in seen if o.id.startswith("c")] == ["1 booked", "2 booked"]


def test_who_only_calls_loses_the_question_and_no_more(folder: Path) -> None:
    tasks = source(folder, calls=2, recent=0)
    seen, _, scores = played(tasks, tasks.held_out(0), *[call("cost", nights=1)] * 3)
    assert scores == [0.0] and [o.text for o in seen if o.wants_action] == ["What do two nights cost?"] * 3


def test_a_result_that_repeats_a_question_can_not_be_remembered(folder: Path) -> None:
    tasks = source(folder, *({"id": id, "turns": [asked("Who is it?", "Ana")]} for id in "ab"), own=("echo",))
    seen, *_ = played(tasks, tasks.held_out(0), call("echo", text="Who is it?"), call("echo", text="Ana"), Say("Ana"))
    assert [(o.text, o.writable) for o in seen if o.source] == [("Who is it?", False), ("Ana", True)]


def test_joined_tasks_take_turns_each_in_its_own_order_with_its_own_tools(folder: Path) -> None:
    trips = [trip(name, 10 * (n + 1)) for n, name in enumerate("abcdef")]
    tasks = source(folder, *trips, joined=2, held_out=["e", "f"])
    assert able(tasks, Finite) is None and tasks.at_horizon(4) == {"joined": 2}
    with pytest.raises(ConfigError, match=r"horizon = 400: .* ask for 4 at most"):
        tasks.at_horizon(400)
    orders = set()
    for seed in range(12):
        task = tasks.held_out(seed)
        assert sorted(task.theta.ids) == ["e", "f"] and not set(tasks.train("all", seed).theta.ids) & {"e", "f"}
        seen, _, scores = played(tasks, task, *way(tasks, task))
        assert scores == [1.0, 1.0]
        told = [o.text[0] if "wants" in o.text else "?" for o in seen if not o.id.startswith("c") and "." not in o.id]
        orders.add("".join(told))
    assert len(orders) > 2 and any(order.endswith("??") for order in orders)


def way(tasks: ToolTasks, task: Any) -> list[Any]:
    """The walkthrough, as a policy would say it."""
    from memrl.policies.parsing import plain_call

    demonstrates = able(tasks, Demonstrates)
    assert demonstrates is not None
    tools = tasks.brief(task).tools
    return [plain_call(text, tools) or Say(text) for text in demonstrates.walkthrough(task)]


@pytest.mark.parametrize(
    ("judge", "answer", "score"),
    [
        ("f1", "it costs 100", 0.5), ("exact", "100!", 1.0), ("exact", "it costs 100", 0.0),
        ("contains", "it costs 100 now", 1.0), ("contains", "1000", 0.0), ("contains", "-100", 0.0),
        ("f1", "1.00", 0.0), ("f1", "-100", 0.0), ("exact", "-100", 0.0), ("exact", "...", 0.0), ("f1", "the", 0.0),
    ],
)  # fmt: skip
def test_judges(folder: Path, judge: str, answer: str, score: float) -> None:
    tasks = source(folder, judge=judge)
    assert played(tasks, tasks.held_out(0), Say(answer))[2] == [score]


def test_a_judge_that_fails_ends_the_run_and_drops_no_answer(folder: Path) -> None:
    turn = {"text": "Do it.", "ask": True, "wanted": 3}
    tasks = source(folder, *({"id": id, "turns": [turn]} for id in "ab"), judge=f"{module_of(folder)}:near")
    assert played(tasks, tasks.held_out(0), Say("3"))[2] == [1.0]
    with pytest.raises(ConfigError, match=r"it raised ValueError: .* for the answer 'no idea'"):
        played(tasks, tasks.held_out(0), Say("no idea"))


def test_a_task_begins_with_its_own_state_whatever_was_done_before(folder: Path) -> None:
    turns = [asked("How many?", "1")]
    both = [{"id": id, "state": {"items": []}, "turns": turns} for id in "ab"]
    tasks = source(folder, *both, own=("Cart",))
    for _ in range(3):
        assert played(tasks, tasks.held_out(0), call("add", item="x"), Say("1"))[0][1].text == "1"


def test_what_a_tool_does_to_its_arguments_was_not_said(folder: Path) -> None:
    tasks = source(folder, own=("Hotel", "sort"))
    said = call("sort", numbers=[3, 1, 2])
    seen, *_ = played(tasks, tasks.held_out(0), said, Say("x"))
    assert dict(said.arguments) == {"numbers": [3, 1, 2]}
    assert any("[3, 1, 2]" in o.text for o in seen) and any(o.text == "[1, 2, 3]" for o in seen)


def test_a_judge_of_ones_own_sees_the_turn_and_the_calls(folder: Path) -> None:
    turn = {"text": "Do it.", "ask": True, "wanted": "done"}
    tasks = source(folder, *({"id": id, "turns": [turn]} for id in "ab"), judge=f"{module_of(folder)}:fewest")
    assert able(tasks, Demonstrates) is None and able(tasks, Stretchable) is not None
    assert played(tasks, tasks.held_out(0), call("book"), Say("done"))[2] == [1.0]
    assert played(tasks, tasks.held_out(0), Say("done"))[2] == [0.25]
    wild = source(folder, *({"id": id, "turns": [turn]} for id in "ab"), judge=f"{module_of(folder)}:wild")
    with pytest.raises(ConfigError, match=r"env.options.judge = .*wild.*: it gave 7, where a number in \[0, 1\]"):
        played(wild, wild.held_out(0), Say("done"))


def test_code_sql_and_search_are_tools_by_name(folder: Path) -> None:
    (folder / "facts.txt").write_text("The kettle is red.\n\nThe lamp is blue.\n")
    with sqlite3.connect(folder / "shop.db") as shop:
        shop.execute("CREATE TABLE stock (thing, units)")
        shop.execute("INSERT INTO stock VALUES ('kettle', 7)")
    plain = [{"id": id, "turns": [asked("What now?", "x")]} for id in "ab"]
    tasks = source(folder, *plain, tools=("python", "sql:shop.db", "search:facts.txt"), own=("length",))
    made = [
        call("python", code="6 * 7"), call("sql", query="SELECT units FROM stock"),
        call("search", query="kettle"), call("length", text="abcd"), Say("x"),
    ]  # fmt: skip
    seen, *_ = played(tasks, tasks.held_out(0), *made)
    assert [o.text for o in seen if o.source] == ["42", "units\n7", "The kettle is red.", "4"]


def test_functions_can_run_in_the_sandbox(folder: Path) -> None:
    plain = [{"id": id, "turns": [asked("What now?", "x")]} for id in "ab"]
    tasks = source(folder, *plain, own=("length",), sandboxed=True)
    seen, *_ = played(tasks, tasks.held_out(0), call("length", text="abc"), Say("x"))
    assert [o.text for o in seen if o.source] == ["3"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"own": ()}, r"env.options.tools = \[\]: name at least one"),
        ({"own": ("nobody",)}, "has no 'nobody'"),
        ({"own": ("length", "length")}, "two tools have the name 'length'"),
        ({"own": ("fewest",)}, "function fewest has no docstring"),
        ({"tools": ("search:none.txt",)}, "search:none.txt.*cannot be read"),
        ({"tools": ("sql:none.db",)}, "none.db: it cannot be read"),
        ({"judge": "best"}, "env.options.judge = 'best': take f1, exact, contains"),
        ({"joined": 2}, "env.options.joined = 2: a split has 1 tasks"),
        ({"held_out": ("Ana", "Ben")}, "no task is left to train on"),
        ({"held_out": ("Eve",)}, "env.options.held_out = 'Eve'"),
        ({"calls": -1}, "env.options.calls = -1"),
        ({"sandboxed": True}, "env.options.sandboxed = True: .*Hotel: a class .* cannot run in the sandbox"),
        ({"tools": ("mcp:python 'x",)}, "the command cannot be read: No closing quotation"),
        ({"data": ""}, "env.options.data"),
    ],
)
def test_what_cannot_be_played_is_said(folder: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises((ConfigError, DataError), match=message):
        source(folder, **options)


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ("x", r"tasks.jsonl:1: 'x' where an object is expected"),
        ({"turns": [asked("?", "a")]}, "1: id: a text is expected"),
        ({"id": "a", "turns": []}, "turns: a list of turns"),
        ({"id": "a", "turns": [{"text": "told"}]}, "turns: none of them asks"),
        ({"id": "a", "turns": [asked(" ", "a")]}, r"turns\[0\].text: a text"),
        ({"id": "a", "turns": [asked("\ud800", "a")]}, "valid Unicode"),
        ({"id": "a", "turns": [asked("Q?", 3)]}, r"turns\[0\].answers: a list of texts"),  # type: ignore[arg-type]
        ({"id": "a", "turns": [asked("Q?", "a", calls=[{"nam": "x"}])]}, r"calls\[0\]: {\"name\""),
        ({"id": "a", "turns": [{"text": "t", "calls": [{"name": "x"}]}, asked("Q?", "a")]}, "only a turn that asks"),
        ({"id": "a", "state": 3, "turns": [asked("Q?", "a")]}, "state: an object"),
        ({"id": "Ben", "turns": [asked("Q?", "a")]}, "an earlier task has the id 'Ben' too|id 'Ben'"),
        ({"id": "a", "turns": [{"text": "Q?", "ask": True}]}, "the judge 'f1' needs answers"),
        ({"id": "a", "turns": [asked("Q?", "a", calls=[{"name": "rooms"}])]}, "no tool 'rooms'; there are cost, book"),
        ({"id": "a", "state": {"stars": 5}, "turns": [asked("Q?", "a")]}, "task 'a': state: it does not fit .*Hotel"),
        (
            {"id": "a", "turns": [{"text": "Q?", "answer": ["a"]}, asked("Q?", "a")]},
            "answer: .* did you mean 'answers'",
        ),
        ({"id": "a", "turns": [{"text": "Q?", "answers": []}, asked("P?", "a")]}, r"turns\[0\].answers: none"),
        ({"id": "a", "turns": [asked("Q?", "a", ask=False)]}, "ask: false beside answers"),
        (
            {"id": "a", "turns": [asked("Q?", "a", calls=[{"name": "cost", "args": {}}])]},
            r"calls\[0\].args: a call has",
        ),
        (
            {"id": "a", "turns": [asked("Q?", "a", calls=[{"name": "cost", "arguments": {"night": 2}}])]},
            "calls: cost: there is no argument 'night'",
        ),
        (
            {"id": "a", "turns": [{"text": "She says: Who is it?"}, asked("Who is it?", "a")]},
            r"turns\[0\].text: it repeats what is asked",
        ),
    ],
)
def test_a_fault_of_the_file_is_said(folder: Path, record: Any, message: str) -> None:
    with pytest.raises((ConfigError, DataError), match=message):
        tasks = source(folder, record, trip("Ben"), trip("Ben") if record == {} else trip("Cem"))
        tasks.make(tasks.train("all", 0))
        tasks.make(tasks.held_out(0))


def test_methods_of_foreign_bases_are_no_tools_and_cached_ones_are(folder: Path) -> None:
    tasks = source(folder, *({"id": id, "turns": [asked("What?", "x")]} for id in "ab"), own=("Kept",))
    assert {spec.name for spec in tasks.brief(tasks.held_out(0)).tools} == {"cost", "other", "mine"}


def test_a_name_that_stands_twice_in_an_object_is_told(folder: Path) -> None:
    (folder / "tasks.jsonl").write_text('{"id": "a", "turns": [{"text": "Q?", "answers": ["1"], "answers": ["2"]}]}\n')
    with pytest.raises(DataError, match=r"tasks\.jsonl:1: .*the name 'answers' stands twice"):
        ToolTasks(ToolTasksOptions(data="tasks.jsonl", tools=("python",)))
