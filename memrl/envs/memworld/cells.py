"""The curriculum's ladder from an easy world up to a given theta, and one stretch beyond it.

The marathon is three times as long, at the same density of questions: only there does memory stay full of what is
outdated, which is what an agent meets for ever after in an episode of any length.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from functools import lru_cache
from types import MappingProxyType

from memrl.envs.memworld.theta import Theta

_LADDER: dict[str, dict[str, float]] = {
    "one_thing": {"things": 0.25, "horizon": 0.34, "level": 1, "changes": 0.0, "noise": 0.0},
    "two_things": {"things": 0.5, "horizon": 0.34, "level": 1, "changes": 0.0, "noise": 0.0},
    "changes": {"things": 0.5, "horizon": 0.5, "level": 1, "changes": 1.0, "noise": 0.0},
    "mentions": {"things": 0.5, "horizon": 0.5, "level": 2, "changes": 1.0, "noise": 0.0},
    "lookalikes": {"things": 0.5, "horizon": 0.5, "level": 3, "changes": 1.0, "noise": 0.0},
    "all_things": {"things": 1.0, "horizon": 0.67, "level": 1, "changes": 0.5, "noise": 0.0},
    "all_mentions": {"things": 1.0, "horizon": 0.67, "level": 2, "changes": 1.0, "noise": 0.5},
    "full_length": {"things": 1.0, "horizon": 1.0, "level": 2, "changes": 1.0, "noise": 0.5},
    "marathon": {"things": 1.0, "horizon": 3.0, "level": 3, "changes": 1.0, "noise": 1.0},
    "all_lookalikes": {"things": 1.0, "horizon": 0.67, "level": 3, "changes": 1.0, "noise": 1.0},
}


@lru_cache(maxsize=256)
def ladder(base: Theta) -> Mapping[str, Theta]:
    """Cell name -> theta, easiest first; the last one, "base", is ``base`` itself."""
    return MappingProxyType({name: _eased(base, **step) for name, step in _LADDER.items()} | {"base": base})


def _eased(base: Theta, *, things: float, horizon: float, level: float, changes: float, noise: float) -> Theta:
    """``base`` with shares of its things, steps, changes and noise, and no harder a distractor than ``level``."""
    axes = asdict(base)
    for name in ("objects", "carried", "people", "plans"):
        axes[name] = _share(axes[name], things, 2 if name == "people" and base.hops == 3 else 1)
    for name in ("update_rate", "retract_rate"):
        axes[name] *= changes
    for name in ("contradict_rate", "alias_rate"):
        axes[name] *= noise
    axes["distractor_level"] = min(base.distractor_level, int(level))
    axes["questions"] = _share(base.questions, horizon, 2)
    axes["horizon"] = round(base.horizon * max(horizon, 1.0))
    shortest = Theta(**axes).opening + axes["questions"]
    axes["horizon"] = max(shortest, round(base.horizon * horizon))
    return Theta(**axes)


def _share(whole: int, share: float, least: int) -> int:
    return max(least, round(whole * share)) if share > 1 else min(whole, max(least, round(whole * share)))
