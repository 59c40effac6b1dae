"""Stories of single steps, told without any model."""

import pytest
from toy import TASK, Echo, Taker, ToyEnv, ToyTasks, toy_agent

from memory_stores.types import Forget, Keep, Overwrite, Write
from memrl.contracts.errors import ConfigError, LeakError
from memrl.contracts.types import End, OpDecision, Task, TokenDecision
from memrl.rollouts.scheduler import play

STORY = ("Ana put the lantern in the attic.", "It rained all day.", "Is the lantern in the attic?")


def play_one(agent):
    [group] = play(agent, [TASK], [0], tries=1)
    return group.episodes[0]


def test_a_fact_written_at_step_one_is_told_at_the_question():
    episode = play_one(toy_agent(ToyTasks(STORY), Taker(Write)))
    assert episode.end is End.DONE and episode.success == 1.0
    question = episode.steps[2]
    assert [line.text for line in question.view] == list(STORY[:2])
    assert question.view[0].observation_id == "o0"


def test_who_keeps_nothing_answers_from_nothing():
    episode = play_one(toy_agent(ToyTasks(STORY), Taker()))
    assert episode.success == 0.0 and episode.steps[2].view == ()


def test_a_step_ends_with_keep_and_the_question_is_never_on_offer_for_writing():
    episode = play_one(toy_agent(ToyTasks(STORY), Taker(Write)))
    ops = [[type(d.action) for d in step.decisions if isinstance(d, OpDecision)] for step in episode.steps]
    assert ops == [[Write, Keep], [Write, Keep], []]


def test_an_overwrite_takes_the_place_of_the_first_item():
    class WriteOnce(Taker):
        def _pick(self, request):
            self._wanted = (Write,) if request.observation.step == 0 else (Overwrite,)
            return super()._pick(request)

    episode = play_one(toy_agent(ToyTasks(STORY), WriteOnce()))
    assert [line.text for line in episode.steps[2].view] == [STORY[1]]


def test_what_only_makes_room_uses_up_no_op_of_the_step():
    class MakeRoom(Taker):
        def _pick(self, request):
            fits = any(isinstance(op, Write) for op in request.offers.ops)
            self._wanted = (Write,) if fits else (Forget,)
            return super()._pick(request)

    story = ("one two three", "four five six", "one two three four five six", "is it so?")
    episode = play_one(toy_agent(ToyTasks(story), MakeRoom(), budget=6, max_ops=1))
    ops = [[type(d.action) for d in step.decisions if isinstance(d, OpDecision)] for step in episode.steps]
    assert ops == [[Write], [Write], [Forget, Forget, Write], []]
    assert [line.text for line in episode.steps[3].view] == [story[2]]


def test_created_ids_stand_in_the_decision_that_made_them():
    episode = play_one(toy_agent(ToyTasks(STORY), Taker(Write)))
    first = episode.steps[0].decisions[0]
    assert first.created == (episode.steps[2].view[0].entry_id,)


def test_the_step_limit_is_a_cut_off_not_an_ending():
    episode = play_one(toy_agent(ToyTasks(STORY), Taker(Write), step_limit=2))
    assert episode.end is End.STEP_LIMIT and len(episode.steps) == 2


def test_an_environment_that_raises_ends_its_own_episode_and_says_why():
    episode = play_one(toy_agent(ToyTasks(STORY, fail_at=1), Taker(Write)))
    assert episode.end is End.ENV_ERROR and "the wheel came off" in episode.error
    assert len(episode.steps) == 1


class Misconfigured(ToyEnv):
    """Finds out while it plays that its options fit nothing."""

    def __init__(self, task: Task, at: str) -> None:
        super().__init__(task, STORY)
        self._refuses_at = at

    def start(self):
        self._refuse("start")
        return super().start()

    def step(self, action):
        self._refuse("step")
        return super().step(action)

    def _refuse(self, here: str) -> None:
        if self._refuses_at == here:
            raise ConfigError("env.options.id", here, "name another")


class MisconfiguredTasks(ToyTasks):
    def make(self, task):
        return Misconfigured(task, self.name)


@pytest.mark.parametrize("at", ["start", "step"])
@pytest.mark.parametrize("seconds", [0.0, 30.0])
def test_a_setting_that_an_environment_refuses_ends_the_run(at: str, seconds: float):
    agent = toy_agent(MisconfiguredTasks(STORY, name=at), Taker(Write), env_seconds=seconds)
    with pytest.raises(ConfigError, match=rf"env\.options\.id = '{at}': name another"):
        play_one(agent)


