"""Published rewards of tool use: how few calls it took (OTC-PO), and how near a call is to the right one (ToolRL).

Pure functions of numbers and calls. Shapes: G siblings of a group, in order.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

Call = tuple[str, Mapping[str, Any]]
"""Name of a tool, and its arguments."""


def call_efficiency(calls: int, smooth: float, fewest: int | None = None) -> float:
    """How sparing an episode was with its tools, in [0, 1]: r_tool of OTC-PO (arXiv:2504.14870, section 3.3).

    With m calls, c = ``smooth`` and n = ``fewest``, the fewest with which a sibling solved the task:

        OTC-PPO (n unknown):  cos(m pi / (2 m + c))
        OTC-GRPO, n = 0:      the same
        OTC-GRPO:             sin(f pi / (2 n)),  f = 2 n m / (m + n)

    It multiplies the reward for being right, so that nobody earns by doing nothing.

    Args:
        calls: m, at least 0.
        smooth: c, above 0; the larger, the less a call costs.
        fewest: n; None where no sibling tells.
    """
    if fewest:
        mapped = 2 * fewest * calls / (calls + fewest)
        return math.sin(mapped * math.pi / (2 * fewest))
    return math.cos(calls * math.pi / (2 * calls + smooth))


def group_efficiency(calls: Sequence[int], solved: Sequence[bool], smooth: float) -> list[float]:
    """``call_efficiency`` of [G] siblings, n being the fewest calls of those that solved the task (OTC-GRPO)."""
    fewest = min((count for count, right in zip(calls, solved, strict=True) if right), default=None)
    return [call_efficiency(count, smooth, fewest) for count in calls]


def call_match(made: Sequence[Call], right: Sequence[Call]) -> float:
    """How near calls are to the right ones, in [-3, 3]: R_correct of ToolRL (arXiv:2504.13958, section 3.3).

        r_name  = |N_G and N_P| / |N_G or N_P|                           names, counted as often as they occur
        r_param = sum over right calls of |keys and keys| / |keys or keys|
        r_value = sum over right calls of the arguments with the right value
        R       = 6 (r_name + r_param + r_value) / (1 + |G| + number of right arguments) - 3

    Each right call is held against the best call of the same name that is not taken yet, in order, as the authors' code
    does. No calls where none are right is 3.

    Args:
        made: the calls of an answer.
        right: the calls that it should have made.
    """
    if not right:
        return -3.0 if made else 3.0
    score = _overlap((name for name, _ in made), (name for name, _ in right))
    most, free = 1.0, list(range(len(made)))
    for name, arguments in right:
        most += 1 + len(arguments)
        scores = {at: _nearness(made[at][1], arguments) for at in free if made[at][0] == name}
        best = max(scores, key=lambda at: scores[at], default=None)
        if best is not None and scores[best] > 0:
            score += scores[best]
            free.remove(best)
    return 6 * score / most - 3


def call_score(made: Sequence[Call], right: Sequence[Call], readable: bool) -> float:
    """R_format + R_correct of ToolRL, in [-3, 4]: 1 for an answer that could be read, and ``call_match``."""
    return float(readable) + call_match(made, right)


def _nearness(made: Mapping[str, Any], right: Mapping[str, Any]) -> float:
    return _overlap(list(made), list(right)) + sum(key in made and made[key] == value for key, value in right.items())


def _overlap(some: Iterable[Hashable], others: Iterable[Hashable]) -> float:
    """Shared share of two multisets; 1 for two that are empty."""
    one, other = Counter(some), Counter(others)
    union = (one | other).total()
    return (one & other).total() / union if union else 1.0
