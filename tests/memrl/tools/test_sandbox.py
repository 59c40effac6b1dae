"""What the sandbox does for those who mean well: results, limits, databases, functions, and the same text each time."""

import sqlite3

import pytest

from memrl.contracts.errors import ConfigError, DataError, InputError
from memrl.contracts.types import ToolCall
from memrl.tools import Sandbox, SandboxLimits, Toolbox, isolated, python_tool, search_tool, sql_tool
from memrl.tools.inside import kernel, programs
from memrl.tools.sandbox import _check_machine

WHERE = "memrl.tools.inside.said:steady"


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox(SandboxLimits(seconds=5.0), functions=[WHERE, "statistics:mean", "math:sqrt"]) as made:
        yield made


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("db") / "shop.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE parts (code TEXT, price INTEGER)")
    connection.executemany("INSERT INTO parts VALUES (?, ?)", [("KX-1", 12), ("KX-2", None)])
    connection.commit()
    connection.close()
    return path


def test_code_runs_as_at_a_prompt(sandbox):
    box = Toolbox([python_tool(sandbox)])

    def said(code):
        return box.call(ToolCall("python", (("code", code),)))

    assert said("2 ** 10").text == "1024" and said("2 ** 10").ok
    assert said("import math\nprint(math.floor(2.5))\n'a'").text == "2\n'a'"
    assert said("x = 1").text == "(nothing was printed)"
    wrong = said("print('so far')\n1 / 0")
    assert wrong.text == "so far\nError: python: ZeroDivisionError: division by zero (line 2)" and not wrong.ok
    assert said("if").text == "Error: python: SyntaxError: invalid syntax (line 1)"
    assert said("raise SystemExit").ok and said("raise SystemExit(0)").ok
    assert said("raise SystemExit(3)").text == "Error: python: SystemExit: 3"
    assert said("é = 'naïve'\né").text == "'naïve'"


@pytest.mark.parametrize(
    "code",
    [
        "object()",
        "lambda: 1",
        "set('abcdefgh')",
        "import random\nrandom.random()",
        "id([]), id('x')",
        "hash('x')",
        "class A: pass\nA()",
        "print(iter([]))\nraise ValueError(object())",
    ],
)
def test_the_same_code_gives_the_same_text(sandbox, code):
    first = sandbox.python(code)
    with Sandbox() as other:
        assert first == sandbox.python(code) == other.python(code)
    assert "0x7" not in first.text + first.why and (first.text or first.why)


def test_a_database_is_asked(sandbox, file):
    box = Toolbox([sql_tool(sandbox, file)])

    def said(query):
        return box.call(ToolCall("sql", (("query", query),)))

    assert said("SELECT code, price FROM parts ORDER BY code").text == "code | price\nKX-1 | 12\nKX-2 | NULL"
    assert said("SELECT 1 AS one WHERE 0").text == "one\n(no rows)"
    assert said("SELECT x'ff00' AS b").text == "b\nx'ff00'"
    assert said("SELECT missing FROM parts").text == "Error: sql: no such column: missing"
    assert said("SELEC 1").text == 'Error: sql: near "SELEC": syntax error'
    assert said("SELECT 1; SELECT 2").text == "Error: sql: You can only execute one statement at a time."
    assert "only reading is allowed" in said("DELETE FROM parts").text
    many = said("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500) SELECT i FROM n").text
    assert many.splitlines()[0] == "i" and many.endswith("(the first 200 rows; there are more)")


def test_a_database_with_a_write_ahead_log_is_asked_once_it_is_closed(sandbox, tmp_path):
    path = tmp_path / "ahead.db"
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode=wal")
    connection.execute("CREATE TABLE t (a TEXT)")
    connection.execute("INSERT INTO t VALUES ('here')")
    connection.commit()
    with pytest.raises(DataError, match=r"part of it stands in ahead.db-wal; close whoever writes it"):
        sql_tool(sandbox, path)
    connection.close()
    assert sql_tool(sandbox, path).run({"query": "SELECT a FROM t"}).text == "a\nhere"


