"""RTP streams that a description names: simulcast layers, SSRCs of publishers, SSRCs of slots.

A publisher's streams are found by MID and RID first (RFC 8843, RFC 8853); clients that do not send
those name their SSRCs in the offer. A slot's SSRCs are the node's own and never change.
"""

import hashlib
import itertools
import re
from collections.abc import Iterable

from sfu.signaling.sdp import OfferRefused, Section, number

_RID = re.compile(r"[A-Za-z0-9_-]{1,16}")
_MAX_SSRC = 0xFFFFFFFF


def simulcast_rids(section: Section, most: int) -> tuple[str, ...]:
    """Return the layers the client would send, at most `most`, in its order (RFC 8853 section 5).

    Of alternatives for one layer the first is taken. A layer that starts paused (~) counts: the
    client may resume it whenever it likes. Restrictions of a rid (RFC 8851) bind the client only.
    """
    declared = {
        words[0] for value in section.all("rid") if (words := value.split()) and words[1:2] == ["send"]
    }
    rids: dict[str, None] = {}
    for layer in _sending_list(section).split(";"):
        alternatives = (choice.strip().removeprefix("~") for choice in layer.split(","))
        chosen = next((rid for rid in alternatives if rid in declared and _RID.fullmatch(rid)), None)
        if chosen is not None:
            rids[chosen] = None
    return tuple(rids)[:most]


def _sending_list(section: Section) -> str:
    """Return the list after `send` in a=simulcast, which may come before or after `recv` and its list."""
    words = (section.first("simulcast") or "").split()
    lists = dict(zip(words[::2], words[1::2], strict=False))
    return lists.get("send", "").removeprefix("rid=")


def signalled_ssrcs(section: Section, most: int) -> tuple[tuple[int, int | None], ...]:
    """Return the media SSRCs the section names, each with its RTX SSRC (RFC 5576, RFC 4588).

    Raises `OfferRefused` if there are more than `most`.
    """
    named = _numbers(value.partition(" ")[0] for value in section.all("ssrc"))
    repairs: dict[int, int] = {}
    other_repairs: set[int] = set()
    for value in section.all("ssrc-group"):
        semantics, *members = value.split() or [""]
        ssrcs = _numbers(members)
        if semantics == "FID" and len(ssrcs) == 2:
            repairs.setdefault(ssrcs[0], ssrcs[1])
        elif semantics == "FEC-FR":
            other_repairs.update(ssrcs[1:])
    repairing = other_repairs.union(repairs.values())
    media = [ssrc for ssrc in dict.fromkeys([*named, *repairs]) if ssrc not in repairing]
    if len(media) > most:
        raise OfferRefused(f"an m-line names more than {most} streams")
    return tuple((ssrc, repairs.get(ssrc)) for ssrc in media)


def _numbers(texts: Iterable[str]) -> list[int]:
    numbers = (number(text, _MAX_SSRC) for text in texts)
    return [value for value in numbers if value]


def slot_ssrcs(mids: Iterable[str], seed: bytes) -> dict[str, tuple[int, int]]:
    """Return a media and an RTX SSRC for each mid: all different, none 0, the same for the same seed.

    `seed` has at most 64 bytes. Offers only ever add m-lines at the end, and an SSRC depends on its
    mid and (should two collide) on the mids before it, so it stays the same over all offers of a link.
    """
    taken = {0}
    found: dict[str, tuple[int, int]] = {}
    for mid in mids:
        for attempt in itertools.count():
            salt = attempt.to_bytes(16, "big")
            digest = hashlib.blake2b(mid.encode(), key=seed, salt=salt, digest_size=8).digest()
            pair = (int.from_bytes(digest[:4], "big"), int.from_bytes(digest[4:], "big"))
            if pair[0] != pair[1] and taken.isdisjoint(pair):
                break
        taken.update(pair)
        found[mid] = pair
    return found
