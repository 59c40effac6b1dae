"""What docs/tools.md shows does what it says."""

import re
import sys
from pathlib import Path

import pytest

from memrl.contracts.overrides import with_settings
from memrl.recipes import recipe
from memrl.train import train

PAGE = (Path(__file__).parents[3] / "docs" / "tools.md").read_text(encoding="utf-8")
TOOLS, MODULE, TASKS = re.findall(r"^```python\n(.*?)^```", PAGE, flags=re.S | re.M)
SMALL = ["memory.embedder=hash", "rollout.tasks=1", "rollout.group_size=2", "steps=1"]


def test_the_first_block_of_the_page_runs():
    exec(TOOLS, {"__name__": "page"})


def test_tasks_and_tools_of_ones_own_train_as_the_page_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "my_tools.py").write_text(MODULE, encoding="utf-8")
    exec(TASKS, {"__name__": "page"})
    [line] = re.findall(r"^memrl train --recipe plain --env tool_tasks .*$", PAGE, flags=re.M)
    sets = ["env.name=tool_tasks", *re.findall(r"--set (\S+)", line), *SMALL, f"out={tmp_path / 'run'}"]
    folder = train(with_settings(recipe("plain"), sets))
    assert '"env_errors": 0.0' in (folder / "metrics.jsonl").read_text()
    sys.modules.pop("my_tools", None)
