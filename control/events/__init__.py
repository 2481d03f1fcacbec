"""What happens in a meeting, told to those who listen: numbered, kept for a while, never missed.

Each event is written in the transaction of the change it tells of, under the meeting's next number, and
announced after the commit. A listener that finds a number missing reads the gap from the database.
"""
