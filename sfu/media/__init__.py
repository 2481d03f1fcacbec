"""Tracks, layers and slots: which packet of which source goes where, rewritten how.

Read `ports` first. A packet's way: `ingress` (which layer is it of?) → `layer` (count, keep, fan
out) → `slot` (rewrite) → the peer's link. Feedback comes back by the same objects: a NACK to the
slot it names, a key-frame request to the track. Nothing here awaits, and time is an argument.
"""
