"""A conversation with an agent, line by line."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator

import typer

from memrl.agent import MemoryAgent
from memrl.reporting.show import show_entries

HELP = "commands: /memory, /save [FILE], /quit; a line that ends with ? is asked, any other is observed"


def talk(agent: MemoryAgent, lines: Iterable[str]) -> None:
    """Observe statements, answer questions, carry out commands, until ``/quit`` or the end of the lines."""
    for line in lines:
        command, _, rest = line.partition(" ")
        if command == "/quit":
            return
        if command == "/memory":
            show_entries(agent.memory.entries())
        elif command == "/save":
            _save(agent, rest.strip())
        elif command.startswith("/"):
            typer.echo(HELP)
        elif line.endswith("?"):
            _ask(agent, line)
        else:
            typer.echo(str(agent.observe(line)))


def lines_typed() -> Iterator[str]:
    """Lines of standard input that hold something, with a prompt where a person types."""
    person = sys.stdin.isatty()
    if person:
        typer.echo(HELP)
    while True:
        try:
            line = input("> " if person else "").strip()
        except EOFError:
            return
        if line:
            yield line


def _ask(agent: MemoryAgent, question: str) -> None:
    answer = agent.ask(question)
    typer.echo(answer.text or "(no answer)")
    for line in answer.used:
        typer.echo(f"    from {line.entry_id}: {line.text}")


def _save(agent: MemoryAgent, path: str) -> None:
    """A path that cannot be written must not end the conversation."""
    try:
        typer.echo(f"memory saved to {agent.save(path or None)}")
    except (OSError, ValueError) as error:
        typer.echo(f"not saved: {error}")
