"""Time passing, for what must be sent at a pace. Nothing here waits for others by time."""

import asyncio
import time


async def ticks(hertz):
    """Yields counts at a steady pace."""
    began_at = time.monotonic()
    count = 0
    while True:
        yield count
        count += 1
        await asyncio.sleep(max(0.0, began_at + count / hertz - time.monotonic()))


async def protocol_timer(seconds):
    """A wait that a protocol asks of its clients. Tests wait for conditions instead."""
    await asyncio.sleep(seconds)
