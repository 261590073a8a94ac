"""What a notification says for itself goes before what its batch says for all."""

from typing import TypeVar

import msgspec

from protocol.send.fields import Defaults

Fields = TypeVar("Fields", bound=msgspec.Struct)


def fill_in(own: Fields, shared: Fields | None) -> Fields:
    """Return a notification's fields with the batch's for those that it leaves out, one level deep."""
    if shared is None:
        return own
    given = {name: value for name in own.__struct_fields__ if (value := getattr(own, name)) is not None}
    return msgspec.structs.replace(shared, **given)


def merge_options(own: Defaults | None, shared: Defaults) -> Defaults:
    """Return a notification's options with the batch's where it has none of its own.

    ttl and expires_at are two ways of saying one thing, so an own one takes the place of either.
    """
    if own is None:
        return shared
    has_own_end = own.ttl is not None or own.expires_at is not None
    return Defaults(
        ttl=own.ttl if has_own_end else shared.ttl,
        expires_at=own.expires_at if has_own_end else shared.expires_at,
        not_before=shared.not_before if own.not_before is None else own.not_before,
        urgency=shared.urgency if own.urgency is None else own.urgency,
        queue=shared.queue if own.queue is None else own.queue,
        collapse=shared.collapse if own.collapse is None else own.collapse,
        on_unknown=shared.on_unknown if own.on_unknown is None else own.on_unknown,
        apns=shared.apns if own.apns is None else fill_in(own.apns, shared.apns),
        fcm=shared.fcm if own.fcm is None else fill_in(own.fcm, shared.fcm),
        webpush=shared.webpush if own.webpush is None else fill_in(own.webpush, shared.webpush),
    )
