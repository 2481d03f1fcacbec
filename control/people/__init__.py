"""Who was in a meeting, and when; and so who belongs to it."""
