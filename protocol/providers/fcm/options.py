"""FCM's own options of a notification: which section of its message each goes to (docs/fcm.md#options)."""

from protocol.providers.fcm.message_fields import ANALYTICS_LABEL
from protocol.reasons import Reason
from protocol.rejections import RowError
from protocol.send.fields import FcmOptions

_ANDROID = ("restricted_package_name", "direct_boot_ok", "bandwidth_constrained_ok", "restricted_satellite_ok")


def check_options(options: FcmOptions) -> None:
    """Raise RowError for what FCM would refuse."""
    label, package = options.analytics_label, options.restricted_package_name
    if label is not None and not ANALYTICS_LABEL.accepts(label):
        raise _invalid("analytics_label", f"is {ANALYTICS_LABEL.words}")
    if package is not None and not (package.isascii() and package.isprintable() and " " not in package):
        raise _invalid("restricted_package_name", "is the name of a package, as com.example.shop")


def pick_android(options: FcmOptions) -> tuple[tuple[str, object], ...]:
    """Return the members of the Android section that the options ask for."""
    return tuple((name, value) for name in _ANDROID if (value := getattr(options, name)) is not None)


def _invalid(option: str, detail: str) -> RowError:
    return RowError(Reason.INVALID_OPTION, f"fcm.{option}", detail)
