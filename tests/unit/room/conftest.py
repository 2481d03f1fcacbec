"""Machines differ in speed: no example is late. A failure prints what makes it again."""

from hypothesis import settings

settings.register_profile("parley", deadline=None, print_blob=True)
settings.load_profile("parley")
