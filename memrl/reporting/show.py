"""What the command line shows of a run, an evaluation and a memory, on standard output."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import typer
from rich.console import Console

from memory_stores.embed import HashEmbedder
from memory_stores.memory import AgentMemory
from memory_stores.types import Entry
from memrl.contracts.config_io import config_to_dict
from memrl.contracts.errors import DataError
from memrl.reporting.escaped import escaped
from memrl.reporting.report import categories_table, left_out, read_evaluation, terminal_table
from memrl.reporting.task_report import task_tables
from memrl.training.run_folder import done_early, is_finished, load_config, read_metrics


def show_evaluation(evaluation: Mapping[str, Any]) -> None:
    """The rows of ``EvalReport.to_json()``, and the score by kind of question where there are several."""
    console = Console(width=None if sys.stdout.isatty() else 120)
    console.print(terminal_table(evaluation))
    if missing := left_out(evaluation):
        console.print(missing, style="yellow", markup=False)
    if (kinds := categories_table(evaluation)) is not None:
        console.print(kinds)


def show_run(folder: Path) -> None:
    """Config, how far it came, the last step's metrics, the evaluation. Raises RunFolderError where no run is."""
    config, metrics, evaluation = load_config(folder), read_metrics(folder), read_evaluation(folder)
    typer.echo(json.dumps(config_to_dict(config), indent=2))
    early = done_early(folder)
    ended = f"ended early: {early}" if early else "finished"
    state = ended if is_finished(folder) else f"not finished; `memrl train --resume {folder}` goes on"
    typer.echo(f"{len(metrics)} of {config.steps} steps, {state}")
    for name, value in sorted(metrics[-1].items()) if metrics else ():
        typer.echo(f"  {name} {value if value is None else format(value, '.4g')}")
    if evaluation is not None:
        show_evaluation(evaluation)


def show_curriculum(summary: Mapping[str, Any]) -> None:
    """The tables of ``task_report.summarise_tasks``."""
    console = Console(width=None if sys.stdout.isatty() else 140)
    counts = f"{summary['rows']} visits in {summary['steps']} steps: {summary['proposed']} tasks newly written"
    console.print(f"{counts}, {summary['rejected']} of them turned away", markup=False)
    for table in task_tables(summary):
        console.print(table)


def read_memory_file(path: Path) -> AgentMemory:
    """A saved memory, to look at. Raises DataError for a file that is missing or no memory."""
    try:
        # To look at entries needs neither their tokenizer nor their embedder: token counts stand in the file.
        return AgentMemory.load(path, count_tokens=lambda text: len(text.split()), embedder=HashEmbedder())
    except FileNotFoundError as error:
        raise DataError(f"inspect {path}: there is no such file or folder; name a run or a memory file") from error
    except ValueError as error:
        raise DataError(str(error)) from error


def show_memory(memory: AgentMemory) -> None:
    """What a memory holds."""
    typer.echo(f"{len(memory)} entries, {memory.tokens_used} of {memory.budget} tokens")
    show_entries(memory.entries())


def show_entries(entries: Sequence[Entry]) -> None:
    """One line an entry: id, text, cost, where it came from. What would steer a terminal is shown escaped."""
    for entry in entries:
        stamp = entry.stamp
        trust = f", trust {stamp.trust:g}" if stamp.trust < 1 else ""
        told = f"{entry.id:>6}  {entry.text}  ({entry.tokens} tokens; step {stamp.step}, {stamp.writer}{trust})"
        typer.echo(escaped(told))
    if not entries:
        typer.echo("(empty)")
