"""The network's edge: one UDP port, ICE-lite, DTLS, SRTP, SCTP. The only importer of aiortc."""
