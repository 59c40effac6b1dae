"""The kernel's own fences on Linux: seccomp, Landlock, namespaces, limits. Nothing here can be taken back.

A process that ``lock`` was called in can compute, and write to what it holds open. Every other system call is answered
with EPERM: opening a file, a socket, a new process or thread, a signal, ptrace. The list says what is allowed, not what
is forbidden, so a call that a newer kernel brings is refused too. See seccomp(2), landlock(7), user_namespaces(7).
"""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import struct
from collections.abc import Mapping
from functools import cache
from typing import Any

MiB = 1 << 20
_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_COLUMN = {"x86_64": 0, "aarch64": 1}
_ALLOWED = {
    "read": (0, 63),
    "write": (1, 64),
    "writev": (20, 66),
    "close": (3, 57),
    "lseek": (8, 62),
    "munmap": (11, 215),
    "mremap": (25, 216),
    "brk": (12, 214),
    "madvise": (28, 233),
    "futex": (202, 98),
    "clock_gettime": (228, 113),
    "clock_nanosleep": (230, 115),
    "nanosleep": (35, 101),
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "sigaltstack": (131, 132),
    "restart_syscall": (219, 128),
    "exit": (60, 93),
    "exit_group": (231, 94),
}
"""System call -> its number on x86_64 and on aarch64."""
_NOT_TO_RUN = {"mmap": (9, 222), "mprotect": (10, 226)}
"""Allowed, but for memory that may be executed."""
_LOAD, _EQUAL, _BITS, _RETURN = 0x20, 0x15, 0x45, 0x06
_KILL, _REFUSE, _ALLOW = 0x80000000, 0x00050000 | 1, 0x7FFF0000
_NR, _ARCH, _THIRD = 0, 4, 32
"""Offsets into ``seccomp_data``: the call's number, the architecture, the lower half of the third argument."""
_PROT_EXEC = 4
_NO_NEW_PRIVS, _SECCOMP, _FILTER, _DEATH_SIGNAL = 38, 22, 2, 1
_LANDLOCK_CREATE, _LANDLOCK_RESTRICT = 444, 446
_CLONE = {
    "user namespace": 0x10000000,
    "mount namespace": 0x00020000,
    "network namespace": 0x40000000,
    "ipc namespace": 0x08000000,
    "pid namespace": 0x20000000,
}
_CAPABILITIES_OF_MYSELF = ctypes.create_string_buffer(struct.pack("Ii", 0x20080522, 0))
_NO_CAPABILITIES = ctypes.create_string_buffer(24)
_libc = ctypes.CDLL(None, use_errno=True)


class Refused(Exception):
    """A fence cannot be put up on this machine."""


def _checked(result: int, what: str) -> None:
    if result != 0:
        raise Refused(f"{what}: {os.strerror(ctypes.get_errno())}")


def seccomp_program(machine: str) -> bytes:
    """The filter as instructions of classic BPF, 8 bytes each. Raises Refused for a machine that we have no list of."""
    if machine not in _ARCHITECTURES:
        raise Refused(f"no list of system calls for {machine}; there is one for {' and '.join(_ARCHITECTURES)}")
    column = _COLUMN[machine]

    def line(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
        return struct.pack("HBBI", code, yes, no, value)

    lines = [line(_LOAD, _ARCH), line(_EQUAL, _ARCHITECTURES[machine], 1), line(_RETURN, _KILL), line(_LOAD, _NR)]
    for numbers in _ALLOWED.values():
        lines += [line(_EQUAL, numbers[column], 0, 1), line(_RETURN, _ALLOW)]
    for numbers in _NOT_TO_RUN.values():
        lines += [
            line(_EQUAL, numbers[column], 0, 4),
            line(_LOAD, _THIRD),
            line(_BITS, _PROT_EXEC, 1, 0),
            line(_RETURN, _ALLOW),
            line(_RETURN, _REFUSE),
        ]
    return b"".join([*lines, line(_RETURN, _REFUSE)])


def no_new_privileges() -> None:
    """Raises Refused."""
    _checked(_libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0), "PR_SET_NO_NEW_PRIVS")


