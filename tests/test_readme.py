"""What README.md shows runs, and its tables say what the result files say."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_python_example_runs(tmp_path):
    [code] = re.findall(r"```python\n(.*?)```", README, flags=re.S)
    env = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "scorer" in done.stdout


def test_the_first_two_commands_are_make_targets():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    commands = re.findall(r"^make (\w+)", README, flags=re.M)
    assert commands[:2] == ["run", "test"]
    assert all(re.search(rf"^{name}:", makefile, flags=re.M) for name in commands)


def test_the_tables_are_those_of_the_result_files():
    script = ROOT / "benchmarks" / "readme_tables.py"
    done = subprocess.run([sys.executable, str(script), "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_paired_difference_is_taken_task_by_task(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    from paired_table import difference

    a_ST, b_ST = np.array([[1.0, 0.5, 1.0], [1.0, 1.0, 0.0]]), np.array([[0.5, 0.5, 1.0], [0.5, 0.5, 0.5]])
    # By task 0.5, 0.25, -0.25: their mean is 1/6, their variance (1/9 + 1/144 + 25/144) / 2 = 7/48.
    assert difference(a_ST, b_ST) == pytest.approx((1 / 6, 1.96 * (7 / 48 / 3) ** 0.5))


def test_every_file_that_readme_links_to_exists():
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / target).exists(), target
