"""The network's edge: one UDP port, one TCP port, ICE-lite, DTLS, SRTP, SCTP. The only importer of aiortc.

`Network` owns the sockets and tells datagrams apart; `Link` is one peer's encrypted pipe. The way of a
packet: `network._drain` → `link.receive_media` → the link's listener → `link.send_rtp` → `batch.flush`,
synchronously, with no task, queue or event between the two system calls.
"""
