"""``memrl mem``: what is in a memory file, how it came there, and how to take it out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from memrl.cli.output import JSON_HELP, print_json

if TYPE_CHECKING:
    from memrl.reporting.mem import Told

mem_app = typer.Typer(help="Look into a memory file, and mend it.", rich_markup_mode=None, no_args_is_help=True)

File = Annotated[Path, typer.Argument(metavar="FILE", help="A memory file.")]
Space = Annotated[str, typer.Option(help="Namespace as `mem spaces` lists it: words parted by /.")]
Id = Annotated[str, typer.Argument(metavar="ID", help="An entry's id or name.")]
Moment = Annotated[str, typer.Argument(help="An op's number, or a time such as 2026-11-27T18:00+00:00.")]
Json = Annotated[bool, typer.Option("--json", help=JSON_HELP)]


@mem_app.command()
def spaces(file: File, as_json: Json = False) -> None:
    """List the namespaces, and what each holds."""
    from memrl.reporting import mem

    with mem.opened(file) as opening:
        _tell(mem.spaces(opening), as_json)


@mem_app.command()
def show(
    file: File,
    space: Space = "default",
    as_of: Annotated[str | None, typer.Option(metavar="MOMENT", help="An op's number, or a time.")] = None,
    as_json: Json = False,
) -> None:
    """What is held, now or at an earlier moment."""
    from memrl.reporting import mem

    with mem.looked_into(file, space) as memory:
        _tell(mem.holdings(memory if as_of is None else memory.as_of(mem.moment(as_of))), as_json)


@mem_app.command()
def log(
    file: File,
    space: Space = "default",
    since: Annotated[int, typer.Option(min=0, help="Only ops after this number.")] = 0,
    as_json: Json = False,
) -> None:
    """Every op that was asked for, the refused ones too, in order."""
    from memrl.reporting import mem

    with mem.looked_into(file, space) as memory:
        _tell(mem.log(memory, since), as_json)


@mem_app.command()
def search(
    file: File,
    query: Annotated[str, typer.Argument(help="Words to look for.")],
    space: Space = "default",
    k: Annotated[int, typer.Option(min=1, help="Hits at the most.")] = 5,
    as_json: Json = False,
) -> None:
    """Find entries by words."""
    from memrl.reporting import mem

    with mem.looked_into(file, space) as memory:
        _tell(mem.search(memory, query, k), as_json)


@mem_app.command()
def history(file: File, entry: Id, space: Space = "default", as_json: Json = False) -> None:
    """Every version of one entry, the oldest first: when it came, what ended it."""
    from memrl.reporting import mem

    with mem.looked_into(file, space) as memory:
        _tell(mem.history(memory, entry), as_json)


@mem_app.command()
def why(file: File, entry: Id, space: Space = "default", as_json: Json = False) -> None:
    """Where an entry comes from: each version's observation, writer, trust, and the op that made it."""
    from memrl.reporting import mem

    with mem.looked_into(file, space) as memory:
        _tell(mem.lineage(memory, entry), as_json)


@mem_app.command()
def diff(file: File, before: Moment, after: Moment, space: Space = "default", as_json: Json = False) -> None:
    """What changed between two moments."""
    from memrl.reporting import mem

    with mem.looked_into(file, space) as memory:
        _tell(mem.difference(memory.diff(mem.moment(before), mem.moment(after))), as_json)


@mem_app.command()
def verify(file: File, as_json: Json = False) -> None:
    """Check every row, the log against what is held, and the indexes; ends with code 1 where something is wrong."""
    from memrl.reporting import mem

    with mem.opened(file) as opening:
        found = opening.verify()
    _tell(mem.verdict(found), as_json)
    if not found.ok:
        raise typer.Exit(1)


@mem_app.command()
def export(
    file: File,
    to: Annotated[Path, typer.Argument(metavar="FOLDER", help="A folder that is made.")],
    as_json: Json = False,
) -> None:
    """Write everything as JSON lines with a manifest."""
    from memrl.reporting import mem

    with mem.opened(file) as opening:
        opening.export(to)
    _tell(mem.Told({"exported": str(to)}, [f"exported to {to}"]), as_json)


@mem_app.command("import")
def import_(
    file: File,
    source: Annotated[Path, typer.Argument(metavar="FOLDER", help="What `mem export` wrote.")],
    as_json: Json = False,
) -> None:
    """Take in what was exported; the file is made where there is none."""
    from memrl.reporting import mem

    with mem.opened(file, read_only=False) as opening:
        opening.load(source)
    _tell(mem.Told({"imported": str(source)}, [f"imported {source} into {file}"]), as_json)


@mem_app.command()
def purge(
    file: File,
    subject: Annotated[str, typer.Argument(help="A text: whatever says it goes, with every byte of it.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without, only say what would go.")] = False,
    as_json: Json = False,
) -> None:
    """Take a text out of entries, history, log and indexes for good; ends with code 1 where a trace is left."""
    from memrl.reporting import mem

    if not yes:
        with mem.opened(file) as opening:
            _tell(mem.would_go(opening, subject), as_json)
        return
    with mem.opened(file) as _:
        pass  # a file that is not there is not made
    with mem.opened(file, read_only=False) as opening:
        report = opening.purge(subject)
    _tell(mem.purged(report), as_json)
    if report.left:
        raise typer.Exit(1)


def _tell(told: Told, as_json: bool) -> None:
    if as_json:
        print_json(told.data)
    else:
        typer.echo("\n".join(told.lines))
