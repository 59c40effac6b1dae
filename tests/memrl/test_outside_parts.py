"""Parts of others in a whole run: trained, evaluated, restored, reopened from the command line, and missed by name."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import forked
import pytest
import torch
from small_worlds import forget_parts

import memrl
from memrl.contracts.errors import ConfigError
from memrl.controllers.scorer import Scorer, ScorerOptions
from memrl.recipes import recipe
from memrl.training.build import build
from memrl.training.run_folder import load_run

ROOT = Path(__file__).parents[2]
SHORT = {
    "steps": 1, "warm_start": {"steps": 0}, "policy": {"trained": False}, "learner": {"rereads": 0},
    "rollout": {"tasks": 0, "practice_tasks": 2, "group_size": 2}, "evaluation": {"episodes": 1},
}  # fmt: skip
WORLD = """
from memrl.envs.memworld.env import MemWorldTasks
from memrl.envs.memworld.theta import Theta

class Lodge(MemWorldTasks):
    name = "lodge"
    Options = Theta
"""
MIND = """
from dataclasses import dataclass
from memrl.controllers.scorer import Scorer, ScorerOptions

@dataclass(frozen=True, kw_only=True)
class WideOptions:
    width: int = 24

class Wide(Scorer):
    Options = WideOptions

    def __init__(self, context, options):
        super().__init__(context.table, ScorerOptions(width=options.width, hidden=8), context.seed)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class WideOptions:
    width: int = 24


class Wide(Scorer):
    """Learned, and not the scorer that the recipes name."""

    restored: list[torch.Tensor] = []  # noqa: RUF012

    def __init__(self, context, options: WideOptions) -> None:
        super().__init__(context.table, ScorerOptions(width=options.width, hidden=8), context.seed)

    def load_state_dict(self, state) -> None:
        super().load_state_dict(state)
        self.restored.append(self.net.project.weight.detach().clone())


@pytest.fixture(autouse=True)
def clean():
    """What a test registers is gone after it; ours stay, as their modules do."""
    yield
    forget_parts()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder on the path with one installed package, as pip would leave it."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "lodge").mkdir()
    for name, text in {"__init__": "", "world": WORLD, "mind": MIND}.items():
        (folder / "lodge" / f"{name}.py").write_text(text)
    info = folder / "lodge-0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: lodge\nVersion: 0.1\n")
    (info / "entry_points.txt").write_text("[memrl.envs]\nlodge = lodge.world:Lodge\n")
    return folder


def cli(*words: str, site: Path | None) -> subprocess.CompletedProcess[str]:
    paths = [str(ROOT), *([str(site)] if site else [])]
    return forked.run(*words, module="memrl.cli.main", env={"PYTHONPATH": os.pathsep.join(paths)})


