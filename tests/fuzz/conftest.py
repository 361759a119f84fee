"""How long to look for inputs that break something: a few seconds, or ``FUZZ=1000`` examples of each kind."""

import os

from hypothesis import HealthCheck, settings

EXAMPLES = int(os.environ.get("FUZZ", "0"))

settings.register_profile(
    "fuzz", max_examples=EXAMPLES or 40, deadline=None, derandomize=not EXAMPLES, database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
)  # fmt: skip
settings.load_profile("fuzz")
