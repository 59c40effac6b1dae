"""Every example runs, small."""

from pathlib import Path

import forked
import pytest

ROOT = Path(__file__).parents[1]
SMALL = {"wrap_a_model.py": ["tiny"], "own_controller.py": ["4"], "train_and_compare.py": ["tiny"]}


@pytest.mark.parametrize("name", sorted(path.name for path in (ROOT / "examples").glob("*.py")))
def test_an_example_runs(name, tmp_path):
    env = {"PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)}
    done = forked.run(ROOT / "examples" / name, *SMALL[name], env=env, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
