"""What an answer is worth, in [0, 1]: by its words, or by a function of one's own.

f1         F1 of words, numbers and signs, articles left out; the best of the answers (after SQuAD, arXiv:1606.05250)
exact      1 where they are those of an answer
contains   1 where those of an answer stand in it, in a row
module:f   ``f(answer, turn, calls)``: the text, the turn's JSON object, [(name, arguments, result, ok), ...]

Tools compute, so a number is one word with its sign and its point: 1.60 is not 160. Case, blanks, and quotes and full
stops at the ends are left aside.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from typing import Any

from memrl.contracts.errors import ConfigError
from memrl.contracts.imports import attribute_of, told
from memrl.envs.tool_tasks.records import Turn

KNOB = "env.options.judge"
Made = tuple[str, Mapping[str, Any], str, bool]
"""A call that was made: name, arguments, what was shown, whether it worked."""
Judge = Callable[[str, Turn, Sequence[Made]], float]


def judge_of(name: str) -> Judge:
    """The judge of that name. Raises ConfigError where there is none."""
    match name:
        case "f1":
            return lambda answer, turn, _: max(_f1(answer, one) for one in turn.answers)
        case "exact":
            return lambda answer, turn, _: float(any(_same(answer, one) for one in turn.answers))
        case "contains":
            return lambda answer, turn, _: float(any(_holds(answer, one) for one in turn.answers))
        case _ if ":" in name:
            own: Callable[..., Any] = attribute_of(name, KNOB)
            if not callable(own):
                raise ConfigError(KNOB, name, "it is no function; give one that takes (answer, turn, calls)")
            return lambda answer, turn, calls: _own_score(name, own, answer, turn, calls)
        case _:
            raise ConfigError(KNOB, name, "take f1, exact, contains, or 'module:function' of your own")


def needs_answers(name: str) -> bool:
    """Whether that judge compares with answers."""
    return ":" not in name


def _own_score(name: str, own: Callable[..., Any], answer: str, turn: Turn, calls: Sequence[Made]) -> float:
    """Raises ConfigError where it gives no score: a question that nobody could judge is not one less to answer."""
    try:
        score = own(answer, deepcopy(dict(turn.raw)), deepcopy(list(calls)))
    except Exception as error:
        way_out = f"it raised {told(error)} for the answer {answer!r:.60}; give any text a number in [0, 1]"
        raise ConfigError(KNOB, name, way_out) from error
    if isinstance(score, bool | int | float) and 0 <= score <= 1:
        return float(score)
    raise ConfigError(KNOB, name, f"it gave {score!r:.60}, where a number in [0, 1] is expected")


_PIECE = re.compile(r"(?<![\w.])[-+]?(?:\d{1,3}(?:,\d{3})+(?!\d)(?:\.\d+)?|\d+(?:\.\d+)*|\.\d+)|\w+|[^\w\s]")
_NUMBER = re.compile(r"[-+]?[\d,]*(?:\.\d+)*")
_AROUND = {"(": ")", "*": "*"}
_AT_THE_ENDS = frozenset(".,;:!?\"'`\u2018\u2019\u201c\u201d\u00ab\u00bb")
_ARTICLES = frozenset({"a", "an", "the"})


def pieces(text: str) -> list[str]:
    """Words, numbers and signs of a text in lower case, without what closes or quotes a sentence at its ends."""
    found = [_number(one) for one in _PIECE.findall(text.casefold())]
    while found:
        if found[-1] in _AT_THE_ENDS:
            found.pop()
        elif found[0] in _AT_THE_ENDS:
            found.pop(0)
        elif len(found) > 2 and _AROUND.get(found[0]) == found[-1]:
            found = found[1:-1]
        else:
            break
    return found


def _number(piece: str) -> str:
    """1,600 as 1600 and .5 as 0.5; any other piece as it is."""
    if len(piece) < 2 or not _NUMBER.fullmatch(piece):
        return piece
    bare = piece.lstrip("+-").replace(",", "")
    return piece[: len(piece) - len(piece.lstrip("+-"))] + (f"0{bare}" if bare.startswith(".") else bare)


def _same(said: str, wanted: str) -> bool:
    own = pieces(said)
    return own == pieces(wanted) if own else said.split() == wanted.split()


def _holds(said: str, wanted: str) -> bool:
    own, size = pieces(said), len(asked := pieces(wanted))
    return any(own[i : i + size] == asked for i in range(len(own) - size + 1)) if size else _same(said, wanted)


def _f1(said: str, wanted: str) -> float:
    own, asked = ([one for one in pieces(text) if one not in _ARTICLES] for text in (said, wanted))
    if not own or not asked:
        return float(_same(said, wanted))
    shared = sum((Counter(own) & Counter(asked)).values())
    return 2 * shared / (len(own) + len(asked))
