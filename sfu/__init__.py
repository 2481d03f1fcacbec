"""The Selective Forwarding Unit: receives each participant's RTP and forwards it, undecoded.

Packages that take time and bytes as arguments, and import no clock, socket or task: `contract`,
`rtp`, `congestion`, `media`, `signaling`, `room`. Only `transport` and `node` touch the world.
The arrows between them are import-linter contracts in pyproject.toml.
"""
