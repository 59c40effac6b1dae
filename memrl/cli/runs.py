"""``memrl curriculum | config show``: what stands in a run folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from memrl.cli.output import JSON_HELP, SET_HELP, print_json, quiet_stdout

if TYPE_CHECKING:
    from memrl.contracts.config import TrainConfig

config_app = typer.Typer(help="Whole configs.", rich_markup_mode=None)


@config_app.command("show")
def config_show(
    source: Annotated[str, typer.Argument(metavar="RUN|RECIPE", help="A run folder or the name of a recipe.")],
    settings: Annotated[list[str] | None, typer.Option("--set", metavar="SECTION.KNOB=VALUE", help=SET_HELP)] = None,
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
) -> None:
    """Print every knob as YAML, which `memrl train --config` reads."""
    from memrl.contracts.config_io import config_to_dict
    from memrl.contracts.overrides import as_yaml, with_settings

    config = with_settings(config_of(source), settings or [])
    if as_json:
        print_json(config_to_dict(config))
    else:
        typer.echo(as_yaml(config), nl=False)


def config_of(source: str) -> TrainConfig:
    """The config of a run folder, or of a recipe by name.

    Raises:
        InputError: it is neither.
    """
    from memrl.recipes import RECIPES, recipe
    from memrl.training.run_folder import load_config

    return load_config(source) if source not in RECIPES and Path(source).exists() else recipe(source)


def curriculum(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder whose curriculum writes tasks.")],
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
) -> None:
    """Show which tasks a run wrote, which were turned away and why, what was learned; draws curriculum.png."""
    from memrl.reporting.task_plots import draw_curriculum
    from memrl.reporting.task_report import read_task_log, summarise_tasks
    from memrl.training.run_folder import read_metrics

    rows = read_task_log(run)
    summary = {"run": str(run), **summarise_tasks(rows)}
    picture = run / "curriculum.png"
    with quiet_stdout():
        draw_curriculum(rows, read_metrics(run), picture)
    if as_json:
        print_json({**summary, "picture": str(picture)})
        return
    from memrl.reporting.show import show_curriculum

    show_curriculum(summary)
    typer.echo(f"picture: {picture}")
