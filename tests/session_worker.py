"""A process that talks and keeps what is said, for tests that kill it or start many: real runs of a scripted model.

    python session_worker.py STORE_ENVIRON_JSON SESSION_PREFIX RUNS [wait]

Each event is told on standard output once it was written. With `wait` it begins when a line comes in.
"""

import asyncio
import json
import os
import sys
from functools import partial

from agentrun.engine.loop import run
from agentrun.secrets import Masker
from agentrun.sessions.session import Session
from agentrun.sessions.store import open_store
from engine_agents import answer, calls, make_agent, make_tool


async def look_up(arguments, context):
    await asyncio.sleep(0)
    return "found " + "it " * 40


def agent():
    turns = [calls("look_up", "look_up", content="let me see"), answer("word " * 30)]
    return make_agent(turns, make_tool("look_up", look_up))


def talk(environ, session, runs, tell):
    """Says something `runs` times in one session; `tell` hears each event when the writer is done with it."""
    store = open_store(environ)
    known = Session(id=session, agent="main", path="/p/a.yaml", root="/p", speaker="main")
    messages = []
    writer = store.writer(known, messages, Masker())

    def emit(event):
        writer(event)
        if writer.failure is not None:
            raise writer.failure
        tell(event)

    for number in range(runs):
        asyncio.run(run(agent(), text=f"question {number}", messages=messages, emit=emit))
    writer.close()
    store.close()


def type_of(event):
    return event.__struct_config__.tag


def say(session, event):
    os.write(1, f"{session} {type_of(event)}\n".encode())


def main():
    environ, prefix, runs, *more = sys.argv[1:]
    if more:
        print("ready", flush=True)
        sys.stdin.readline()
    number = 0
    while number < int(runs) or int(runs) == 0:  # none: until it is killed
        session = f"{prefix}{number:04d}"
        talk(json.loads(environ), session, 2, partial(say, session))
        number += 1


if __name__ == "__main__":
    main()
