"""Stories of what a memory did, and the page that shows them; in a real browser where there is one."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import threading
from http.client import HTTPConnection
from pathlib import Path

import pytest
from toy import TASK, Taker, ToyTasks, count_words, toy_agent

import memrl
from memory_stores.graph_store import GraphStore
from memory_stores.memory import AgentMemory
from memory_stores.token_store import TokenStore
from memory_stores.types import Link, Overwrite, Relink, Stamp, Write
from memrl.contracts.config import CreditConfig
from memrl.contracts.errors import ConfigError, DataError
from memrl.inspection import run_stories
from memrl.recipes import recipe
from memrl.reporting.pages.of_episode import LISTED, stories, story
from memrl.reporting.pages.of_memory import memory_story
from memrl.reporting.pages.page import page, serving, write_page
from memrl.reporting.pages.story import Story
from memrl.rollouts.scheduler import play

TOLD = ("Ana has the lantern.", "It rained.", "Who has the lantern?")
SVG_NAME = "http://www.w3.org/2000/svg"
EVIL = "</script><script>document.title='gone'</script> \x1b[31m <b>bold</b>"


def played(controller, told=TOLD, budget: int = 16):
    agent = toy_agent(ToyTasks(told), controller, budget=budget)
    return play(agent, [TASK], [0], tries=2), agent


def test_a_story_says_what_came_what_went_what_was_seen_and_what_it_earned():
    groups, agent = played(Taker(Write, Overwrite), budget=4)
    [one] = stories(groups, agent, CreditConfig(name="return_to_go"))
    first, second, asked = one.moments
    assert (first.born, first.gone) == (("t1",), ())
    assert (second.born, second.gone) == (("t2",), ("t1",))
    assert [(life.born, life.gone, life.replaces, life.uses) for life in one.lives.values()] == [
        (0, 1, None, ()),
        (1, None, "t1", (2,)),
    ]
    assert (asked.view, asked.answer, asked.expected, asked.score) == (("t2",), "no", "yes", 0.0)
    assert [(lack.step, lack.fate) for lack in asked.lacked] == [(0, "let go at step 1")]
    assert first.decisions[0].said == "Write to token: Ana has the lantern." and first.decisions[0].credit == 0.0
    assert one.budget == 4 and one.about["success"] == "0.000"


def test_what_was_never_written_is_told_apart():
    groups, agent = played(Taker())
    asked = stories(groups, agent, CreditConfig(name="return_to_go"))[0].moments[2]
    assert [lack.fate for lack in asked.lacked] == ["never written"]


def test_an_episode_alone_has_no_credit_and_a_rule_no_shares():
    groups, agent = played(Taker(Write))
    one = story(groups[0].episodes[0], agent)
    [wrote, *_] = one.moments[0].decisions
    assert wrote.credit is None and {offer.share for offer in wrote.offers} == {None}
    assert [offer.op for offer in wrote.offers if offer.chosen] == [wrote.said]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return memrl.train(recipe("smoke", steps=1, out=str(tmp_path_factory.mktemp("pages") / "run")))


def test_a_run_tells_the_probability_of_every_offer(run: Path):
    told = run_stories(run, episodes=2, tries=2)
    assert len(told) == 2
    chosen = [d for one in told for m in one.moments for d in m.decisions if d.offers]
    assert chosen
    for decision in chosen:
        shares = [offer.share for offer in decision.offers]
        assert sum(offer.chosen for offer in decision.offers) == 1 and len(shares) <= LISTED + 1
        assert shares == sorted(shares, reverse=True)
        assert sum(shares) == pytest.approx(1.0, abs=1e-4) or decision.left_out
    assert told == run_stories(run, episodes=2, tries=2)


@pytest.mark.parametrize(("knob", "value"), [("episodes", 0), ("tries", 0), ("seed", -1)])
def test_numbers_that_no_play_can_have_are_refused(run: Path, knob: str, value: int):
    with pytest.raises(ConfigError, match=f"{knob} = {value}"):
        run_stories(run, **{knob: value})


def remembered() -> Story:
    memory = AgentMemory(token=TokenStore(64, count_words), graph=GraphStore(64, count_words))
    memory.apply(Link("Ana", "lives in", "Paris"), Stamp(step=0, observation_id="o0", trust=0.5))
    memory.apply(Write(EVIL), Stamp(step=1, observation_id="o1"))
    memory.apply(Relink("g1", "Rome"), Stamp(step=4, observation_id="o4"))
    return memory_story(memory, "notes")


def test_a_memory_file_is_told_by_its_stamps_superseded_edges_included():
    one = remembered()
    assert [(m.clock, m.born, m.gone) for m in one.moments] == [
        (0, ("g1",), ()),
        (1, ("t1",), ()),
        (4, ("g2",), ("g1",)),
    ]
    assert one.lives["g1"].ends == ("Ana", "lives in", "Paris")
    assert (one.lives["g1"].gone, one.lives["g2"].replaces, one.lives["g1"].trust) == (2, "g1", 0.5)


def test_the_page_is_one_file_in_which_data_stay_data():
    text = page("notes", [remembered()])
    assert "%%" not in text
    assert not re.search(r"(src|href)\s*=|https?:|url\(", text.replace(SVG_NAME, ""))
    [data] = re.findall(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    [told] = json.loads(data)["stories"]
    assert told["lives"]["t1"]["text"] == EVIL and "<" not in data


def test_a_page_that_cannot_be_written_says_so(tmp_path: Path):
    with pytest.raises(DataError, match="cannot be written"):
        write_page(tmp_path / "missing" / "page.html", "x", [])


def test_a_page_is_served_to_this_machine_alone(tmp_path: Path):
    written = write_page(tmp_path / "page.html", "notes", [remembered()])
    server = serving(written, 0)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    port = server.server_address[1]

    def got(path: str, host: str) -> tuple[int, bytes]:
        line = HTTPConnection("127.0.0.1", port)
        line.request("GET", path, headers={"Host": host})
        answer = line.getresponse()
        return answer.status, answer.read()

    try:
        assert server.server_address[0] == "127.0.0.1"
        assert got("/", f"127.0.0.1:{port}") == (200, written.read_bytes())
        assert got("/../secret", f"localhost:{port}")[0] == 404
        assert got("/", "elsewhere.example")[0] == 404
        with pytest.raises(DataError, match=f"--port {port}"):
            serving(written, port)
    finally:
        server.shutdown()
        server.server_close()


BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.mark.skipif(BROWSER is None, reason="no Chromium here: apt-get install chromium")
def test_a_browser_shows_the_graph_with_its_past_dashed_and_runs_nothing_from_memory(tmp_path: Path):
    written = write_page(tmp_path / "page.html", "notes", [remembered()])
    shown = dom(tmp_path, f"file://{written}#step=2&tab=graph")
    assert "<title>notes</title>" in shown
    assert shown.count('<li data-step="') == 3
    assert len(re.findall(r'<path [^>]*class="edge past"[^>]*data-id="g1"', shown)) == 1
    assert len(re.findall(r'<path [^>]*class="edge"[^>]*data-id="g2"', shown)) == 1
    assert "&lt;b&gt;bold&lt;/b&gt;" in shown and "\\u001b[31m" in shown
    before = dom(tmp_path, f"file://{written}#step=0&tab=graph")
    assert 'class="edge past"' not in before and before.count('class="edge"') == 1


@pytest.mark.skipif(BROWSER is None, reason="no Chromium here: apt-get install chromium")
def test_a_browser_shows_offers_reward_credit_and_why(tmp_path: Path):
    groups, agent = played(Taker(Write, Overwrite), budget=4)
    written = write_page(tmp_path / "page.html", "toy", stories(groups, agent, CreditConfig(name="return_to_go")))
    asked = dom(tmp_path, f"file://{written}#step=2&tab=life&entry=t2&which=wrong")
    assert asked.count('<li data-step="') == 1 and "expected: yes (score 0)" in asked
    assert "let go at step 1" in asked and "why: in view when it answered" in asked
    assert "in view 1 times" in asked and "steps 0 to 1" in asked  # both versions of the fact
    wrote = dom(tmp_path, f"file://{written}#step=1")
    assert '<div class="offer chosen">' in wrote and "credit +0.000" in wrote and "~ t1 → t2" in wrote


def dom(folder: Path, address: str) -> str:
    """The page as it stands after its script ran."""
    flags = (
        "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
        "--disable-component-update --disable-sync --virtual-time-budget=2000"
    )
    command = [str(BROWSER), *flags.split(), f"--user-data-dir={folder / 'profile'}", "--dump-dom", address]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
