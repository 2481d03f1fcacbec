"""A peer's place on the node: its room, its link, and what was last negotiated on it."""

import secrets

from sfu.contract.codes import Code
from sfu.contract.signals import Answer, Hello, Mute, Offer, Ping, Pong, PublishedTrack, View, encode
from sfu.room.peer import Peer
from sfu.room.ports import Refusal
from sfu.room.room import Room
from sfu.signaling.answer import LocalCandidate, LocalDescription
from sfu.signaling.negotiate import Negotiation, OfferRefused, negotiate
from sfu.signaling.plan import LinkPlan
from sfu.transport.counters import LinkState
from sfu.transport.link import Link
from sfu.transport.network import Network


class Terms:
    """A link and its negotiations. `loopback`: the client is on this machine, and may reach it so."""

    def __init__(self, network: Network, link: Link, *, loopback: bool) -> None:
        self.link = link
        self.plan: LinkPlan | None = None
        self._fingerprint = network.fingerprint
        self._candidates = tuple(
            LocalCandidate(each.address, each.port, each.priority, each.protocol)
            for each in network.candidates(loopback=loopback)
        )
        self._ssrc_seed = secrets.token_bytes(16)
        self._session_id = secrets.randbits(62)
        self._version = 0

    def continues(self, plan: LinkPlan) -> bool:
        """Whether an offer is for this very link: the client shows the same certificate."""
        return self.plan is not None and self.plan.fingerprints == plan.fingerprints

    def negotiate(self, offer: str) -> Negotiation:
        """Return plan and answer of an offer; one with new ICE credentials restarts ICE. Raises `Refusal`."""
        negotiation = self._answer(offer)
        plan = negotiation.plan
        if self.plan is not None and self.continues(plan) and self.plan.ufrag != plan.ufrag:
            self.link.restart_ice()
            negotiation = self._answer(offer)
        return negotiation

    def _answer(self, offer: str) -> Negotiation:
        self._version += 1
        local = LocalDescription(
            ufrag=self.link.ufrag,
            pwd=self.link.pwd,
            fingerprint=self._fingerprint,
            candidates=self._candidates,
            ssrc_seed=self._ssrc_seed,
            session_id=self._session_id,
            version=self._version,
        )
        try:
            return negotiate(offer, local)
        except OfferRefused as error:
            raise Refusal(Code.BAD_OFFER, str(error)) from error


class Seat:
    """One peer, taken from its first message to its end. Messages of its client are acted on here."""

    def __init__(self, room: Room, peer: Peer, network: Network) -> None:
        self.room = room
        self.peer = peer
        self._network = network
        self._terms: Terms | None = None

    def settle(self, offer: str, tracks: tuple[PublishedTrack, ...], *, loopback: bool) -> str:
        """Negotiate the first offer of a connection; return the answer. Raises `Refusal`.

        The link goes on if the offer is for it; otherwise a new one takes its place.
        """
        terms = self._terms
        if terms is not None:
            negotiation = terms.negotiate(offer)
            if terms.continues(negotiation.plan) and terms.link.state is not LinkState.CLOSED:
                self.room.reoffer(self.peer, negotiation.plan, tracks)
                terms.plan = negotiation.plan
                return negotiation.answer
        return self._connect(offer, tracks, loopback=loopback)

    def _connect(self, offer: str, tracks: tuple[PublishedTrack, ...], *, loopback: bool) -> str:
        link = self._network.create_link(self.peer)
        terms = Terms(self._network, link, loopback=loopback)
        try:
            negotiation = terms.negotiate(offer)
            self.room.settle(self.peer, link, negotiation.plan, tracks)
        except Refusal:
            link.close()
            raise
        terms.plan = negotiation.plan
        self._terms = terms
        link.start(negotiation.plan.fingerprints, data_channels=negotiation.plan.data)
        return negotiation.answer

    def act(self, message: Hello | Offer | View | Mute | Ping) -> None:
        """Do what the client says. Raises `Refusal`."""
        match message:
            case Hello():
                raise Refusal(Code.BAD_MESSAGE, "hello was already said")
            case Offer(id=id_, sdp=sdp, tracks=tracks):
                self.peer.send(encode(Answer(id=id_, sdp=self._reoffer(sdp, tracks))))
            case View(wants=wants):
                self.room.view(self.peer, wants)
            case Mute(mid=mid, muted=muted):
                self.room.mute(self.peer, mid, muted)
            case Ping(id=id_):
                self.peer.send(encode(Pong(id=id_)))

    def _reoffer(self, sdp: str, tracks: tuple[PublishedTrack, ...]) -> str:
        terms = self._terms
        assert terms is not None
        negotiation = terms.negotiate(sdp)
        if not terms.continues(negotiation.plan):
            raise Refusal(Code.BAD_OFFER, "the certificate fingerprint changed")
        self.room.reoffer(self.peer, negotiation.plan, tracks)
        terms.plan = negotiation.plan
        return negotiation.answer
