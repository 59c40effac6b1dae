"""A controller that begins where another ended: the one that ships, an exported one, and what does not fit."""

from dataclasses import replace

import pytest
import torch
from typer.testing import CliRunner

import memrl
from memrl.cli.main import app
from memrl.contracts.errors import ConfigError, DataError, InputError
from memrl.recipes import recipe
from memrl.training.build import build_agent
from memrl.training.export import export, read_controller
from memrl.training.start import begin, shipped, started_config


def reading(**knobs):
    small = {"env": {"options": {"data": "tests/memrl/streams/small.jsonl", "questions": 2}}}
    small |= {"memory": {"embedder": "hash"}, "policy": {"options": {"tokenizer": ""}}}
    return recipe("reading", **(small | knobs))


@pytest.fixture
def small(monkeypatch, request):
    monkeypatch.chdir(request.config.rootpath)


def test_the_one_that_ships_is_small_and_knows_offers_as_they_are_described_today(small):
    assert sum(path.stat().st_size for path in shipped().iterdir()) < 1_000_000
    config = reading()
    agent = build_agent(replace(config, controller=started_config()))
    _, state = read_controller(shipped())
    assert len(agent.offers.names) == state["net"]["head.0.weight"].shape[1]
    assert state.get("names", list(agent.offers.names)) == list(agent.offers.names)
    own = agent.controller.net.state_dict()
    assert all(torch.equal(own[name], value) for name, value in state["net"].items())


def test_an_exported_controller_is_taken_up(small, tmp_path):
    run = memrl.train(reading(out=str(tmp_path / "run"), steps=1, rollout={"practice_tasks": 1, "group_size": 2}))
    folder = export(run, "controller", tmp_path / "controller")
    agent = build_agent(replace(reading(), controller=started_config(str(folder))))
    fresh = build_agent(reading())
    _, state = read_controller(folder)
    own, chance = agent.controller.net.state_dict(), fresh.controller.net.state_dict()
    assert all(torch.equal(own[name], value) for name, value in state["net"].items())
    assert not all(torch.equal(own[name], value) for name, value in chance.items())


def test_what_does_not_fit_is_told(small, tmp_path):
    config = reading()
    controller = build_agent(config).controller
    with pytest.raises(DataError, match="no controller can be read there"):
        begin(controller, replace(config.controller, start=str(tmp_path)))
    with pytest.raises(ConfigError, match=r"controller.offers = 'ops': the controller of controller.start = 'shipped'"):
        begin(controller, replace(config.controller, offers="ops", start="shipped"))
    wider = build_agent(reading(controller={"options": {"width": 0, "hidden": 8}}))
    with pytest.raises(ConfigError, match=r"controller.start = 'shipped': its weights do not fit controller.options"):
        begin(wider.controller, replace(config.controller, start="shipped"))


def test_the_command_line_names_a_folder_without_one(tmp_path):
    found = CliRunner().invoke(app, ["train", "--recipe", "reading", "--init-controller", str(tmp_path)])
    assert isinstance(found.exception, DataError)
    assert f"{tmp_path}: no controller can be read there" in str(found.exception)


def test_settings_that_ask_for_another_controller_are_refused():
    asked = ["train", "--recipe", "reading", "--init-controller", "shipped", "--set", "controller.offers=ops"]
    found = CliRunner().invoke(app, asked)
    assert isinstance(found.exception, InputError)
    assert "it brings its own options and offers; leave out controller.offers=ops" in str(found.exception)
