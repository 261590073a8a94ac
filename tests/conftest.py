"""Which tests run when none is chosen: all but the long and the foreign ones."""

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Leave out the long and the foreign tests, unless a path, ``-k``, ``-m`` or ``--lf`` says what is wanted."""
    chosen = config.option
    is_chosen = config.args_source is pytest.Config.ArgsSource.ARGS or chosen.keyword or chosen.markexpr or chosen.lf
    if not is_chosen:
        chosen.markexpr = "not long and not foreign"
