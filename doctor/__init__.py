"""What is wrong with a system, and what to do about it: asked of its parts, and as those see it who call.

The parts are looked at with the settings of control and of the node, and nothing is changed in them. Then
somebody without an account, who has the address alone, goes the way of every client. The doctor knows both
services; neither knows it.
"""
