"""The rules of the house that no type checker knows. Each says why it is there."""

import ast
import gc
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

CONTROL = Path(__file__).parents[3] / "control"
MODULES = sorted(path for path in CONTROL.rglob("*.py") if "migrations" not in path.parts)
SLICES = sorted(path.parent for path in CONTROL.glob("*/store.py"))


@cache
def tree(path: Path) -> ast.Module:
    """Each is read once. Python 3.11 may fail if it collects garbage meanwhile (cpython issue 106905)."""
    gc.disable()
    try:
        return ast.parse(path.read_text())
    finally:
        gc.enable()


def imported(path: Path) -> Iterator[tuple[str, str]]:
    """(module, name) of everything that is imported."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.ImportFrom):
            yield from ((node.module or "", alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)


def called(path: Path) -> set[str]:
    calls = (node for node in ast.walk(tree(path)) if isinstance(node, ast.Call))
    return {call.func.attr for call in calls if isinstance(call.func, ast.Attribute)}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(CONTROL)))
def test_sql_is_in_stores_alone(path: Path) -> None:
    """So that a slice shows in one file what it asks of the database."""
    if path.name in ("store.py", "database.py"):
        return
    for module, name in imported(path):
        if module.startswith("sqlalchemy"):
            is_transaction = name in ("AsyncConnection", "AsyncSession")
            assert is_transaction or module == "sqlalchemy.exc", f"{path.name} imports {module}.{name}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(CONTROL)))
def test_only_the_database_commits(path: Path) -> None:
    """So that a request is one transaction, whatever services it passes through."""
    if path.name != "database.py":
        assert not called(path) & {"commit", "rollback", "begin"}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(CONTROL)))
def test_the_time_is_an_argument(path: Path) -> None:
    """So that tests turn the clock; measuring how long a request took is no telling of the time."""
    if path.name != "clock.py":
        assert not called(path) & {"now", "utcnow", "today", "time"}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(CONTROL)))
def test_of_the_node_only_the_contract_is_known(path: Path) -> None:
    """So that control and its nodes can be released, and read, apart."""
    for module, _ in imported(path):
        assert not module.startswith("sfu") or module.startswith("sfu.contract")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(CONTROL)))
def test_what_a_request_says_is_read_at_the_edge(path: Path) -> None:
    """So that nothing is read which the endpoint does not declare."""
    if path.name == "body.py":
        return
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "request":
            assert node.attr not in {"query", "rel_url", "json", "post", "text", "read", "multipart"}


@pytest.mark.parametrize("path", [*CONTROL.glob("*/service.py"), *CONTROL.glob("*/store.py")], ids=str)
def test_rules_and_tables_know_no_http(path: Path) -> None:
    """So that the same rules serve a worker, a test or another protocol."""
    for module, _ in imported(path):
        assert not module.startswith(("aiohttp", "control.edge", "yarl"))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(CONTROL)))
def test_functions_and_files_stay_readable(path: Path) -> None:
    """A function fits on a screen, a file in an hour."""
    assert len(path.read_text().splitlines()) <= 400
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or 0) - node.lineno < 40, node.name


def test_there_are_slices() -> None:
    assert {"accounts", "chat", "meetings", "people"} <= {path.name for path in SLICES}
