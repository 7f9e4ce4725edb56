"""The tests here are collected only inside namespaces that `enter.py` made: they change addresses and mounts."""

import os

import pytest

from enter import namespaces

OUTSIDE = os.environ.get("AGENTRUN_TEST_OUTSIDE")
INSIDE = OUTSIDE is not None and not set(OUTSIDE.split(",")) & set(namespaces().split(","))

collect_ignore_glob = [] if INSIDE else ["test_*.py"]


@pytest.fixture(scope="session")
def world(tmp_path_factory):
    from world import World

    with World(tmp_path_factory.mktemp("etc")) as made:
        yield made
