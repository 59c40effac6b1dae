"""``memrl eval``: a run and the unlearned controllers on held-out tasks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from memrl.cli.output import CHECKPOINT_HELP, JSON_HELP, SET_HELP, print_json, quiet_stdout
from memrl.contracts.errors import ConfigError


def evaluate(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")],
    env: Annotated[str | None, typer.Option(help="Another environment than the run's, with its default axes.")] = None,
    episodes: Annotated[int | None, typer.Option(help="How many held-out tasks.")] = None,
    horizon: Annotated[int | None, typer.Option(help="Steps an episode.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the tasks.")] = 0,
    rows: Annotated[str | None, typer.Option(metavar="A,B", help="Controllers and other rows to compare.")] = None,
    memory_tokens: Annotated[
        int | None,
        typer.Option(help="Token budget, in place of the run's; of what is in view too, unless that is given."),
    ] = None,
    read_tokens: Annotated[
        int | None, typer.Option(help="Tokens of memory in view at one step, in place of the run's.")
    ] = None,
    data: Annotated[str | None, typer.Option(metavar="PATH", help="Data, for environments that read some.")] = None,
    settings: Annotated[list[str] | None, typer.Option("--set", metavar="SECTION.KNOB=VALUE", help=SET_HELP)] = None,
    checkpoint: Annotated[str, typer.Option(metavar="last|best", help=CHECKPOINT_HELP)] = "last",
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
) -> None:
    """Play held-out tasks with a run and with the unlearned controllers at the same budgets."""
    names = [name.strip() for name in rows.split(",") if name.strip()] if rows is not None else None
    if names == []:
        raise ConfigError("rows", rows, "name controllers, separated by commas")
    from memrl.contracts.overrides import EVAL_KNOBS, with_settings
    from memrl.training.run_folder import load_config

    with_settings(load_config(run), settings or [], EVAL_KNOBS)  # Told at once, before torch is loaded.
    with quiet_stdout():
        evaluation = evaluation_of(
            run,
            env=env,
            episodes=episodes,
            horizon=horizon,
            seed=seed,
            rows=names,
            memory_tokens=memory_tokens,
            read_tokens=read_tokens,
            data=data,
            settings=settings or [],
            checkpoint=checkpoint,
        )
    from memrl.reporting.show import show_evaluation

    if as_json:
        print_json(evaluation)
    else:
        show_evaluation(evaluation)


def evaluation_of(run: Path, **options: Any) -> dict[str, Any]:
    """``memrl.evaluate`` with a line for each row that begins, as JSON-ready data."""
    from memrl.evaluate import evaluate as evaluate_run
    from memrl.reporting.report import finite
    from memrl.training.progress import Bars

    with Bars() as bars:
        report = evaluate_run(run, progress=lambda row: bars.say(f"evaluating {row}"), **options)
    return finite(report.to_json())
