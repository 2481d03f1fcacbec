"""Joining: who may enter, on which node, and the ticket that opens it.

After the ticket, control is off the path.
"""
