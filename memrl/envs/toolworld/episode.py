"""One task, played once.

    sub-goal (wants an action, is not remembered) ── call or answer ──> judged ──> result (may be remembered) ──> next

Ids say what came of a call: r7 the right result of sub-goal 7, x7 another one, e7 no result but an error, d7 the tool
was down. An answer that is said has no result to show.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from memory_stores.words import words
from memrl.algos.tool_rewards import Call, call_efficiency, call_score
from memrl.contracts.protocols import Outcome
from memrl.contracts.types import Action, Choose, Observation, Say, ToolCall, Verdict, as_text
from memrl.envs.toolworld.candidates import Candidate
from memrl.envs.toolworld.theta import ToolWorldOptions
from memrl.envs.toolworld.world import Goal, World
from memrl.tools import ToolResult

RIGHT, WRONG, ERROR, DOWN = "r", "x", "e", "d"
"""First letters of the ids of results."""
NAMED = ("code", "rate", "founder", "hour")
"""Kinds whose right result names what it is about: documents of others may hold the same value."""


class Judged(NamedTuple):
    mark: str
    text: str
    """What is shown; empty for nothing."""
    source: str = ""


class ToolWorldEnv:
    """See the module.

    Args:
        choices: of a sub-goal by its number; empty where calls are free.
        run: makes a call.
    """

    def __init__(
        self,
        world: World,
        options: ToolWorldOptions,
        choices: Callable[[Goal], tuple[Candidate, ...]],
        run: Callable[[ToolCall], ToolResult],
        tries: int,
        free: bool,
    ) -> None:
        self._world, self._options, self._choices, self._run = world, options, choices, run
        self._tries, self._free = tries, free
        self._goal = world.goals[0]
        self._asked = 0
        """How often it was shown before."""
        self._tried = self._clock = self._calls = self._right = 0
        self._was_down = self._told = False

    def start(self) -> Observation:
        return self._ask()

    def step(self, action: Action | None) -> Outcome:
        if self._told:
            self._told = False
            return self._next(0.0)
        goal, made = self._goal, self._meant(action)
        if goal.down and not self._was_down and isinstance(made, ToolCall):
            self._was_down = True
            return self._tell(Judged(DOWN, f"Error: {made.name}: the service is down; ask again", made.name), 0.0)
        self._calls += isinstance(made, ToolCall)
        self._tried += 1
        judged = self._judge(goal, made)
        right = judged.mark == RIGHT
        verdict = None
        if right or self._tried >= self._tries:
            verdict = Verdict(score=float(right), expected=goal.truth, category=goal.kind) if goal.counts else None
            self._right += right and goal.counts
            self._tried = self._tries
        reward = self._reward(goal, made, judged)
        return self._tell(judged, reward, verdict) if judged.text else self._next(reward, verdict)

    def _meant(self, action: Action | None) -> ToolCall | Say | None:
        """The call or answer that an action stands for; None for what is neither."""
        if isinstance(action, ToolCall | Say) and self._free:
            return action
        choices = self._choices(self._goal)
        if isinstance(action, Choose) and 0 <= action.index < len(choices):
            return choices[action.index].action
        said = as_text(action)
        return next((one.action for one in choices if one.text == said), None)

    def _judge(self, goal: Goal, made: ToolCall | Say | None) -> Judged:
        if made is None:
            return Judged(ERROR, "Error: that is no call of a tool and no answer")
        if isinstance(made, Say):
            return Judged(RIGHT if said_last(made.text) == goal.truth else WRONG, "")
        result = self._run(made)
        text = " | ".join(line.strip() for line in result.text.splitlines())
        if not result.ok:
            return Judged(ERROR, text, made.name)
        found = words(text)
        right = goal.truth.casefold() in found and (goal.kind not in NAMED or goal.about.casefold() in found)
        return Judged(RIGHT if right and goal.kind != "report" else WRONG, text, made.name)

    def _reward(self, goal: Goal, made: ToolCall | Say | None, judged: Judged) -> float:
        options = self._options
        if options.reward == "otc":
            return 0.0
        if options.reward == "toolrl":
            right = next(one.action for one in self._choices(goal) if one.right)
            return call_score(as_calls(made), as_calls(right), made is not None) / 4
        earned = (1.0 if goal.counts else options.lookup_reward) * (judged.mark == RIGHT)
        return earned - options.invalid_cost * (judged.mark == ERROR)

    def _tell(self, judged: Judged, reward: float, verdict: Verdict | None = None) -> Outcome:
        """The result, before the next sub-goal."""
        self._told = True
        self._clock += 1
        shown = Observation(
            id=self._named(judged.mark), step=self._clock, content=judged.text, source=judged.source
        )  # fmt: skip
        return Outcome(reward, shown, verdict)

    def _next(self, reward: float, verdict: Verdict | None = None) -> Outcome:
        """The sub-goal again, where it is not over; else the next one, or the end."""
        if self._tried < self._tries:
            self._asked += 1
        elif self._goal.number + 1 < len(self._world.goals):
            self._goal = self._world.goals[self._goal.number + 1]
            self._asked = self._tried = 0
            self._was_down = False
        else:
            return self._end(reward, verdict)
        self._clock += 1
        return Outcome(reward, self._ask(), verdict)

    def _end(self, reward: float, verdict: Verdict | None) -> Outcome:
        success = self._right / sum(goal.counts for goal in self._world.goals)
        if self._options.reward == "otc":
            fewest = sum(goal.kind != "report" for goal in self._world.goals)
            reward += success * call_efficiency(self._calls, self._options.smooth, fewest)
        return Outcome(reward, None, verdict, success=success)

    def _ask(self) -> Observation:
        return Observation(
            id=self._named("g"),
            step=self._clock,
            content=self._goal.text,
            wants_action=True,
            writable=False,
            choices=() if self._free else tuple(one.text for one in self._choices(self._goal)),
        )

    def _named(self, letter: str) -> str:
        return f"{letter}{self._goal.number}" + (f".{self._asked}" if self._asked else "")


def said_last(text: str) -> str:
    """The last number of an answer, else its last word: what it says."""
    found = words(text)
    return next((word for word in reversed(found) if word.isdigit()), found[-1] if found else "")


def as_calls(action: ToolCall | Say | None) -> list[Call]:
    """As ToolRL scores them: an answer is a call of "say"."""
    match action:
        case ToolCall(name=name, arguments=arguments):
            return [(name, dict(arguments))]
        case Say(text=text):
            return [("say", {"text": text})]
        case _:
            return []
