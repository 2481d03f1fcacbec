"""Recordings of meetings: handed in by the host's programs, listed and got by members, deleted by the host.

Whoever hands one in says what it is, uploads it to the store of objects, and says that it is complete. Only
then it is listed, and the meeting hears of it. What is not completed in time is taken away again.
"""
