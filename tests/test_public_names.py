"""``import memrl`` shows exactly its public names, and each is the thing that its module defines."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import memrl


def test_every_public_name_is_what_its_module_defines():
    for name in memrl.__all__:
        assert getattr(memrl, name) is getattr(import_module(f"memrl.{memrl._HOME[name]}"), name)


def test_the_three_lists_of_public_names_agree():
    tree = ast.parse(Path(str(memrl.__file__)).read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    for_types = {alias.name for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert set(memrl.__all__) == set(memrl._HOME) == for_types
    assert set(memrl.__all__) <= set(dir(memrl))


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'telepathy'"):
        _ = memrl.telepathy


IMPORTED_BEFORE = ("import memrl.train, memrl.evaluate", "from memrl.evaluate import EvalReport", "pass")
FORKED = """
import os, sys, torch  # once for all
for first in sys.argv[1:]:
    if child := os.fork():
        os.waitpid(child, 0)
        continue
    exec(first)
    import memrl
    print(type(memrl.train).__name__, type(memrl.evaluate).__name__, flush=True)
    os._exit(0)
"""


def test_train_and_evaluate_are_functions_whatever_was_imported_before():
    command = [sys.executable, "-c", FORKED, *IMPORTED_BEFORE]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert out.splitlines() == ["function function"] * len(IMPORTED_BEFORE)
