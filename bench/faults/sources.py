"""Which code a promise's round ran: a hash of it, by which a quoted run stays valid until that code changes.

A round runs the whole product and, of the bench, the modules that its own file names, directly or through others: by an
import or as a module to start (``-m bench.faults.workload``). Documents, tests and planted defects are no part of it.
"""

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PRODUCT = ("protocol", "native", "gateway")
NO_CODE = {".md", ".pyc", ".pyi"}
PLANTED = {"bench.judging.planted_gateway", "bench.judging.defects"}
"""Started, or imported, for tests alone."""

_MODULE = re.compile(rb"\bbench(?:\.\w+)+")


def hash_sources(module: str, root: Path = ROOT) -> str:
    """Return twelve hexadecimal digits for the code that a round in ``module`` (a name such as ``bench.x.y``) runs."""
    digest = hashlib.sha256()
    for path in sorted({*_product_files(root), *_bench_files(module, root)}):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(root)} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()[:12]


def _product_files(root: Path) -> Iterator[Path]:
    return (path for package in PRODUCT for path in (root / package).rglob("*") if _is_code(path))


def _bench_files(module: str, root: Path) -> set[Path]:
    """Return the files of a module and of all that it names; what C sources have a module's name belongs to it."""
    found: set[Path] = set()
    modules = {module}
    while modules:
        for path in _files_of(modules.pop(), root) - found:
            found.add(path)
            named = {name.decode() for name in _MODULE.findall(path.read_bytes())}
            modules |= named - PLANTED
    return found


def _files_of(module: str, root: Path) -> set[Path]:
    """Return a module's own file and the C sources beside it, or a package's whole folder; nothing for other words."""
    path = root.joinpath(*module.split("."))
    if path.is_dir():
        return {file for file in path.rglob("*") if _is_code(file)}
    return {file for file in path.parent.glob(f"{path.name}*.[pch]*") if _is_code(file)}


def _is_code(path: Path) -> bool:
    return path.is_file() and path.suffix not in NO_CODE
