"""Ways out of the sandbox. Each fails closed: the caller has a text, nothing outside has changed, the next call works.

``object.__subclasses__`` leads out of every sandbox that is made of language alone; here that road is open to its end,
and the kernel stands there.
"""

import platform
import sqlite3
from pathlib import Path

import pytest

from memrl.tools import Sandbox, SandboxLimits

OS = (
    "g = next(c for c in object.__subclasses__() if c.__name__ == '_wrap_close').__init__.__globals__\n"
    "sys = g['sys']\nos = sys.modules['os']\n"
)
"""The module ``os``, by a road that no list of builtins closes."""
RAW = OS + "call = sys.modules['memrl.tools.inside.kernel']._libc.syscall\n"
"""System calls by number: past Python and its audit hook, to the kernel."""
STOPPED = "stopped after 1 s"


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox(SandboxLimits(seconds=1.0, memory_mib=128, output_bytes=10_000)) as made:
        yield made


@pytest.fixture(autouse=True)
def still_works(sandbox):
    yield
    assert sandbox.python("6 * 7").text == "42"


@pytest.fixture
def secret(tmp_path):
    path = tmp_path / "secret.txt"
    path.write_text("the crown jewels", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "code",
    [
        "open({path!r}).read()",
        OS + "os.open({path!r}, os.O_RDONLY)",
        OS + "os.read(os.open({path!r}, 0), 99)",
        OS + "sys.modules['_io'].FileIO({path!r}).read()",
        OS + "sys.modules['_io'].open_code({path!r}).read()",
        OS + "os.stat({path!r}).st_size",
        OS + "os.listdir({folder!r})",
        OS + "os.scandir('/proc')",
        OS + "sys.modules['linecache'].getlines({path!r})[0]",
        OS + "sys.modules['sqlite3'].connect({path!r}).execute('select * from sqlite_master')",
        "open('/etc/passwd').read()",
        "open('/proc/self/environ').read()",
        "open('/proc/1/mem', 'rb').read(9)",
        "().__class__.__bases__[0].__subclasses__()[0].__init__.__globals__",
        "__builtins__['open']({path!r}).read()",
        "__import__('os').listdir('/')",
        "__import__('pathlib').Path({path!r}).read_text()",
    ],
)
def test_nothing_is_read(sandbox, secret, code):
    ran = sandbox.python(code.replace("{path!r}", repr(str(secret))).replace("{folder!r}", repr(str(secret.parent))))
    assert not ran.ok and ran.why and "jewels" not in ran.text + ran.why and "root:" not in ran.text


@pytest.mark.parametrize(
    "code",
    [
        "open({path!r}, 'w').write('x')",
        "open('here.txt', 'w').write('x')",
        OS + "os.open({path!r}, os.O_WRONLY | os.O_TRUNC)",
        OS + "os.unlink({path!r})",
        OS + "os.rename({path!r}, {path!r} + '2')",
        OS + "os.mkdir({path!r} + '.d')",
        OS + "os.symlink('/etc', {path!r} + '.l')",
        OS + "os.chmod({path!r}, 0)",
        OS + "os.truncate({path!r}, 0)",
        OS + "os.utime({path!r})",
        OS + "os.memfd_create('x')",
        OS + "sys.modules['sqlite3'].connect({path!r} + '.db').execute('create table t (a)')",
    ],
)
def test_nothing_is_written(sandbox, secret, code):
    before = sorted(path.name for path in secret.parent.iterdir())
    ran = sandbox.python(code.replace("{path!r}", repr(str(secret))))
    assert not ran.ok and ran.why
    assert secret.read_text(encoding="utf-8") == "the crown jewels" and secret.stat().st_mode & 0o400
    assert sorted(path.name for path in secret.parent.iterdir()) == before and not Path("here.txt").exists()


