"""What delivery announces; every method does nothing unless a listener overrides it."""

import structlog

from gateway.telemetry.origin_failures import OriginFailures
from protocol.reasons import Reason


class DeliveryListener:
    """Told of sessions and lanes, never of single notifications. Methods must not wait or raise."""

    def session_opened(self, lane: str, session: int) -> None:
        """Hear that a session to the lane's provider is ready for its first request."""

    def session_failed(self, lane: str, error: str, retry_in_seconds: float) -> None:
        """Hear that a session could not be opened."""

    def origin_failed(self, lane: str, error: str, retry_in_seconds: float) -> None:
        """Hear that an origin which a stranger named began to fail; there may be thousands of them."""

    def minute_passed(self) -> None:
        """Hear that a minute has passed: what was only counted in it can be told."""

    def session_ended(self, lane: str, session: int, why: str, *, answered: int, in_flight: int) -> None:
        """Hear that a session is gone, with ``in_flight`` rows that were neither answered nor refused on it."""

    def lane_held(self, lane: str, reason: Reason | None, provider_reason: str | None, seconds: float) -> None:
        """Hear that a lane sends nothing for a while because its credential is refused: someone must look."""

    def token_updates_refused(self, lane: str) -> None:
        """Hear that the provider calls the provider token changed too often; told once a minute while it lasts."""

    def lane_resumed(self, lane: str) -> None:
        """Hear that a held lane tries again."""

    def lane_unanswered(self, lane: str, seconds: float) -> None:
        """Hear that a lane got no answer for so long, over whatever connection: someone must look."""

    def lane_answered(self, lane: str) -> None:
        """Hear that an unanswered lane gets answers again."""

    def work_withheld(self, missing: str, rows: int) -> None:
        """Hear that rows wait for a setting that isn't there: they can't be sent as who they were accepted for."""

    def lease_ended(self, lease: int, rows: int) -> None:
        """Hear that ``rows``, sent or not, are other processes' to take: this one did not renew its lease in time."""

    def lanes_used_up(self, most: int, seconds: float) -> None:
        """Hear that ``most`` lanes are busy, and rows for another origin wait; told once a minute while it lasts."""

    def dead_tokens_held(self, app: str, *, held: int, discarded: int, recent_results: int, recent_dead: int) -> None:
        """Hear that suspected dead tokens are not released, being too many to be believed: someone must look."""


# What an operator should look at first, by the provider's own word; the credential in general otherwise.
_WHAT_TO_DO = {
    "ExpiredProviderToken": "a young provider token was called expired: check this machine's clock",
    "InvalidProviderToken": "check team_id, key_id and key_file of the app",
    "BadCertificate": "check certificate_file of the app",
    "BadCertificateEnvironment": "the certificate is not for this environment: check certificate_file of the app",
    "BadEnvironmentKeyIdInToken": "the key is not for this environment: check key_id and environment of the app",
    "BadEnvironmentKeyInToken": "the key is not for this environment: check key_id and environment of the app",
}


class LogListener(DeliveryListener):
    """Writes announcements to the log, one line each."""

    def __init__(self) -> None:
        self._log: structlog.stdlib.BoundLogger = structlog.get_logger("delivery")
        self._origin_failures = OriginFailures()

    def session_opened(self, lane: str, session: int) -> None:
        """Log at info."""
        self._log.info("session_opened", lane=lane, session=session)

    def session_failed(self, lane: str, error: str, retry_in_seconds: float) -> None:
        """Log at warning: one is nothing, many in a row are an outage."""
        self._log.warning("session_failed", lane=lane, error=error, retry_in_seconds=round(retry_in_seconds, 1))

    def origin_failed(self, lane: str, error: str, retry_in_seconds: float) -> None:
        """Log a few a minute as any other session, and count the rest."""
        if self._origin_failures.is_told(lane, error):
            self.session_failed(lane, error, retry_in_seconds)

    def minute_passed(self) -> None:
        """Log at warning what was counted, in one line."""
        summed = self._origin_failures.end_minute()
        if summed is not None:
            self._log.warning(
                "origins_failed",
                origins=summed.origins,
                error=summed.error,
                example=summed.example,
                what_to_do="if the names are made up, look which app registers such subscriptions",
            )

    def session_ended(self, lane: str, session: int, why: str, *, answered: int, in_flight: int) -> None:
        """Log at info, at warning when rows were in flight."""
        write = self._log.warning if in_flight else self._log.info
        write("session_ended", lane=lane, session=session, why=why, answered=answered, in_flight=in_flight)

    def lane_held(self, lane: str, reason: Reason | None, provider_reason: str | None, seconds: float) -> None:
        """Log at error: nothing moves until a credential is mended."""
        self._log.error(
            "lane_held",
            lane=lane,
            reason=reason.word if reason else None,
            provider_reason=provider_reason,
            what_to_do=_WHAT_TO_DO.get(provider_reason or "", "check the credential of the app"),
            retry_in_seconds=round(seconds, 1),
        )

    def token_updates_refused(self, lane: str) -> None:
        """Log at error: notifications fail until somebody finds who else signs with this key."""
        what_to_do = "find other senders that sign with this key: all must use one token, or keys of their own"
        self._log.error("token_updates_refused", lane=lane, what_to_do=what_to_do)

    def lane_unanswered(self, lane: str, seconds: float) -> None:
        """Log at error: nothing moves until the provider, or what lies on the way to it, is well again."""
        self._log.error(
            "lane_unanswered",
            lane=lane,
            seconds=round(seconds),
            what_to_do="read this lane's session_failed and session_ended lines, then check the provider's status page "
            "and the proxies and firewalls on the way; what waits is kept and sent when answers come again",
        )

    def lane_answered(self, lane: str) -> None:
        """Log at info."""
        self._log.info("lane_answered", lane=lane)

    def lease_ended(self, lease: int, rows: int) -> None:
        """Log at error: what was in flight may be sent twice."""
        self._log.error(
            "lease_ended",
            lease=lease,
            rows=rows,
            what_to_do="look what kept this process from renewing its lease: the machine, or the way to the engine",
        )

    def lanes_used_up(self, most: int, seconds: float) -> None:
        """Log at warning: whoever names so many origins is not a usual caller."""
        self._log.warning(
            "lanes_used_up",
            most=most,
            retry_in_seconds=seconds,
            what_to_do="look which app has subscriptions at so many push services; webpush.allowed_hosts bounds them",
        )

    def dead_tokens_held(self, app: str, *, held: int, discarded: int, recent_results: int, recent_dead: int) -> None:
        """Log at error: either something is wrong with the app's credentials or addresses, or much must be deleted."""
        self._log.error(
            "dead_tokens_held",
            app=app,
            held=held,
            discarded=discarded,
            recent_results=recent_results,
            recent_dead=recent_dead,
            what_to_do="check the app's credentials and where its addresses come from; if they are right, confirm them",
        )

    def work_withheld(self, missing: str, rows: int) -> None:
        """Log at error: it waits for a person, or for its expiry."""
        self._log.error(
            "work_withheld",
            missing=missing,
            rows=rows,
            what_to_do="put the setting back and restart, and they are sent; or cancel them; else they expire",
        )

    def lane_resumed(self, lane: str) -> None:
        """Log at info."""
        self._log.info("lane_resumed", lane=lane)
