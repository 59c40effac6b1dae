"""``memrl data list | check | prepare``: sets of streams with questions and evidence."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from memrl.cli.output import JSON_HELP, print_json, quiet_stdout

data_app = typer.Typer(help="Streams with questions and evidence, for env.name = documents.", rich_markup_mode=None)

AsJson = Annotated[bool, typer.Option("--json", help=JSON_HELP)]


@data_app.command("list")
def data_list(as_json: AsJson = False) -> None:
    """The sets that are known or lie in the data folder: where, licence, streams, units, questions."""
    from memrl.envs.documents.overview import overview

    rows = overview()
    if as_json:
        print_json({"sets": rows})
        return
    for row in rows:
        at_hand = row["problem"] or f"{row['where']} ({row['form']}): {_told(row)}"
        fetched = f"; from {row['origin']}" if row["origin"] else ""
        typer.echo(f"{row['name']}  {row['about']} ({row['licence']})")
        typer.echo(f"    {at_hand if row['where'] else f'not at hand{fetched}'}")


@data_app.command("check")
def data_check(
    file: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Stream files (.jsonl), or folders of such files.")
    ],
    as_json: AsJson = False,
) -> None:
    """List everything that is wrong with stream files; exit code 2 if anything is."""
    from memrl.envs.documents import jsonl
    from memrl.envs.documents.overview import sizes

    files = [
        one for named in file for one in ((sorted(named.glob("*.jsonl")) or [named]) if named.is_dir() else [named])
    ]
    told = ", ".join(map(str, file))
    faults = [fault for one in files for fault in jsonl.faults(one)]
    found = None if faults else sizes([stream for one in files for stream in jsonl.load(one)])
    if as_json:
        print_json({"file": told, "faults": [fault._asdict() for fault in faults], **(found or {})})
    elif faults:
        for fault in faults:
            typer.echo(str(fault))
    else:
        typer.echo(f"{told}: {_told(found or {})}, no faults")
    if faults:
        raise typer.Exit(2)


@data_app.command("prepare")
def data_prepare(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="A set with an official form; `memrl data list` names all.")
    ],
    source: Annotated[
        Path | None,
        typer.Option("--from", metavar="PATH", help="Its official file or folder; else the data folder, else the hub."),
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Stream file; NAME.jsonl if not given.")] = None,
    split: Annotated[str | None, typer.Option(metavar="SPLIT", help="Of the hub, in place of the usual one.")] = None,
    as_json: AsJson = False,
) -> None:
    """Write a set's official form as a stream file, which `--set env.options.data=FILE` plays."""
    with quiet_stdout():
        from memrl.envs.documents.overview import prepared, save_new, sizes

        path = out or Path(f"{name}.jsonl")
        streams, place = prepared(name, source, split)
        save_new(streams, path)
    if as_json:
        print_json({"name": name, "file": str(path), "from": place, **sizes(streams)})
    else:
        typer.echo(f"{path}: {_told(sizes(streams))}, from {place}")


def _told(row: dict[str, int]) -> str:
    return f"{row['streams']} streams, {row['units']} units, {row['questions']} questions"
