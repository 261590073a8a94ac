"""The project's own files, as the architecture tests look at them."""

import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("protocol", "native", "gateway", "bench")


def project_files(*patterns: str) -> list[Path]:
    """Return the files that are committed or about to be, as paths from the root; ``patterns`` are git's own."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *patterns]
    listing = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout  # noqa: S603 (fixed words)
    paths = (Path(name) for name in listing.split("\0") if name)
    return sorted(path for path in paths if (ROOT / path).is_file())