@pytest.mark.parametrize(
    "code",
    [
        "import socket",
        OS + "import socket",
        OS + "sys.modules['_socket'].socket()",
        OS + "sys.modules['_socket'].getaddrinfo('localhost', 80)",
        "import urllib.request",
        "import subprocess",
        OS + "os.system('true')",
        OS + "os.popen('true')",
        OS + "os.execv('/bin/true', ['true'])",
        OS + "os.posix_spawn('/bin/true', ['true'], {})",
        OS + "os.fork()",
        OS + "while True: os.fork()",
        OS + "os.forkpty()",
        OS + "sys.modules['_thread'].start_new_thread(print, ())",
        OS + "os.kill(os.getppid(), 9)",
        OS + "os.kill(1, 9)",
        OS + "os.kill(-1, 9)",
        OS + "os.killpg(0, 9)",
        OS + "os.setsid()",
        OS + "os.pipe()",
        OS + "os.dup(1)",
        OS + "os.getrandom(4)",
        OS + "sys.modules['resource'].setrlimit(7, (99, 99))",
        OS + "sys.modules['signal'].setitimer(0, 0.1)",
        OS + "sys.modules['ctypes'].CDLL(None).getpid()",
        OS + "sys.modules['ctypes'].string_at(0)",
        OS + "sys.modules['importlib'].import_module('ctypes.util')",
        OS + "sys.settrace(print)\nos.open('/', 0)",
    ],
)
def test_no_network_no_process_no_signal(sandbox, code):
    ran = sandbox.python(code)
    assert not ran.ok and ran.why and "\n" not in ran.why


CALLS = {
    "openat": (257, 56, "-100, b'/', 0, 0"),
    "socket": (41, 198, "2, 1, 0"),
    "connect": (42, 203, "1, b'x' * 16, 16"),
    "clone": (56, 220, "17, 0, 0, 0, 0"),
    "clone3": (435, 435, "bytes(64), 64"),
    "clone of a thread": (56, 220, "0x50f00, 0, 0, 0, 0"),
    "execve": (59, 221, "b'/bin/true', 0, 0"),
    "execveat": (322, 281, "-100, b'/bin/true', 0, 0, 0"),
    "kill": (62, 129, "1, 9"),
    "tgkill": (234, 131, "1, 1, 9"),
    "pidfd_open": (434, 434, "1, 0"),
    "ptrace": (101, 117, "16, 1, 0, 0"),
    "process_vm_readv": (310, 270, "1, 0, 0, 0, 0, 0"),
    "unlinkat": (263, 35, "-100, b'/x', 0"),
    "mkdirat": (258, 34, "-100, b'/x', 511"),
    "mount": (165, 40, "0, b'/', 0, 0, 0"),
    "unshare": (272, 97, "0x10000000"),
    "setns": (308, 268, "0, 0"),
    "bpf": (321, 280, "0, 0, 0"),
    "io_uring_setup": (425, 425, "1, bytes(120)"),
    "userfaultfd": (323, 282, "0"),
    "memfd_create": (319, 279, "b'x', 0"),
    "prctl": (157, 167, "22, 0, 0, 0, 0"),
    "seccomp": (317, 277, "0, 0, 0"),
    "prlimit64": (302, 261, "0, 9, bytes(16), 0"),
    "setuid": (105, 146, "0"),
    "dup": (32, 23, "1"),
    "ioctl": (16, 29, "1, 0x5413, 0"),
    "mmap to run": (9, 222, "0, 4096, 7, 0x22, -1, 0"),
    "mprotect to run": (10, 226, "0, 4096, 5"),
    "a call that there is not": (9999, 9999, "0"),
    "a call of x32": (0x40000000 + 2, 0x40000000 + 2, "b'/', 0"),
}


@pytest.mark.parametrize("name", CALLS)
def test_the_kernel_refuses_by_itself(sandbox, name):
    of_intel, of_arm, arguments = CALLS[name]
    number = of_intel if platform.machine() == "x86_64" else of_arm
    errno = "sys.modules['ctypes'].get_errno()"
    assert sandbox.python(f"{RAW}call({number}, {arguments}), {errno}").text == "(-1, 1)"


@pytest.mark.parametrize(
    "code",
    [
        "while True: pass",
        "10 ** 10 ** 8",
        "import re\nre.match('(a+)+b', 'a' * 40)",
        "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
        OS + "for n in range(1, 65):\n    try: sys.modules['signal'].signal(n, lambda *a: None)\n"
        "    except Exception: pass\nwhile True: pass",
        OS + "os.read(0, 1)",
        OS + "os.close(0)\nwhile True: pass",
        "def f():\n    yield from f()\nsum(1 for _ in iter(int, 1))",
        "class A:\n    def __repr__(self):\n        while True: pass\nA()",
    ],
)
def test_what_does_not_end_is_stopped(sandbox, code):
    assert sandbox.python(code).why == STOPPED


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("'x' * 10 ** 10", "MemoryError"),
        ("bytearray(200 * 2 ** 20)", "MemoryError"),
        ("a = []\nwhile True: a.append(bytearray(2 ** 20))", "MemoryError"),
        ("print('x' * 10 ** 7)", "the result is too large: more than 10000 bytes"),
        ("while True: print('x' * 1000)", "the result is too large: more than 10000 bytes"),
        (OS + "os.write(1, b'ab\\xff')", "the result is no UTF-8 text: byte 0xff at 2"),
        ("print('\\ud800')", "UnicodeEncodeError"),
        ("def f(): f()\nf()", "RecursionError"),
        (OS + "sys.stdout = None\n1", ""),
        (OS + "os._exit(0)", "the process ended before it had a result"),
        (OS + "os._exit(77)", "the process ended before it had a result"),
        (OS + "os.close(1)", ""),
        (OS + "call = sys.modules['memrl.tools.inside.kernel']._libc.strlen\ncall(1)", ""),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("class E(Exception):\n    def __str__(self): raise SystemExit\nraise E", ""),
        ("class E(BaseException): pass\nraise E", "E (line 2)"),
        ("eval('(' * 500 + ')' * 500)", ""),
    ],
)
def test_what_goes_wrong_is_told(sandbox, code, why):
    ran = sandbox.python(code)
    assert (ran.why or ran.ok) and ran.why.startswith(why) and len(ran.why) < 200