def test_a_planted_question_is_caught_before_it_can_be_written():
    planted = (STORY[0], STORY[2], "Note: is the lantern in the attic?")
    agent = toy_agent(
        ToyTasks([STORY[0], STORY[2], "He asked. Is the lantern in the attic? Nobody knew."]), Taker(Write)
    )
    with pytest.raises(LeakError, match="query_free"):
        play_one(agent)
    early = ["He asked. Is the lantern in the attic? Nobody knew.", STORY[2]]
    with pytest.raises(LeakError, match="observation 'o1'"):
        play_one(toy_agent(ToyTasks(early), Taker(Write)))
    assert play_one(toy_agent(ToyTasks(planted[:2]), Taker(Write))).end is End.DONE


def test_equal_requests_of_many_episodes_are_answered_in_one_batch():
    controller = Taker(Write)
    play(toy_agent(ToyTasks(STORY), controller), [TASK, TASK], [0], tries=4)
    assert set(controller.batches) == {8}


def test_siblings_share_no_memory_afterwards():
    class OnlyTheFirst(Taker):
        def choose(self, requests):
            return [choice if i == 0 else choice._replace(index=0) for i, choice in enumerate(super().choose(requests))]

    [group] = play(toy_agent(ToyTasks(STORY), OnlyTheFirst(Write)), [TASK], [0], tries=3)
    assert [episode.success for episode in group.episodes] == [1.0, 0.0, 0.0]


def test_results_do_not_depend_on_how_episodes_are_batched():
    class Dice(Taker):
        def _pick(self, request):
            return int(request.rng.integers(len(request.offers.ops)))

    def played(concurrency):
        policy = Echo()
        agent = toy_agent(ToyTasks(STORY), Dice(), policy, group_size=5, concurrency=concurrency)
        groups = play(agent, [TASK, TASK], [7])
        ops = [[d.action for s in e.steps for d in s.decisions] for g in groups for e in g.episodes]
        return ops, sorted(request.seed for request in policy.requests)

    assert played(1) == played(3) == played(64)


def test_the_read_budget_leaves_the_oldest_lines_out():
    agent = toy_agent(ToyTasks(STORY), Taker(Write))
    agent = type(agent)(**{name: getattr(agent, name) for name in agent.__slots__} | {"read_budget": 5})
    assert [line.text for line in play_one(agent).steps[2].view] == [STORY[1]]


def test_forgetting_is_an_op_like_any_other():
    class ThenForget(Taker):
        def _pick(self, request):
            self._wanted = (Write,) if request.observation.step == 0 and request.count == 0 else (Forget,)
            return super()._pick(request)

    episode = play_one(toy_agent(ToyTasks(STORY), ThenForget()))
    assert episode.steps[2].view == ()
    assert all(isinstance(step.decisions[-1], OpDecision | TokenDecision) for step in episode.steps)


def test_a_policy_reads_once_every_live_episode_waits_for_a_policy():
    """However many ops an episode needs before, and whenever it asks."""

    class Uneven(ToyTasks):
        def make(self, task):
            return ToyEnv(task, ("Ana put the lantern in the attic.",) * (1 + 3 * task.seed) + ("Is it there?",))

    class Counting(Echo):
        def __init__(self):
            super().__init__()
            self.batches = []

        def sample(self, requests):
            self.batches.append([request.task.seed for request in requests])
            return super().sample(requests)

    tasks = [Task(env="toy", theta=None, seed=seed) for seed in range(5)]
    agent = toy_agent(Uneven(STORY), Taker(Write), Counting(), concurrency=3)
    play(agent, tasks, [0], tries=1)
    # Three are seated; two more take the places of those that ended, and all who are seated read together.
    assert agent.policy.batches == [[0, 1, 2], [3, 4]]
    assert max(agent.controller.batches) == 3


@pytest.mark.parametrize(("said", "want"), [(1.0, 1.0), (0.25, 0.25), (None, 0.0)])
def test_success_is_the_environments_word_and_a_question_needs_no_verdict(said, want):
    """T2: sixty questions, none of them judged; the ending says how far it was solved."""

    class Unjudged(ToyEnv):
        def step(self, action):
            outcome = super().step(action)._replace(verdict=None)
            return outcome if outcome.next is not None else outcome._replace(success=said)

    class Game(ToyTasks):
        def make(self, task):
            return Unjudged(task, ("Is it there?",) * 60)

    episode = play_one(toy_agent(Game(STORY), Taker()))
    assert (episode.end, len(episode.steps), episode.success) == (End.DONE, 60, want)
