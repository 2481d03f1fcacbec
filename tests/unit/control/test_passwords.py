import asyncio
from collections.abc import Iterator

import bcrypt
import pytest

from control.accounts.passwords import Passwords
from control.refusals import Reason, Refused


@pytest.fixture
def passwords() -> Iterator[Passwords]:
    passwords = Passwords(cost=4, threads=1, queue=1)
    yield passwords
    passwords.close()


async def test_a_hash_matches_its_password_alone(passwords: Passwords) -> None:
    kept = await passwords.hash("correct horse")
    assert kept.startswith("$2b$04$")
    assert await passwords.match("correct horse", kept)
    assert not await passwords.match("correct horsf", kept)
    assert kept != await passwords.hash("correct horse")


@pytest.mark.parametrize(("typed", "again"), [("e\u0301" * 8, "\u00e9" * 8), ("\uff50assword", "password")])
async def test_the_same_letters_typed_in_another_way_match(
    passwords: Passwords, typed: str, again: str
) -> None:
    assert await passwords.match(again, await passwords.hash(typed))


async def test_what_bcrypt_would_cut_does_not_match(passwords: Passwords) -> None:
    kept = await passwords.hash("p" * 72)
    assert not await passwords.match("p" * 73, kept)


async def test_an_unknown_account_costs_the_same_work(
    passwords: Passwords, monkeypatch: pytest.MonkeyPatch
) -> None:
    costs = []
    check = bcrypt.checkpw

    def spy(secret: bytes, against: bytes) -> bool:
        costs.append(against[:7])
        return check(secret, against)

    kept = await passwords.hash("correct horse")
    monkeypatch.setattr(bcrypt, "checkpw", spy)
    assert not await passwords.match("correct horse", None)
    assert not await passwords.match("wrong horse", kept)
    assert not await passwords.match("p" * 73, kept)
    assert costs == [b"$2b$04$"] * 3


async def test_no_more_wait_than_may(passwords: Passwords) -> None:
    answers = await asyncio.gather(*(passwords.hash("p" * 8) for _ in range(5)), return_exceptions=True)
    refused = [answer for answer in answers if isinstance(answer, Refused)]
    assert len(refused) == 3
    assert {answer.reason for answer in refused} == {Reason.OVERLOADED}
    assert await passwords.hash("p" * 8)
