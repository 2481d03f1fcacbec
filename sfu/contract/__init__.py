"""What the node, the control service and the clients agree on: the only part of `sfu` others import.

`ticket` is the signed permission to enter a room, `signals` what a client and its node say to each
other, `operations` what control and its nodes say to each other, `codes` the reasons both give.
"""
