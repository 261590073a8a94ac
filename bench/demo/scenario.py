"""The demo's scenario files, one for each provider, for any number of notifications."""

import re
from pathlib import Path

from bench.judging.history import ProviderName

SCENARIOS = Path(__file__).with_name("scenarios")
WRITTEN_FOR = 10_000

_AT_REQUEST = re.compile(r"^at_request = (\d+)$", re.MULTILINE)


def read_scenario(provider: ProviderName, notifications: int) -> str:
    """Return a provider's scenario whose events come as early in proportion in a run of ``notifications`` to it."""

    def scale(setting: re.Match[str]) -> str:
        return f"at_request = {max(1, int(setting[1]) * notifications // WRITTEN_FOR)}"

    return _AT_REQUEST.sub(scale, (SCENARIOS / f"{provider}.toml").read_text())
