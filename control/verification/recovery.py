"""A new password for whoever has forgotten theirs, and reads the mail to the account's address."""

from collections.abc import Callable
from functools import partial

from sqlalchemy.ext.asyncio import AsyncSession

from control.accounts import store as accounts
from control.accounts.store import Account
from control.clock import Clock
from control.credentials import store as credentials
from control.database import after_commit
from control.jobs.attempts import Attempt
from control.jobs.service import Jobs
from control.refusals import Reason, Refused
from control.verification.letters import reset_password
from control.verification.links import Links, Purpose
from control.verification.schema import WriteReset
from control.verification.service import NOWHERE


class Recovery:
    """The rules. `ended` is told which sign-ins and API keys ended."""

    def __init__(self, clock: Clock, jobs: Jobs, links: Links, ended: Callable[[str], None]) -> None:
        self._clock = clock
        self._jobs = jobs
        self._links = links
        self._ended = ended

    async def ask(self, session: AsyncSession, email: str, base: str) -> None:
        """Have a letter written to this normalised address, if it is an account's.

        That is for the job to find out: whoever asks waits as long if it is nobody's.
        """
        await self._jobs.add(session, WriteReset(email=email, base=base))

    async def write(self, attempt: Attempt, job: WriteReset) -> None:
        """Have the letter sent, if there is somebody to get it."""
        async with attempt.finish() as session:
            account = await accounts.by_email(session, job.email)
            if account is None or account.email.endswith(NOWHERE):
                return
            link = self._links.make(Purpose.RESET, account)
            await self._jobs.add(session, reset_password(account.email, link, job.base))

    async def holder(self, session: AsyncSession, token: str) -> Account:
        """Return the account that a link gives a new password. Raises `Refused` with LINK_EXPIRED."""
        return await self._links.holder(session, Purpose.RESET, token)

    async def reset(self, session: AsyncSession, account: Account, password_hash: str) -> None:
        """Give the account another password, and end all that acts for it.

        Its address is verified by that. Raises `Refused` with LINK_EXPIRED when it is not as it was any more.
        """
        if not await accounts.replace_password(session, account, password_hash, self._clock()):
            raise Refused(Reason.LINK_EXPIRED)
        for credential in await credentials.remove_all(session, account.id):
            after_commit(session, partial(self._ended, credential))
