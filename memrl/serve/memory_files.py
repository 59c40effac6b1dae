"""Anthropic's memory tool: ``view create str_replace insert delete rename`` on files under ``/memories``.

Files are entries of one space of a memory file, named by their path, so that they are searched, kept, purged and rolled
back as all memories are. There is no folder on a disk behind them: nothing outside can be reached, by ``..``, by a link
or in any encoding, and a path that tries is refused all the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any
from unicodedata import category
from urllib.parse import unquote

from memory_stores.durable import Conflict, Details, DurableMemory
from memory_stores.types import Forget, Item, MemoryOp, Overwrite, Refusal, Stamp, Write

ROOT = "/memories"
KIND, FILE = "memrl_kind", "file"
CONTENT = "content"
"""Where a file of nothing but blanks keeps what it says: an entry needs a text."""
LONGEST_PATH, MOST_LINES = 1024, 999_999
TRIES = 50
BUSY = "others write to this memory without a pause; try again"
_ARGUMENTS: dict[str, dict[str, type | tuple[type, ...]]] = {
    "view": {"path": str},
    "create": {"path": str, "file_text": str},
    "str_replace": {"path": str, "old_str": str, "new_str": str},
    "insert": {"path": str, "insert_line": int, "insert_text": str},
    "delete": {"path": str},
    "rename": {"old_path": str, "new_path": str},
}

Files = dict[str, Item]
"""Entries by path."""
Planned = tuple[list[tuple[MemoryOp, Details | None]], str]


class Refused(Exception):
    """A command that is not carried out; its text is what the model is told."""


class MemoryFiles:
    """Carries out the commands of one model's memory.

    Args:
        memory: the space that keeps the files; it needs an archive. Threads and processes may share it.
    """

    def __init__(self, memory: DurableMemory) -> None:
        self._memory = memory

    def run(self, command: Mapping[str, Any]) -> str:
        """Carry out one tool call, such as ``{"command": "view", "path": "/memories"}``; returns the tool's result.

        What cannot be done comes back as a text that begins with "Error", and nothing has changed.
        """
        try:
            return self._commands()[_checked(command)](command)
        except Refused as error:
            return f"Error: {error}"

    def _commands(self) -> dict[str, Callable[[Mapping[str, Any]], str]]:
        return {
            "view": self._view,
            "create": lambda told: self._change(lambda files: _creating(self, files, told)),
            "str_replace": lambda told: self._change(lambda files: _replacing(self, files, told)),
            "insert": lambda told: self._change(lambda files: _inserting(self, files, told)),
            "delete": lambda told: self._change(lambda files: _deleting(files, told)),
            "rename": lambda told: self._change(lambda files: _renaming(self, files, told)),
        }

    def content(self, item: Item) -> str:
        """What a file says."""
        details = self._memory.details(item.id)
        told = ((details and details.metadata) or {}).get(CONTENT)
        return told if isinstance(told, str) else item.text

    def _view(self, told: Mapping[str, Any]) -> str:
        path = checked_path(told["path"])
        _, files = self._settled()
        if path in files:
            return _numbered(path, self.content(files[path]), told.get("view_range"))
        if path != ROOT and not any(name.startswith(f"{path}/") for name in files):
            raise Refused(f"The path {path} does not exist. Please provide a valid path.")
        if told.get("view_range") is not None:
            raise Refused("`view_range` is for files, not for directories")
        sizes = {name: len(self.content(item).encode()) for name, item in files.items()}
        return _listed(path, sizes)

    def _settled(self) -> tuple[int, Files]:
        """The files and the number of the op after which they stood so: none of them half changed by somebody else."""
        for _ in range(TRIES):
            seq = self._memory.refresh()
            files = self._files()
            if self._memory.seq == seq:
                return seq, files
        raise Refused(BUSY)

    def _files(self) -> Files:
        archive = self._memory.archive
        found: Files = {}
        for item in () if archive is None else archive.entries():
            details = self._memory.details(item.id)  # None where somebody has just removed it
            if details is not None and details.name is not None and (details.metadata or {}).get(KIND) == FILE:
                found[details.name] = item
        return dict(sorted(found.items()))

    def _change(self, plan: Callable[[Files], Planned]) -> str:
        """Carry out what is planned on the files as they are; thought over where somebody else wrote in between."""
        for _ in range(TRIES):
            seq, files = self._settled()
            ops, told = plan(files)
            stamp = Stamp(step=seq, writer="user")
            try:
                receipt = self._memory.apply_all([op for op, _ in ops], stamp, expect=seq, details=[d for _, d in ops])
            except Conflict:
                continue
            refused = next((one.refused for one in receipt.results if one.refused), None)
            if refused is Refusal.OVER_BUDGET:
                raise Refused("memory is full; delete or shorten a file first")
            if refused is not None:
                raise Refused(f"the text cannot be kept ({refused.value})")
            return told
        raise Refused(BUSY)


def checked_path(path: str) -> str:
    """The path without a slash at its end. Raises Refused for one that is not plainly inside ``/memories``."""
    plain = path
    for _ in range(3):  # %252e is %2e is "."
        if (decoded := unquote(plain, errors="replace")) == plain:
            break
        plain = decoded
    parts = plain.rstrip("/").split("/")
    strange = "\\" in plain or any(category(one) in ("Cc", "Cf", "Cs", "Zl", "Zp") or one == "\ufffd" for one in plain)
    dots = any(not part.strip(". ") for part in parts[1:])
    if plain != path or strange or dots or parts[:2] != ["", "memories"] or len(path) > LONGEST_PATH:
        raise Refused(f"Path {path!r:.200} is not inside {ROOT}; give a plain path such as {ROOT}/notes.txt")
    return "/".join(parts)


def _checked(command: Mapping[str, Any]) -> str:
    name = command.get("command")
    if not isinstance(name, str) or name not in _ARGUMENTS:
        raise Refused(f"command = {name!r}: take one of {', '.join(_ARGUMENTS)}")
    for argument, kind in _ARGUMENTS[name].items():
        value = command.get(argument)
        if not isinstance(value, kind) or isinstance(value, bool):
            raise Refused(f"{name} needs `{argument}`, a {'whole number' if kind is int else 'text'}")
    return name


def _file_at(files: Files, path: str) -> Item:
    if path not in files:
        raise Refused(f"The path {path} does not exist. Please provide a valid path.")
    return files[path]


def _free(files: Files, path: str, told: str) -> None:
    """Raises Refused unless a file may come to stand there: not on another, not on a directory, not below a file."""
    if path == ROOT:
        raise Refused(f"{ROOT} is the directory itself; name a file in it")
    if path in files or any(name.startswith(f"{path}/") for name in files):
        raise Refused(told)
    above = [name for name in files if path.startswith(f"{name}/")]
    if above:
        raise Refused(f"{above[0]} is a file, not a directory")


def _kept(path: str, text: str) -> tuple[str, Details]:
    """The text of an entry and what else it needs to say the file."""
    blank = not text.strip()
    metadata = {KIND: FILE, **({CONTENT: text} if blank else {})}
    return path if blank else text, Details(name=path, metadata=metadata)


def _written(op: Callable[[str], MemoryOp], path: str, text: str) -> tuple[MemoryOp, Details]:
    if text.count("\n") >= MOST_LINES:
        raise Refused(f"File {path} exceeds maximum line limit of {MOST_LINES:,} lines")
    if any("\ud800" <= one <= "\udfff" for one in text):
        raise Refused("the text holds half of a character")
    kept, details = _kept(path, text)
    return op(kept), details


def _creating(owner: MemoryFiles, files: Files, told: Mapping[str, Any]) -> Planned:
    path = checked_path(told["path"])
    _free(files, path, f"File {path} already exists")
    made = _written(lambda text: Write(text, "archive"), path, told["file_text"])
    return [made], f"File created successfully at: {path}"


def _replacing(owner: MemoryFiles, files: Files, told: Mapping[str, Any]) -> Planned:
    path, old, new = checked_path(told["path"]), told["old_str"], told["new_str"]
    item = _file_at(files, path)
    text = owner.content(item)
    starts = [found.start() for found in re.finditer(f"(?={re.escape(old)})", text)] if old else []
    if not starts:
        raise Refused(f"No replacement was performed, old_str `{old}` did not appear verbatim in {path}.")
    if len(starts) > 1:
        lines = ", ".join(str(text.count("\n", 0, start) + 1) for start in starts)
        raise Refused(
            f"No replacement was performed. Multiple occurrences of old_str `{old}` in lines: {lines}. "
            "Please ensure it is unique"
        )
    changed = text[: starts[0]] + new + text[starts[0] + len(old) :]
    shown = _lines_around(changed, text.count("\n", 0, starts[0]), new.count("\n"))
    return [_written(lambda kept: Overwrite(item.id, kept), path, changed)], (
        f"The memory file has been edited. Here's the result:\n{shown}"
    )


def _inserting(owner: MemoryFiles, files: Files, told: Mapping[str, Any]) -> Planned:
    path, line = checked_path(told["path"]), told["insert_line"]
    item = _file_at(files, path)
    lines = owner.content(item).split("\n")
    if not 0 <= line <= len(lines):
        raise Refused(
            f"Invalid `insert_line` parameter: {line}. It should be within the range of lines of the file: "
            f"[0, {len(lines)}]"
        )
    text = told["insert_text"].removesuffix("\n") if line < len(lines) else told["insert_text"]
    changed = "\n".join([*lines[:line], text, *lines[line:]])
    made = _written(lambda kept: Overwrite(item.id, kept), path, changed)
    return [made], f"The file {path} has been edited."


def _deleting(files: Files, told: Mapping[str, Any]) -> Planned:
    path = checked_path(told["path"])
    if path == ROOT:
        raise Refused(f"The {ROOT} directory itself cannot be deleted")
    gone = [item for name, item in files.items() if name == path or name.startswith(f"{path}/")]
    if not gone:
        raise Refused(f"The path {path} does not exist")
    return [(Forget(item.id), None) for item in gone], f"Successfully deleted {path}"


def _renaming(owner: MemoryFiles, files: Files, told: Mapping[str, Any]) -> Planned:
    old, new = checked_path(told["old_path"]), checked_path(told["new_path"])
    moved = {name: item for name, item in files.items() if name == old or name.startswith(f"{old}/")}
    if not moved or old == ROOT:
        raise Refused(f"The path {old} does not exist")
    if new == old or new.startswith(f"{old}/"):
        raise Refused(f"The destination {new} is inside {old}")
    _free(
        {name: item for name, item in files.items() if name not in moved}, new, f"The destination {new} already exists"
    )
    ops: list[tuple[MemoryOp, Details | None]] = []
    for name, item in moved.items():
        target = new + name.removeprefix(old)
        ops += [_written(lambda kept: Write(kept, "archive"), target, owner.content(item)), (Forget(item.id), None)]
    return ops, f"Successfully renamed {old} to {new}"


def _numbered(path: str, text: str, view_range: Any) -> str:
    lines = text.split("\n")
    first, last = 1, len(lines)
    if view_range is not None:
        whole = isinstance(view_range, list | tuple) and len(view_range) == 2
        if not whole or not all(isinstance(one, int) and not isinstance(one, bool) for one in view_range):
            raise Refused(f"Invalid `view_range`: {view_range!r}. It should be two whole numbers")
        first, last = view_range[0], len(lines) if view_range[1] == -1 else view_range[1]
        if not 1 <= first <= last <= len(lines):
            raise Refused(f"Invalid `view_range`: {list(view_range)}. It should be within [1, {len(lines)}]")
    shown = "\n".join(f"{number:6}\t{line}" for number, line in enumerate(lines[first - 1 : last], start=first))
    return f"Here's the content of {path} with line numbers:\n{shown}"


def _lines_around(text: str, place: int, more: int, beside: int = 2) -> str:
    lines = text.split("\n")
    first, last = max(0, place - beside), min(len(lines), place + more + beside + 1)
    return "\n".join(f"{number + 1:6}\t{lines[number]}" for number in range(first, last))


def _listed(path: str, sizes: Mapping[str, int]) -> str:
    """A directory two levels deep: sizes as ``du -h`` tells them, names in order, hidden ones left out."""
    totals: dict[str, int] = {path: 0}
    for name, size in sizes.items():
        rest = name.removeprefix(path).strip("/").split("/")
        if not name.startswith(f"{path}/") or any(part.startswith(".") or part == "node_modules" for part in rest):
            continue
        totals[path] += size
        for depth in range(1, min(2, len(rest)) + 1):
            folder = "/".join([path, *rest[:depth]])
            totals[folder] = totals.get(folder, 0) + size
    shown = "\n".join(f"{_size(size)}\t{name}" for name, size in totals.items())
    deep = f"Here're the files and directories up to 2 levels deep in {path}, excluding hidden items and node_modules:"
    return f"{deep}\n{shown}"


def _size(size: int) -> str:
    if size < 1024:
        return f"{size}"
    return f"{size / 1024:.1f}K" if size < 1 << 20 else f"{size / (1 << 20):.1f}M"
