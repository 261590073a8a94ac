"""A port that leads to another one, for as long as a test wants it to be there."""

import trio


async def forward(port: int, to_port: int, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
    """Forward connections on a loopback port to another one until cancelled."""

    async def serve(client: trio.SocketStream) -> None:
        async with client, await trio.open_tcp_stream("127.0.0.1", to_port) as server, trio.open_nursery() as nursery:
            nursery.start_soon(_copy, server, client, nursery.cancel_scope)
            await _copy(client, server, nursery.cancel_scope)

    listeners = await trio.open_tcp_listeners(port, host="127.0.0.1")
    task_status.started()
    await trio.serve_listeners(serve, listeners)


async def _copy(source: trio.SocketStream, target: trio.SocketStream, scope: trio.CancelScope) -> None:
    try:
        while data := await source.receive_some(65536):
            await target.send_all(data)
    except trio.BrokenResourceError:
        pass
    scope.cancel()
