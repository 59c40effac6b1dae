"""Imports point down the floors, light modules stay light, the page stays a page."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

FLOORS: tuple[tuple[str, ...], ...] = (
    ("memory_stores",),
    ("memrl.contracts",),
    ("memrl.algos",),
    ("memrl.envs", "memrl.policies", "memrl.controllers", "memrl.reflectors", "memrl.curricula",
     "memrl.proposers"),
    ("memrl.rollouts", "memrl.advantages", "memrl.reflection"),
    ("memrl.training", "memrl.reporting"),
    ("memrl.text_recipes", "memrl.recipes", "memrl.testing", "memrl.evaluate", "memrl.inspection", "memrl.agent",
     "memrl.train"),
    ("memrl.serve", "memrl.cli"),
    ("memrl",),
)  # fmt: skip
"""A unit imports lower floors and, on its own floor, units that stand before it. A folder is one unit."""

PARTS = FLOORS[3]
"""Parts do not see each other at all."""

PLACE = {unit: (floor, index) for floor, units in enumerate(FLOORS) for index, unit in enumerate(units)}


def modules() -> Iterator[tuple[str, Path]]:
    for package in ("memory_stores", "memrl"):
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def unit_of(module: str) -> str | None:
    """The longest unit of the table that holds the module; a new module must be given a floor."""
    for unit in sorted(PLACE, key=len, reverse=True):
        if module == unit or (unit != "memrl" and module.startswith(f"{unit}.")):
            return unit
    return None


def imported(path: Path) -> Iterator[tuple[int, str]]:
    """Every import of a file, also those inside functions and under TYPE_CHECKING."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: import by absolute name"
            yield node.lineno, node.module or ""
            names = (f"{node.module}.{alias.name}" for alias in node.names)
            yield from ((node.lineno, name) for name in names if name in KNOWN)


KNOWN = {module for module, _ in modules()}


def problem(unit: str, other: str) -> str | None:
    """What is wrong with ``unit`` importing ``other``; None if it may."""
    if unit == other:
        return None
    (floor, index), (other_floor, other_index) = PLACE[unit], PLACE[other]
    if other_floor > floor:
        return f"{unit} on floor {floor} imports {other} on floor {other_floor}"
    if other_floor == floor and unit in PARTS:
        return f"the part {unit} imports the part {other}"
    if other_floor == floor and other_index > index:
        return f"{unit} imports {other}, which stands after it on floor {floor}"
    return None


def test_every_module_stands_on_a_floor():
    homeless = [module for module, _ in modules() if unit_of(module) is None]
    assert not homeless, f"give these a place in FLOORS: {homeless}"


def test_imports_only_point_down():
    wrong = []
    for module, path in modules():
        for line, name in imported(path):
            if name.split(".")[0] not in ("memrl", "memory_stores"):
                continue
            unit, other = unit_of(module), unit_of(name)
            if unit and other and (found := problem(unit, other)):
                wrong.append(f"{path.relative_to(ROOT)}:{line}: {found}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("unit", "other"),
    [
        ("memory_stores", "memrl.contracts"),
        ("memrl.algos", "memrl.rollouts"),
        ("memrl.controllers", "memrl.policies"),
        ("memrl.advantages", "memrl.training"),
    ],
)
def test_an_import_that_points_up_or_sideways_is_seen(unit: str, other: str):
    assert problem(unit, other)


def test_the_stores_never_import_torch():
    wrong = [
        f"{path.name}:{line}"
        for module, path in modules()
        for line, name in imported(path)
        if module.startswith("memory_stores") and name.split(".")[0] == "torch"
    ]
    assert not wrong


@pytest.mark.parametrize(
    "names",
    [
        "memory_stores",
        "memrl, memrl.contracts.errors, memrl.contracts.types, memrl.contracts.protocols, memrl.contracts.config_io",
        "memrl.recipes, memrl.cli.main, memrl.training.run_folder, memrl.reporting.report",
    ],
)
def test_light_modules_load_no_torch(names: str):
    code = f"import {names}, sys; print(*sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert not {"torch", "transformers", "sentence_transformers", "faiss", "matplotlib"}.intersection(out.split())


def test_no_world_is_known_by_name_outside_its_own_folder_and_the_recipes():
    own = (*(ROOT / "memrl" / name for name in ("recipes.py", "text_recipes.py")), ROOT / "memrl" / "envs" / "memworld")
    wrong = [
        f"{path.relative_to(ROOT)}:{number}"
        for _, path in modules()
        if not any(path.is_relative_to(place) for place in own)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if "memworld" in line.lower()
    ]
    assert not wrong
