"""Sends the workload through httpx with HTTP/2 on trio: a task a request, as its users do."""

from collections.abc import Iterator

import httpx
import trio

from bench.measurements.clients.workload import BODY, HEADERS, Workload, identifiers, parse_options, paths, tls_context

TIMEOUT_SECONDS = 60.0


async def _send_some(client: httpx.AsyncClient, pending: Iterator[tuple[str, str]]) -> None:
    for path, identifier in pending:
        response = await client.post(path, content=BODY, headers=[*HEADERS, (b"apns-id", identifier.encode())])
        response.raise_for_status()


async def send(workload: Workload) -> None:
    """Send the whole workload over one connection, ``streams`` requests at a time."""
    pending = iter(zip(paths(workload.requests), identifiers(workload.requests), strict=True))
    client = httpx.AsyncClient(
        http2=True,
        verify=tls_context(workload.ca_file),
        base_url=f"https://{workload.authority}",
        limits=httpx.Limits(max_connections=1),
        timeout=TIMEOUT_SECONDS,
    )
    async with client, trio.open_nursery() as nursery:
        for _ in range(workload.streams):
            nursery.start_soon(_send_some, client, pending)


if __name__ == "__main__":
    trio.run(send, parse_options(__doc__))
