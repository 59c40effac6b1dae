"""The boundary to an environment: what breaks a promise there ends its own episode, and says which promise.

``EnvGuard`` stands between play and one environment; ``LeakGuard`` watches what a controller may write. The promises
are those of ``memrl.testing.check_env``, looked at in every step of every run.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from numbers import Real
from typing import Any

from memory_stores.checks import is_unicode
from memrl.contracts.errors import ConfigError, LeakError
from memrl.contracts.protocols import Env, Outcome
from memrl.contracts.questions import said_questions
from memrl.contracts.types import POLICY, Action, Blob, Observation, Task, Text, Verdict, is_policy

_LARGEST = 2**63
"""Steps are kept in 64 bits."""


class EnvFailed(Exception):
    """An environment raised, hung or answered nonsense; carries what was wrong. Ends its episode, never the run."""


def guarded(call: Callable[..., Any], *arguments: Any) -> Any:
    """The call's result; whatever it raises becomes an EnvFailed that says what, but for a setting that no run can
    have, which ends the run."""
    try:
        return call(*arguments)
    except (EnvFailed, ConfigError):
        raise
    except Exception as error:
        raise _said(error) from error


def _said(error: Exception) -> EnvFailed:
    return EnvFailed(f"{type(error).__name__}: {error}")


class EnvGuard:
    """One environment, of which nothing comes through but what the contract promises.

    Args:
        seconds: longest wall time of one call; 0 for no limit, which costs nothing. With a limit each call runs in a
            thread of its own (some 0.1 ms): one that hangs cannot be stopped, so it is left behind.
    """

    def __init__(self, make: Callable[[Task], Env], task: Task, seconds: float = 0.0) -> None:
        """Make the environment. Raises EnvFailed, as every method here."""
        self._seconds = seconds
        self._ids: set[str] = set()
        self._clock, self._asked = -1, False
        self._env: Env = self._call(make, task)
        if lacks := [name for name in ("start", "step") if not callable(getattr(self._env, name, None))]:
            raise EnvFailed(f"make() gave a {type(self._env).__name__}, which has no {lacks[0]}()")

    def start(self) -> Observation:
        """The first observation."""
        observation = self._call(self._env.start)
        guarded(self._look_at, observation)
        return observation

    def step(self, action: Action | None) -> Outcome:
        """Deal with the current observation."""
        try:
            outcome = _within(self._seconds, self._env.step, action) if self._seconds else self._env.step(action)
            return self._checked(outcome)
        except (EnvFailed, ConfigError):
            raise
        except Exception as error:
            raise _said(error) from error

    def _checked(self, outcome: object) -> Outcome:
        if not isinstance(outcome, Outcome):
            raise EnvFailed(f"step() gave a {type(outcome).__name__}, not an Outcome")
        if not isinstance(outcome.reward, Real) or not math.isfinite(outcome.reward):
            raise EnvFailed(f"the reward is {outcome.reward!r}, not a finite number")
        if outcome.verdict is not None:
            self._judge(outcome.verdict)
        if outcome.success is not None:
            if outcome.next is not None:
                raise EnvFailed(f"success = {outcome.success!r} came before the ending: it belongs to the last step")
            if not 0.0 <= outcome.success <= 1.0:
                raise EnvFailed(f"the success is {outcome.success!r}, outside [0, 1]")
        if outcome.next is not None:
            self._look_at(outcome.next)
        return outcome

    def _judge(self, verdict: object) -> None:
        if not self._asked:
            raise EnvFailed("a verdict came where no action was wanted")
        if not isinstance(verdict, Verdict):
            raise EnvFailed(f"the verdict is a {type(verdict).__name__}, not a Verdict")
        if not isinstance(verdict.score, int | float):
            raise EnvFailed(f"the verdict's score is {verdict.score!r}, a {type(verdict.score).__name__} and no float")
        if not 0.0 <= verdict.score <= 1.0:
            raise EnvFailed(f"the verdict's score is {verdict.score!r}, outside [0, 1]")
        for name in ("expected", "category"):
            if not isinstance(getattr(verdict, name), str):
                raise EnvFailed(f"the verdict's {name} is {getattr(verdict, name)!r}, which is no text")

    def _look_at(self, observation: object) -> None:
        if not isinstance(observation, Observation):
            raise EnvFailed(f"the observation is a {type(observation).__name__}, not an Observation")
        _look_at_marks(observation)
        if observation.id in self._ids:
            raise EnvFailed(f"the observation id {observation.id!r} came twice")
        if observation.step <= self._clock:
            raise EnvFailed(f"observation {observation.id!r} is of step {observation.step}, after step {self._clock}")
        _look_inside(observation)
        self._ids.add(observation.id)
        self._clock, self._asked = observation.step, observation.wants_action

    def _call(self, call: Callable[..., Any], *arguments: Any) -> Any:
        return guarded(_within, self._seconds, call, *arguments) if self._seconds else guarded(call, *arguments)


def _look_at_marks(observation: Observation) -> None:
    """Everything but its content; what is remembered bears them for ever. Raises EnvFailed."""
    id, step = observation.id, observation.step
    if not isinstance(id, str) or not is_unicode(id):
        raise EnvFailed(f"the observation id {id!r} is no text in valid Unicode")
    if type(step) is not int or not -_LARGEST <= step < _LARGEST:
        kind = type(step).__name__
        raise EnvFailed(f"the step of observation {id!r} is {step!r}, a {kind}: it must be an int of at most 64 bits")
    if not isinstance(observation.source, str) or not is_unicode(observation.source):
        raise EnvFailed(f"the source of observation {id!r} is {observation.source!r}, no text in valid Unicode")
    time = observation.time
    if time is not None and (not isinstance(time, int | float) or not math.isfinite(time)):
        raise EnvFailed(f"the time of observation {id!r} is {time!r}: give seconds since 1970, or None")
    choices = observation.choices
    if not isinstance(choices, tuple) or not all(isinstance(one, str) and is_unicode(one) for one in choices):
        raise EnvFailed(f"the choices of observation {id!r} are {choices!r:.80}: give a tuple of texts")
    if len(set(choices)) < len(choices):
        raise EnvFailed(f"the choices of observation {id!r} name one twice: nobody could tell which was meant")


def _look_inside(observation: Observation) -> None:
    """What an observation is made of. Raises EnvFailed."""
    name = repr(observation.id)
    if not isinstance(observation.content, tuple) or not observation.content:
        kind = type(observation.content).__name__
        raise EnvFailed(f"the content of observation {name} is a {kind}, not a text or a tuple of parts")
    for part in observation.content:
        if not isinstance(part, (Text, Blob)) or not isinstance(part.text, str):
            raise EnvFailed(f"the content of observation {name} holds {part!r}, neither a Text nor a Blob")
        if not is_unicode(part.text):
            raise EnvFailed(f"the text of observation {name} holds half of a surrogate pair, which is no Unicode")
    if not 0.0 <= observation.trust <= 1.0:
        raise EnvFailed(f"the trust of observation {name} is {observation.trust!r}, outside [0, 1]")
    if observation.to != POLICY and not is_policy(observation.to):
        raise EnvFailed(f"observation {name} is to {observation.to!r}: name a policy, such as 'policy' or 'policy:bob'")


def _within(seconds: float, call: Callable[..., Any], *arguments: Any) -> Any:
    """The call's result, or EnvFailed where it takes longer."""
    results: list[Any] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            results.append(call(*arguments))
        except BaseException as error:
            errors.append(error)

    # A daemon, so that a call that never returns does not keep the process alive.
    thread = threading.Thread(target=work, daemon=True, name="memrl environment")
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    if not results:
        name = getattr(call, "__name__", "call")
        raise EnvFailed(f"{name}() took longer than {seconds:g} s (rollout.env_seconds)")
    return results[0]


class LeakGuard:
    """Raises if a question's text stands in an observation on which writes are decided.

    Sentences are compared whole, so the check costs a set look-up a step. A question that repeats an
    earlier question is no leak.
    """

    def __init__(self) -> None:
        self._told: set[str] = set()
        self._asked: set[str] = set()

    def check(self, observation: Observation) -> None:
        questions = said_questions(observation.text)
        if not questions:
            return
        if observation.is_question:
            leaked = questions & self._told
            self._asked |= questions
        else:
            leaked = questions & self._asked
            self._told |= questions
        if leaked:
            raise LeakError(
                f"rollout.query_free = True, but the question {min(leaked)!r} stands in what the controller may write "
                f"(observation {observation.id!r}): mend the environment, or set rollout.query_free = False"
            )
