"""``memrl inspect``: a run or a memory file, in the terminal and as one page for a browser."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from memrl.cli.output import quiet_stdout

if TYPE_CHECKING:
    from memrl.reporting.pages.story import Story

SQLITE = b"SQLite format 3\0"


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
    if path.is_dir():
        from memrl.reporting.show import show_run

        show_run(path)
    else:
        _show_file(path)
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
        return write_page(out or path.with_name(f"{path.name}.html"), str(path), _file_stories(path))


def _show_file(path: Path) -> None:
    from memrl.reporting.show import read_memory_file, show_memory

    if not is_memory_file(path):
        show_memory(read_memory_file(path))
        return
    from memrl.reporting import mem

    with mem.opened(path) as file:
        for name in file.spaces():
            typer.echo("\n".join([f"space {'/'.join(name)}", *mem.holdings(file.space(name)).lines]))


def _file_stories(path: Path) -> list[Story]:
    if not is_memory_file(path):
        from memrl.reporting.pages.of_memory import memory_story
        from memrl.reporting.show import read_memory_file

        return [memory_story(read_memory_file(path), path.name)]
    from memrl.reporting import mem
    from memrl.reporting.pages.of_log import log_story

    with mem.opened(path) as file:
        return [log_story(file.space(name)) for name in file.spaces()]


def is_memory_file(path: Path) -> bool:
    """Whether a file is SQLite's; memories of earlier versions are JSON."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(SQLITE)) == SQLITE


def _serve(page: Path, port: int) -> None:
    from memrl.reporting.pages.page import serving

    server = serving(page, port)
    typer.echo(f"serving at http://127.0.0.1:{server.server_address[1]}/ until Ctrl-C")
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        server.server_close()
