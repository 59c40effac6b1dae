"""Any Gymnasium environment whose observations are text: ``pip install 'memrl[gymnasium]'``.

    env:
      name: gymnasium
      options: {id: "my_pkg:Library-v0", actions: [wait, read, leave], header: "Find the book."}

Text, or a dict with a text in it, is what the policy sees; every step wants an action. A ``Discrete`` action space
becomes ``choices``, a ``Text`` space takes what the policy says. Whatever else an environment shows or takes, a wrapper
of yours turns into text first (``envs/popgym.py`` is one).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from memrl.contracts.errors import ConfigError, MissingExtra
from memrl.contracts.imports import module_of
from memrl.contracts.protocols import Brief, Outcome
from memrl.contracts.registry import register
from memrl.contracts.types import Action, Choose, Observation, Say, Task, as_text

try:
    gymnasium: Any = import_module("gymnasium")
except ImportError as error:
    raise MissingExtra("env.name = 'gymnasium' needs a package: pip install 'memrl[gymnasium]'") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class GymnasiumOptions:
    id: str = ""
    """As ``gymnasium.make`` takes it; "module:Id-v0" imports the module that registers it."""
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    """Given to ``gymnasium.make``."""
    actions: tuple[str, ...] = ()
    """What a ``Discrete`` space's actions are called, in order; empty for their numbers."""
    text_key: str = "text"
    """Where the text stands in observations that are dicts."""
    header: str = ""
    """What the policy is told before anything else."""
    writable: bool = True
    """Whether memory ops may follow a step."""
    misses: int = 8
    """Inadmissible actions in a row after which an episode ends with success 0 and the return ``lowest``; each is told
    so and shown the choices again."""
    lowest: float = 0.0
    """The return that counts as success 0, where the environment says no success itself."""
    highest: float = 1.0
    """The return that counts as success 1."""

    def __post_init__(self) -> None:
        if self.misses < 1:
            raise ConfigError("env.options.misses", self.misses, "it must be at least 1")
        if not self.lowest < self.highest:
            raise ConfigError("env.options.highest", self.highest, f"it must be above lowest = {self.lowest}")


@dataclass(frozen=True, slots=True)
class GymnasiumTheta:
    """Theta of every task: the environment's id. The seed is the task's."""

    id: str


class GymnasiumEnv:
    """One episode. Success is ``info["success"]`` or ``info["is_success"]`` of the last step, else the return between
    ``lowest`` and ``highest``. A truncated episode ends as one that was cut off, not as its own ending."""

    def __init__(self, env: Any, options: GymnasiumOptions, seed: int) -> None:
        self._env, self._options, self._seed = env, options, seed
        self._choices = _choices(env, options)
        self._start = int(getattr(env.action_space, "start", 0))
        self._step = self._missed = 0
        self._return = 0.0
        self._shown = ""

    def start(self) -> Observation:
        shown, _ = self._env.reset(seed=self._seed)
        return self._observed(self._text(shown))

    def step(self, action: Action | None) -> Outcome:
        taken = self._taken(action)
        if taken is None:
            return self._miss(action)
        self._missed = 0
        shown, reward, terminated, truncated, info = self._env.step(taken)
        self._return += float(reward)
        if terminated or truncated:
            self._env.close()
            return Outcome(float(reward), None, success=self._success(info), truncated=truncated and not terminated)
        return Outcome(float(reward), self._observed(self._text(shown)))

    def _taken(self, action: Action | None) -> Any:
        """What the environment takes; None for what it does not."""
        if not self._choices:
            said = as_text(action)
            space = self._env.action_space
            return said if space.min_length <= len(said) <= space.max_length else None
        if isinstance(action, Say) and action.text in self._choices:
            return self._start + self._choices.index(action.text)
        return self._start + action.index if isinstance(action, Choose) else None

    def _miss(self, action: Action | None) -> Outcome:
        """The environment stands where it stood."""
        self._missed += 1
        if self._missed >= self._options.misses:
            self._env.close()
            # As low as can be: who does nothing must not end above who tried and paid for it.
            return Outcome(self._options.lowest - self._return, None, success=0.0)
        said = as_text(action)
        return Outcome(0.0, self._observed(f"{said!r} is no action here. {self._shown}", again=True))

    def _observed(self, text: str, again: bool = False) -> Observation:
        self._step += 1
        self._shown = self._shown if again else text
        return Observation(
            id=f"o{self._step}",
            step=self._step,
            content=text,
            wants_action=True,
            writable=self._options.writable,
            choices=self._choices,
        )

    def _text(self, shown: Any) -> str:
        if isinstance(shown, Mapping):
            shown = shown.get(self._options.text_key)
        if isinstance(shown, str):
            return shown
        way_out = "it shows no text; wrap it so that its observations are texts, or name their place with text_key"
        raise ConfigError("env.options.id", self._options.id, way_out)

    def _success(self, info: Mapping[str, Any]) -> float:
        said = info.get("success", info.get("is_success"))
        if said is not None:
            return min(max(float(said), 0.0), 1.0)
        low, high = self._options.lowest, self._options.highest
        return min(max((self._return - low) / (high - low), 0.0), 1.0)


class GymnasiumTasks:
    """Tasks of one Gymnasium environment: seeds, the even ones for training and the odd ones for evaluation."""

    name = "gymnasium"

    def __init__(self, options: GymnasiumOptions) -> None:
        if not options.id:
            way_out = "name an environment as gymnasium.make takes it, such as 'my_pkg:Library-v0'"
            raise ConfigError("env.options.id", options.id, way_out)
        self._options = options
        _choices(self._made(), options)

    def _made(self) -> Any:
        module, colon, _ = self._options.id.partition(":")
        if colon:
            module_of(module, "env.options.id", self._options.id)
        try:
            return gymnasium.make(self._options.id, **self._options.kwargs)
        except (gymnasium.error.Error, ImportError, TypeError, ValueError) as error:
            reason = " ".join(str(error).split())
            raise ConfigError("env.options.id", self._options.id, f"gymnasium cannot make it: {reason}") from error

    def make(self, task: Task) -> GymnasiumEnv:
        return GymnasiumEnv(self._made(), self._options, 2 * task.seed + (task.split == "eval"))

    def brief(self, task: Task) -> Brief:
        return Brief(header=self._options.header)

    def cells(self) -> tuple[str, ...]:
        return (self._options.id,)

    def train(self, cell: str, seed: int) -> Task:
        return Task(env=self.name, theta=GymnasiumTheta(self._options.id), seed=seed, cell=cell)

    def held_out(self, seed: int) -> Task:
        [cell] = self.cells()
        return Task(env=self.name, theta=GymnasiumTheta(self._options.id), seed=seed, split="eval", cell=cell)


def _choices(env: Any, options: GymnasiumOptions) -> tuple[str, ...]:
    """Names of the actions; none where the policy speaks freely. Raises ConfigError."""
    space = env.action_space
    if isinstance(space, gymnasium.spaces.Text):
        return ()
    if not isinstance(space, gymnasium.spaces.Discrete):
        way_out = f"its actions are a {type(space).__name__}; only Discrete and Text can be said"
        raise ConfigError("env.options.id", options.id, way_out)
    count, start = int(space.n), int(space.start)
    names = options.actions or tuple(str(start + i) for i in range(count))
    if len(names) != count:
        raise ConfigError("env.options.actions", list(names), f"{options.id} has {count} actions; name each")
    if len({name.casefold().strip() for name in names}) != count:
        raise ConfigError("env.options.actions", list(names), "two actions have the same name; tell them apart")
    return names


register("env", "gymnasium", GymnasiumTasks, GymnasiumOptions)
