"""One axis after the other, and only legal thetas in reach."""

from __future__ import annotations

import numpy as np
import pytest

from memrl.contracts.errors import ConfigError
from memrl.envs.memworld.presets import errands
from memrl.envs.memworld.space import ORDER, MemWorldSpace
from memrl.envs.memworld.theta import PLANNED, SURFACE, Theta


def test_the_space_has_every_axis_of_theta_and_the_base_among_its_levels():
    base = Theta(objects=5)
    space = MemWorldSpace(base)
    assert set(ORDER) == set(Theta.__dataclass_fields__) - set(SURFACE)
    assert set(space.levels) == set(space.base) == set(ORDER) - set(PLANNED)
    assert tuple(MemWorldSpace(errands()).levels) == ORDER
    assert all(space.base[axis] in levels for axis, levels in space.levels.items())
    assert max(space.levels["horizon"]) == 96
    assert space.task(space.base, 3).theta == base


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("base", [Theta(horizon=16, objects=2, questions=4), errands()])
def test_any_walk_over_legal_levels_ends_in_a_legal_theta(base: Theta, seed: int):
    space, rng = MemWorldSpace(base), np.random.default_rng(seed)
    for _ in range(20):
        chosen: dict[str, float] = {}
        for axis in space.levels:
            options = np.flatnonzero(space.legal(chosen, axis))
            assert len(options), (chosen, axis)
            chosen[axis] = space.levels[axis][int(rng.choice(options))]
        space.task(chosen, 0)


def test_what_is_struck_out_could_not_be():
    space = MemWorldSpace(Theta())
    chosen = {"objects": 0.0, "carried": 0.0}
    people = dict(zip(space.levels["people"], space.legal(chosen, "people"), strict=True))
    assert not people[0] and all(legal for level, legal in people.items() if level)
    with pytest.raises(ConfigError):
        space.task({**space.base, **chosen, "people": 0.0}, 0)
    last = {**chosen, "people": 1.0, "hops": 1, "alias_rate": 0.0, "questions": 1, "horizon": 8, "days": 0}
    assert space.legal(last, "ask_latest") == (False, True, True, True)
