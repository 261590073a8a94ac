"""The smallest provider: takes any POST with 201 and a location, and knows one rule. For tests of the common server."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bench.simulators.server import (
    Answer,
    AnswerEvent,
    Authority,
    Judgement,
    LedgerEntry,
    Origin,
    Peer,
    Provider,
    Request,
    Sender,
    Simulator,
    SimulatorOptions,
    run_simulator,
)


class PostOfficeEntry(LedgerEntry, frozen=True, kw_only=True, gc=False):
    """A letter; ``origin`` is the counter that it was handed in at."""

    origin: str


class PostOffice(Provider[Sender, AnswerEvent]):
    """``POST /<addressee>``; everything but a method of POST is taken. ``/clock`` is no letter."""

    entry_type = PostOfficeEntry

    def __init__(self) -> None:
        self.seen: list[Request] = []
        """Every request, oldest first."""

    def meet(self, peer: Peer) -> Sender:
        """Remember nothing."""
        del peer
        return Sender()

    def judge(self, request: Request, sender: Sender) -> Judgement:
        """Take letters."""
        del sender
        self.seen.append(request)
        if request.path == b"/clock":
            return Judgement(answer=Answer(status=200, body=b"noon"), is_notification=False)
        taken = Answer(status=201, unique_headers=((b"location", b"/letters" + request.path),), body=b"taken")
        refused = Answer(status=405, reason="NoLetter", body=b"NoLetter")
        return Judgement(
            answer=taken if request.method == b"POST" else refused,
            destination=request.path.decode()[1:],
            ledger_fields={"origin": request.origin},
        )

    def plan_answer(self, event: AnswerEvent, request: Request, judgement: Judgement) -> Answer:
        """Name the reason, and whom it is about."""
        del request
        body = f"{event.reason} {judgement.destination}".encode() if event.reason is not None else b""
        return Answer(status=event.status, reason=event.reason, headers=((b"content-type", b"text/plain"),), body=body)

    def goaway_data(self, reason: str) -> bytes:
        """Return the bare word."""
        return reason.encode()


ORIGINS = (Origin(name="main"), Origin(name="old", protocols=("http/1.1",)), Origin(name="new", protocols=("h2",)))


@asynccontextmanager
async def open_post_office(
    options: SimulatorOptions | None = None, office: PostOffice | None = None
) -> AsyncIterator[Simulator[PostOfficeEntry]]:
    """Open a post office: its counters take both kinds of HTTP (``main``), HTTP/1.1 (``old``) or HTTP/2 (``new``)."""
    chosen = options or SimulatorOptions()

    def make(authority: Authority) -> Simulator[PostOfficeEntry]:
        return Simulator(office or PostOffice(), chosen, authority, ORIGINS)

    async with run_simulator(make, chosen) as simulator:
        yield simulator
