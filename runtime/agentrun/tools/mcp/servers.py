"""The servers of a process: each is started once, when it is first needed, and ends with the process."""

from __future__ import annotations


class Servers:
    """Connections by server. `aclose` ends those that nobody else of the process uses."""

    async def aclose(self) -> None:
        raise NotImplementedError
