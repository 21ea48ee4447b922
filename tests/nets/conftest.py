from __future__ import annotations

import functools
from collections.abc import Callable

import pytest
from small_nets import Learnt, learn_by_heart


@pytest.fixture(scope="session")
def learnt() -> Callable[[str], Learnt]:
    """Networks trained on 64 faces until they know them; not to be changed."""
    return functools.cache(learn_by_heart)
