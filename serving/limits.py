"""Middleware: a limit on the body of a request, and the headers that keep a browser safe."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.plot import plot_styles
from serving.problems import MEDIA_TYPE, problem, to_json

MOST_BYTES = 10 * 1024 * 1024
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' {styles}; img-src 'self' data:; "
    "connect-src 'self'; font-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
# A page of ours tells our own forms where it is: without, a browser calls their origin "null".
HEADERS = {
    "Content-Security-Policy": POLICY.format(styles=plot_styles()),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}


class BodyLimit:
    """Refuses bodies that are too large with 413, by what they declare and by what they are."""

    def __init__(self, app: ASGIApp, most_bytes: int = MOST_BYTES) -> None:
        self.app, self.most_bytes = app, most_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, counting its bytes."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if not declared.isdigit() or int(declared[:20]) > self.most_bytes:
            await _refuse(send, self.most_bytes)
            return
        read, chunks, more = 0, [], True
        while more:
            message = await receive()
            if message["type"] != "http.request":
                return
            chunks.append(message.get("body", b""))
            read, more = read + len(chunks[-1]), message.get("more_body", False)
            if read > self.most_bytes:
                await _refuse(send, self.most_bytes)
                return
        whole = {"type": "http.request", "body": b"".join(chunks), "more_body": False}
        await self.app(scope, replayed(whole, receive), send)


def replayed(message: Message, receive: Receive) -> Receive:
    """Give a message that was read once more, then whatever comes after it."""
    parts = [message]

    async def again() -> Message:
        return parts.pop() if parts else await receive()

    return again


async def _refuse(send: Send, most_bytes: int) -> None:
    refusal = problem(
        413,
        f"the body is larger than {most_bytes:,} bytes",
        "send fewer deals at once",
        allowed=f"at most {most_bytes} bytes",
    )
    body = to_json(refusal.problem.model_dump())
    headers = [
        (b"content-type", MEDIA_TYPE.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class SecurityHeaders:
    """Adds HEADERS to every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._added = [(name.lower().encode(), text.encode()) for name, text in HEADERS.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and its answer back with the headers."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *self._added]
            await send(message)

        await self.app(scope, receive, with_headers)
