"""The front: our application answers before the server that carries it has its say."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send


class Front:
    """Passes requests to our application, and all else to BentoML, whose middleware it is.

    BentoML's own routes and middleware would cost as much as the answer itself, and its /healthz
    and /metrics would hide ours. It puts a service's middleware behind its own, and its limit on
    time holds on to every request until the limit is over, answered or not: at thousands of
    requests a second that is 100 MB. So when the server starts, this steps before all of them.
    """

    application: ASGIApp | None = None

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on a request, or the start of the server."""
        if scope["type"] == "http" and Front.application is not None:
            await Front.application(scope, receive, send)
            return
        if scope["type"] == "lifespan":
            server = scope["app"]
            server.middleware_stack = Front(server.middleware_stack)
        await self.app(scope, receive, send)
