"""Requests over a real socket: memories, health, metrics, and what is turned away before anything reads it."""

import json
import socket
import threading

import httpx
import pytest
from served import Scripted, Told, serving

from memrl.agent import wrap
from memrl.contracts.errors import ConfigError, StorageError
from memrl.serve.running import check_address, is_loopback

TOKEN = "a-token-of-twenty-letters"
JSON = {"content-type": "application/json"}
HALF = b"POST /v1/memories HTTP/1.1\r\nhost: localhost\r\ncontent-length: 50\r\ncontent-type: application/json\r\n\r\n{"


@pytest.fixture(scope="module")
def tiny():
    return wrap("tiny")


@pytest.fixture(scope="module")
def address(tiny):
    with serving(Scripted(tiny, lambda messages, agent: Told(["fine"]))) as address:
        yield address


@pytest.fixture
def http(address):
    with httpx.Client(base_url=address, timeout=60) as client:
        yield client


def test_a_memory_is_added_found_changed_and_deleted(http):
    added = http.post("/v1/memories", json={"text": "The key is red.", "user": "ana", "metadata": {"topic": "keys"}})
    told = added.json()
    assert added.status_code == 200 and (told["fate"], told["reason"], len(told["ids"])) == ("kept", None, 1)
    [id] = told["ids"]
    assert http.post("/v1/memories", json={"text": "The key is red.", "user": "ana"}).json()["fate"] == "duplicate"
    hits = http.post("/v1/memories/search", json={"query": "red key", "user": "ana", "where": {"topic": "keys"}}).json()
    assert [hit["text"] for hit in hits["data"]] == ["The key is red."] and 0 < hits["data"][0]["score"] <= 1
    none = http.post("/v1/memories/search", json={"query": "red key", "user": "ana", "where": {"topic": "x"}}).json()
    assert none["data"] == []
    new = http.put(f"/v1/memories/{id}", json={"text": "The key is blue.", "user": "ana"}).json()["memories"][0]
    assert new["text"] == "The key is blue." and new["metadata"] == {"topic": "keys"}
    assert http.get(f"/v1/memories/{id}", params={"user": "ana"}).json()["text"] == "The key is blue."
    assert http.get(f"/v1/memories/{id}", params={"user": "ben"}).status_code == 404
    listed = http.get("/v1/memories", params={"user": "ana", "limit": "1"}).json()
    assert (listed["total"], [one["id"] for one in listed["data"]]) == (1, [new["id"]])
    gone = http.delete(f"/v1/memories/{new['id']}", params={"user": "ana"})
    assert gone.json() == {"id": new["id"], "object": "memory", "deleted": True}
    again = http.delete(f"/v1/memories/{new['id']}", params={"user": "ana"})
    assert again.status_code == 404 and again.json()["error"]["code"] == "not_found"


def test_a_users_name_misspelt_is_said_and_gives_nothing_to_everybody(http):
    for path, body in (
        ("/v1/memories", {"text": "Zoe's code is 17.", "usr": "zoe"}),
        ("/v1/memories/search", {"query": "code", "User": "zoe"}),
    ):
        error = http.post(path, json=body).json()["error"]
        assert error["param"] in ("usr", "User") and "there is no such field; take " in error["message"]
    assert http.get("/v1/memories", params={"userr": "zoe"}).status_code == 400
    assert http.delete("/v1/memories", params={"usr": "zoe"}).status_code == 400
    assert "17" not in http.get("/v1/memories").text


def test_what_a_client_did_wrong_is_no_traceback_in_the_log(http, caplog):
    bad = {"query": "x", "user": "ana", "where": {"trust": {"$like": 1}}}
    http.post("/v1/memories", json={"text": "The lamp is on.", "user": "ana"})
    for path, body in (("/v1/memories", {"text": "x", "trust": 7}), ("/v1/memories/search", bad)):
        assert http.post(path, json=body).status_code == 400
    assert not [record for record in caplog.records if record.exc_info]


def test_all_memories_of_one_user_are_deleted_and_nobody_elses(http):
    for user in ("dan", "eve"):
        for n in range(3):
            http.post("/v1/memories", json={"text": f"Box {n} is green.", "user": user})
    assert len(http.delete("/v1/memories", params={"user": "dan"}).json()["deleted"]) == 3
    totals = [http.get("/v1/memories", params={"user": user}).json()["total"] for user in ("dan", "eve")]
    assert totals == [0, 3]


