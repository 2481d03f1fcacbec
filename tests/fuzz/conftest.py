"""How hard to search: `FUZZ_EXAMPLES` per test, few by default so that nobody waits.

A long night's search is `FUZZ_EXAMPLES=1000000 pytest tests/fuzz`. What it finds becomes a row of a
table in the unit tests.
"""

import os

from hypothesis import HealthCheck, settings

settings.register_profile(
    "fuzz",
    max_examples=int(os.environ.get("FUZZ_EXAMPLES", "300")),
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
settings.load_profile("fuzz")
