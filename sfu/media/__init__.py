"""Tracks, layers and slots: which packet of which source goes where, rewritten how."""
