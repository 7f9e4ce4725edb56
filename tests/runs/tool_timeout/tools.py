import asyncio


async def wait():
    await asyncio.Event().wait()
