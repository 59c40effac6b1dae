"""``memrl inspect``: a run or a memory file, in the terminal and as one page for a browser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from memrl.cli.output import quiet_stdout


def inspect(
    path: Annotated[Path, typer.Argument(metavar="RUN|FILE", help="A run folder or a memory file.")],
    page: Annotated[
        bool, typer.Option("--page", help="Also write one HTML page: every step, offers and choices, the graph, why.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The page's file; RUN/inspect.html or FILE.html.")
    ] = None,
    serve: Annotated[bool, typer.Option("--serve", help="Show the page at a local address until Ctrl-C.")] = False,
    port: Annotated[int, typer.Option(min=0, help="For --serve; 0 for any that is free.")] = 0,
    episodes: Annotated[int, typer.Option(help="Of a run: held-out tasks that are played for the page.")] = 2,
    tries: Annotated[int, typer.Option(help="At each task; credit compares them. 1 for greedy play.")] = 4,
    seed: Annotated[int, typer.Option(help="Of those tasks.")] = 0,
) -> None:
    """Show a run (config, metrics, evaluation) or what a memory file holds; as a page, everything that happened."""
    from memrl.reporting.show import read_memory_file, show_memory, show_run

    if path.is_dir():
        show_run(path)
    else:
        show_memory(read_memory_file(path))
    if page or serve or out is not None:
        written = _written(path, out, episodes, tries, seed)
        typer.echo(f"page: {written}")
        if serve:
            _serve(written, port)


def _written(path: Path, out: Path | None, episodes: int, tries: int, seed: int) -> Path:
    from memrl.reporting.pages.page import write_page

    with quiet_stdout():
        if path.is_dir():
            from memrl.inspection import run_stories

            stories = run_stories(path, episodes=episodes, tries=tries, seed=seed)
            return write_page(out or path / "inspect.html", str(path), stories)
        from memrl.reporting.pages.of_memory import memory_story
        from memrl.reporting.show import read_memory_file

        story = memory_story(read_memory_file(path), path.name)
        return write_page(out or path.with_name(f"{path.name}.html"), str(path), [story])


def _serve(page: Path, port: int) -> None:
    from memrl.reporting.pages.page import serving

    server = serving(page, port)
    typer.echo(f"serving at http://127.0.0.1:{server.server_address[1]}/ until Ctrl-C")
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        server.server_close()
