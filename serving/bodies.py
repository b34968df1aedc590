"""Bodies of requests: read and checked in one pass where nothing is wrong with them.

The usual way reads JSON into dicts and lists, then makes models of them: for a deal sent whole as
long again. What is refused goes the usual way, which says what is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from inspect import isclass
from typing import Any

from fastapi import Request
from fastapi.responses import Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class ModelRoute(APIRoute):
    """A route whose body, where it is to be a model, is read as one."""

    def get_route_handler(self) -> Handler:
        """Give what answers a request."""
        handle = super().get_route_handler()
        kind = self.body_field.field_info.annotation if self.body_field else None
        if not isclass(kind) or not issubclass(kind, BaseModel):
            return handle

        async def answer(request: Request) -> Response:
            return await handle(_Typed(request, kind))

        return answer


class _Typed(Request):
    """A request whose JSON is a model, where it can be."""

    def __init__(self, request: Request, kind: type[BaseModel]) -> None:
        super().__init__(request.scope, request.receive)
        self._kind = kind

    async def json(self) -> Any:
        """Give the model, or what the usual way reads."""
        try:
            return self._kind.model_validate_json(await self.body())
        except ValidationError:
            return await super().json()
