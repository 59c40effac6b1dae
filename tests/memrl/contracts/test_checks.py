"""Every knob refuses what no run can have, in one line that names it."""

from __future__ import annotations

import math
from dataclasses import dataclass, is_dataclass
from typing import Any, Literal, get_args, get_origin

import pytest

from memrl.contracts.checks import check, knob_types, section_name, within
from memrl.contracts.config import TrainConfig
from memrl.contracts.errors import ConfigError
from memrl.recipes import recipe

KNOBS = [
    (section, name, kind)
    for section, whole in {"": TrainConfig, **knob_types(TrainConfig)}.items()
    if is_dataclass(whole)
    for name, kind in knob_types(whole).items()  # pyright: ignore[reportArgumentType]
]
BAD: dict[Any, tuple[object, ...]] = {
    int: (True, 1.5, "3", None, math.nan),
    float: (False, "0.5", None, math.nan, math.inf),
    bool: (1, "no", None),
    str: (3, None, b"x"),
}


def bad_values(kind: Any) -> tuple[object, ...]:
    """Values that an annotation forbids; nothing here knows a single knob."""
    if kind in BAD:
        return BAD[kind]
    if get_origin(kind) is Literal:
        return ("chatt", None, 1)
    if get_origin(kind) is tuple:
        return ("fifo", [1], 3)
    if is_dataclass(kind):
        return (3, "x", None)
    if type(None) in get_args(kind):
        return tuple(value for value in bad_values(get_args(kind)[0]) if value is not None)
    return (3, "x", {"a": math.nan}, {"a": object()}, {1: 2})


@pytest.mark.parametrize(("section", "name", "kind"), KNOBS, ids=lambda part: part if isinstance(part, str) else "")
def test_every_knob_refuses_values_of_another_type(section: str, name: str, kind: Any):
    knob = f"{section}.{name}" if section else name
    for value in bad_values(kind):
        with pytest.raises(ConfigError) as refused:
            recipe("smoke", **({section: {name: value}} if section else {name: value}))
        assert str(refused.value).startswith(f"{knob} = ") and "\n" not in str(refused.value)


def test_the_walk_over_the_knobs_misses_no_section():
    sections = {section for section, _, _ in KNOBS}
    assert {"", "env", "memory", "policy", "warm_start", "learner", "reflection", "evaluation"} <= sections
    assert len(KNOBS) > 90


@pytest.mark.parametrize("name", [n for n, kind in knob_types(TrainConfig).items() if is_dataclass(kind)])
def test_a_sections_own_name_is_the_one_in_messages(name: str):
    assert section_name(knob_types(TrainConfig)[name]) == f"{name}."


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"learner": {"max_grad_norm": -1}}, "learner.max_grad_norm = -1: it must be above 0"),
        ({"learner": {"max_grad_norm": 0}}, "learner.max_grad_norm = 0: it must be above 0"),
        ({"learner": {"clip_low": -0.2}}, r"learner.clip_low = -0.2: it must lie in \[0, 1\)"),
        ({"learner": {"clip_low": 2}}, r"learner.clip_low = 2: it must lie in \[0, 1\)"),
        ({"learner": {"clip_low": math.nan}}, "learner.clip_low = nan: it must be a finite number"),
        ({"learner": {"clip_high": -0.1}}, "learner.clip_high = -0.1: it must be at least 0"),
        ({"policy": {"prompt": "chatt"}}, "policy.prompt = 'chatt': it is none of plain, chat; did you mean chat"),
        ({"policy": {"trained": "no"}}, "policy.trained = 'no': it must be true or false"),
        ({"policy": {"dtype": "bf16"}}, "policy.dtype = 'bf16': .* did you mean bfloat16"),
        ({"policy": {"temperature": 0}}, "policy.temperature = 0: it must be above 0"),
        ({"policy": {"temperature": math.nan}}, "policy.temperature = nan: it must be a finite number"),
        ({"seed": 1.5}, "seed = 1.5: it must be a whole number"),
        ({"seed": -1}, "seed = -1: it must lie in"),
        ({"seed": 2**64}, "seed = 18446744073709551616: it must lie in"),
        ({"env": {"train_seeds": -1}}, "env.train_seeds = -1: it must be at least 0"),
        ({"warm_start": {"learning_rate": -1.0}}, "warm_start.learning_rate = -1.0: it must be at least 0"),
        ({"evaluation": {"rows": []}}, r"evaluation.rows = \(\): name at least one"),
        ({"learner": {"clip_lo": 1}}, "learner.clip_lo = 1: there is no such knob; .* did you mean clip_low"),
    ],
)  # fmt: skip
def test_values_that_no_run_can_have_are_refused(changes: dict[str, Any], message: str):
    with pytest.raises(ConfigError, match=message):
        recipe("smoke", **changes)


def test_rows_of_the_evaluation_are_known_before_training_starts(tmp_path):
    from memrl.train import train

    with pytest.raises(ConfigError, match="'fifi'"):
        train(recipe("smoke", out=str(tmp_path / "run"), evaluation={"rows": ["scorer", "fifi"]}))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("value", "interval", "inside"),
    [(0, "[0, 1)", True), (1, "[0, 1)", False), (0, "(0, inf)", False), (9, "(0, inf)", True),
     (math.nan, "[0, 1]", False)],
)  # fmt: skip
def test_intervals_are_read_as_they_are_written(value: float, interval: str, inside: bool):
    assert within(value, interval) is inside


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Of a part from elsewhere."""

    rate: float | None = None
    mode: Literal["a", "b"] = "a"

    def __post_init__(self) -> None:
        check(self, "credit.options.", rate="(0, 1]")


def test_a_part_from_elsewhere_checks_its_options_alike():
    assert Options().rate is None and Options(rate=1).rate == 1
    with pytest.raises(ConfigError, match=r"credit.options.rate = 0: it must lie in \(0, 1\]"):
        Options(rate=0)
    with pytest.raises(ConfigError, match=r"credit.options.rate = 'x': it must be a finite number, or null"):
        Options(rate="x")  # pyright: ignore[reportArgumentType]
