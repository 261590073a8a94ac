"""Where settings come from: a TOML file, then the environment, laid over each other as one tree of given values.

A variable ``PUSHMILL_<SECTION>__<NAME>`` overrides a setting: ``PUSHMILL_LIMITS__CONNECTIONS=64``, also deeper:
``PUSHMILL_APPS__SHOP__APNS__TOPIC=com.example.shop``. Variables without a double underscore are none of ours.
"""

import codecs
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path

import msgspec

from gateway.config.faults import ConfigError, Fault

PREFIX = "PUSHMILL_"


class Given(msgspec.Struct, frozen=True):
    """A value as it was written, and where. ``directory`` is what a relative path in it starts from.

    ``is_text``: it came from the environment, where numbers, truth values and lists are written as text.
    """

    value: object
    place: str
    directory: Path
    is_text: bool = False


Tree = dict[str, "Tree | Given"]


def read_toml(path: Path) -> Tree:
    """Return the settings of a file. Raises ConfigError when it can't be read or isn't TOML."""
    try:
        table = tomllib.loads(_decode(path.read_bytes()))
    except OSError as error:
        raise ConfigError([Fault(str(path), error.strerror or "can't be read")]) from error
    except UnicodeDecodeError as error:
        raise ConfigError([Fault(str(path), f"not UTF-8 at byte {error.start}")]) from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([Fault(str(path), f"not TOML: {error}")]) from error
    return _plant(table, "", path.parent)


def _decode(contents: bytes) -> str:
    """Return the text of a file, by its byte order mark where an editor of Windows has left one."""
    is_utf16 = contents.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    text = contents.decode("utf-16" if is_utf16 else "utf-8-sig")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _plant(table: Mapping[str, object], parent: str, directory: Path) -> Tree:
    tree: Tree = {}
    for name, value in table.items():
        place = f"{parent}.{name}" if parent else name
        if isinstance(value, dict):
            tree[name] = _plant(value, place, directory)
        else:
            tree[name] = Given(value, place, directory)
    return tree


def overlay_environment(tree: Tree, environ: Mapping[str, str]) -> list[Fault]:
    """Lay the variables over the tree; return those that stand inside a plain value."""
    faults: list[Fault] = []
    for variable in sorted(environ):
        if not variable.startswith(PREFIX) or "__" not in variable:
            continue
        *sections, name = _find_names(tree, variable.removeprefix(PREFIX).lower().split("__"))
        table: Tree | Given = tree
        for section in sections:
            if isinstance(table, dict):
                table = table.setdefault(section, {})
        if isinstance(table, Given):
            faults.append(Fault(variable, f"{table.place} is given as a plain value, so nothing can be set inside it"))
        else:
            table[name] = Given(environ[variable], variable, Path(), is_text=True)
    return faults


def _find_names(tree: Tree, names: list[str]) -> list[str]:
    """Return the names with an app spelled as the file spells it: variables know neither small letters nor ``-``."""
    if len(names) > 1 and names[0] == "apps":
        apps = tree.get("apps")
        for app in apps if isinstance(apps, dict) else ():
            if re.sub(r"[^a-z0-9]", "_", app.lower()) == names[1]:
                return ["apps", app, *names[2:]]
    return names
