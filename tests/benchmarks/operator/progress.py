"""Answers `GET /progress` on port 9464 of every address, as rank 0 of a training does.

usage: progress.py still|moving

`still`: always the same; `moving`: a step a second.
"""

import asyncio
import json
import sys
import time
from datetime import datetime, timezone

BEGUN = time.time()


def report(mode):
    seconds = int(time.time() - BEGUN) if mode == "moving" else 0
    reported = datetime.fromtimestamp(int(BEGUN) + seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "phase": "Training", "attempt": 1, "worldSize": 2, "epoch": 0, "step": 100 + seconds, "totalSteps": 20000, "loss": 1.5,
        "activeDimensions": {"query": 22.5, "document": 54.5}, "triplets_per_second": 1000.0, "lastReported": reported,
        "checkpoint": {"uri": "s3://runs/attempt-0001/step-00000100", "step": 100, "time": "2026-01-01T00:00:00Z"},
    }


async def serve(mode):
    async def answer(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        body = json.dumps(report(mode)).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "0.0.0.0", 9464, backlog=1024)
    async with server:
        await server.serve_forever()


asyncio.run(serve(sys.argv[1]))
