"""Every knob is reached from a command line and from a file, and a whole config reads back equal."""

from __future__ import annotations

import json
from dataclasses import is_dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest

from memrl.contracts.checks import knob_types
from memrl.contracts.config import TrainConfig
from memrl.contracts.config_io import config_to_dict
from memrl.contracts.errors import ConfigError, InputError
from memrl.contracts.overrides import as_yaml, read_config_file, with_settings
from memrl.contracts.registry import options_knob
from memrl.recipes import RECIPES, configured, recipe

SECTIONS = {"": TrainConfig, **{n: kind for n, kind in knob_types(TrainConfig).items() if is_dataclass(kind)}}
KNOBS = [
    (f"{section}.{name}" if section else name, kind)
    for section, whole in SECTIONS.items()
    for name, kind in knob_types(whole).items()
    if not is_dataclass(kind)
]


def value_of(config: TrainConfig, knob: str) -> Any:
    section, _, name = knob.rpartition(".")
    return getattr(getattr(config, section) if section else config, name)


def another(old: Any, kind: Any) -> tuple[str, Any]:
    """A text that sets a knob to something else than ``old``, and what it then is."""
    if get_origin(kind) is Literal:
        new = next(choice for choice in get_args(kind) if choice != old)
        return str(new), new
    if isinstance(old, bool):
        return str(not old).lower(), not old
    if isinstance(old, int):
        return str(old + 2), old + 2
    if isinstance(old, float):
        new = 5e-2 if old != 5e-2 else 1e-1
        return f"{new:.0e}", new
    if get_origin(kind) is tuple:
        return "[fifo, lru]", ("fifo", "lru")
    if isinstance(old, dict):
        return "{horizon: 77}", {"horizon": 77}
    return "0x1e3", "0x1e3"


@pytest.mark.parametrize(("knob", "kind"), KNOBS, ids=[knob for knob, _ in KNOBS])
def test_every_knob_is_reached_by_set_and_by_a_file(knob: str, kind: Any, tmp_path: Path):
    base = recipe("tiny")
    text, new = another(value_of(base, knob), kind)
    if knob == "recipe":
        with pytest.raises(ConfigError, match="to train another, --recipe 0x1e3"):
            with_settings(base, [f"{knob}={text}"])
        return
    config = with_settings(base, [f"{knob}={text}"])
    assert value_of(config, knob) == new != value_of(base, knob)
    # Options belong to the part that is named beside them: another name starts with none.
    options = options_knob(knob)
    assert options not in dict(KNOBS) or value_of(config, options) == {}
    others = [other for other, _ in KNOBS if other not in (knob, options)]
    assert [value_of(config, other) for other in others] == [value_of(base, other) for other in others]
    section, _, name = knob.rpartition(".")
    lines = f"{section}:\n  {name}: {text}\n" if section else f"{name}: {text}\n"
    (tmp_path / "run.yaml").write_text(f"recipe: tiny\n{lines}")
    assert configured(read_config_file(tmp_path / "run.yaml")) == config


def test_the_walk_over_the_knobs_misses_none():
    assert len(KNOBS) > 80 and {"env.options", "reflection.mode", "evaluation.rows", "seed"} <= {k for k, _ in KNOBS}


@pytest.mark.parametrize("name", list(RECIPES))
def test_a_whole_config_reads_back_equal_from_yaml_and_from_json(name: str, tmp_path: Path):
    config = replace(recipe(name), seed=7, out="1e-4", recipe="my own: #1")
    for text in (as_yaml(config), json.dumps(config_to_dict(config))):
        (tmp_path / "run.yaml").write_text(text)
        assert configured(read_config_file(tmp_path / "run.yaml")) == config


@pytest.mark.parametrize(
    ("setting", "knob", "value"),
    [
        ("learner.policy_learning_rate=1e-4", "learner.policy_learning_rate", 1e-4),
        ("learner.kl=1", "learner.kl", 1),
        ("reflection.mode=off", "reflection.mode", "off"),
        ("policy.model=1234", "policy.model", "1234"),
        ("policy.model=true", "policy.model", "true"),
        ("policy.model=a=b", "policy.model", "a=b"),
        ("policy.model='null'", "policy.model", "null"),
        ("out=null", "out", None),
        ("out=2024-01-01", "out", "2024-01-01"),
        ("steps=010", "steps", 10),
        ("evaluation.rows=fifo, lru", "evaluation.rows", ("fifo", "lru")),
    ],
)
def test_values_mean_what_they_look_like(setting: str, knob: str, value: Any):
    config = with_settings(recipe("smoke", out="x", reflection={"mode": "dpo"}), [setting])
    assert value_of(config, knob) == value and type(value_of(config, knob)) is type(value)


