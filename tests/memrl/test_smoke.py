"""The recipe ``smoke`` shows learning: both actors rise from nothing, and the same seed writes the same bytes."""

import pytest

from memrl.evaluate import evaluate, evaluate_agent
from memrl.recipes import recipe
from memrl.train import train
from memrl.training.build import build_agent
from memrl.training.run_files import load_run
from memrl.training.run_folder import read_metrics


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return train(recipe("smoke", out=str(tmp_path_factory.mktemp("smoke") / "run")))


def test_it_rises_above_the_untrained_controller_and_the_rules(run):
    rows = {row.controller: row for row in evaluate(run, rows=["own", "untrained", "fifo"]).rows}
    assert rows["scorer"].success > rows["untrained"].success + 0.25
    assert rows["scorer"].ci95[0] > rows["untrained"].ci95[1]
    assert rows["scorer"].success > rows["fifo"].success + 0.1


def test_it_rises_above_the_policy_that_it_began_with(run):
    config, parts = load_run(run)
    [row] = evaluate_agent(build_agent(config), config, rows=["own"], trained=parts["controller"]).rows
    assert row.success < 0.15
    success = [line["success"] for line in read_metrics(run)]
    assert max(success[:3]) < 0.15 and min(success[-3:]) > 0.5


def test_both_losses_and_a_checkpoint_are_in_the_run(run):
    line = read_metrics(run)[-1]
    assert line["op_decisions"] > 0 and line["entropy"] > 0
    # On policy the surrogate is all but 0, whatever its gradient; one step of many must show that there is one.
    assert any(one["policy_loss"] != 0 for one in read_metrics(run))
    assert len(read_metrics(run)) == 36 and list((run / "checkpoints").iterdir())


def test_the_same_seed_writes_the_same_bytes(run, tmp_path):
    again = train(recipe("smoke", out=str(tmp_path / "run"), steps=4, schedule_steps=36))
    first = (run / "metrics.jsonl").read_bytes().splitlines()[:4]
    assert (again / "metrics.jsonl").read_bytes().splitlines() == first
