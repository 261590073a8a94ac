"""Sessions to push services of browsers, which of them are sent to, and who an app is there."""

from collections.abc import Iterator, Mapping
from ipaddress import ip_network
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from gateway.config.sections.kinds import FilePath, SessionCount, StreamCount
from gateway.config.sections.section import Contradiction, Section
from gateway.config.sections.sessions import SessionSettings
from protocol.providers.webpush import EndpointPolicy, Service
from protocol.providers.webpush.vapid import check_subject

ONLY_KEY = "default"  # the id of a key that is given without one

ThreadCount = Annotated[int, Meta(ge=0, le=1024, description="a whole number from 0 to 1024")]
KeyCount = Annotated[int, Meta(ge=0, le=1_000_000, description="a whole number from 0 to 1000000")]
KeyId = Annotated[
    str,
    Meta(
        pattern=r"\A[A-Za-z0-9][A-Za-z0-9_.-]{0,63}\Z",
        description="an id of 1 to 64 letters, digits, '_', '.' or '-'",
    ),
]


class WebPushSettings(SessionSettings, frozen=True, kw_only=True):
    """Sessions to push services, for all apps; each service's origin has its own."""

    # "public": endpoints may lead to any public host at port 443, as UnifiedPush takes it, where users choose servers.
    hosts: Literal["known", "public"] = "known"
    # In addition to the known services: host patterns, each with the service whose habits it has. Endpoints come from
    # strangers' browsers, so whatever is allowed here can be made a target by anyone.
    allowed_hosts: dict[str, Service] = msgspec.field(default_factory=dict)
    # In addition to public addresses, for services inside one's own network.
    allowed_networks: tuple[str, ...] = ()
    # An app's subscribers are spread over several origins; each gets so many at most.
    most_sessions: SessionCount = 4
    session_window: StreamCount = 100
    # 0: as many as there are cores, for encryption is all computing.
    encryption_threads: ThreadCount = 0
    # Made in idle time, 97 bytes each, so that a burst of so many messages need not wait for theirs.
    ready_keys: KeyCount = 1000
    # "buckets" hides the length of what is said from the service, at up to 4 kB a message.
    padding: Literal["off", "buckets"] = "off"

    def find_contradictions(self) -> Iterator[Contradiction]:
        """See :class:`Section`."""
        yield from super().find_contradictions()
        for pattern, service in self.allowed_hosts.items():
            try:
                EndpointPolicy({pattern: service})
            except ValueError as error:
                yield ("allowed_hosts",), str(error)
        for network in self.allowed_networks:
            try:
                ip_network(network)
            except ValueError as error:
                yield ("allowed_networks",), f"{error}; write 10.1.0.0/16 or fd00::/8"


class WebPushAppSettings(Section, frozen=True, kw_only=True):
    """An app's identity at push services: whom to write to, and the keys its subscriptions were made with."""

    # The RFC leaves it to the sender, but Apple and Mozilla refuse requests without it.
    subject: str | None = None
    vapid_key_file: FilePath | None = None
    # Several keys by ids: a subscription lives and dies with the key it was made with, so a new key joins the old one.
    vapid_key_files: dict[KeyId, FilePath] = msgspec.field(default_factory=dict)
    # None with several: every subscription must name its key.
    default_vapid_key: str | None = None
    # The URL that a service gave each message, in its result: some 100 bytes more that few callers read.
    keep_locations: bool = False

    @property
    def key_files(self) -> Mapping[str, str]:
        """The files of all keys, by their ids."""
        return self.vapid_key_files if self.vapid_key_file is None else {ONLY_KEY: self.vapid_key_file}

    @property
    def default_key(self) -> str | None:
        """The id of the key for subscriptions that name none; an only key is it without being named."""
        if self.default_vapid_key is None and len(self.key_files) == 1:
            return next(iter(self.key_files))
        return self.default_vapid_key

    def find_contradictions(self) -> Iterator[Contradiction]:
        """See :class:`Section`."""
        yield from self._find_bad_subject()
        if self.vapid_key_file is not None and self.vapid_key_files:
            yield ("vapid_key_file", "vapid_key_files"), "set either this or vapid_key_files, not both"
        elif not self.key_files:
            yield (
                ("vapid_key_file", "vapid_key_files"),
                "missing; `pushmill vapid-keys --out FILE` makes one (or set vapid_key_files)",
            )
        elif self.default_vapid_key is not None and self.default_vapid_key not in self.key_files:
            known = ", ".join(self.key_files)
            yield (
                ("default_vapid_key", "vapid_key_file", "vapid_key_files"),
                f"none of the app's keys has this id; there is {known}",
            )

    def _find_bad_subject(self) -> Iterator[Contradiction]:
        if self.subject is None:
            yield ("subject",), "missing; write mailto:someone@your.domain or https://your.domain/contact"
            return
        try:
            check_subject(self.subject)
        except ValueError as error:
            yield ("subject",), str(error)
