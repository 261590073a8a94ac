"""A wheel of the tree, and an environment that has what it declares and nothing else."""

import os
import shutil
import subprocess
import sys
import venv
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement

from tests.support.tree import ROOT


def build_wheel(folder: Path) -> Path:
    """Build a wheel into ``folder``; the compiler need not optimise for that."""
    options = [
        "--no-deps",
        "--no-build-isolation",
        f"--wheel-dir={folder}",
        f"-Cbuild-dir={folder / 'build'}",
        "-Csetup-args=-Doptimization=0",
    ]
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", *options, str(ROOT)]
    # The build calls meson and cython by name: they are beside the interpreter, on the path or not.
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, env=os.environ | {"PATH": path})  # noqa: S603
    (wheel,) = folder.glob("pushmill-*.whl")
    return wheel


def install_wheel(wheel: Path, folder: Path) -> Path:
    """Install a wheel into a fresh environment with what it requires, no extra; return the folder of its commands.

    What it requires is copied from the environment of the tests, so no package index is asked.
    """
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    command = [
        sys.executable,
        "-m",
        "pip",
        f"--python={python}",
        "install",
        "--quiet",
        "--no-index",
        "--no-deps",
        str(wheel),
    ]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)  # noqa: S603
    (packages,) = (folder / "lib").glob("python3*/site-packages")
    (metadata,) = packages.glob("pushmill-*.dist-info")
    copied: set[tuple[str, str]] = set()
    _copy_requirements(Distribution.at(metadata), "", packages, copied)
    return folder / "bin"


def _copy_requirements(having: Distribution, extra: str, packages: Path, copied: set[tuple[str, str]]) -> None:
    """Copy what a distribution with an extra ("": none) requires, and so on; ``copied`` has what is done."""
    for text in having.requires or ():
        requirement = Requirement(text)
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": extra}):
            continue
        found = distribution(requirement.name)
        for inner in {"", *requirement.extras}:
            if (requirement.name, inner) not in copied:
                copied.add((requirement.name, inner))
                _copy(found, packages)
                _copy_requirements(found, inner, packages, copied)


def _copy(found: Distribution, packages: Path) -> None:
    for file in found.files or ():
        if ".." not in file.parts:  # its commands, which nobody calls here
            target = packages / file
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(str(found.locate_file(file)), target)
