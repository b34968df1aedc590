"""A load generator: clients that keep a connection each and ask again once they are answered.

Plain sockets: it costs so little that it hardly takes time from the service that it measures.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

FAILED = 0
"""Status of a request that was not answered: the connection broke."""
STALL_SECONDS = 0.1
APART_SECONDS = 0.03


@dataclass
class Load:
    """What came of the requests.

    Attributes
    ----------
    seconds : how long each answered request took
    statuses : answers by HTTP status
    lasted : from the first request to the last answer, seconds
    """

    seconds: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    lasted: float = 0.0

    @property
    def rate(self) -> float:
        """Requests answered a second."""
        return len(self.seconds) / max(self.lasted, 1e-9)

    @property
    def failed(self) -> int:
        """Requests that were not answered by 200."""
        return sum(count for status, count in self.statuses.items() if status != 200)

    def quantile(self, share: float) -> float:
        """Quantile of the times, milliseconds."""
        return 1e3 * float(np.quantile(self.seconds, share)) if self.seconds else float("nan")

    @property
    def stalls(self) -> int:
        """Requests that took longer than STALL_SECONDS."""
        return int((np.array(self.seconds) > STALL_SECONDS).sum())


def request_bytes(path: str, body: Any = None, method: str = "POST") -> bytes:
    """Write a request."""
    content = b"" if body is None else json.dumps(body).encode()
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content


Judge = Callable[[int, bytes], None]


def run_load(
    port: int,
    requests: Sequence[bytes],
    clients: int,
    seconds: float,
    *,
    most: int | None = None,
    judge: Judge | None = None,
    patient: bool = False,
) -> Load:
    """Ask for so many seconds, or so many requests, with so many clients at once.

    Parameters
    ----------
    requests : asked in turn, each client beginning at another
    judge : called with the status and the body of every answer
    patient : connect again where a connection breaks, instead of ending the run
    """
    load, left = Load(), [most if most is not None else -1]

    async def client(first: int, end: float) -> None:
        # Connections that come all at once would all be taken by one of several workers.
        await asyncio.sleep(APART_SECONDS * first)
        place, streams = first, None
        while time.perf_counter() < end and left[0] != 0:
            left[0] -= 1
            started = time.perf_counter()
            try:
                streams = streams or await asyncio.open_connection("127.0.0.1", port)
                status, body = await _ask(*streams, requests[place % len(requests)])
            except (OSError, asyncio.IncompleteReadError) as error:
                load.statuses[FAILED] += 1
                streams = None
                if not patient:
                    raise ConnectionError(f"port {port}: {error!r}") from error
                await asyncio.sleep(0.05)
                continue
            load.seconds.append(time.perf_counter() - started)
            load.statuses[status] += 1
            if judge is not None:
                judge(status, body)
            place += 1
        if streams:
            streams[1].close()

    async def every() -> None:
        begin = time.perf_counter()
        await asyncio.gather(*(client(n, begin + seconds) for n in range(clients)))
        load.lasted = time.perf_counter() - begin

    asyncio.run(every())
    return load


async def _ask(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes
) -> tuple[int, bytes]:
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    status = int(head[9:12])
    lowered = head.lower()
    place = lowered.find(b"content-length:")
    length = int(lowered[place + 15 : lowered.find(b"\r\n", place)]) if place >= 0 else 0
    return status, await reader.readexactly(length)