@pytest.fixture(scope="module")
def run(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trained from the command line: an environment by its entry point, a controller as "module:attr"."""
    out = tmp_path_factory.mktemp("runs") / "run"
    sets = [
        "controller.name=lodge.mind:Wide", "controller.options.width=12", "env.options.horizon=14", "steps=1",
        "warm_start.steps=0", "policy.trained=false", "learner.rereads=0", "rollout.tasks=0",
        "rollout.practice_tasks=2", "rollout.group_size=2", "evaluation.episodes=1", "evaluation.rows=own,fifo",
    ]  # fmt: skip
    knobs = [word for one in sets for word in ("--set", one)]
    done = cli("train", "--recipe", "tiny", "--env", "lodge", *knobs, "--out", str(out), "--json", site=site)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert [row["controller"] for row in told["rows"]] == ["lodge.mind:Wide", "fifo"]
    assert (told["env"], told["own"]) == ("lodge", "lodge.mind:Wide")
    return out


def test_a_run_of_outside_parts_reopens_from_the_command_line(run: Path, site: Path):
    done = cli("eval", str(run), "--rows", "own,untrained,lodge.mind:Wide", "--json", site=site)
    assert done.returncode == 0, done.stderr
    assert [row["controller"] for row in json.loads(done.stdout)["rows"]] == ["lodge.mind:Wide", "untrained"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            (),
            "env.name = 'lodge': this env came from package lodge 0.1, which is not here; install it, or choose from ",
        ),
        (
            ("--env", "memworld"),
            "controller.name = 'lodge.mind:Wide': there is no module 'lodge' here: install package",
        ),
    ],
)
def test_without_its_package_the_error_says_which_part_of_which_package_is_missing(run: Path, words: tuple, message):
    done = cli("eval", str(run), *words, site=None)
    assert (done.returncode, done.stdout) == (2, "")
    [line] = [line for line in done.stderr.splitlines() if line.startswith("memrl: ")]
    assert line.startswith(f"memrl: {message}")


def test_a_learned_controller_of_another_class_is_restored_with_its_own_state(tmp_path: Path):
    memrl.register("controller", "wide", Wide, WideOptions)
    changes = {**SHORT, "controller": {"name": "wide", "options": {"width": 12}}}
    folder = memrl.train(recipe("tiny", out=str(tmp_path / "run"), **changes))
    trained = load_run(folder).checkpoint["controller"]["net"]["project.weight"]
    Wide.restored.clear()
    report = memrl.evaluate(folder, rows=["untrained", "own", "scorer"])
    assert [row.controller for row in report.rows] == ["untrained", "wide", "scorer"]
    [weight] = Wide.restored
    assert weight.shape[0] == 12 and torch.equal(weight, trained)
    assert not torch.equal(trained, build(recipe("tiny", **changes)).agent.controller.net.project.weight)  # pyright: ignore[reportAttributeAccessIssue]


def test_a_controller_without_weights_is_not_trained_and_it_is_said_once(tmp_path: Path, capsys):
    folder = memrl.train(
        recipe("tiny", out=str(tmp_path / "run"), controller={"name": "fifo"}, **{**SHORT, "steps": 2})
    )
    said = "controller.trained: Fifo has no weights, so it stays as it is"
    assert capsys.readouterr().err.count(said) == 1
    rows = [row.controller for row in memrl.evaluate(folder).rows]
    assert rows[0] == "fifo" and rows.count("fifo") == 1 and "untrained" not in rows


def test_an_environment_must_be_named():
    with pytest.raises(
        ConfigError,
        match=r"env.name = '': name one; choose from abstaining, at_once, chunks, ",
    ):
        build(memrl.TrainConfig())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"env": {"name": "memwrld"}},
            r"env.name = 'memwrld': choose from memworld, memworld_coins, textworld, abstaining",
        ),
        ({"env": {"options": {"horizn": 12}}}, r"env.options.horizn = 12: env 'memworld' has no such option; it has h"),
        (
            {"credit": {"options": {"gae_lambda": 1}}},
            r"credit.options.gae_lambda = 1: estimator 'return_to_go' takes no",
        ),
        (
            {"memory": {"linker": "opennlp"}},
            r"memory.linker = 'opennlp': choose from comention, none, pattern, spacy; bring",
        ),
        ({"memory": {"embedder": "glove"}}, r"memory.embedder = 'glove': choose from hash, minilm"),
        ({"memory": {"archive": "fais", "archive_budget": 9}}, r"memory.archive = 'fais': choose from bm25, vector"),
        (
            {"policy": {"name": "gpt"}},
            r"policy.name = 'gpt': choose from chooser, endpoint, exact, frozen, hf, pointer; bring",
        ),
        ({"evaluation": {"rows": ["fifo", "magic"]}}, r"evaluation.rows = 'magic': choose from bm25, bm25_archive"),
        ({"evaluation": {"rows": ["magic"]}}, r"or one of the rows full_context, react"),
        ({"curriculum": {"name": "bandit", "options": {"fresh": 2}}}, r"curriculum.options.fresh = 2: it must lie in"),
    ],
)
def test_a_part_or_an_option_that_is_not_there_is_named_before_training(changes: dict, message: str):
    with pytest.raises(ConfigError, match=message):
        made = build(recipe("tiny", **{**SHORT, **changes}))
        made.agent.new_memory()
