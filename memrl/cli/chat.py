"""A conversation with an agent, line by line: what is stated is remembered and saved, what is asked is answered."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import typer

from memrl.agent.memory_agent import MemoryAgent
from memrl.agent.results import Answer, Found
from memrl.agent.texts import is_question
from memrl.contracts.errors import InputError
from memrl.reporting.escaped import escaped
from memrl.reporting.show import show_entries

HELP = (
    "a line is remembered, one that ends with a question mark is answered; "
    "/ask TEXT, /forget TEXT|ID, /why, /memory, /save [FILE], /quit"
)


def talk(agent: MemoryAgent, lines: Iterable[str], keep: bool = False) -> None:
    """Remember statements, answer questions, carry out commands, until ``/quit`` or the end of the lines.

    What goes wrong with one line is told in one, and the conversation goes on.

    Args:
        keep: save after every line that changed something, to the file that the agent was wrapped with.
    """
    conversation = Conversation(agent, keep)
    for line in lines:
        if line.partition(" ")[0] == "/quit":
            return
        try:
            conversation.take(line)
        except InputError as error:
            typer.echo(f"not done: {error}")


class Conversation:
    """Deals with one line after the other."""

    def __init__(self, agent: MemoryAgent, keep: bool) -> None:
        self._agent, self._keep = agent, keep
        self._last: Answer | None = None
        self._commands: dict[str, Callable[[str], None]] = {
            "/ask": self._ask,
            "/forget": self._forget,
            "/why": self._why,
            "/memory": lambda rest: show_entries(self._agent.memory.entries()),
            "/save": self._save,
        }

    def take(self, line: str) -> None:
        """Raises InputError."""
        command, _, rest = line.partition(" ")
        if command.startswith("/"):
            self._commands.get(command, lambda rest: typer.echo(HELP))(rest.strip())
        elif is_question(line):
            self._ask(line)
        else:
            typer.echo(str(self._agent.observe(line, source="user")))
            self._kept()

    def _ask(self, question: str) -> None:
        answering = self._agent.stream(question)
        said = False
        for piece in answering:
            typer.echo("\n".join(map(escaped, piece.split("\n"))), nl=False)
            said = True
        self._last = answering.answer
        typer.echo("" if said else "(no answer)")

    def _why(self, rest: str) -> None:
        """What the last answer rests on."""
        if self._last is None:
            typer.echo("nothing was answered yet")
        elif not self._last.used:
            typer.echo("nothing of memory was in view")
        else:
            for line in self._last.used:
                typer.echo(
                    f"    {line.entry_id}: {escaped(line.text)}{escaped(_origin(self._agent.get(line.entry_id)))}"
                )

    def _forget(self, what: str) -> None:
        forgotten = self._agent.forget(what)
        for one in forgotten.gone:
            typer.echo(f"forgotten: {escaped(one.text)}")
        for one in forgotten.past:
            typer.echo(f"forgotten, from the past: {escaped(one.text)}")
        if forgotten.together:
            typer.echo(f"    with it the other pieces of the same text: {', '.join(forgotten.together)}")
        if not forgotten:
            typer.echo("nothing matches")
        for one in forgotten.keeps:
            typer.echo(f"    kept: {one.id}  {escaped(one.text)}")
        self._kept()

    def _save(self, path: str) -> None:
        typer.echo(f"memory saved to {self._agent.save(path or None)}")

    def _kept(self) -> None:
        if self._keep:
            self._agent.save()


def _origin(one: Found | None) -> str:
    """When it was said, by whom, and how far it is to be believed."""
    if one is None:
        return "  (gone)"
    said = "" if one.details.time is None else f"{datetime.fromtimestamp(one.details.time, UTC):%Y-%m-%d %H:%M} UTC"
    trust = "" if one.trust == 1 else f"trust {one.trust:g}"
    parts = [part for part in (said, one.details.source, trust) if part]
    return f"  ({', '.join(parts)})" if parts else ""


def lines_typed() -> Iterator[str]:
    """Lines of standard input that hold something, with a prompt where a person types; bytes that are no UTF-8 are
    replaced."""
    person = sys.stdin.isatty()
    if person:
        typer.echo(HELP)
    if (reconfigure := getattr(sys.stdin, "reconfigure", None)) is not None:
        reconfigure(errors="replace")
    while True:
        try:
            line = input("> " if person else "").strip()
        except EOFError:
            return
        if line:
            yield line


def chat(model: str, memory: Path | None, checkpoint: str, model_name: str, timezone: str) -> MemoryAgent:
    """The agent that is talked to. Raises InputError before anything is loaded where the file cannot be used."""
    from memrl.agent.wrapping import wrap

    kept: Any = checkpoint  # checked there
    return wrap(model, memory=memory, checkpoint=kept, model_name=model_name, timezone=timezone)
