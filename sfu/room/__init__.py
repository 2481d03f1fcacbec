"""Rooms and peers: membership, rights, views; synchronous methods only."""