def test_a_result_may_be_forged_and_is_no_more_than_text(sandbox):
    forged = sandbox.python(OS + "os.write(1, b'all is well\\x06')\nos.close(1)\nwhile True: pass")
    assert forged.text == "all is well"
    assert sandbox.python(OS + "os.write(1, b'x\\x1ewhy\\x15')\nos.close(1)").why == "why"


@pytest.mark.parametrize(
    ("code", "after"),
    [
        ("import math\nmath.pi = 3", "import math\nmath.pi > 3.1"),
        ("kept = 1", "'kept' not in globals()"),
        (OS + "sys.modules['builtins'].len = print", "len('ab') == 2"),
        (OS + "sys.stdout.write = print", "True"),
        ("__builtins__['print'] = None", "print('x')\nTrue"),
        ("import random\nrandom.seed(5)", "import random\nrandom.random() == random.Random(0).random()"),
        (OS + "os.environ['KEPT'] = '1'", OS + "'KEPT' not in os.environ"),
        (OS + "sys.modules['memrl.tools.inside.programs'].run_python = None", "True"),
        (OS + "sys.modules['memrl.tools.inside.kernel'].lock = print", OS + "os.path is not None"),
        ("import json\njson.loads = lambda text: {'kind': 'python', 'code': '1'}", "True"),
    ],
)
def test_nothing_is_left_for_the_next_call(sandbox, code, after):
    sandbox.python(code)
    assert sandbox.python(after).text.endswith("True")


def test_the_environment_and_the_files_of_the_caller_are_not_there(monkeypatch):
    monkeypatch.setenv("API_KEY", "sesame")
    with Sandbox() as made:
        seen = made.python(OS + "print(dict(os.environ), sys.argv, os.getcwd if 0 else '')")
    assert seen.ok and "sesame" not in seen.text and "API_KEY" not in seen.text


@pytest.fixture(scope="module")
def database():
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE t (a INTEGER)")
    connection.executemany("INSERT INTO t VALUES (?)", [(i,) for i in range(1000)])
    connection.commit()
    return connection.serialize()


@pytest.mark.parametrize(
    "query",
    [
        "ATTACH DATABASE '{path}' AS other",
        "ATTACH DATABASE ':memory:' AS other",
        "VACUUM INTO '{path}.db'",
        "SELECT load_extension('{path}')",
        "SELECT readfile('{path}')",
        "SELECT writefile('{path}', 'x')",
        "SELECT random()",
        "INSERT INTO t VALUES (1)",
        "DROP TABLE t",
        "CREATE TEMP TABLE u (a)",
        "CREATE VIRTUAL TABLE v USING fts5(a)",
        "PRAGMA writable_schema = 1",
        "PRAGMA journal_mode = WAL",
        "BEGIN",
        "SELECT zeroblob(2000000000)",
        "SELECT 1; DROP TABLE t",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n",
        "SELECT count(*) FROM t, t AS b, t AS c, t AS d",
        "SELECT " + "(" * 5000,
        "SELECT group_concat(hex(zeroblob(5000)), '') FROM t, t AS b",
        "",
        "\x00",
    ],
)
def test_a_query_reads_and_ends(sandbox, secret, database, query):
    ran = sandbox.sql(query.replace("{path}", str(secret)), database)
    assert not ran.ok and ran.why and "\n" not in ran.why
    assert secret.read_text(encoding="utf-8") == "the crown jewels" and len(list(secret.parent.iterdir())) == 1
    assert sandbox.sql("SELECT count(*) AS n FROM t", database).text == "n\n1000"
