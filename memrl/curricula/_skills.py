"""What is known of each signature of skills: how success moves, and which failures nobody has mended yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from memrl.contracts.learning import Lesson

FAST, SLOW = 0.5, 0.1
"""Weight of the newest success in the two averages whose distance is the learning progress."""
FADE = 0.9
"""Share of its unrepaired failures that a signature keeps at a visit that failed entirely."""


@dataclass(slots=True)
class Skill:
    """One signature."""

    fast: float
    slow: float
    failures: float = 0.0
    rule: str = ""
    """The last proven rule about it; empty if there is none."""


class Skills:
    """One ``Skill`` a signature that was ever visited or told of in a lesson."""

    def __init__(self) -> None:
        self._of: dict[str, Skill] = {}

    def visit(self, signature: str, q: float) -> None:
        """A visit whose normalised success was q: failure adds up, success repairs.

        ``failures <- FADE (1 - q) (failures + 1)``: one visit without a failure wipes the slate clean.
        """
        skill = self._of.setdefault(signature, Skill(q, q))
        skill.fast += FAST * (q - skill.fast)
        skill.slow += SLOW * (q - skill.slow)
        skill.failures = FADE * (1.0 - q) * (skill.failures + 1.0)

    def lesson(self, lesson: Lesson) -> None:
        """A proven lesson names a failure of its signature; without a signature it is nobody's."""
        if lesson.signature:
            skill = self._of.setdefault(lesson.signature, Skill(0.0, 0.0))
            skill.failures += 1.0
            skill.rule = lesson.rule

    def progress(self, signature: str) -> float:
        """Learning progress ``|fast - slow|`` of the two averages of q, in [0, 1]; 0 for a stranger."""
        skill = self._of.get(signature)
        return abs(skill.fast - skill.slow) if skill else 0.0

    def failing(self, signature: str) -> float:
        """Unrepaired failures against those of the worst signature, in [0, 1]; 0 for a stranger."""
        skill = self._of.get(signature)
        worst = max((other.failures for other in self._of.values()), default=0.0)
        return skill.failures / worst if skill and worst else 0.0

    def worst(self, count: int) -> list[str]:
        """The signatures with the most unrepaired failures, worst first; a rule may follow after ": "."""
        ranked = sorted(self._of.items(), key=lambda item: (-item[1].failures, item[0]))[:count]
        return [f"{key}: {skill.rule}" if skill.rule else key for key, skill in ranked if skill.failures]

    def state_dict(self) -> dict[str, Any]:
        return {key: asdict(skill) for key, skill in self._of.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._of = {key: Skill(**skill) for key, skill in state.items()}
