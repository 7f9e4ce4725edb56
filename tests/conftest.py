"""What all tests share: property tests have no deadline, because no test depends on a clock's speed.

State goes to a folder of the test run, never to that of the user. Variables of the user that name another database, or
say where traces go, don't count.
"""

import os

import pytest
from hypothesis import settings

settings.register_profile("agentrun", deadline=None)
settings.load_profile("agentrun")

_STRAY = ("AGENTRUN_DATABASE_URL", "TRACEPARENT")


@pytest.fixture(autouse=True, scope="session")
def state_of_its_own(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        for name in [one for one in os.environ if one.startswith("OTEL_") or one in _STRAY]:
            patch.delenv(name)
        yield
