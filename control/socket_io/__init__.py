"""Meetings over Socket.IO, for clients that are not our page: the same events as over its WebSocket.

A client shows its access token once, when it connects, joins meetings by their codes, and hears of each
from `control.events` in the order of its numbers; what it sends takes the way that HTTP requests take.
Nothing goes through the rooms and the message queue of python-socketio, which neither number nor keep: for
us it is the protocol, and `wire` and `hearing` alone know what is under it.
"""
