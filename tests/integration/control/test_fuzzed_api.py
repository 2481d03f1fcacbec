"""The API under requests made from its own document, right and wrong ones, by each kind of caller.

Nothing may fail in the server, what the document forbids must be refused, and every answer must be one
that it describes.
"""

import asyncio

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import APIOperation, Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from control.scopes import Scope
from tests.integration.control.harness import Control

EXAMPLES = 6
CALLERS = ("nobody", "guest", "host", "program")
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
]
UNHURRIED = settings(
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=EXAMPLES,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)


def fuzz(operation: APIOperation, code: str, headers: dict[str, str]) -> None:
    """Send requests to one operation, some of them to a meeting that there is, some of them wrong."""
    can_be_wrong = operation.body or operation.query
    paths = [{"code": code}, None] if "{code}" in operation.path else [None]
    for mode in GenerationMode if can_be_wrong else [GenerationMode.POSITIVE]:

        @UNHURRIED
        @given(st.one_of([operation.as_strategy(mode, path_parameters=path) for path in paths]))
        def send(case: Case) -> None:
            case.call_and_validate(headers=headers, checks=CHECKS, allow_redirects=False)

        send()


@pytest.mark.parametrize("who", CALLERS)
async def test_any_request_gets_an_answer_that_is_documented(control: Control, who: str) -> None:
    await control.report()
    host = await control.person()
    code = (await control.meeting(host))["code"]
    callers = {
        "nobody": control.client(),
        "guest": await control.guest(code),
        "host": host,
        "program": await control.program(host, *Scope),
    }
    token = callers[who].token
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    api = await asyncio.to_thread(schemathesis.openapi.from_url, str(control.base / "api/openapi.json"))
    operations = [found.ok() for found in api.get_all_operations()]
    for operation in sorted(operations, key=lambda operation: operation.path.endswith("/end")):
        await asyncio.to_thread(fuzz, operation, code, headers)
