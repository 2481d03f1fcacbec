"""How the node fares on bad networks: the real room, on a virtual clock, between modelled links.

`link` is the network, `publishers` and `receivers` are its clients, `scenarios` say what happens and
what is to come of it. Everything is seeded: a run is the same run every time.
"""
