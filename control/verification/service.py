"""Verifying that the address of an account is its owner's."""

from sqlalchemy.ext.asyncio import AsyncSession

from control.accounts.store import Account
from control.clock import Clock
from control.jobs.service import Jobs
from control.verification.letters import verify_address
from control.verification.links import Links, Purpose

NOWHERE = ".invalid"
"""Domains that no mail reaches (RFC 6761); `parley doctor` takes such addresses."""


class Verification:
    """The rules. Unless verification is `required`, every address counts as verified."""

    def __init__(self, clock: Clock, jobs: Jobs, links: Links, *, required: bool) -> None:
        self._clock = clock
        self._jobs = jobs
        self._links = links
        self._required = required

    def is_verified(self, account: Account) -> bool:
        """Tell whether the account may see what its address is invited to."""
        return account.email_verified_at is not None or not self._required

    async def ask(self, session: AsyncSession, account: Account, base: str) -> None:
        """Have a letter sent to the account's address by which it is verified, if it needs to be."""
        if self.is_verified(account) or account.email.endswith(NOWHERE):
            return
        link = self._links.make(Purpose.VERIFY, account)
        await self._jobs.add(session, verify_address(account.email, link, base))

    async def holder(self, session: AsyncSession, token: str) -> Account:
        """Return the account whose address a link verifies. Raises `Refused` with LINK_EXPIRED."""
        return await self._links.holder(session, Purpose.VERIFY, token)

    async def confirm(self, session: AsyncSession, token: str) -> Account:
        """Note, and return, the account whose address is verified now. Raises as `holder` does."""
        account = await self.holder(session, token)
        if account.email_verified_at is None:
            account.email_verified_at = self._clock()
        return account
