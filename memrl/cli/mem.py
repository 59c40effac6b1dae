"""``memrl mem``: what is in a memory file, how it came there, and how to take it out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from memory_stores.codec import entry_to_dict
from memrl.cli.output import JSON_HELP, print_json
from memrl.contracts.errors import DataError
from memrl.reporting.escaped import escaped
from memrl.reporting.show import show_entries

if TYPE_CHECKING:
    from memory_stores.durable import DurableMemory, LoggedOp, MemoryFile, Version
    from memory_stores.types import Entry

mem_app = typer.Typer(help="Look into a memory file, and mend it.", rich_markup_mode=None, no_args_is_help=True)

File = Annotated[Path, typer.Argument(metavar="FILE", help="A memory file.")]
Space = Annotated[str, typer.Option(help="Namespace, its words parted by /; `mem spaces` lists them.")]
Json = Annotated[bool, typer.Option("--json", help=JSON_HELP)]


@contextmanager
def opened(path: Path, read_only: bool = True) -> Iterator[MemoryFile]:
    """The file; whatever a store has to say is one line. To look needs neither its tokenizer nor its embedder."""
    from memory_stores.durable import MemoryFile

    if read_only and not path.is_file():
        raise DataError(f"memory file {path}: there is no such file")
    try:
        with MemoryFile(path, count_tokens=lambda text: len(text.split()), read_only=read_only) as file:
            yield file
    except ValueError as error:
        raise DataError(str(error)) from error


@contextmanager
def looked_into(path: Path, space: str) -> Iterator[DurableMemory]:
    """One space of the file, to read."""
    with opened(path) as file:
        name = tuple(space.split("/"))
        if name not in file.spaces():
            known = ", ".join("/".join(one) for one in file.spaces()) or "none"
            raise DataError(f"--space {space}: {path} has no such space; it has {known}")
        yield file.space(name)


@mem_app.command("spaces")
def spaces(file: File, as_json: Json = False) -> None:
    """List the namespaces, and what each holds."""
    with opened(file) as opening:
        told = [(name, opening.space(name)) for name in opening.spaces()]
        rows = [
            {
                "space": "/".join(name),
                "entries": len(one),
                "tokens": one.tokens_used,
                "budget": one.budget,
                "ops": one.seq,
            }
            for name, one in told
        ]
    if as_json:
        print_json({"spaces": rows})
        return
    for row in rows:
        typer.echo("{space}  {entries} entries, {tokens} of {budget} tokens, {ops} ops".format(**row))
    if not rows:
        typer.echo("(no space yet)")


@mem_app.command("show")
def show(
    file: File,
    space: Space = "default",
    as_of: Annotated[str | None, typer.Option(help="An op's number, or a time such as 2026-11-27T18:00+00:00.")] = None,
    as_json: Json = False,
) -> None:
    """What is held, now or at an earlier moment."""
    with looked_into(file, space) as memory:
        held = memory if as_of is None else memory.as_of(moment(as_of))
        if as_json:
            print_json({"space": space, "entries": [entry_to_dict(entry) for entry in held.entries()]})
        else:
            typer.echo(f"{len(held)} entries, {held.tokens_used} of {held.budget} tokens")
            show_entries(held.entries())


@mem_app.command("log")
def log(
    file: File,
    space: Space = "default",
    since: Annotated[int, typer.Option(min=0, help="Only ops after this number.")] = 0,
    as_json: Json = False,
) -> None:
    """Every op that was asked for, the refused ones too, in order."""
    with looked_into(file, space) as memory:
        records = list(memory.log(since))
    if as_json:
        print_json({"space": space, "log": [_record(one) for one in records]})
        return
    for one in records:
        outcome = f"refused: {one.refused}" if one.refused else f"made {', '.join(one.created)}" if one.created else ""
        typer.echo(f"{one.seq:>6}  {clock(one.time)}  {escaped(_said(one))}  {outcome}".rstrip())


@mem_app.command("search")
def search(
    file: File,
    query: Annotated[str, typer.Argument(help="Words to look for.")],
    space: Space = "default",
    k: Annotated[int, typer.Option(min=1, help="Hits at the most.")] = 5,
    as_json: Json = False,
) -> None:
    """Find entries by words."""
    with looked_into(file, space) as memory:
        hits = memory.search(query, k)
    if as_json:
        print_json({"hits": [{"id": hit.id, "text": hit.text, "score": hit.score, "store": hit.store} for hit in hits]})
        return
    for hit in hits:
        typer.echo(f"{hit.score:.3f}  {hit.id:>6}  {escaped(hit.text)}")
    if not hits:
        typer.echo("(nothing found)")


@mem_app.command("history")
def history(
    file: File,
    entry: Annotated[str, typer.Argument(metavar="ID", help="An entry's id or name.")],
    space: Space = "default",
    as_json: Json = False,
) -> None:
    """Every version of one entry, the oldest first: when it came, what ended it."""
    with looked_into(file, space) as memory:
        found = memory.history(entry)
    _known(found, entry, file, space)
    if as_json:
        print_json({"versions": [_version(one) for one in found]})
        return
    for one in found:
        end = "now" if one.died is None else f"op {one.died}"
        typer.echo(f"{one.entry.id:>6}  op {one.born} to {end}  {clock(one.written_at)}  {escaped(one.entry.text)}")


@mem_app.command("why")
def why(
    file: File,
    entry: Annotated[str, typer.Argument(metavar="ID", help="An entry's id or name.")],
    space: Space = "default",
    as_json: Json = False,
) -> None:
    """Where an entry comes from: each version's observation, writer, trust, and the op that made it."""
    with looked_into(file, space) as memory:
        found = memory.history(entry)
        made = {one.seq: one for one in memory.log(0)} if found else {}
    _known(found, entry, file, space)
    lines = [(one, made.get(one.born)) for one in found]
    if as_json:
        print_json(
            {"lineage": [{**_version(one), "made_by": None if op is None else _record(op)} for one, op in lines]}
        )
        return
    for one, op in lines:
        stamp = one.entry.stamp
        typer.echo(f"{one.entry.id:>6}  {escaped(one.entry.text)}")
        source = escaped(stamp.observation_id) or "nobody named"
        typer.echo(
            f"        from {source} at step {stamp.step}, written by {escaped(stamp.writer)}, trust {stamp.trust:g}"
        )
        if op is not None:
            typer.echo(f"        op {op.seq}, {clock(op.time)}: {escaped(_said(op))}")