@pytest.mark.parametrize("make", [python_tool, lambda box: sql_tool(box, "s.db")])
def test_a_tool_needs_a_sandbox(make):
    with pytest.raises(InputError, match=r"sandbox = None: make one, Sandbox\(\)"):
        make(None)


def test_a_toolbox_needs_tools():
    with pytest.raises(InputError, match=r"tools = 5: give a list of tools"):
        Toolbox(5)


@pytest.mark.parametrize("database", [None, 3, ""])
def test_what_is_no_database_is_refused_before_a_tool_is_made_of_it(sandbox, database):
    with pytest.raises(InputError, match=rf"database = {database!r}: give the path of a SQLite file, or its bytes"):
        sql_tool(sandbox, database)


@pytest.mark.parametrize(
    "documents, shown, told",
    [
        (None, 3, "documents = None: give a list of texts"),
        ("one text", 3, "documents = 'one text': give a list of texts"),
        (["one", 2], 3, "2 among the documents is no text"),
        (["one", "two \ud800"], 3, "at character 4 stands half of a surrogate pair"),
        (["one"], 0, "shown = 0: show at least 1 document"),
    ],
)
def test_what_cannot_be_searched_is_refused_before_a_tool_is_made_of_it(documents, shown, told):
    with pytest.raises(InputError, match=told):
        search_tool(documents, shown)


def test_text_in_a_database_that_is_no_utf8_is_an_observation(sandbox, tmp_path):
    path = tmp_path / "bad.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE t (a TEXT)")
    connection.execute("INSERT INTO t VALUES (CAST(x'41ff' AS TEXT))")
    connection.commit()
    connection.close()
    said = sql_tool(sandbox, path).run({"query": "SELECT a FROM t"})
    assert not said.ok and said.text.startswith("Error: sql:") and "UTF-8" in said.text and "\n" not in said.text


def test_a_database_that_is_none_is_refused(sandbox, tmp_path):
    (tmp_path / "text").write_text("hello", encoding="utf-8")
    for path, line in ((tmp_path / "text", "it is no SQLite database"), (tmp_path / "none", "it cannot be read")):
        with pytest.raises(DataError, match=line):
            sql_tool(sandbox, path)
    broken = sql_tool(sandbox, b"SQLite format 3\x00" + b"\x01" * 2000).run({"query": "SELECT 1"})
    assert not broken.ok and broken.text.startswith("Error: sql: ") and "\n" not in broken.text


def test_functions_of_the_users_run_in_there(sandbox):
    made = isolated(WHERE, sandbox)
    assert made.spec.name == "steady" and dict(made.spec.parameters) == {"text": {"type": "string"}}
    assert made.run({"text": "<f at 0x12ab>"}).text == "<f at 0x0>"
    assert sandbox.call("statistics:mean", {"data": [1, 2, 3]}).text == "2"
    failed = sandbox.call("statistics:mean", {"data": []})
    assert not failed.ok and failed.why.startswith("StatisticsError: mean requires at least one")
    with pytest.raises(InputError, match="is not in this sandbox"):
        isolated("math:cos", sandbox)


def test_limits_and_functions_are_checked():
    for knob in ("seconds", "memory_mib", "output_bytes", "input_bytes"):
        for value in (0, "2", None, True, float("inf"), float("nan")):
            with pytest.raises(ConfigError, match=f"sandbox.{knob} = {value!r}: it must be a (whole )?number of at"):
                SandboxLimits(**{knob: value})
    with pytest.raises(ConfigError, match=r"sandbox.memory_mib = 100.5: it must be a whole number"):
        SandboxLimits(memory_mib=100.5)  # pyright: ignore[reportArgumentType]
    with pytest.raises(InputError, match="write it as 'module:function'"):
        Sandbox(functions=["sqrt"])
    with pytest.raises(ConfigError, match="No module named 'no_such_module'") as caught:
        Sandbox(functions=["no_such_module:f"]).python("1")
    assert "\n" not in str(caught.value)


