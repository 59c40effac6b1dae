"""What an answer is worth, in [0, 1]: by its words, or by a function of one's own.

f1         F1 of the words, the best of the answers (SQuAD, arXiv:1606.05250)
exact      1 where the words are those of an answer
contains   1 where the words of an answer stand in it, in a row
module:f   ``f(answer, turn, calls)``: the text, the turn's JSON object, [(name, arguments, result, ok), ...]
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from memory_stores.words import words
from memrl.contracts.errors import ConfigError
from memrl.contracts.imports import attribute_of
from memrl.envs.documents.judging import token_f1
from memrl.envs.tool_tasks.records import Turn

KNOB = "env.options.judge"
Made = tuple[str, Mapping[str, Any], str, bool]
"""A call that was made: name, arguments, what was shown, whether it worked."""
Judge = Callable[[str, Turn, Sequence[Made]], float]


def judge_of(name: str) -> Judge:
    """The judge of that name. Raises ConfigError where there is none."""
    match name:
        case "f1":
            return lambda answer, turn, _: max(token_f1(answer, one) for one in turn.answers)
        case "exact":
            return lambda answer, turn, _: float(any(words(answer) == words(one) for one in turn.answers))
        case "contains":
            return lambda answer, turn, _: float(any(_holds(words(answer), words(one)) for one in turn.answers))
        case _ if ":" in name:
            own: Callable[..., Any] = attribute_of(name, KNOB)
            if not callable(own):
                raise ConfigError(KNOB, name, "it is no function; give one that takes (answer, turn, calls)")
            return lambda answer, turn, calls: _checked(name, own(answer, dict(turn.raw), list(calls)))
        case _:
            raise ConfigError(KNOB, name, "take f1, exact, contains, or 'module:function' of your own")


def needs_answers(name: str) -> bool:
    """Whether that judge compares with answers."""
    return ":" not in name


def _checked(name: str, score: Any) -> float:
    if isinstance(score, bool | int | float) and 0 <= score <= 1:
        return float(score)
    raise ConfigError(KNOB, name, f"it gave {score!r:.60}, where a number in [0, 1] is expected")


def _holds(said: Sequence[str], wanted: Sequence[str]) -> bool:
    size = len(wanted)
    return any(list(said[i : i + size]) == list(wanted) for i in range(len(said) - size + 1)) if size else not said
