"""Exit codes and lines that a user sees. Training itself is tested where the parts are."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from memory_stores.memory import AgentMemory
from memory_stores.token_store import TokenStore
from memory_stores.types import Stamp, Write
from memrl.cli import main as cli
from memrl.cli.train import configured_run
from memrl.contracts.config_io import config_from_dict
from memrl.contracts.errors import ConfigError
from memrl.recipes import recipe
from memrl.reporting.report import save_evaluation
from memrl.training.run_folder import Run, load_config


class Said(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def memrl(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    def call(*words: str) -> Said:
        monkeypatch.setattr(sys, "argv", ["memrl", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return Said(int(ended.value.code or 0), *capsys.readouterr())

    return call


@pytest.fixture
def run_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    with Run.open(recipe("smoke", out=str(tmp_path / "run"), steps=1)) as run:
        for step in run.steps():
            run.log(step, {"success": 0.25})
    capsys.readouterr()
    return run.folder


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train", "--recipe", "fast"], "recipe = 'fast': it is none of quickstart"),
        (["train", "--steps", "-1"], "steps = -1: it must be at least 0; 0 trains by the warm start alone"),
        (["train", "--steps", "many"], "valid integer"),
        (["train", "--seed", "-1"], "'--seed'"),
        (["train", "--sede", "1"], "--sede"),
        (["train", "--resume", "nowhere"], "run folder nowhere: there is no such folder"),
        (["train", "--resume", "nowhere", "--seed", "1"], "leave out --seed"),
        (["train", "--set", "rollout.task=1"], "rollout.task = '1': there is no such knob"),
        (["train", "--set", "rollout"], "--set = 'rollout': write it as section.knob=value"),
        (["train", "--config", "nowhere.yaml"], "config file nowhere.yaml: it cannot be read"),
        (["train", "--resume", "nowhere", "--config", "x"], "leave out --config"),
        (["config", "show", "fast"], "recipe = 'fast': it is none of quickstart"),
        (["eval"], "RUN"),
        (["eval", "nowhere"], "run folder nowhere: there is no such folder"),
        (["eval", "nowhere", "--rows", ","], "rows = ',': name controllers"),
        (["trajectories", "nowhere"], "--out"),
        (["trajectories", "nowhere", "--out", "x"], "run folder nowhere: there is no such folder"),
        (["inspect", "nowhere"], "there is no such file or folder"),
        (["models", "pull", "gpt-9"], "it is none of smollm2-135m"),
        (["dance"], "dance"),
    ],
)
def test_bad_input_ends_with_code_2_and_one_line_that_names_it(memrl, words: list[str], message: str):
    said = memrl(*words)
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("memrl: ") and said.err.count("\n") == 1
    assert message in said.err


def test_a_run_of_another_version_ends_with_code_2(memrl, run_folder: Path):
    (run_folder / "config.json").write_text(json.dumps({"memrl_run": 7, "config": {}}))
    said = memrl("eval", str(run_folder))
    assert said.code == 2 and "version 7" in said.err and said.err.count("\n") == 1


def test_our_own_fault_ends_with_code_1_and_a_traceback(tmp_path: Path):
    (tmp_path / "memrl_fault.py").write_text(
        "from memrl.cli.main import app, main\n@app.command()\ndef fail(): raise ZeroDivisionError('ours')\nmain()\n"
    )
    done = subprocess.run([sys.executable, "memrl_fault.py", "fail"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1 and "Traceback" in done.stderr and "ZeroDivisionError: ours" in done.stderr


def test_help_and_version_end_with_code_0(memrl):
    assert memrl("--help").code == 0
    bare = memrl()
    assert bare.code == 0 and "chat" in bare.out and "inspect" in bare.out
    assert memrl("--version").out.startswith("memrl")


def test_models_list_names_the_default_model(memrl):
    assert memrl("models", "list").out.startswith("smollm2-135m")


def test_inspect_shows_a_run(memrl, run_folder: Path):
    row = {
        "controller": "scorer", "success": 0.5, "ci95": [0.4, 0.6], "q": 0.5, "tokens_per_step": 1.0,
        "seconds_per_step": 0.1, "peak_context_tokens": 5, "refused_ops": 0,
    }  # fmt: skip
    about = {"env": "memworld", "episodes": 2, "horizon": 12, "seed": 0, "memory_budget_tokens": 9}
    save_evaluation(run_folder, {**about, "read_budget_tokens": 9, "rows": [row], "oracle": None, "floor": None})
    said = memrl("inspect", str(run_folder))
    assert said.code == 0
    assert "1 of 1 steps, finished" in said.out and "success 0.25" in said.out and "scorer" in said.out


def test_a_shown_config_is_read_back_equal(memrl, run_folder: Path, tmp_path: Path):
    (tmp_path / "run.yaml").write_text(memrl("config", "show", str(run_folder)).out)
    assert configured_run(None, tmp_path / "run.yaml", []) == load_config(run_folder)
    shown = json.loads(memrl("config", "show", "smoke", "--set", "policy.lora_rank=9", "--json").out)
    assert config_from_dict(shown) == recipe("smoke", policy={"lora_rank": 9})


def test_file_then_settings_then_named_options_win(tmp_path: Path):
    path = tmp_path / "run.yaml"
    path.write_text("recipe: tiny\nseed: 1\nsteps: 11\npolicy: {model: a, lora_rank: 2}\n")
    made = configured_run(None, path, ["seed=2", "policy.model=b", "steps=12"], model="c", steps=13)
    want = {"seed": 2, "steps": 13, "policy": {"model": "c", "lora_rank": 2}}
    assert made == recipe("tiny", **want)
    assert configured_run("graph", path, []).memory == recipe("graph").memory


@pytest.mark.parametrize(
    ("settings", "model", "said"),
    [
        ([], "x", "--model = 'x'"),
        (["policy.lora_rank=3"], None, "policy.lora_rank = '3'"),
        (["policy.template.a=1"], None, "t"),
    ],
)
def test_what_a_policy_without_a_model_would_not_read_is_refused(settings: list[str], model: str | None, said: str):
    with pytest.raises(ConfigError, match=f"{said}.*policy 'pointer' has no language model"):
        configured_run("smoke", None, settings, model=model)
    assert configured_run("smoke", None, ["policy.name=hf", *settings], model=model).policy.name == "hf"


def test_another_environment_has_its_own_axes_and_those_that_are_set():
    made = configured_run("smoke", None, ["env.options.horizon=9"], env="memworld_coins")
    assert (made.env.name, made.env.options) == ("memworld_coins", {"horizon": 9})
    assert configured_run("smoke", None, [], env="memworld").env == recipe("smoke").env


def test_an_evaluation_takes_only_settings_that_it_reads(memrl, run_folder: Path):
    said = memrl("eval", str(run_folder), "--set", "controller.hidden=3")
    assert said.code == 2 and "controller.hidden = '3': it cannot be set here; choose from env," in said.err


def test_inspect_shows_a_memory_file(memrl, tmp_path: Path):
    memory = AgentMemory(token=TokenStore(16, lambda text: len(text.split())))
    memory.apply(Write("Ana has the lantern."), Stamp(step=3, writer="controller", trust=0.5))
    memory.save(tmp_path / "notes.json")
    said = memrl("inspect", str(tmp_path / "notes.json"))
    assert said.code == 0 and "1 entries, 4 of 16 tokens" in said.out
    assert "t1  Ana has the lantern.  (4 tokens; step 3, controller, trust 0.5)" in said.out


def test_inspect_of_a_corrupt_memory_file_ends_with_code_2(memrl, tmp_path: Path):
    (tmp_path / "notes.json").write_text('{"format": "memory_stores/1", "tok')
    said = memrl("inspect", str(tmp_path / "notes.json"))
    assert said.code == 2 and "notes.json cannot be read" in said.err and said.err.count("\n") == 1
