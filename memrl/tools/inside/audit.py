"""Python's own fence inside a locked child (PEP 578): events that reach outside raise, with a line that says why.

The kernel would refuse them as well; this one comes first and speaks more clearly. It guards nothing alone.
"""

from __future__ import annotations

import sys

_HARMLESS = frozenset({
    "compile", "exec", "object.__getattr__", "object.__setattr__", "object.__delattr__", "code.__new__",
    "function.__new__", "builtins.id", "sys._getframe", "sys._current_frames", "sys.excepthook", "sys.unraisablehook",
    "gc.get_objects", "gc.get_referrers", "gc.get_referents", "marshal.dumps", "marshal.loads", "time.sleep",
    "array.__new__", "pickle.find_class", "sqlite3.connect", "sqlite3.connect/handle", "builtins.input",
    "builtins.input/result", "builtins.breakpoint", "ctypes.get_errno",
})  # fmt: skip
_MEANS = {
    "open": "no file can be opened here",
    "import": "no module can be loaded here but those that there are",
    "socket": "there is no network here",
    "subprocess": "no process can be started here",
    "os": "there is no system to ask here",
    "ctypes": "no foreign code can be called here",
    "signal": "no signal can be sent here",
}


def listen() -> None:
    """From here on for good."""
    sys.addaudithook(_hear)


def _hear(event: str, _: tuple[object, ...]) -> None:
    if event in _HARMLESS:
        return
    raise PermissionError(_MEANS.get(event.partition(".")[0], f"{event} is not allowed here"))
