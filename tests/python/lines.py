"""Questions as lines of JSON on the standard input, answers on the standard output."""

import asyncio
import json
import sys
import traceback


async def serve(answers):
    """Answers questions until the input ends. `answers` maps what to do to an async function of the question."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=1 << 22)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    tasks = set()
    while line := await reader.readline():
        task = asyncio.create_task(_answer(answers, json.loads(line)))
        tasks.add(task)
        task.add_done_callback(tasks.discard)


async def _answer(answers, question):
    try:
        result = {"result": await answers[question["do"]](question)}
    except Exception as error:
        traceback.print_exc()
        result = {"error": f"{type(error).__name__}: {error}"}
    sys.stdout.write(json.dumps({"id": question["id"], **result}) + "\n")
    sys.stdout.flush()
