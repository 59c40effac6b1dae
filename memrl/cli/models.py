"""``memrl models list | pull``."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from memrl.cli.output import quiet_stdout

models_app = typer.Typer(help="Models by name.", rich_markup_mode=None)


@models_app.command("list")
def models_list() -> None:
    """The models that `memrl models pull` can fetch."""
    from memrl.policies.models import cache_folder, known

    for name, model in known().items():
        here = "in the cache" if (cache_folder() / "models" / name / "config.json").exists() else "not pulled yet"
        typer.echo(f"{name}  {model.about} ({model.licence}; {here})")


@models_app.command("pull")
def models_pull(name: Annotated[str, typer.Argument(metavar="NAME")]) -> None:
    """Fetch a model, check its sha256 and convert it; nothing to do if it is in the cache."""
    from rich.console import Console
    from rich.progress import Progress

    from memrl.policies.models import pull

    console = Console(stderr=True, highlight=False)
    with quiet_stdout(), Progress(console=console, disable=not console.is_terminal) as progress:
        bars: dict[str, Any] = {}

        def tell(what: str, share: float) -> None:
            if what not in bars:
                bars[what] = progress.add_task(what, total=1.0)
                if not console.is_terminal:
                    console.print(what, markup=False)
            progress.update(bars[what], completed=share)

        folder = pull(name, tell)
    typer.echo(str(folder))