@mem_app.command("diff")
def diff(
    file: File,
    before: Annotated[str, typer.Argument(metavar="A", help="An op's number, or a time.")],
    after: Annotated[str, typer.Argument(metavar="B", help="An op's number, or a time.")],
    space: Space = "default",
    as_json: Json = False,
) -> None:
    """What changed between two moments."""
    with looked_into(file, space) as memory:
        found = memory.diff(moment(before), moment(after))
    if as_json:
        print_json(
            {
                "added": [entry_to_dict(one) for one in found.added],
                "removed": [entry_to_dict(one) for one in found.removed],
                "changed": [[entry_to_dict(one) for one in pair] for pair in found.changed],
            }
        )
        return
    for sign, entries in (("+", found.added), ("-", found.removed)):
        for one in entries:
            typer.echo(f"{sign} {one.id:>6}  {escaped(one.text)}")
    for old, new in found.changed:
        typer.echo(f"~ {old.id:>6}  {escaped(old.text)}  =>  {new.id}  {escaped(new.text)}")


@mem_app.command("verify")
def verify(file: File, as_json: Json = False) -> None:
    """Check every row, the log against what is held, and the indexes; ends with code 1 where something is wrong."""
    with opened(file) as opening:
        found = opening.verify()
    if as_json:
        print_json(
            {
                "ok": found.ok, "problems": list(found.problems), "spaces": found.spaces, "entries": found.entries,
                "records": found.records, "sqlite": found.sqlite,
            }
        )  # fmt: skip
    else:
        state = "sound" if found.ok else f"{len(found.problems)} problems"
        typer.echo(
            f"{state}: {found.spaces} spaces, {found.entries} entries, {found.records} ops; SQLite {found.sqlite}"
        )
        for problem in found.problems:
            typer.echo(f"  {problem}")
    if not found.ok:
        raise typer.Exit(1)


