"""Bandwidth: who may send how much to whom. Pure; time is an argument."""