def test_a_name_below_a_mapping_changes_that_name_only():
    base = recipe("smoke")
    changed = with_settings(base, ["env.options.horizon=14", "env.options.questions=4"])
    assert changed.env.options == {**base.env.options, "horizon": 14, "questions": 4}
    assert with_settings(base, ["env.options={horizon: 14}"]).env.options == {"horizon": 14}
    deep = with_settings(base, ["env.options.a.b=1", "env.options.a.c=[2, x]"])
    assert deep.env.options["a"] == {"b": 1, "c": [2, "x"]}


@pytest.mark.parametrize("turned", [False, True])
def test_another_part_starts_with_none_of_the_options_of_the_one_before(turned: bool):
    settings = ["controller.name=similarity", "controller.options.threshold=0.7"]
    config = with_settings(recipe("smoke"), settings[::-1] if turned else settings)
    assert (config.controller.name, config.controller.options) == ("similarity", {"threshold": 0.7})
    config = with_settings(recipe("smoke"), ["controller.name=scorer", "controller.options.width=6"])
    assert config.controller.options == {"width": 6, "hidden": 16, "subjects": True}
    assert recipe("smoke", controller={"name": "fifo"}).controller.options == {}
    config = with_settings(recipe("smoke"), ["memory.embedder=minilm", "memory.embedder_options.path=x"])
    assert config.memory.embedder_options == {"path": "x"}


def test_settings_are_applied_together_and_the_later_one_wins():
    config = with_settings(recipe("smoke"), ["rollout.tasks=0", "rollout.practice_tasks=0", "rollout.tasks=3"])
    assert (config.rollout.tasks, config.rollout.practice_tasks) == (3, 0)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("steps", "--set = 'steps': write it as section.knob=value"),
        ("=3", "write it as section.knob=value"),
        ("rolout.tasks=1", "rolout.tasks = '1': there is no such knob; choose from recipe, .* did you mean rollout"),
        ("rollout.task=1", "rollout.task = '1': there is no such knob; choose from tasks, .* did you mean tasks"),
        ("rollout.tasks.x=1", "rollout.tasks.x = '1': rollout.tasks is one value"),
        ("rollout=1", "rollout = 1: it is a section"),
        ("rollout.tasks=[", "rollout.tasks = .* no YAML"),
        ("env.options={a: 1, a: 2}", "env.options = .*'a' stands twice"),
        ("rollout.tasks=1.5", "rollout.tasks = 1.5: it must be a whole number"),
        ("policy.trained=no", "policy.trained = 'no': it must be true or false"),
        ("learner.kl=.nan", "learner.kl = nan: it must be a finite number"),
    ],
)
def test_a_setting_that_no_run_can_have_is_refused(setting: str, message: str):
    with pytest.raises(ConfigError, match=message):
        with_settings(recipe("smoke"), [setting])


def test_where_only_some_knobs_may_be_set_others_are_refused():
    allowed = ["memory", "policy.device"]
    assert (
        with_settings(recipe("smoke"), ["memory.read_budget=9", "policy.device=cpu"], allowed).memory.read_budget == 9
    )
    with pytest.raises(ConfigError, match=r"policy.devices = 'cpu': it cannot be set here; choose from memory, policy"):
        with_settings(recipe("smoke"), ["policy.devices=cpu"], allowed)


def test_a_file_stands_on_the_recipe_it_names_or_on_the_one_given(tmp_path: Path):
    (tmp_path / "run.yaml").write_text("recipe: smoke\npolicy: {lora_rank: 2}\nenv:\n  options: {horizon: 30}\n")
    data = read_config_file(tmp_path / "run.yaml")
    assert configured(data) == recipe("smoke", policy={"lora_rank": 2}, env={"options": {"horizon": 30}})
    assert configured(data, "graph") == recipe("graph", policy={"lora_rank": 2}, env={"options": {"horizon": 30}})
    assert configured({}) == recipe("quickstart")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a\n- b\n", "must hold sections and knobs"),
        ("policy: {model: [\n", "it is no YAML .*line"),
        ("seed: 1\nseed: 2\n", "'seed' stands twice, line 2"),
        (b"\xff\xfe\x00", "cannot be read"),
    ],
)
def test_a_file_that_is_no_config_is_refused(text: str | bytes, message: str, tmp_path: Path):
    path = tmp_path / "run.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(InputError, match=message):
        read_config_file(path)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"recipe": "fast"}, "recipe = 'fast': it is none of quickstart"),
        ({"recipe": "smoke", "stepz": 3}, "stepz = 3: there is no such knob; .* did you mean steps"),
        ({"recipe": "smoke", 1: 3}, "1 = 3: there is no such knob"),
        ({"recipe": "smoke", "policy": {2: 3}}, "policy.2 = 3: there is no such knob"),
        ({"recipe": ["smoke"]}, r"recipe = \['smoke'\]: it is none of"),
    ],
)
def test_a_file_with_unknown_names_is_refused(data: dict[Any, Any], message: str):
    with pytest.raises(ConfigError, match=message):
        configured(data)
