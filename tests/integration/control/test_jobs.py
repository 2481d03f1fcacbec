"""What holds of jobs, however they are done."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial

import msgspec
import pytest
import sqlalchemy
from sqlalchemy import text

from control.jobs import store
from control.jobs.schema import Job
from control.mail.schema import SendMail
from control.settings import JobSettings, Settings
from tests.integration.control.harness import Hands, rows
from tests.integration.control.jobbing import QUICK, Note, Stumble, Wait, Works, going, works
from tests.support.rabbitmq import RabbitMQ
from tests.support.waiting import until

FAILURES = "SELECT error FROM jobs WHERE error IS NOT NULL"


class Unheard(Job, frozen=True, tag="test.unheard.v9"):
    """Of a kind that nobody knows."""


@pytest.fixture(params=["embedded", "rabbitmq"])
def amqp_url(request: pytest.FixtureRequest) -> str | None:
    """How jobs are done: by control, or by workers."""
    if request.param == "embedded":
        return None
    running: RabbitMQ = request.getfixturevalue("broker")
    return running.url


@pytest.fixture
async def at(database: sqlalchemy.URL) -> AsyncIterator[Works]:
    async with works(database, Hands()) as made:
        yield made


Doing = Callable[..., AbstractAsyncContextManager[None]]


@pytest.fixture
def doing(at: Works, amqp_url: str | None) -> Doing:
    """Returns a context in which the jobs are done, by so many processes."""

    def begin(settings: JobSettings = QUICK, processes: int = 1) -> AbstractAsyncContextManager[None]:
        return going(
            [loop for _ in range(processes) for loop in at.loops(Settings(jobs=settings, amqp_url=amqp_url))]
        )

    return begin


async def seen(what: str, check: Callable[[], object]) -> None:
    """Wait until that is so."""

    async def now() -> object:
        return check()

    await until(what, now, every_s=0.02)


async def test_a_job_is_done_once_its_change_is_committed(at: Works, doing: Doing) -> None:
    async with doing():
        async with at.database.write() as session:
            await at.jobs.add(session, Note("a"))
        await at.until_effects("a")
        await at.until_states(done=1)
    assert at.count("test.note.v1", "done") == 1


async def test_without_its_change_there_is_no_job(at: Works) -> None:
    with pytest.raises(ZeroDivisionError):
        async with at.database.write() as session:
            await at.jobs.add(session, Note("never"))
            raise ZeroDivisionError
    assert at.states() == {}


async def test_a_timer_waits_for_its_time(at: Works, doing: Doing) -> None:
    at_six = at.clock.now.replace(hour=18)
    async with doing():
        await at.add(Note("late"), due_at=at_six)
        await at.add(Note("now"))
        await at.until_effects("now")
        at.clock.now = at_six
        await at.until_effects("late", "now")


async def test_of_one_key_there_is_one_job_until_it_is_over(at: Works, doing: Doing) -> None:
    async with doing():
        assert await at.add(Wait("first"), key="k")
        assert not await at.add(Note("second"), key="k")
        assert await at.add(Note("other"), key="other")
        await at.until_effects("other")
        at.hand.gate.set()
        await at.until_states(done=2)
        assert await at.add(Note("third"), key="k")
        await at.until_effects("first", "other", "third")


async def test_two_who_add_one_key_at_once_add_one_job(at: Works) -> None:
    added = await asyncio.gather(*(at.add(Note(str(number)), key="k") for number in range(6)))
    assert sorted(added) == [False] * 5 + [True]


async def test_a_cancelled_job_is_not_done(at: Works, doing: Doing) -> None:
    at_six = at.clock.now.replace(hour=18)
    await at.add(Note("cancelled"), due_at=at_six, key="k")
    assert await at.cancel("k")
    assert not await at.cancel("k")
    async with at.database.write() as session:  # postponed
        await at.jobs.add(session, Note("six"), due_at=at_six, key="k")
        await at.jobs.cancel(session, "k")
        await at.jobs.add(session, Note("seven"), due_at=at_six.replace(hour=19), key="k")
    at.clock.now = at_six
    async with doing():
        await at.add(Note("now"))
        await at.until_effects("now")
        at.clock.forward(3600)
        await at.until_effects("now", "seven")


async def test_a_job_cancelled_while_it_is_done_changes_nothing(at: Works, doing: Doing) -> None:
    async with doing():
        await at.add(Wait("a"), key="k")
        await seen("it is begun", lambda: at.hand.begun)
        assert await at.cancel("k")
        at.hand.gate.set()
        await seen("that is noticed", lambda: at.count("test.wait.v1", "void"))
    assert (at.effects(), at.states()) == ([], {})


@pytest.mark.parametrize("buggily", [False, True])
async def test_what_fails_is_tried_again_later_and_later(at: Works, doing: Doing, buggily: bool) -> None:
    async with doing():
        await at.add(Stumble("a", times=2, buggily=buggily))
        waits_s = []
        for number in (1, 2):
            await seen("it has failed", lambda n=number: len(at.hand.begun) == n)
            await at.until_states(waiting=1)
            ((waits,),) = rows(at.url, "SELECT error FROM jobs")
            assert ("ZeroDivisionError()" if buggily else "it was not to be") in waits
            async with at.database.read() as session:
                due_at = await store.earliest_due(session)
            assert due_at is not None
            waits_s.append((due_at - at.clock.now).total_seconds())
            at.clock.now = due_at
        await at.until_effects("a")
        await at.until_states(done=1)
    assert 2.5 <= waits_s[0] <= 5 and 5 <= waits_s[1] <= 10
    assert len({job_id for job_id, _ in at.hand.begun}) == 1
    assert [number for _, number in at.hand.begun] == [1, 2, 3]
    assert at.count("test.stumble.v1", "retried") == 2


async def test_after_too_many_attempts_a_job_is_dead(at: Works, doing: Doing) -> None:
    async with doing():
        await at.add(Stumble("a", times=9), key="k")
        for number in (1, 2, 3):
            await seen("it has failed", lambda n=number: len(at.hand.begun) == n)
            await seen(
                "that is noted", lambda n=number: len(at.hand.begun) == n and "running" not in at.states()
            )
            at.clock.forward(3600)
        await at.until_states(dead=1)
    assert at.effects() == []
    assert rows(at.url, "SELECT key, due_at, error FROM jobs") == [(None, None, "it was not to be")]
    assert at.count("test.stumble.v1", "dead") == 1


async def test_what_can_never_succeed_is_dead_at_once(at: Works, doing: Doing) -> None:
    async with doing():
        await at.add(Stumble("a", times=1, permanently=True))
        await at.until_states(dead=1)
    assert len(at.hand.begun) == 1


async def test_a_kind_that_is_not_known_is_left_to_another_version(at: Works, doing: Doing) -> None:
    await at.add(Unheard())
    async with doing():
        await until("an attempt has failed", partial(asyncio.to_thread, rows, at.url, FAILURES))
    assert rows(at.url, FAILURES) == [("no job of a kind that is known here",)]
    assert at.states() == {"waiting": 1}
    assert at.count("unknown", "retried") == 1


async def test_a_body_that_nobody_understands_is_dead_with_a_reason(at: Works, doing: Doing) -> None:
    await at.add(Note("a"))
    async with at.database.write() as session:
        body = {"body": '{"kind":"test.note.v1","name":7}'}
        await session.execute(text("UPDATE jobs SET body = :body WHERE kind = 'test.note.v1'"), body)
    async with doing():
        await at.until_states(dead=1)
    ((reason,),) = rows(at.url, "SELECT error FROM jobs")
    assert "Expected `str`, got `int`" in reason


async def test_a_job_that_is_not_as_its_type_says_is_refused_when_it_is_added(at: Works) -> None:
    with pytest.raises(msgspec.ValidationError):
        await at.add(Note(7))  # type: ignore[arg-type]
    with pytest.raises(msgspec.ValidationError):
        await at.add(SendMail(to="a@b", subject="x\r\nBcc: c@d", text=""))


async def test_what_was_taken_and_not_ended_is_taken_again(at: Works, doing: Doing) -> None:
    """As when the process that had it was killed. What that one might still do is void."""
    async with doing():
        await at.add(Wait("a"))
        await seen("it is begun", lambda: at.hand.begun)
        at.clock.forward(QUICK.jobs_lease_s - 1)
        await at.add(Note("b"))
        await at.until_effects("b")
        assert len(at.hand.begun) == 1
        at.clock.forward(1)
        await seen("it is begun again", lambda: len(at.hand.begun) == 2)
        at.hand.gate.set()
        await at.until_effects("a", "b")
        await seen("one is void", lambda: at.count("test.wait.v1", "void"))
    assert at.effects() == ["a", "b"]


async def test_a_job_that_ends_its_process_each_time_is_dead_in_the_end(at: Works, doing: Doing) -> None:
    await at.add(Wait("a"))
    async with at.database.write() as session:
        await session.execute(text("UPDATE jobs SET state = 'running', attempts = 3"))
    async with doing():
        await at.until_states(dead=1)
    ((reason,),) = rows(at.url, "SELECT error FROM jobs")
    assert reason.startswith("given up")


async def test_an_attempt_that_takes_too_long_is_ended(at: Works, doing: Doing) -> None:
    async with doing(JobSettings(jobs_poll_s=0.1, jobs_lease_s=0.2)):
        await at.add(Wait("a"))
        await seen("it has ended", lambda: at.count("test.wait.v1", "retried"))
    ((reason,),) = rows(at.url, "SELECT error FROM jobs")
    assert reason.startswith("took longer than allowed")


async def test_who_stops_ends_what_is_quick_and_gives_back_what_is_not(
    at: Works, doing: Doing, monkeypatch: pytest.MonkeyPatch
) -> None:
    for way in ("embedded", "consumer"):
        monkeypatch.setattr(f"control.jobs.{way}.DRAIN_S", 0.2)
    async with doing():
        await at.add(Wait("a"))
        await seen("it is begun", lambda: at.hand.begun)
    assert rows(at.url, "SELECT state, attempts FROM jobs") == [("waiting", 0)]
    at.hand.gate.set()
    async with doing():
        await at.until_effects("a")


async def test_many_processes_share_many_jobs_and_do_each_once(at: Works, doing: Doing) -> None:
    names = [f"{number:03}" for number in range(100)]
    async with doing(processes=4):
        await asyncio.gather(*(at.add(Note(name)) for name in names))
        await at.until_effects(*names)


async def test_jobs_of_all_databases_are_done(
    at: Works, amqp_url: str | None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other_url = sqlalchemy.make_url(f"sqlite+aiosqlite:///{tmp_path_factory.mktemp('other') / 'o.sqlite'}")
    async with works(other_url, at.clock) as other:
        await at.add(Note("here"))
        await other.add(Note("there"))
        async with going(at.loops(Settings(jobs=QUICK, amqp_url=amqp_url), other.database)):
            await at.until_effects("here")
            await other.until_effects("there")


async def test_what_is_over_is_removed_after_a_while_and_the_rest_is_counted(at: Works, doing: Doing) -> None:
    settings = JobSettings(jobs_poll_s=0.1, jobs_keep_s=100, jobs_keep_dead_s=200)
    async with doing(settings):
        await at.add(Note("a"))
        await at.add(Stumble("b", times=1, permanently=True))
        await at.add(Note("six"), due_at=at.clock.now.replace(hour=18))
        await at.until_states(done=1, dead=1, waiting=1)
    at.clock.forward(101)
    async with doing(settings):
        await at.until_states(dead=1, waiting=1)
        value = at.metrics.registry.get_sample_value
        for state, count in {"dead": 1, "waiting": 1, "running": 0, "published": 0}.items():
            gauge = ("parley_control_jobs_stored", {"state": state})
            await seen(f"{state} jobs are counted", lambda g=gauge, c=count: value(*g) == c)
    at.clock.forward(100)
    async with doing(settings):
        await at.until_states(waiting=1)
        removed = ("parley_control_jobs_removed_total", {"state": "dead"})
        await seen("that is counted", lambda: value(*removed) == 1)
