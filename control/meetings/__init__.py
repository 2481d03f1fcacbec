"""Meetings: made by a host, reached by a code, ended by the host."""
