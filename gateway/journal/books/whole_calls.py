"""Calls of an engine that are done or undone when they are cancelled, never half.

A durable step has consequences in memory, and in further steps. Were the caller's cancellation to strike between them
(a connection that breaks while its acknowledgement is committed), the disk would say one thing and memory another.
"""

from collections.abc import Awaitable, Callable, Coroutine
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

import trio

Owner = TypeVar("Owner")
Parameters = ParamSpec("Parameters")
Value = TypeVar("Value")


def whole(
    method: Callable[Concatenate[Owner, Parameters], Awaitable[Value]],
) -> Callable[Concatenate[Owner, Parameters], Coroutine[Any, Any, Value]]:
    """Look for cancellation once, before ``method`` has changed anything; from there on it runs to its end.

    So it must wait for nothing but the engine's own files: no other task, no peer.
    """

    @wraps(method)
    async def call(owner: Owner, /, *args: Parameters.args, **kwargs: Parameters.kwargs) -> Value:
        await trio.lowlevel.checkpoint_if_cancelled()
        with trio.CancelScope(shield=True):
            value = await method(owner, *args, **kwargs)
        return value  # noqa: RET504 - a scope may end a block early, as far as mypy knows

    return call
