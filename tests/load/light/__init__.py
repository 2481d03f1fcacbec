"""A participant without a browser or a media stack, built from the wire up.

From the bottom: `stun`, `rtp` and `rtcp` are codecs; `dtls` and `link` make the encrypted pipe over one
UDP socket; `pump` polls the sockets of all links; `sources` make the media, `reception` judges what
arrives; `sdp` writes the offer and reads the answer; `bot` is one participant. Nothing here imports the
node's own transport, so a mistake there meets an independent reading of the standards.
"""
