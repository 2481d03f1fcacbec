"""How one track's packets are worded for one kind of receiver.

Payload types and header-extension ids are chosen by each client's own offer; most clients of one
make choose alike. So a translation is made once per pair of publishing m-line and receiver profile,
and shared by all slots of that profile.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sfu.media.ports import Format
from sfu.rtp.dependency_descriptor import EXTENSION as DEPENDENCY_DESCRIPTOR
from sfu.rtp.transport_cc import EXTENSION as TRANSPORT_CC

_REWRITTEN = frozenset({TRANSPORT_CC, DEPENDENCY_DESCRIPTOR})
"""Extensions that the node writes itself."""


@dataclass(frozen=True, slots=True)
class Profile:
    """What a slot's m-line accepts: formats, and (URI, id) of header extensions. Hashable on purpose."""

    formats: tuple[Format, ...]
    extensions: tuple[tuple[str, int], ...]

    @property
    def number_id(self) -> int | None:
        """Return the id of the transport-wide sequence number, if packets are to carry one."""
        return dict(self.extensions).get(TRANSPORT_CC)

    @property
    def own(self) -> tuple[tuple[int, bytes], ...]:
        """Return the elements that the node adds to every packet, (id, value)."""
        return () if self.number_id is None else ((self.number_id, bytes(2)),)


@dataclass(frozen=True, slots=True)
class Translation:
    """Publisher's number → receiver's number, for payload types, their RTX, and extension ids.

    `own` are the elements that the node adds, (id, value): first a transport-wide sequence number, to
    be filled in when the packet leaves. `descriptor_id` is the receiver's id of the dependency descriptor,
    0 if it takes none.
    """

    payload_types: Mapping[int, int]
    rtx_payload_types: Mapping[int, int]
    extension_ids: Mapping[int, int]
    own: tuple[tuple[int, bytes], ...] = ()
    descriptor_id: int = 0


NOTHING = Translation({}, {}, {})
"""Of a slot that has shown nothing yet."""


def translate(formats: Sequence[Format], extensions: Mapping[int, str], profile: Profile) -> Translation:
    """Return the translation from a publishing m-line to a receiver's profile.

    A format the receiver lacks is left out; its packets cannot be sent there.
    """
    theirs = {(format_.codec, format_.variant): format_ for format_ in reversed(profile.formats)}
    pairs = [
        (ours, theirs[ours.codec, ours.variant]) for ours in formats if (ours.codec, ours.variant) in theirs
    ]
    ids = dict(profile.extensions)
    return Translation(
        payload_types={ours.payload_type: their.payload_type for ours, their in pairs},
        rtx_payload_types={
            ours.payload_type: their.rtx_payload_type
            for ours, their in pairs
            if their.rtx_payload_type is not None
        },
        extension_ids={
            id_: ids[uri] for id_, uri in extensions.items() if uri in ids and uri not in _REWRITTEN
        },
        own=profile.own,
        descriptor_id=ids.get(DEPENDENCY_DESCRIPTOR, 0),
    )
