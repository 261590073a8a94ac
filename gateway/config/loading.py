"""The whole way: file and environment in, checked sections out; and the other way, for people to look at."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from gateway.config.faults import ConfigError, Fault
from gateway.config.reading import read_section
from gateway.config.sections import Config
from gateway.config.sources import Tree, overlay_environment, read_toml


def load_config(path: Path | None, environ: Mapping[str, str]) -> Config:
    """Return the settings of a file (None: defaults) with the environment laid over them.

    Raises :class:`ConfigError` with all faults. Credential files are not opened here
    (:func:`gateway.delivery.credentials.load_credentials` does).
    """
    config, faults = read_config(path, environ)
    if faults:
        raise ConfigError(faults)
    return config


def read_config(path: Path | None, environ: Mapping[str, str]) -> tuple[Config, list[Fault]]:
    """Return what could be read, and everything that is wrong with it.

    Beside faults the settings are only good for finding more: whatever is wrong is missing from them, or has its
    default. Raises :class:`ConfigError` when the file can't be read at all.
    """
    tree: Tree = {} if path is None else read_toml(path)
    faults = overlay_environment(tree, environ)
    config = read_section(Config, tree, "", faults)
    if "apps" not in tree:
        sections = "[apps.<name>.apns], [apps.<name>.fcm] or [apps.<name>.webpush]"
        faults.append(Fault("apps", f"none configured; add a section {sections}"))
    return config or Config(), faults


def effective(config: Config) -> dict[str, Any]:
    """Return all settings with their values as plain tables. Secrets are in files, of which only the paths appear."""
    settings: dict[str, Any] = msgspec.to_builtins(config)
    return settings