def landlock() -> bool:
    """No file, no TCP, no signal to the outside, for this process and all that it makes; False without Landlock."""
    version = _libc.syscall(_LANDLOCK_CREATE, None, 0, 1)
    if version < 1:
        return False
    files = (1 << (13 + (version >= 2) + (version >= 3) + (version >= 5))) - 1
    parts = (files, 3, 3)[: 1 + (version >= 4) + (version >= 6)]
    attributes = ctypes.create_string_buffer(struct.pack(f"{len(parts)}Q", *parts))
    ruleset = _libc.syscall(_LANDLOCK_CREATE, attributes, 8 * len(parts), 0)
    if ruleset < 0:
        return False
    done = _libc.syscall(_LANDLOCK_RESTRICT, ruleset, 0) == 0
    os.close(ruleset)
    return done


def namespaces() -> list[str]:
    """Leave the machine's users, mounts, network and processes, as far as this machine lets us; what was left.

    The pid namespace holds for children.
    """
    if _libc.unshare(sum(_CLONE.values())) == 0:
        return list(_CLONE)
    return [name for name, flag in _CLONE.items() if _libc.unshare(flag) == 0]


def empty_root(folder: str) -> bool:
    """Make an empty folder all that there is of the file system; False where this machine does not let us."""
    os.chdir(folder)
    try:
        os.chroot(folder)
    except OSError:
        return False
    os.chdir("/")
    return True


def fork() -> int:
    """As ``os.fork``, without what Python does in every child for threads and random numbers: a process of one thread
    can do without, and it is a good part of what a call costs."""
    pid = _libc.fork()
    if pid < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return pid


def die_with_parent() -> None:
    _libc.prctl(_DEATH_SIGNAL, 9, 0, 0, 0)


def drop_capabilities() -> None:
    """Root is nobody from here on. Raises Refused."""
    _checked(_libc.capset(_CAPABILITIES_OF_MYSELF, _NO_CAPABILITIES), "capset")


def limit(memory_mib: int, cpu_seconds: int | None) -> None:
    """Limits of memory and, but for None, of the processor's time; no file, process or core. Raises Refused."""
    try:
        resource.setrlimit(resource.RLIMIT_AS, (memory_mib * MiB, memory_mib * MiB))
        if cpu_seconds is not None:
            # The first limit ends with a signal that tells why (SIGXCPU), the second whoever does not listen.
            resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 1))
        for kind in _NONE_OF:
            resource.setrlimit(kind, (0, 0))
    except (ValueError, OSError) as error:
        raise Refused(f"setrlimit: {error}") from error


_NONE_OF = (
    resource.RLIMIT_FSIZE,
    resource.RLIMIT_NPROC,
    resource.RLIMIT_CORE,
    resource.RLIMIT_NOFILE,
    resource.RLIMIT_MEMLOCK,
)


class _Filter(ctypes.Structure):
    _fields_ = (("len", ctypes.c_ushort), ("filter", ctypes.c_void_p))


@cache
def _filter() -> tuple[Any, object, object]:
    """The filter of this machine, as a pointer, and the memory that it points to."""
    program = seccomp_program(platform.machine())
    kept = ctypes.create_string_buffer(program)
    made = _Filter(len(program) // 8, ctypes.addressof(kept))
    return ctypes.byref(made), made, kept


def prepare() -> None:
    """What every child needs is made once, before it. Raises Refused."""
    _filter()


def lock(limits: Mapping[str, int], cpu: bool = True) -> None:
    """Put up the fences of one child, seccomp last. Raises Refused.

    Args:
        cpu: whether the processor's time is limited, as it is for a child of one call.
    """
    limit(limits["memory_mib"], limits["cpu_seconds"] if cpu else None)
    _checked(_libc.prctl(_SECCOMP, _FILTER, _filter()[0], 0, 0), "seccomp")
