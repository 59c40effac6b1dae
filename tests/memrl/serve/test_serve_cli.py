"""``memrl serve``: what cannot be served is one line and exit code 2; what can be is served by a process of its own."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from memrl.cli import main as cli

ROOT = Path(__file__).parents[3]
TOKEN = "a-token-of-twenty-letters"


@pytest.fixture
def refused(monkeypatch, capsys):
    def call(*words):
        monkeypatch.delenv("MEMRL_TOKEN", raising=False)
        monkeypatch.setattr(sys, "argv", ["memrl", "serve", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        err = capsys.readouterr().err
        assert ended.value.code == 2 and err.count("\n") == 1 and err.startswith("memrl: ")
        return err

    return call


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["tiny", "--host", "0.0.0.0"], "--host = '0.0.0.0': others can reach it"),
        (["tiny", "--host", "0.0.0.0", "--token", "short"], "--token (or MEMRL_TOKEN) of at least 16"),
        (["tiny", "--port", "99999"], "--port = 99999"),
        (["tiny", "--max-bytes", "0"], "--max-bytes = 0"),
        (["tiny", "--user", "ana"], "--user = 'ana'"),
        (["--mcp"], "--memory = None"),
        (["tiny", "--mcp", "--memory", "x.db"], "MODEL = 'tiny'"),
        (["no/such/model"], "no/such/model"),
    ],
)
def test_what_cannot_be_served_is_told_in_one_line(refused, words, told):
    assert told in refused(*words)


def test_a_token_is_never_printed(refused):
    assert "pass word" not in refused("tiny", "--token", " pass word")


def test_a_file_that_is_no_memory_is_told_in_one_line(refused, tmp_path):
    foreign = tmp_path / "foreign.db"
    foreign.write_text("somebody's letter\n" * 100)
    for path in (foreign, tmp_path, tmp_path / "none" / "notes.db"):
        assert str(path) in refused("--mcp", "--memory", str(path))
        assert str(path) in refused("tiny", "--memory", str(path))


def test_an_address_that_is_taken_is_told_in_one_line(refused):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert "cannot listen there" in refused("tiny", "--port", str(taken.getsockname()[1]))


@pytest.mark.parametrize(
    ("package", "asked", "cure"),
    [
        ("fastapi", "from memrl.serve.running import check_extra; check_extra()", "pip install 'memrl[serve]'"),
        ("mcp", "import memrl.serve.mcp_server", "pip install 'memrl[mcp]'"),
        ("langgraph", "import memrl.serve.langgraph_store", "pip install 'memrl[langgraph]'"),
    ],
)
def test_a_missing_extra_names_its_own_cure(package, asked, cure):
    code = (
        f"import sys; sys.modules['{package}'] = None\n"
        f"from memrl.contracts.errors import MissingExtra\n"
        f"try:\n    {asked}\nexcept MissingExtra as error:\n    print(error)\n"
        "assert 'torch' not in sys.modules"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True).stdout
    assert cure in told


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def started(path, port):
    command = [sys.executable, "-m", "memrl.cli.main", "serve", "tiny", "--memory", str(path), "--port", str(port)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MEMRL_TOKEN": TOKEN}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    for _ in range(1500):
        try:
            httpx.get(f"http://127.0.0.1:{port}/health")
            return process
        except httpx.TransportError:
            assert process.poll() is None
            time.sleep(0.1)
    raise AssertionError("the server did not start")


@pytest.mark.slow
def test_what_was_acknowledged_is_there_after_a_kill(tmp_path):
    path, port = tmp_path / "notes.db", free_port()
    headers = {"authorization": f"Bearer {TOKEN}"}
    process = started(path, port)
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=60) as http:
        for n in range(5):
            assert http.post("/v1/memories", json={"text": f"Box {n} is red.", "user": "ana"}).json()["fate"] == "kept"
        process.send_signal(signal.SIGKILL)
        process.wait()
    process = started(path, port)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=60) as http:
            held = http.get("/v1/memories", params={"user": "ana"}).json()["data"]
            assert [one["text"] for one in held] == [f"Box {n} is red." for n in range(5)]
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) in (0, -signal.SIGTERM)
