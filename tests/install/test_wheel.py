"""A wheel holds the four packages as the tree has them and their extensions: no file missing, none too many.

Meson reads folders whole, so that a new file is never forgotten; this is what keeps leftovers out.
"""

import sysconfig
import zipfile
from pathlib import Path

import pytest

from tests.support.tree import PACKAGES, project_files

pytestmark = pytest.mark.long

EXTENSION_SUFFIX = sysconfig.get_config_var("EXT_SUFFIX")


@pytest.fixture
def wheel_files(wheel: Path) -> set[str]:
    return set(zipfile.ZipFile(wheel).namelist())


def test_packages_are_shipped_as_the_tree_has_them(wheel_files: set[str]):
    sources = {str(path) for path in project_files(*PACKAGES) if path.name != "meson.build"}
    extensions = {str(path.with_suffix(EXTENSION_SUFFIX)) for path in project_files("*.pyx")}
    assert {name for name in wheel_files if name.split("/")[0] in PACKAGES} == sources | extensions


def test_nothing_else_is_shipped_but_the_description(wheel_files: set[str]):
    others = {Path(name) for name in wheel_files if name.split("/")[0] not in PACKAGES}
    assert all(path.parts[0].endswith(".dist-info") for path in others)
    assert {path.name for path in others} >= {"METADATA", "RECORD", "entry_points.txt", "LICENSE"}
