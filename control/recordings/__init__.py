"""Recordings of meetings: kept in the store of objects, listed and got by members, deleted by the host."""
