"""Headless participants that join a meeting by the public API like anyone, and measure what they get.

*Light* bots (`tests.load.light`) speak ICE, DTLS, SRTP and RTP themselves and cost little: hundreds of
them run on one core. *Full* bots (`tests.load.full`) are aiortc peer connections.

A `scenario` says what they do, `seating` who comes when, `casting` makes them, `fleet` plays it, each bot's
time in a room being a `stay`; `sampling` and `scraping` watch, `report` and `page` tell. `cli` is the
command, `local` runs it against a `cluster` of its own.
"""
