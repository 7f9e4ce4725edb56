"""What all tests share: property tests have no deadline, because no test depends on a clock's speed.

State goes to a folder of the test run, never to that of the user.
"""

import pytest
from hypothesis import settings

settings.register_profile("agentrun", deadline=None)
settings.load_profile("agentrun")


@pytest.fixture(autouse=True, scope="session")
def state_of_its_own(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield
