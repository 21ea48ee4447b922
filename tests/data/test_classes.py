from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from acofer.data.classes import only_classes
from acofer.data.demo import load_demo
from acofer.data.splits import make_split
from acofer.errors import ConfigError


def test_the_pictures_of_some_classes_and_no_other():
    demo = load_demo()
    some = only_classes(demo, ["surprise", "Happy", "Angry"])
    assert some.class_names == ("Angry", "Happy", "Surprise")
    rows = [row for row in range(len(demo)) if demo.class_names[demo.labels[row]] in some.class_names]
    assert len(some) == len(rows) > 0
    for at in (0, 17, len(rows) - 1):
        (mine,), (theirs,) = some.pictures.read(np.array([at])), demo.pictures.read(np.array([rows[at]]))
        np.testing.assert_array_equal(mine, theirs)
        assert some.class_names[some.labels[at]] == demo.class_names[demo.labels[rows[at]]]
        assert some.row_names[at] == demo.row_names[rows[at]]
        assert some.parts[at] == demo.parts[rows[at]]
    np.testing.assert_array_equal(some.pictures.digests, demo.pictures.digests[rows])
    split = make_split(some, "official")
    assert split.fingerprint != make_split(demo, "official").fingerprint
    assert len(split.train) + len(split.validation) + len(split.test) == len(rows)


def test_a_set_without_parts_has_none():
    demo = dataclasses.replace(load_demo(), parts=None)
    assert only_classes(demo, ["Happy", "Sad"]).parts is None


@pytest.mark.parametrize("names", [["Happy"], ["Happy", "happy"], []])
def test_fewer_than_two_classes(names):
    with pytest.raises(ConfigError, match="at least two names, each once"):
        only_classes(load_demo(), names)


def test_an_unknown_class_names_the_nearest():
    with pytest.raises(ConfigError, match="no class 'Hapy'; did you mean 'Happy'"):
        only_classes(load_demo(), ["Hapy", "Sad"])