@pytest.mark.parametrize(
    ("method", "path", "body", "param"),
    [
        ("POST", "/v1/memories", {"text": " "}, "text"),
        ("POST", "/v1/memories", {"text": 5}, "text"),
        ("POST", "/v1/memories", {"text": "x", "user": ""}, "user"),
        ("POST", "/v1/memories", {"text": "x", "metadata": []}, "metadata"),
        ("POST", "/v1/memories", {"text": "x", "trust": 7}, "trust"),
        ("POST", "/v1/memories/search", {"query": "x", "k": 0}, "k"),
        ("POST", "/v1/memories/search", {"query": "x", "k": 10**9}, "k"),
        ("POST", "/v1/memories/search", {"query": "x", "where": 5}, "where"),
        ("GET", "/v1/memories?limit=x", None, "limit"),
        ("GET", "/v1/memories?user=%20", None, "user"),
        ("GET", "/v1/memories?user=ben&user=ana", None, "user"),
        ("PUT", "/v1/memories/a1", {}, None),
    ],
)
def test_a_field_that_cannot_be_used_is_named(http, method, path, body, param):
    answer = http.request(method, path, json=body)
    assert answer.status_code in (400, 404)
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"} and "\n" not in error["message"]
    assert param is None or error["param"] == param


@pytest.mark.parametrize(
    ("request_", "status", "code"),
    [
        (("POST", "/v1/chat/completions", {"content": b"{half", "headers": JSON}), 400, "invalid_json"),
        (("POST", "/v1/memories", {"content": b"[1]", "headers": JSON}), 400, "invalid_json"),
        (("POST", "/v1/memories", {"content": b"\xff\xfe{", "headers": JSON}), 400, "invalid_json"),
        (("POST", "/v1/memories", {"content": b"[" * 200_000, "headers": JSON}), 400, "invalid_json"),
        (("POST", "/v1/memories", {"content": b'{"text": "\\ud800"}', "headers": JSON}), 400, "invalid_json"),
        (("POST", "/v1/memories", {"content": b'{"text": "x", "trust": NaN}', "headers": JSON}), 400, "invalid_json"),
        (("POST", "/v1/memories", {"content": b"text=x"}), 415, "unsupported_media_type"),
        (("GET", "/v1/nothing", {}), 404, "not_found"),
        (("PATCH", "/v1/memories", {}), 405, "method_not_allowed"),
        (("GET", "/docs", {}), 404, "not_found"),
    ],
)  # fmt: skip
def test_what_is_no_request_is_a_typed_error(http, request_, status, code):
    method, path, more = request_
    answer = http.request(method, path, **more)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert http.get("/health").json() == {"status": "ok"}


def test_a_request_that_is_too_large_is_refused_whether_or_not_it_says_so(tiny):
    with serving(tiny, limit=1000) as address, httpx.Client(base_url=address) as http:
        large = json.dumps({"text": "x" * 1000}).encode()
        headers = {"content-type": "application/json"}
        told = http.post("/v1/memories", content=large, headers=headers)
        chunked = http.post("/v1/memories", content=iter([large[:600], large[600:]]), headers=headers)
        for answer in (told, chunked):
            assert (answer.status_code, answer.json()["error"]["code"]) == (413, "request_too_large")
        assert http.post("/v1/memories", json={"text": "A lamp stands here."}).status_code == 200


def test_with_a_token_only_health_is_open(tiny):
    with serving(tiny, token=TOKEN) as address, httpx.Client(base_url=address) as http:
        good = {"authorization": f"Bearer {TOKEN}"}
        assert http.get("/health").status_code == 200
        for path in ("/metrics", "/v1/models", "/v1/memories", "/nothing"):
            for header in (
                {},
                {"authorization": TOKEN},
                {"authorization": "Bearer"},
                {"authorization": f"Basic {TOKEN}"},
            ):
                answer = http.get(path, headers=header)
                assert answer.status_code == 401 and answer.headers["www-authenticate"] == "Bearer"
                assert answer.json()["error"]["type"] == "authentication_error"
        assert http.get("/metrics", headers=good).status_code == 200
        assert http.get("/v1/models", headers={**good, "host": "elsewhere.example"}).status_code == 200


def test_without_a_token_a_foreign_host_name_is_refused(http):
    """A page in a browser may point a name of its own at this machine."""
    for host, status in (("evil.example", 403), ("evil.example:8000", 403), ("localhost", 200), ("127.0.0.1:99", 200)):
        assert http.get("/v1/models", headers={"host": host}).status_code == status


def test_a_broken_off_request_leaves_the_server_up(address, http):
    host, port = address.removeprefix("http://").split(":")
    for sent in (b"\x16\x03\x01garbage\r\n\r\n", HALF, b"GET"):
        with socket.create_connection((host, int(port))) as raw:
            raw.sendall(sent)
    assert http.get("/health").status_code == 200


def test_a_store_that_cannot_be_written_is_a_503(tiny):
    class Full(Scripted):
        def observe(self, text, **_):
            raise StorageError("memory file notes.db: the disk is full, nothing was written")

    with serving(Full(tiny, None)) as address, httpx.Client(base_url=address) as http:
        answer = http.post("/v1/memories", json={"text": "A lamp."})
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "storage_unavailable")
        assert http.get("/health").status_code == 200


