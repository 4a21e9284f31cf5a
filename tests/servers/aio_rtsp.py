"""The plainer RTSP server of the tests, for machines without GStreamer: aio-rtsp-toolkit.

Not imported by tests: `servers.rtsp` starts it as its own process with a folder of MP4 files and
a port, and reads `ready` from its output.
"""

from __future__ import annotations

import asyncio
import logging
import sys

from aio_rtsp_toolkit import server

LOOPBACK = "127.0.0.1"


async def serve(folder: str, port: int) -> None:
    """Serve every file of `folder` until killed."""
    server.logger = logging.getLogger("rtsp")  # instead of one that prints
    running = await server.RtspServer(folder, LOOPBACK, port).start()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await running.serve_forever()


asyncio.run(serve(sys.argv[1], int(sys.argv[2])))
