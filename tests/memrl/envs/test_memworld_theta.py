from dataclasses import asdict, fields

import pytest

from memrl.contracts.errors import ConfigError
from memrl.envs.memworld.cells import ladder
from memrl.envs.memworld.presets import errands, everything, keep_four, path_world
from memrl.envs.memworld.theta import SURFACE, Theta


def test_the_default_is_the_main_benchmark():
    assert Theta.from_mapping({}) == Theta() == keep_four()
    assert (Theta().horizon, Theta().objects, Theta().questions, Theta().opening) == (48, 4, 8, 4)


@pytest.mark.parametrize(
    ("axes", "knob"),
    [
        ({"horizont": 48}, "env.options.horizont"),
        ({"horizon": 0}, "env.options.horizon = 0"),
        ({"horizon": 11}, "env.options.horizon = 11"),  # 4 facts and 8 questions take 12 steps
        ({"horizon": 48.5}, "env.options.horizon"),
        ({"horizon": "long"}, "env.options.horizon = 'long'"),
        ({"objects": True}, "env.options.objects"),
        ({"objects": 13}, "env.options.objects"),
        ({"update_rate": -0.1}, "env.options.update_rate"),
        ({"update_rate": float("nan")}, "env.options.update_rate"),
        ({"update_rate": 0.7, "retract_rate": 0.4}, "env.options.update_rate"),
        ({"distractor_level": 4}, "env.options.distractor_level"),
        ({"carried": 2}, "env.options.people"),
        ({"ask_path": 1.0}, "env.options.ask_path"),
        ({"ask_day": 1.0}, "env.options.ask_day"),
        ({"objects": 0}, "env.options.ask_latest"),
        ({"ask_latest": 0.0}, "env.options.ask_latest"),
        ({"carried": 1, "people": 1, "hops": 3, "ask_path": 1.0}, "env.options.people"),
        ({"questions": 0}, "env.options.questions"),
        ({"ask_act": 1.0}, "env.options.ask_act"),
        ({"plans": 7}, "env.options.plans = 7"),
        ({"plans": 1, "objects": 0, "people": 2}, "env.options.plans"),
        ({"plans": 40, "horizon": 20}, "env.options.plans"),
        ({"plans": 4, "horizon": 15}, "env.options.horizon = 15"),  # 4 facts, 4 plans and 8 questions take 16 steps
        ({"horizon": float("inf")}, "env.options.horizon"),
        ({"train_styles": "chat"}, "env.options.train_styles = 'chat'"),
        ({"train_styles": ["chat", "rhyme"]}, "env.options.train_styles = 'rhyme'"),
        ({"train_styles": [7]}, "env.options.train_styles = 7"),
        ({"eval_styles": []}, "env.options.eval_styles"),
        ({"eval_styles": ["note", "note"]}, "env.options.eval_styles"),
        ({"typos": 1.5}, "env.options.typos"),
        ({"lower_case": True}, "env.options.lower_case"),
        ({"disguise_rate": -1}, "env.options.disguise_rate"),
    ],
)
def test_an_impossible_axis_is_refused_by_name(axes, knob):
    with pytest.raises(ConfigError, match=knob.replace(".", r"\.")) as caught:
        Theta.from_mapping(axes)
    assert "\n" not in str(caught.value)


def test_whole_and_real_axes_keep_their_types_whatever_was_given():
    theta = Theta.from_mapping({"horizon": 60.0, "ask_latest": 2})
    assert type(theta.horizon) is int
    assert type(theta.ask_latest) is float


def test_a_theta_survives_its_mapping():
    assert Theta.from_mapping(asdict(everything())) == everything()


def test_shuffling_every_fact_into_the_opening_counts_aliases_and_bosses():
    theta = Theta(objects=2, carried=2, people=3, hops=3, ask_path=1.0, alias_rate=0.5)
    assert theta.opening == 2 + 2 + 3 + 3 + 2


@pytest.mark.parametrize(
    "base", [keep_four(), path_world(), everything(), errands(), Theta(horizon=12), Theta(horizon=480)]
)
def test_the_ladder_climbs_to_its_base(base):
    cells = ladder(base)
    assert 8 <= len(cells) <= 12
    assert list(cells)[-1] == "base"
    assert cells["base"] == base
    assert all(theta.horizon <= base.horizon for name, theta in cells.items() if name != "marathon")
    marathon = cells["marathon"]
    assert (marathon.horizon, marathon.questions) == (3 * base.horizon, 3 * base.questions)
    assert marathon.objects == base.objects
    first = next(iter(cells.values()))
    for axis in ("objects", "carried", "people", "horizon", "questions", "distractor_level", "update_rate", "plans"):
        assert getattr(first, axis) <= getattr(base, axis)


def test_there_are_some_fourteen_levelled_axes_and_five_weights():
    names = [axis.name for axis in fields(Theta) if axis.name not in SURFACE]
    assert len([name for name in names if name.startswith("ask_")]) == 5
    assert 14 <= len(names) - 5 <= 18
