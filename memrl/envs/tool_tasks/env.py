"""One episode: the turns of its tasks in order, and as many calls at a question as are allowed.

    told ──> next       asked ── call ──> result (may be remembered) ──> asked again ── answer ──> judged ──> next

Ids: t3 the fourth turn, t3.1 the same asked again after a call, c3.1 what that call gave.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from memory_stores.words import words
from memrl.contracts.protocols import Outcome
from memrl.contracts.questions import said_questions
from memrl.contracts.types import Action, Observation, Say, ToolCall, Verdict, as_text
from memrl.envs.tool_tasks.judging import Judge, Made
from memrl.envs.tool_tasks.options import ToolTasksOptions
from memrl.envs.tool_tasks.records import Turn
from memrl.tools import Toolbox, ToolResult

NEITHER = ToolResult("Error: that is neither a call of a tool nor an answer", False)


LEAST = 3
"""Words of a request without a question mark that is told apart from others like it."""


def repeats(text: str, asked: Sequence[str]) -> bool:
    """Whether a text says what is asked: one of the questions, or all the words of a request, in a row."""
    said, own = said_questions(text), f" {' '.join(words(text))} "
    requests = [one for question in asked if len(one := words(question)) >= LEAST]
    return any(said & said_questions(one) for one in asked) or any(f" {' '.join(one)} " in own for one in requests)


class Told(NamedTuple):
    """A turn, and the tools of its task."""

    turn: Turn
    box: Toolbox


class ToolTasksEnv:
    """See the module. Success is the mean of the scores."""

    def __init__(self, told: Sequence[Told], judge: Judge, options: ToolTasksOptions) -> None:
        self._told, self._judge, self._options = told, judge, options
        self._at = self._clock = 0
        self._made: list[Made] = []
        """Calls at this question."""
        self._lines: list[str] = []
        """What they gave, a line or more each."""
        self._is_result = False
        self._asked = [one.turn.text for one in told if one.turn.asks]

    def start(self) -> Observation:
        return self._show()

    def step(self, action: Action | None) -> Outcome:
        turn = self._told[self._at].turn
        if self._is_result:
            self._is_result = False
            return self._on(0.0)
        if not turn.asks:
            return self._next(0.0, None)
        if isinstance(action, Say):
            return self._next(*self._judged(turn, action.text))
        if len(self._made) >= self._options.calls:
            return self._next(*self._judged(turn, None))
        return self._call(action)

    def _call(self, action: Action | None) -> Outcome:
        """What came of it, shown by itself."""
        options, box = self._options, self._told[self._at].box
        name, arguments = (action.name, dict(action.arguments)) if isinstance(action, ToolCall) else ("", {})
        result = box.call(action) if isinstance(action, ToolCall) else NEITHER
        self._made.append((name, arguments, result.text, result.ok))
        self._lines.append(f"{as_text(action)} -> {result.text}" if name else result.text)
        self._is_result = True
        shown = Observation(
            id=f"c{self._at}.{len(self._made)}",
            step=self._tick(),
            content=result.text or "(nothing)",
            source=name,
            # What repeats a question must not reach memory, which would then know what is asked.
            writable=bool(name) and not repeats(result.text, self._asked),
        )
        return Outcome(-options.call_cost - options.invalid_cost * (not result.ok), shown)

    def _judged(self, turn: Turn, answer: str | None) -> tuple[float, Verdict]:
        """None for who only went on calling."""
        score = self._judge(answer, turn, self._made) if answer is not None else 0.0
        expected = turn.answers[0] if turn.answers else ""
        return score, Verdict(score=score, expected=expected, category=turn.category)

    def _next(self, reward: float, verdict: Verdict | None) -> Outcome:
        self._at += 1
        self._made, self._lines = [], []
        if self._at == len(self._told):
            return Outcome(reward, None, verdict)
        return self._on(reward, verdict)

    def _on(self, reward: float, verdict: Verdict | None = None) -> Outcome:
        self._clock += 1
        return Outcome(reward, self._show(), verdict)

    def _tick(self) -> int:
        self._clock += 1
        return self._clock

    def _show(self) -> Observation:
        turn, again = self._told[self._at].turn, len(self._made)
        recent = self._lines[-self._options.recent :] if self._options.recent else []
        return Observation(
            id=f"t{self._at}.{again}" if again else f"t{self._at}",
            step=self._clock,
            content="\n".join([turn.text, *recent]),
            wants_action=turn.asks,
            writable=not turn.asks,
        )
