"""What all tests share: property tests have no deadline, because no test depends on a clock's speed."""

from hypothesis import settings

settings.register_profile("agentrun", deadline=None)
settings.load_profile("agentrun")
