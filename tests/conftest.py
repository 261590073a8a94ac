"""Which tests run when none is chosen: all but those marked long, foreign or image."""

import gc

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Leave out what takes long or needs more than Python, unless a path, ``-k``, ``-m`` or ``--lf`` asks for it."""
    chosen = config.option
    is_chosen = config.args_source is pytest.Config.ArgsSource.ARGS or chosen.keyword or chosen.markexpr or chosen.lf
    if not is_chosen:
        chosen.markexpr = "not long and not foreign and not image"


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Keep the collector off what all tests share: many tests run it, and it would look at all of that."""
    gc.collect()
    gc.freeze()
