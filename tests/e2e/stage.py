"""The people of one scenario and the browsers they sit at; it keeps the evidence when a scenario fails."""

import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.e2e.person import Person
from tests.support.bidi import BidiError
from tests.support.browsers import Browser
from tests.support.linkem import Conditions
from tests.support.network import Client
from tests.support.servers import Meeting, Service


@dataclass(frozen=True)
class Desk:
    """A browser and the machine it runs on."""

    browser: Browser
    machine: Client


class Stage:
    """Makes people and meetings for one scenario, and clears up after it."""

    def __init__(self, parley: Service) -> None:
        self.parley = parley
        self._people: list[tuple[Person, Desk]] = []

    async def guest(self, name: str, desk: Desk) -> Person:
        """Return somebody without an account, at a fresh page."""
        person = Person(await desk.browser.page(), name, desk.browser.sender)
        self._people.append((person, desk))
        return person

    async def member(self, name: str, desk: Desk) -> Person:
        """Return somebody who has signed in, at a fresh page."""
        person = await self.guest(name, desk)
        await person.sign_in(self.parley.origin, await self.parley.account(name))
        return person

    async def second_tab(self, person: Person, desk: Desk) -> Person:
        """Return the same person at another page of the same browser, signed in alike."""
        tab = Person(await desk.browser.page(beside=person.page), person.name, person.sender)
        self._people.append((tab, desk))
        return tab

    async def meeting(self, *, guests_allowed: bool = True) -> Meeting:
        """Return a new meeting of some host."""
        return await self.parley.meeting(await self.parley.account("Host"), guests_allowed=guests_allowed)

    async def together(self, meeting: Meeting, *people: Person) -> None:
        """Bring people into the meeting, one after the other."""
        for person in people:
            await person.join(meeting)

    async def keep_evidence(self, folder: Path) -> None:
        """Write what every page shows and said, and what the services logged, into an existing folder."""
        for number, (person, _) in enumerate(self._people, 1):
            path = folder / f"{number}-{person.name}"
            path.with_suffix(".log").write_text("\n".join(person.page.console))
            try:
                path.with_suffix(".png").write_bytes(await person.page.screenshot())
            except BidiError as error:  # the page may be what has failed
                path.with_suffix(".png.txt").write_text(str(error))
        for log in self.parley.logs:
            shutil.copy(log, folder)

    async def clear(self) -> None:
        """Close everybody's pages, delete their cookies, mend networks; no page may have had a fault."""
        faults = {person.name: person.page.faults for person, _ in self._people if person.page.faults}
        storages = {person.page.storage: desk for person, desk in self._people}
        for storage, desk in storages.items():
            desk.machine.link.set(**asdict(Conditions()))
            await desk.browser.forget(storage)
        self._people.clear()
        assert not faults, f"exceptions nobody caught: {faults}"
