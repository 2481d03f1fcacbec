"""How much a receiver's network carries, and how that is shared out over its slots.

Pure: time comes in as an argument, in monotonic seconds; rates are in bits per second.
"""
