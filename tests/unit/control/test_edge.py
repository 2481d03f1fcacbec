import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from control.accounts.routes import local_path
from control.edge.answers import STATUS
from control.edge.body import decode, one_line, paragraphs
from control.paging import Id, PageQuery, page, window
from control.refusals import SENTENCES, Reason, Refused

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


class Form(msgspec.Struct):
    name: str
    age: int
    note: str | None = None


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_a_status_and_a_sentence(reason: Reason) -> None:
    assert 400 <= STATUS[reason] < 600
    assert SENTENCES[reason].endswith(".")


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        (b"{}", {"name": "Is required.", "age": "Is required."}),
        (
            b'{"name": 1, "age": "x", "note": 2}',
            dict.fromkeys(("name", "age", "note"), "Is not of the right kind."),
        ),
        (b'{"name": "x", "age": 1.5}', {"age": "Is not of the right kind."}),
        (b"[1]", {"body": "Must be a JSON object."}),
    ],
)
def test_all_wrong_fields_are_told_at_once(body: bytes, wrong: dict[str, str]) -> None:
    with pytest.raises(Refused) as caught:
        decode(body, Form)
    assert (caught.value.reason, caught.value.fields) == (Reason.INVALID, wrong)


@given(st.binary(max_size=200) | JSON.map(msgspec.json.encode))
def test_any_body_is_taken_or_refused(body: bytes) -> None:
    try:
        assert isinstance(decode(body, Form), Form)
    except Refused as refused:
        assert refused.reason in (Reason.BAD_REQUEST, Reason.INVALID)
        assert (refused.reason is Reason.INVALID) == bool(refused.fields)


@given(st.text())
def test_a_line_is_one_line_that_a_strict_database_takes(text: str) -> None:
    try:
        line = one_line(text, "name")
    except Refused:
        return
    assert line == one_line(line, "name")
    assert not set(line) & set("\x00\n\r\t\x1b\u202e\u2066")
    line.encode()


@given(st.text())
def test_a_message_is_text_that_a_strict_database_takes(text: str) -> None:
    try:
        message = paragraphs(text, "text")
    except Refused:
        return
    assert message == paragraphs(message, "text")
    assert not set(message) & set("\x00\r\x1b\u202e")


def test_a_message_keeps_its_lines() -> None:
    assert paragraphs(" one\r\n\ttwo\n\nthree ", "text") == "one\n\ttwo\n\nthree"


@given(st.text(st.characters(blacklist_categories=("Cs",))))
def test_a_local_path_is_never_another_site(target: str) -> None:
    path = local_path(target)
    assert path.startswith("/")
    assert not path.startswith("//")
    assert not set(path) & set("\\\r\n\t")


@given(st.integers(1, 100), st.lists(st.integers(), max_size=120))
def test_pages_continue_where_they_ended(limit: int, rows: list[int]) -> None:
    whole = sorted(set(rows))
    seen: list[int] = []
    query = PageQuery(limit)
    while True:
        wanted = window(query, int)
        left = [row for row in whole if wanted.after is None or row > wanted.after]
        part = page(left[: limit + 1], limit, key=lambda row: row, item=lambda row: row)
        seen += part.items
        if part.next_cursor is None:
            break
        query = PageQuery(limit, part.next_cursor)
    assert seen == whole


@given(st.text(max_size=50))
def test_any_cursor_is_an_id_or_refused(cursor: str) -> None:
    try:
        wanted = window(PageQuery(cursor=cursor), Id)
    except Refused as refused:
        assert refused.reason is Reason.INVALID
    else:
        assert wanted.after is not None
        assert len(wanted.after) == 32
