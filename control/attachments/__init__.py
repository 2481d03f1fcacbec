"""Files in a meeting's chat: announced, uploaded to the store of objects, then named by a message.

Only that message makes an upload a file of the meeting. What no message names is taken away again.
"""
