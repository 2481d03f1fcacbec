import pytest
from hypothesis import given
from hypothesis import strategies as st

from control.attachments.pictures import is_plausible
from control.objects.presenting import PICTURES, present

BEGINNINGS = {
    "image/png": b"\x89PNG\r\n\x1a\n....",
    "image/jpeg": b"\xff\xd8\xff\xe0....",
    "image/gif": b"GIF89a....",
    "image/webp": b"RIFF\x00\x00\x00\x00WEBPVP8 ",
}


@pytest.mark.parametrize("kind", sorted(PICTURES))
def test_a_picture_is_told_by_its_beginning(kind: str) -> None:
    assert [each for each, beginning in BEGINNINGS.items() if is_plausible(kind, beginning)] == [kind]
    assert not is_plausible(kind, b"")
    assert not is_plausible(kind, b"<svg>")


@pytest.mark.parametrize(
    ("content_type", "shown"),
    [
        ("image/png", "image/png"),
        ("image/svg+xml", "application/octet-stream"),
        ("text/html", "application/octet-stream"),
        ("application/pdf", "application/octet-stream"),
    ],
)
def test_only_pictures_are_shown(content_type: str, shown: str) -> None:
    presented = present("x", content_type)
    assert presented.content_type == shown
    assert presented.disposition.startswith("inline;" if shown == content_type else "attachment;")


@given(st.text(min_size=1))
def test_no_name_breaks_out_of_the_header(name: str) -> None:
    try:
        name.encode()
    except UnicodeEncodeError:
        return  # a lone surrogate comes through no JSON
    disposition = present(name, "text/plain").disposition
    assert disposition.isascii() and disposition.isprintable()
    assert disposition.count('"') == 2
    assert "\\" not in disposition


@pytest.mark.parametrize(
    ("name", "plain"),
    [("a.txt", "a.txt"), ('"; x="', "__ x=_"), ("../../x", ".._.._x"), ("你好", "file"), ("é.png", "e.png")],
)
def test_an_old_client_gets_a_plain_name(name: str, plain: str) -> None:
    assert present(name, "text/plain").disposition.startswith(f'attachment; filename="{plain}";')
