import ssl
from collections.abc import AsyncIterator, Iterator

import aiohttp
import pytest
from yarl import URL

from control.keys import load_secrets
from tests.deploy import site as sites
from tests.deploy.site import Site
from tests.integration.control.harness import Control, Hands


@pytest.fixture(scope="package")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with sites.running(tmp_path_factory.mktemp("site")) as running:
        yield running


@pytest.fixture
async def http(site: Site) -> AsyncIterator[aiohttp.ClientSession]:
    """A client that trusts the site's certificate."""
    trust = ssl.create_default_context(cafile=str(site.certified.certificate))
    connector = aiohttp.TCPConnector(ssl=trust)
    async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield session


@pytest.fixture
def control(site: Site, http: aiohttp.ClientSession) -> Control:
    """Control's API through whichever balancer is there."""
    return Control(URL(site.balancer.origin), Hands(), load_secrets(site.folder / "data"), http)
