"""The demo's scenario file, for any number of notifications."""

import re
from pathlib import Path

SCENARIO_FILE = Path(__file__).with_name("scenario.toml")
WRITTEN_FOR = 30_000

_AT_REQUEST = re.compile(r"^at_request = (\d+)$", re.MULTILINE)


def scale_scenario(text: str, notifications: int) -> str:
    """Return a scenario whose events come as early in proportion in a run of ``notifications``."""

    def scale(setting: re.Match[str]) -> str:
        return f"at_request = {max(1, int(setting[1]) * notifications // WRITTEN_FOR)}"

    return _AT_REQUEST.sub(scale, text)
