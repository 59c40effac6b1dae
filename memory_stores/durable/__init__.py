"""One file that memories outlive a process in: SQLite is the truth, a copy in RAM answers.

    file = MemoryFile("notes.db", count_tokens=lambda text: len(text.split()))
    memory = file.space(("users", "ana"), token=64)
    memory.apply(Write("The key is under the mat."), Stamp(step=3))     # on disk when it returns

``MemoryFile``      opens or makes a file; its spaces; verify, purge, export, load, rebuild_index
``DurableMemory``   an ``AgentMemory`` whose ops are commits; search, history, as_of, diff, undo, merge
``Details``         name, metadata, clock times of what is written
``StoreError``      what went wrong, a type for each kind (``errors``)
"""

from memory_stores.durable.errors import (
    Conflict,
    CorruptStore,
    DiskFull,
    EmbedderMismatch,
    NotAMemoryFile,
    ReadOnly,
    SchemaTooNew,
    StoreBusy,
    StoreError,
)
from memory_stores.durable.file import MemoryFile
from memory_stores.durable.memory import DurableMemory
from memory_stores.durable.types import (
    Details,
    Found,
    LoggedOp,
    MemoryDiff,
    PurgeReport,
    Receipt,
    VerifyReport,
    Version,
)

__all__ = [
    "Conflict",
    "CorruptStore",
    "Details",
    "DiskFull",
    "DurableMemory",
    "EmbedderMismatch",
    "Found",
    "LoggedOp",
    "MemoryDiff",
    "MemoryFile",
    "NotAMemoryFile",
    "PurgeReport",
    "ReadOnly",
    "Receipt",
    "SchemaTooNew",
    "StoreBusy",
    "StoreError",
    "VerifyReport",
    "Version",
]
