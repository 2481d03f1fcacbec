"""Headless participants that join a meeting by the public API like anyone, and measure what they get.

*Light* bots (`tests.load.light`) speak ICE, DTLS, SRTP and RTP themselves and cost little: hundreds of
them run on one core. *Full* bots (`tests.load.full`) are aiortc peer connections. `cli` is the command,
`local` runs it against a service of its own.
"""
