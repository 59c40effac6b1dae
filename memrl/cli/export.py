"""``memrl export``: a run's weights as others read them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from memrl.cli.output import CHECKPOINT_HELP, JSON_HELP, print_json, quiet_stdout


def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")],
    what: Annotated[
        str,
        typer.Option(metavar="merged|adapter|controller", help="A whole model, a PEFT adapter, or the controller."),
    ] = "merged",
    to: Annotated[Path | None, typer.Option(metavar="DIR", help="Where; RUN/export/WHAT if not given.")] = None,
    checkpoint: Annotated[str, typer.Option(metavar="last|best", help=CHECKPOINT_HELP)] = "last",
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
) -> None:
    """Write a run's model for transformers, vLLM and PEFT, or its controller; --model and `chat` take such folders."""
    from memrl.training.run_folder import load_config

    load_config(run)  # A wrong folder is told at once, before torch is loaded.
    with quiet_stdout():
        from memrl.training.export import export as export_run

        folder = export_run(run, what, to, checkpoint)  # pyright: ignore[reportArgumentType]
    if as_json:
        print_json({"run": str(run), "what": what, "folder": str(folder)})
    else:
        typer.echo(str(folder))
