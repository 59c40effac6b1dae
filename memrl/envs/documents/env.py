"""One task of streams, played once."""

from __future__ import annotations

from memrl.contracts.protocols import Outcome
from memrl.contracts.types import Action, Observation, Say, Task, Verdict
from memrl.envs.documents.episode import Story
from memrl.envs.documents.judging import judged


class DocumentsEnv:
    """Units and questions in the order of a story. An answer earns its score, from 0.0 to 1.0."""

    def __init__(self, task: Task, story: Story) -> None:
        self.task = task
        self._story = story
        self._at: int | None = None

    def start(self) -> Observation:
        """The first unit. Raises RuntimeError if it was started before."""
        if self._at is not None:
            raise RuntimeError("a DocumentsEnv is played once: make another from the same task")
        self._at = 0
        return self._story.observations[0]

    def step(self, action: Action | None) -> Outcome:
        """Judge the action where a question was asked, and show what comes next."""
        shown = self._story.observations
        if self._at is None or self._at >= len(shown):
            raise RuntimeError("step() needs an observation to deal with: the episode has not started or is over")
        verdict = self._judge(shown[self._at], action)
        self._at += 1
        following = shown[self._at] if self._at < len(shown) else None
        return Outcome(verdict.score if verdict else 0.0, following, verdict)

    def _judge(self, observation: Observation, action: Action | None) -> Verdict | None:
        asked = self._story.asked.get(observation.id)
        if asked is None:
            return None
        return judged(action.text if isinstance(action, Say) else "", asked.question, asked.scoring)
