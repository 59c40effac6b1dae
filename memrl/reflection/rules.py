"""Reflection memory: many small rules, each with its origin, its support and what it was worth on sibling tasks.

proven lesson ─> rule ─ tried on siblings ─> wins and losses ─> three wins: it may influence play
                                                            └─> utility below 0: it is dropped
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from memrl.contracts.config import ReflectionConfig
from memrl.controllers.advice import Advice

ORIGINS = 8
"""Origins that are kept of each rule, the newest."""


@dataclass(slots=True, kw_only=True)
class Rule:
    """One rule and its record."""

    advice: Advice
    text: str
    """The advice in words."""
    origins: list[str] = field(default_factory=list)
    """Where it came from, such as ``update 3: keydoor seed 17 base, step 12: Keep -> Write``."""
    support: int = 0
    """Lessons that taught it."""
    wins: int = 0
    """Sibling tasks on which play with the rule did better than without."""
    losses: int = 0
    ties: int = 0
    utility: float = 0.0
    """Moving average of what it gained on siblings, in success."""
    tried_at: int = -1
    """Update of its last trial; -1 for never."""

    @property
    def tried(self) -> int:
        return self.wins + self.losses + self.ties


class RuleMemory:
    """Rules by the key of their advice."""

    def __init__(self, config: ReflectionConfig) -> None:
        self._config = config
        self._rules: dict[str, Rule] = {}
        self.dropped = 0
        """Rules that harmed, or found no room, ever."""

    def __len__(self) -> int:
        return len(self._rules)

    def __getitem__(self, key: str) -> Rule:
        return self._rules[key]

    def __contains__(self, key: object) -> bool:
        return key in self._rules

    @property
    def rules(self) -> list[Rule]:
        """In order of arrival."""
        return list(self._rules.values())

    @property
    def standing(self) -> list[Rule]:
        """Rules that may influence an episode: enough siblings improved, and utility above 0; all where nothing is
        verified."""
        if not self._config.verify:
            return self.rules
        return [rule for rule in self._rules.values() if rule.wins >= self._config.wins and rule.utility > 0]

    def enter(self, advice: Advice, text: str, origin: str) -> Rule:
        """Add a lesson's support to its rule, which is made if it is new."""
        rule = self._rules.setdefault(advice.key, Rule(advice=advice, text=text))
        rule.support += 1
        if origin not in rule.origins:
            rule.origins = [*rule.origins, origin][-ORIGINS:]
        return rule

    def to_try(self, most: int) -> list[Rule]:
        """The rules whose next trial says most: least tried first, then longest not tried, then most supported."""
        order = sorted(
            self._rules.values(), key=lambda r: (min(r.tried, 2 * self._config.wins), r.tried_at, -r.support)
        )
        return order[:most]

    def judge(self, rule: Rule, gain: float, update: int) -> None:
        """Enter what the rule gained on one sibling; one that harms on average goes."""
        rule.wins += gain > 0
        rule.losses += gain < 0
        rule.ties += gain == 0
        keep = self._config.decay if rule.tried > 1 else 0.0
        rule.utility = keep * rule.utility + (1.0 - keep) * gain
        rule.tried_at = update

    def prune(self) -> None:
        """Drop rules of negative utility after as many trials as wins are asked for, then the weakest beyond room."""
        for key, rule in list(self._rules.items()):
            if rule.tried >= self._config.wins and rule.utility < 0:
                del self._rules[key]
                self.dropped += 1
        by_worth = sorted(self._rules, key=lambda key: (self._rules[key].utility, self._rules[key].support))
        for key in by_worth[: max(0, len(self._rules) - self._config.rules)]:
            del self._rules[key]
            self.dropped += 1

    def state_dict(self) -> dict[str, Any]:
        """JSON-ready, in order of arrival."""
        return {"rules": [_to_json(rule) for rule in self._rules.values()], "dropped": self.dropped}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        rules = [Rule(**{**row, "advice": Advice.from_json(row["advice"])}) for row in state["rules"]]
        self._rules = {rule.advice.key: rule for rule in rules}
        self.dropped = int(state["dropped"])


def _to_json(rule: Rule) -> dict[str, Any]:
    row = {name: getattr(rule, name) for name in Rule.__dataclass_fields__}
    return {**row, "advice": rule.advice.to_json(), "origins": list(rule.origins)}
