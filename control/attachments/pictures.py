"""Whether a file that is called a picture begins like one: browsers are shown no other."""

BEGINNING_BYTES = 16


def is_plausible(content_type: str, beginning: bytes) -> bool:
    """Tell whether a picture of this type may begin so."""
    match content_type:
        case "image/png":
            return beginning.startswith(b"\x89PNG\r\n\x1a\n")
        case "image/jpeg":
            return beginning.startswith(b"\xff\xd8\xff")
        case "image/gif":
            return beginning.startswith((b"GIF87a", b"GIF89a"))
        case "image/webp":
            return beginning.startswith(b"RIFF") and beginning[8:12] == b"WEBP"
        case _:
            return False
