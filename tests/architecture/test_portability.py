"""The tree names no machine's folders and no package registry's hosts: clients are configured where they run."""

import re

from tests.support.tree import ROOT, project_files

# In pieces, for this file is searched too.
REGISTRY_HOSTS = [
    f"{site}[.]{domain}" for site, domain in {"pypi": "org", "pythonhosted": "org", "crates": "io"}.items()
]
REGISTRY_HOSTS += [f"deb[.]{'debian'}[.]org", f"npm{'js'}[.]org"]
MACHINE_FOLDERS = [rf"(?<![\w.])/{folder}/" for folder in ("root", "work", "Users", r"home/\w+")]
TIED_TO_A_PLACE = re.compile("|".join(REGISTRY_HOSTS + MACHINE_FOLDERS))


def test_no_machine_and_no_registry_is_named():
    places = {}
    for path in project_files():
        content = (ROOT / path).read_bytes()
        if b"\0" not in content and (found := TIED_TO_A_PLACE.findall(content.decode())):
            places[str(path)] = found
    assert places == {}


def test_such_names_would_be_found():
    folders = ["".join(parts) for parts in (("/ro", "ot/x"), ("/ho", "me/someone/x"), ("/wo", "rk/x"))]
    for name in [*folders, *(host.replace("[.]", ".") for host in REGISTRY_HOSTS)]:
        assert TIED_TO_A_PLACE.search(f"see {name} there"), name
    assert not TIED_TO_A_PLACE.search("tests/support/work/tree.py and a /homepage/ of one")
