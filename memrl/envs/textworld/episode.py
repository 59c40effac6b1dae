"""Games played one after the other, as one episode."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from memrl.contracts.protocols import Outcome
from memrl.contracts.types import Action, Choose, Observation, as_text
from memrl.envs.textworld.interpreter import Interpreter, Shown
from memrl.envs.textworld.library import metadata
from memrl.envs.textworld.reading import cleaned, pieces
from memrl.envs.textworld.theta import TextWorldOptions

NOT_OF_THE_GAME = re.compile(
    r"\b(restart|restore|save|quit|q|undo|script|transcript|verify|version|superbrief|tw-[\w-]+)\b", re.IGNORECASE
)
"""Commands to the interpreter: they would end the game, write files, or turn its own switches."""
LONGEST = 120
"""Characters of a command that reaches a game."""
START = "start"
"""What the id of a round's first text says; that of any other, the command that it answers."""
NEXT = "A new game begins."


class TextWorldEnv:
    """One episode: each game until it is won, lost or the episode is cut off.

    A point earns ``1 / (rounds · the game's highest score)``. Success is the mean share of points over the rounds, 1
    where all were won.

    Args:
        games: files, one a round.
        steps: commands after which the episode is cut off.
    """

    def __init__(self, games: Sequence[Path], options: TextWorldOptions, steps: int) -> None:
        self._games, self._options, self._limit = tuple(games), options, steps
        self._hidden = re.compile(options.hide) if options.hide else None
        self._game: Interpreter | None = None
        self._round = self._commands = self._shown = 0
        self._score, self._highest = 0.0, 1.0
        self._shares: list[float] = []
        self._waiting: list[str] = []
        self._choices: tuple[str, ...] = ()
        self._name, self._parts = "", 0
        self._names: Counter[str] = Counter()

    def start(self) -> Observation:
        """The first observation. Raises RuntimeError if it was started before."""
        if self._shown:
            raise RuntimeError("a TextWorldEnv is played once: make another from the same task")
        return self._begin()

    def step(self, action: Action | None) -> Outcome:
        """Show the next piece, or give the command to the game."""
        if self._waiting:
            return Outcome(0.0, self._next())
        self._commands += 1
        command = self._command(action)
        if command is None:
            return self._refused(action)
        if self._game is None:
            raise RuntimeError("step() needs a game: the episode has not started or is over")
        shown = self._game.step(command)
        reward = self._earned(shown.score)
        if shown.over:
            return self._ended(reward, shown.won)
        if self._commands >= self._limit:
            return self._cut(reward)
        self._take(shown, "", command)
        return Outcome(reward, self._next())

    def _begin(self) -> Observation:
        """Load the game of this round, and show its first piece."""
        path = self._games[self._round]
        self._game = Interpreter(path, self._options.admissible, self._options.also_show)
        shown = self._game.start()
        self._score, self._highest = 0.0, self._game.highest
        self._take(shown, metadata(path).get("objective", ""), START)
        if self._round:
            self._waiting[0] = f"{NEXT}\n{self._waiting[0]}"
        return self._next()

    def _take(self, shown: Shown, objective: str, said: str) -> None:
        """What is to be shown of an answer, and what may be done now.

        Args:
            said: what was answered: a command, or the start of a round.
        """
        self._name_next(said)
        options, hidden = self._options, self._hidden
        texts = [cleaned(shown.text, objective, options.score_lines)]
        texts += [cleaned(shown.also.get(name, "")) for name in options.also_show]
        text = "\n".join(dict.fromkeys(one for one in texts if one)) or "Nothing happens."
        self._waiting = list(pieces(text, options.piece_words))
        left = tuple(one for one in shown.commands if hidden is None or not hidden.search(one))
        self._choices = left or shown.commands  # nothing left to do would be no game

    def _name_next(self, said: str) -> None:
        """Ids tell which command was answered, so that a plan may name what another play will show."""
        name = f"{self._round} {said}"
        self._names[name] += 1
        count = self._names[name]
        self._name, self._parts = (name if count == 1 else f"{name} ({count})"), 0

    def _next(self) -> Observation:
        self._shown += 1
        self._parts += 1
        text = self._waiting.pop(0)
        last = not self._waiting
        return Observation(
            id=f"{self._name}.{self._parts}",
            step=self._shown,
            content=text,
            source="game",
            wants_action=last,
            choices=self._choices if last else (),
        )

    def _command(self, action: Action | None) -> str | None:
        """What the game is told; None where it is told nothing."""
        if self._choices:
            said = action.text if isinstance(action, Choose) else as_text(action).strip()
            return said if said in self._choices else None
        first = as_text(action).strip().partition("\n")[0].encode("ascii", "ignore").decode()
        said = re.sub(r"[^\x20-\x7e]", "", first)[:LONGEST].strip()
        return said if said and not NOT_OF_THE_GAME.search(said) else None

    def _refused(self, action: Action | None) -> Outcome:
        """The game stands where it stood."""
        if self._commands >= self._limit:
            return self._cut(0.0)
        self._name_next("?")
        self._waiting = [f"{as_text(action).strip()[:LONGEST]!r} is no command here."]
        return Outcome(0.0, self._next())

    def _earned(self, score: float) -> float:
        gained, self._score = score - self._score, score
        return gained / self._highest / len(self._games)

    def _share(self, won: bool) -> float:
        return 1.0 if won else min(max(self._score / self._highest, 0.0), 1.0)

    def _ended(self, reward: float, won: bool) -> Outcome:
        self._shares.append(self._share(won))
        self._close()
        self._round += 1
        if self._round < len(self._games) and self._commands < self._limit:
            return Outcome(reward, self._begin())
        return Outcome(reward, None, success=sum(self._shares) / len(self._games))

    def _cut(self, reward: float) -> Outcome:
        self._shares.append(self._share(False))
        self._close()
        return Outcome(reward, None, success=sum(self._shares) / len(self._games), truncated=True)

    def _close(self) -> None:
        if self._game is not None:
            self._game.close()
        self._game = None
