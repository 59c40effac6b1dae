"""``LookedAt``: a curriculum of another's making, of which nothing comes through but what the contract promises."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import isfinite
from numbers import Real
from typing import Any

from memrl.contracts.errors import ConfigError
from memrl.contracts.generation import AuxiliaryLoss
from memrl.contracts.learning import Lesson
from memrl.contracts.types import Group, Task

OWN = (
    "success", "practice_success", "episodes", "reward_std", "env_errors", "dropped_groups", "step_limits",
    "refused_ops", "context_tokens", "tries", "step",
)  # fmt: skip
"""Names of the run's own metrics, by which checkpoints are kept and runs are stopped."""


class LookedAt:
    """See the module. Raises ConfigError that names the curriculum and what it gave."""

    def __init__(self, inner: Any, name: str) -> None:
        self._inner, self._name = inner, name

    @property
    def proposer(self) -> Any:
        return getattr(self._inner, "proposer", None)

    def draw(self, count: int) -> list[Task]:
        found = self._many("draw", self._inner.draw(count))
        if wrong := [one for one in found if not isinstance(one, Task)]:
            raise self._broken(f"draw({count}) gave {wrong[0]!r:.60}, which is no Task")
        if len(found) != count:
            raise self._broken(f"draw({count}) gave {len(found)} tasks")
        if any(task.split != "train" for task in found):
            raise self._broken("draw() gave a task of the evaluation split, which training must never see")
        return found

    def observe(self, groups: Sequence[Group], lessons: Sequence[Lesson] = ()) -> None:
        self._inner.observe(groups, lessons)

    def auxiliary_losses(self) -> Sequence[AuxiliaryLoss]:
        return self._many("auxiliary_losses", self._inner.auxiliary_losses())

    def drain_log(self) -> list[dict[str, Any]]:
        drain = getattr(self._inner, "drain_log", None)
        return [] if drain is None else self._many("drain_log", drain())

    def metrics(self) -> dict[str, float]:
        told: Any = self._inner.metrics()
        if not isinstance(told, Mapping):
            raise self._broken(f"metrics() gave a {type(told).__name__}, not a dict of numbers")
        for name, value in told.items():
            if name in OWN:
                raise self._broken(f"metrics() tells {name!r}, which is the run's own: give it a name of its own")
            if not isinstance(name, str) or not isinstance(value, Real) or not isfinite(value):
                raise self._broken(f"metrics() gave {name!r}: {value!r:.40}, where a finite number is expected")
        return dict(told)

    def state_dict(self) -> dict[str, Any]:
        return self._inner.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._inner.load_state_dict(state)

    def _many(self, what: str, given: Any) -> list[Any]:
        if not isinstance(given, Iterable) or isinstance(given, str | Mapping):
            raise self._broken(f"{what}() gave a {type(given).__name__}, not a list")
        return list(given)

    def _broken(self, what: str) -> ConfigError:
        return ConfigError("curriculum.name", self._name, f"it breaks its contract: {what}")