def test_metrics_count_what_was_served(tiny):
    with serving(Scripted(tiny, lambda *_: Told(["fine"]))) as address, httpx.Client(base_url=address) as http:
        http.post("/v1/memories", json={"text": "Metrics are counted.", "user": "meg"})
        http.post("/v1/memories", json={"text": "Metrics are counted.", "user": "meg"})
        http.post("/v1/memories", json={"text": ""})
        ask = {"model": "memrl", "messages": [{"role": "user", "content": "Hi?"}]}
        http.post("/v1/chat/completions", json=ask)
        answer = http.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = dict(line.rsplit(" ", 1) for line in answer.text.splitlines() if not line.startswith("#"))
    assert lines['memrl_requests_total{route="/v1/memories",status="200"}'] == "2"
    assert lines['memrl_requests_total{route="/v1/memories",status="400"}'] == "1"
    assert lines['memrl_request_seconds_bucket{route="/v1/memories",le="+Inf"}'] == "3"
    assert lines['memrl_observations_total{fate="kept"}'] == lines['memrl_observations_total{fate="duplicate"}'] == "1"
    assert lines['memrl_tokens_total{kind="prompt"}'] == "7" and lines["memrl_requests_in_progress"] == "1"


def test_users_who_write_and_chat_at_once_lose_nothing_and_see_nobody_elses(tiny):
    def recall(messages, agent):
        return Told([found.text for found in agent.search(messages[-1]["content"], 50, where=None)])

    users, each, wrong = [f"u{n}" for n in range(8)], 6, []

    def use(address, user):
        with httpx.Client(base_url=address, timeout=120) as http:
            for n in range(each):
                told = http.post("/v1/memories", json={"text": f"Box {n} belongs to {user}.", "user": user}).json()
                wrong.extend([told] if told["fate"] != "kept" else [])
                ask = {"model": "memrl", "user": user, "messages": [{"role": "user", "content": "Whose is the box?"}]}
                said = http.post("/v1/chat/completions", json=ask).json()["choices"][0]["message"]["content"]
                wrong.extend([said] if any(other in said for other in users if other != user) else [])

    with serving(Scripted(tiny, recall)) as address:
        threads = [threading.Thread(target=use, args=(address, user)) for user in users]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with httpx.Client(base_url=address) as http:
            totals = [http.get("/v1/memories", params={"user": user}).json()["total"] for user in users]
    assert not wrong and totals == [each] * len(users)


@pytest.mark.parametrize(
    ("host", "port", "token"),
    [
        ("0.0.0.0", 8000, None),
        ("::", 8000, None),
        ("192.168.1.4", 8000, None),
        ("example.org", 8000, "short"),
        ("127.0.0.1", 70000, None),
        ("127.0.0.1", 8000, " "),
        ("127.0.0.1", 8000, "tökén-of-some-length"),
    ],
)
def test_an_address_that_others_can_reach_needs_a_good_token(host, port, token):
    with pytest.raises(ConfigError, match="--"):
        check_address(host, port, token)


def test_this_machine_needs_none():
    for host in ("127.0.0.1", "127.0.0.9", "localhost", "::1", "[::1]"):
        assert is_loopback(host)
        check_address(host, 0, None)
    check_address("0.0.0.0", 8000, TOKEN)


def test_a_user_where_nobody_reads_it_is_refused_and_nothing_is_changed(http):
    http.post("/v1/memories", json={"text": "Nobody's only note."})
    [id] = http.post("/v1/memories", json={"text": "Zoe's note.", "user": "zoe"}).json()["ids"]
    tried = [
        http.request("DELETE", "/v1/memories", json={"user": "zoe"}),
        http.request("DELETE", f"/v1/memories/{id}", json={"user": "zoe"}),
        http.put(f"/v1/memories/{id}?user=zoe", json={"text": "Another."}),
        http.post("/v1/memories?user=zoe", json={"text": "Another."}),
        http.post("/v1/memories/search?user=zoe", json={"query": "note"}),
    ]
    assert [one.status_code for one in tried] == [400] * 5
    assert "in the address, as ?user=" in tried[0].json()["error"]["message"]
    assert "put it into the body" in tried[2].json()["error"]["message"]
    held = [one["text"] for one in http.get("/v1/memories").json()["data"]]
    assert "Nobody's only note." in held and "Another." not in held
    assert http.get("/v1/memories?user=zoe").json()["total"] == 1


def test_to_look_at_nobody_makes_nobody(http, tiny):
    assert http.get("/v1/memories?user=nobody").json() == {"object": "list", "data": [], "total": 0}
    assert http.post("/v1/memories/search", json={"query": "x", "user": "nobody"}).json()["data"] == []
    assert http.get("/v1/memories/a1?user=nobody").status_code == 404
    assert "nobody" not in tiny.users()