def test_what_is_asked_has_limits_too(sandbox):
    assert sandbox.python("#" * 2_000_000).why.startswith("what was asked is too long")
    assert sandbox.python("'\ud800'").why.startswith("what was asked is no plain text")
    assert not sandbox.python("(" * 10_000).ok and sandbox.python("1").text == "1"


def test_it_closes_and_opens_again():
    with Sandbox() as made:
        assert made.python("1").text == "1"
        made.close()
        assert made.python("2").text == "2"
        assert made._server is not None
        made._server._process.kill()
        made._server._process.wait()
        lost = [made.python("3") for _ in range(2)]
        assert lost[-1].text == "3" and lost[0].text in ("3", "")


def test_a_machine_that_cannot_lock_up_is_refused_in_one_line(monkeypatch):
    for system, machine in (("darwin", "arm64"), ("win32", "AMD64"), ("linux", "riscv64")):
        with pytest.raises(ConfigError, match="tools that run code need Linux on x86_64 or aarch64"):
            _check_machine(system, machine)
    with pytest.raises(kernel.Refused, match="no list of system calls for riscv64"):
        kernel.seccomp_program("riscv64")
    assert len(kernel.seccomp_program("aarch64")) == len(kernel.seccomp_program("x86_64"))


def test_a_fence_that_does_not_hold_is_told_and_nothing_is_run(monkeypatch):
    from memrl.tools import sandbox

    open_door = sandbox._START.replace("main()", "from memrl.tools.inside import kernel; kernel.lock = print; main()")
    monkeypatch.setattr(sandbox, "_START", open_door)
    with pytest.raises(ConfigError, match="cannot lock them up") as caught:
        Sandbox().python("1")
    assert "a locked process" in str(caught.value) and "\n" not in str(caught.value)


def test_the_layers_are_told(sandbox):
    assert {"seccomp", "limits"} <= set(sandbox.layers)


@pytest.mark.parametrize(
    "code", ["1 + 1", "x = 2\nprint(x * 3, 'a')", "max(1, 2) if 0 else 3", "-1 < 2 and not 3", "1 / 0"]
)
def test_code_that_only_reckons_says_the_same_in_either_child(sandbox, code):
    longer = f"{code}\n#{'x' * 500}"
    assert (programs.plain(code) is None) == ("if" in code)
    assert sandbox.python(code) == sandbox.python(longer)


@pytest.mark.parametrize(
    "code",
    [
        "open('x')",
        "().__class__",
        "[1][0]",
        "print(__builtins__)",
        "__import__('os')",
        "import os",
        "print = 1; open",
        "lambda: 1",
        "[x for x in (1,)]",
        "f'{1}'",
        "while 1: pass",
        "def f(): pass",
        "a.b = 1",
        "a[0] = 1",
        "x: int = 1",
        "print(file=1)",
        "(1)(2)",
        "eval('1')",
        "getattr(1, 'real')",
        "print(*[1])",
        "del x",
        "global x",
        "x = yield",
        "(",
    ],
)
def test_no_other_code_shares_a_child(code):
    assert programs.plain(code) is None


def test_a_shared_child_that_was_stopped_is_made_anew():
    with Sandbox(SandboxLimits(seconds=0.5)) as made:
        assert made.python("10 ** 10 ** 8").why == "stopped after 0.5 s"
        assert made.python("'x' * 10 ** 10").why.startswith("MemoryError")
        assert made.python("print('y' * 100000)").why.startswith("the result is too large")
        assert (
            made.python("kept = 1").ok and made.python("kept").why == "NameError: name 'kept' is not defined (line 1)"
        )
        assert made.python("6 * 7").text == "42"
