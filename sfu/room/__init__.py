"""Rooms and their peers: who is here, what each publishes, sees and hears. Synchronous throughout.

Nothing in here awaits, so a room's state cannot change under a method's feet. What it needs of the
world is in `ports`; time is an argument.
"""