@mem_app.command("export")
def export(
    file: File,
    to: Annotated[Path, typer.Argument(metavar="FOLDER", help="A folder that is made.")],
    as_json: Json = False,
) -> None:
    """Write everything as JSON lines with a manifest."""
    with opened(file) as opening:
        opening.export(to)
    _done(as_json, f"exported to {to}", {"exported": str(to)})


@mem_app.command("import")
def import_(
    file: File,
    source: Annotated[Path, typer.Argument(metavar="FOLDER", help="What `mem export` wrote.")],
    as_json: Json = False,
) -> None:
    """Take in what was exported."""
    with opened(file, read_only=False) as opening:
        opening.load(source)
    _done(as_json, f"imported {source} into {file}", {"imported": str(source)})


@mem_app.command("purge")
def purge(
    file: File,
    subject: Annotated[str, typer.Argument(help="A text: whatever says it goes, with every byte of it.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without, only say what would go.")] = False,
    as_json: Json = False,
) -> None:
    """Take a text out of entries, history, log and indexes for good."""
    with opened(file, read_only=not yes) as opening:
        if not yes:
            found = [
                ("/".join(name), entry)
                for name in opening.spaces()
                for entry in opening.space(name).entries()
                if subject in entry.text
            ]
            if as_json:
                print_json({"would_purge": [{"space": name, "id": one.id, "text": one.text} for name, one in found]})
                return
            for name, one in found:
                typer.echo(f"would go: {name} {one.id}  {escaped(one.text)}")
            typer.echo(f"{len(found)} held entries; earlier versions and the log are cleaned too. Say --yes to do it")
            return
        report = opening.purge(subject)
    entries = [{"space": "/".join(name), "id": id} for name, id in report.entries]
    told = {"entries": entries, "versions": report.versions, "records": report.records, "left": report.left}
    line = f"purged {len(entries)} entries, {report.versions} earlier versions, {report.records} lines of the log"
    _done(as_json, f"{line}; {report.left} traces left", told)
    if report.left:
        raise typer.Exit(1)


def moment(text: str) -> int | datetime:
    """A number of the log, or a time with its zone. Raises DataError."""
    if text.isdecimal():
        return int(text)
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise DataError(f"moment {text!r}: give an op's number, or a time such as 2026-11-27T18:00+00:00") from error
    return found if found.tzinfo is not None else found.astimezone()


def clock(seconds: float) -> str:
    """A time for people, in UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _known(found: tuple[Version, ...], entry: str, file: Path, space: str) -> None:
    if not found:
        raise DataError(f"{entry}: {file} never held an entry of that id or name in space {space}")


def _done(as_json: bool, line: str, data: dict[str, Any]) -> None:
    if as_json:
        print_json(data)
    else:
        typer.echo(line)


def _said(record: LoggedOp) -> str:
    from memory_stores.durable.types import Change
    from memrl.reporting.pages.story import told

    op = record.op
    return f"({op.why})" if isinstance(op, Change) else told(op)


def _record(record: LoggedOp) -> dict[str, Any]:
    return {
        "seq": record.seq, "time": record.time, "op": _said(record), "created": list(record.created),
        "removed": list(record.removed), "refused": record.refused, "writer": record.stamp.writer,
        "observation": record.stamp.observation_id, "step": record.stamp.step, "trust": record.stamp.trust,
    }  # fmt: skip


def _version(version: Version) -> dict[str, Any]:
    entry: Entry = version.entry
    return {**entry_to_dict(entry), "born": version.born, "died": version.died, "written_at": version.written_at}
