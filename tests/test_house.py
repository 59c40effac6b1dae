"""The house's measures: rooms, lengths, no import cycle, a page that stays a page, tests that stand on their own."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("memrl", "memory_stores")
MOST_ROOMS, MOST_OF_A_FILE, MOST_OF_A_FUNCTION, MOST_OF_THE_PAGE = 18, 400, 60, 60
CLOCKS = {"perf_counter", "monotonic", "process_time", "time"}

Code = tuple[str, str]
"""Path from the root, and text."""


def code(*folders: str) -> list[Code]:
    paths = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    return [(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")) for path in paths]


@cache
def parsed(text: str) -> ast.Module:
    return ast.parse(text)


def long_files(files: Sequence[Code]) -> list[str]:
    return [path for path, text in files if len(text.splitlines()) > MOST_OF_A_FILE]


def long_functions(files: Sequence[Code]) -> list[str]:
    """Functions and methods, from their ``def`` to their last line."""
    return [
        f"{path}: {node.name}"
        for path, text in files
        for node in ast.walk(parsed(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno + 1 > MOST_OF_A_FUNCTION
    ]


def imports(files: Sequence[Code]) -> dict[str, set[str]]:
    """Module -> modules among these that it imports when it is loaded; those in functions and for types are not."""
    names = {_module(path): parsed(text) for path, text in files}
    return {name: set(_loaded(name, tree.body, names)) - {name} for name, tree in names.items()}


def _module(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _loaded(name: str, body: Sequence[ast.stmt], names: Mapping[str, object]) -> Iterator[str]:
    for node in body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = [f"{node.module}.{alias.name}" for alias in node.names]
            found = [one for one in inner if one in names]
            yield from found
            if len(found) < len(inner) and node.module in names:
                yield node.module
        elif isinstance(node, ast.Try):
            yield from _loaded(name, node.body, names)


def cycle(graph: Mapping[str, set[str]]) -> list[str]:
    """Modules that import each other in a ring, in order; empty for none."""
    done: set[str] = set()

    def search(name: str, path: list[str]) -> list[str]:
        if name in path:
            return path[path.index(name) :]
        if name in done:
            return []
        for other in sorted(graph.get(name, ())):
            if found := search(other, [*path, name]):
                return found
        done.add(name)
        return []

    return next((found for name in sorted(graph) if (found := search(name, []))), [])


def borrowed(files: Sequence[Code]) -> list[str]:
    """Test files that import another test file: what they share belongs into a helper."""
    return [
        f"{path}:{node.lineno}"
        for path, text in files
        for node in ast.walk(parsed(text))
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[-1].startswith("test_")
    ]


def timed(files: Sequence[Code]) -> list[str]:
    """Assertions about a clock: a busy machine fails them, and speed is shown in ``benchmarks/``."""
    return [
        f"{path}:{node.lineno}"
        for path, text in files
        for node in ast.walk(parsed(text))
        if isinstance(node, ast.Assert)
        for inner in ast.walk(node.test)
        if isinstance(inner, ast.Call) and getattr(inner.func, "attr", getattr(inner.func, "id", "")) in CLOCKS
    ]


def collections_of_a_module(files: Sequence[Code]) -> list[str]:
    """Empty lists, sets and mappings that a test module fills as it goes: tests would tell each other through them."""
    return [
        f"{path}:{node.lineno}"
        for path, text in files
        for node in parsed(text).body
        if isinstance(node, ast.Assign | ast.AnnAssign) and _is_empty(node.value)
    ]


def _is_empty(value: ast.expr | None) -> bool:
    if isinstance(value, ast.Call):
        return getattr(value.func, "id", "") in ("list", "dict", "set") and not value.args
    return (isinstance(value, ast.List) and not value.elts) or (isinstance(value, ast.Dict) and not value.keys)


def test_there_are_few_rooms():
    rooms = [path.name for path in (ROOT / "memrl").iterdir() if (path / "__init__.py").exists()]
    assert len(rooms) <= MOST_ROOMS, sorted(rooms)


def test_files_and_functions_stay_short():
    every = code(*PACKAGES, "tests", "benchmarks", "examples")
    assert not long_files(every) and not long_functions(every)


def test_the_page_stays_a_page():
    [(_, text)] = [one for one in code("memrl") if one[0] == "memrl/train.py"]
    assert len(text.splitlines()) <= MOST_OF_THE_PAGE


def test_no_modules_import_each_other_in_a_ring():
    assert not cycle(imports(code(*PACKAGES)))


def test_tests_stand_on_their_own_and_watch_no_clock():
    tests = code("tests")
    assert not borrowed(tests) and not timed(tests) and not collections_of_a_module(tests)


LONG = "def f():\n" + "    pass\n" * MOST_OF_A_FUNCTION


@pytest.mark.parametrize(
    ("check", "text"),
    [
        (long_files, "\n" * (MOST_OF_A_FILE + 1)),
        (long_functions, LONG),
        (long_functions, "class A:\n" + "".join(f"    {line}\n" for line in LONG.splitlines())),
        (borrowed, "def f():\n    from test_other import g\n"),
        (borrowed, "from tests.memrl.test_other import g\n"),
        (timed, "assert time.perf_counter() - started < 2.0\n"),
        (timed, "assert monotonic() < 2.0\n"),
        (collections_of_a_module, "SEEN: list[int] = []\n"),
        (collections_of_a_module, "SEEN = dict()\n"),
    ],
)
def test_a_breach_is_seen(check, text: str):
    assert check([("a/b.py", text)]) and not check([("a/b.py", "def f():\n    seen = []\n    return seen\n")])


def test_a_ring_is_seen_and_an_import_for_types_or_in_a_function_is_none():
    ring = [
        ("a/__init__.py", ""),
        ("a/b.py", "from a.c import x\n"),
        ("a/c.py", "from a import d\n"),
        ("a/d.py", "import a.b\n"),
    ]
    assert cycle(imports(ring)) == ["a.b", "a.c", "a.d"]
    late = "if TYPE_CHECKING:\n    import a.b\ndef f():\n    import a.b\n"
    assert cycle(imports([*ring[:3], ("a/d.py", late)])) == []
