"""How a file is presented to a browser so that it can do no harm there."""

import unicodedata
from urllib.parse import quote

from control.objects.port import Presented

PICTURES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
"""What browsers draw and never run."""


def present(name: str, content_type: str) -> Presented:
    """Return how to present the file: pictures are shown, everything else is saved as bytes of no kind."""
    if content_type in PICTURES:
        return Presented(content_type, _disposition("inline", name))
    return Presented("application/octet-stream", _disposition("attachment", name))


def _disposition(kind: str, name: str) -> str:
    """Return the header's value (RFC 6266): the name in ASCII, and in full (RFC 8187)."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    plain = "".join("_" if sign in '"\\/%;' or not sign.isprintable() else sign for sign in plain)
    return f"{kind}; filename=\"{plain or 'file'}\"; filename*=UTF-8''{quote(name, safe='')}"
