"""The demo's scenario file, for any number of notifications."""

import re
from pathlib import Path

SCENARIO_FILE = Path(__file__).with_name("scenario.toml")
WRITTEN_FOR = 30_000

_REQUEST_COUNT = re.compile(r"^(at_request|every) = (\d+)$", re.MULTILINE)


def scale_scenario(text: str, notifications: int) -> str:
    """Return a scenario in which everything counted in requests comes as early in a run of ``notifications``."""

    def scale(setting: re.Match[str]) -> str:
        return f"{setting[1]} = {max(1, int(setting[2]) * notifications // WRITTEN_FOR)}"

    return _REQUEST_COUNT.sub(scale, text)
