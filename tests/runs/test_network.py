"""What is looked at before Keras reads a network or weights."""

import io
import json
import zipfile

import numpy as np
import pytest

keras = pytest.importorskip("keras")
import h5py  # noqa: E402 - comes with Keras

from acofer.errors import DataError  # noqa: E402
from acofer.nets.build import build_net  # noqa: E402
from acofer.pretrained.base import load_base  # noqa: E402
from acofer.pretrained.weights import resolve_weights  # noqa: E402
from acofer.runs import network  # noqa: E402
from acofer.runs.network import CONFIGURATION, NETWORK, WEIGHTS, read_network  # noqa: E402


@pytest.fixture(scope="module")
def members(tmp_path_factory):
    """The members of a sound network's zip."""
    place = tmp_path_factory.mktemp("network") / NETWORK
    build_net("small-cnn", 32, 3, parameters={"filters": [2], "units": 3}).save(place)
    with zipfile.ZipFile(place) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture
def leave(tmp_path, members):
    """Return what leaves a run whose network has other members."""

    def write(**changed):
        changed = {name.replace("__", "."): content for name, content in changed.items()}
        with zipfile.ZipFile(tmp_path / NETWORK, "w") as archive:
            for name, content in {**members, **changed}.items():
                archive.writestr(name, content)
        return tmp_path

    return write


@pytest.fixture
def unread(monkeypatch):
    """Keras is asked for no network."""

    def read(*_, **__):
        pytest.fail("Keras was asked to load it")

    monkeypatch.setattr(keras.saving, "load_model", read)


def with_class(members, **named):
    """Return the configuration with another class in place of its second layer's."""
    configuration = json.loads(members[CONFIGURATION])
    configuration["config"]["layers"][1] |= named
    return json.dumps(configuration).encode()


def test_a_sound_network_is_read(leave):
    assert read_network(leave()).output_shape == (None, 3)


STRANGERS = {
    "a function of a module": {"module": "os", "class_name": "function", "config": "system"},
    "a class of another module": {"module": "subprocess", "class_name": "Popen"},
    "a lambda": {"class_name": "__lambda__", "config": {"value": "4wAAAA=="}},
    "a layer that runs code": {"module": "keras.layers", "class_name": "Lambda"},
    "a layer that reads files": {"module": "keras.layers", "class_name": "StringLookup"},
    "a layer that loads a program": {"module": "keras.layers", "class_name": "TFSMLayer"},
    "a function that downloads": {"module": "keras.utils", "class_name": "function", "config": "get_file"},
    "one that is registered": {"registered_name": "mine>Layer"},
    "a module that is none": {"module": 3},
    "a name that is none": {"class_name": ["Dense"]},
}


@pytest.mark.parametrize("named", STRANGERS.values(), ids=STRANGERS)
def test_a_class_that_is_not_acofers_is_refused_before_keras_meets_it(leave, members, unread, named):
    with pytest.raises(DataError, match=r"model\.keras: expected a network .*are made of no .*; train anew"):
        read_network(leave(config__json=with_class(members, **named)))


def test_a_class_is_found_at_any_depth(leave, members, unread):
    configuration = json.loads(members[CONFIGURATION])
    inner = configuration["config"]["layers"][1]["config"]
    inner["kernel_initializer"] = {"module": "builtins", "class_name": "eval", "config": {}}
    with pytest.raises(DataError, match="'eval'"):
        read_network(leave(config__json=json.dumps(configuration)))


def test_how_it_was_trained_is_left_aside_but_not_that_of_a_network_within(leave, members, unread):
    """Keras ignores what a file says of its training, at the top, and only there."""
    trained = {"module": "keras.optimizers", "class_name": "Adam", "config": {}}
    configuration = json.loads(members[CONFIGURATION])
    configuration["compile_config"] = {"optimizer": trained}
    network.check_network(leave(config__json=json.dumps(configuration)) / NETWORK)
    configuration["config"]["layers"][1]["compile_config"] = {"optimizer": trained}
    with pytest.raises(DataError, match="'Adam'"):
        read_network(leave(config__json=json.dumps(configuration)))


@pytest.mark.parametrize("content", [b"", b"[]", b"[" * 100_000, b'{"class_name": "Sequential"}', b"\xff"])
def test_a_configuration_that_is_none_is_refused(leave, unread, content):
    with pytest.raises(DataError, match="expected a network as acofer train leaves it"):
        read_network(leave(config__json=content))


@pytest.mark.parametrize("name", ["assets/vocabulary.txt", "../../outside", "more.json"])
def test_other_files_are_refused(leave, unread, name):
    with pytest.raises(DataError, match="and nothing else"):
        read_network(leave(**{name: b"x"}))


def test_weights_that_were_altered_are_noticed(leave, unread):
    """Before HDF5's library meets them."""
    folder = leave()
    content = bytearray((folder / NETWORK).read_bytes())
    content[content.index(WEIGHTS.encode()) + 30_000] ^= 1
    (folder / NETWORK).write_bytes(content)
    with pytest.raises(DataError, match=r"model\.weights\.h5 is damaged"):
        read_network(folder)


def weights_with(change, content=None):
    """Return the bytes of an HDF5 file that `change` has had in hand."""
    buffer = io.BytesIO(content or b"")
    with h5py.File(buffer, "a" if content else "w") as file:
        change(file)
    return buffer.getvalue()


def a_link_to_a_file(file):
    file["other"] = h5py.ExternalLink("/etc/passwd", "/")


def a_link_within(file):
    file["other"] = h5py.SoftLink("/")


def numbers_in_another_file(file):
    file.create_dataset("other", (10,), "f4", external=[("/etc/passwd", 0, 40)])


def numbers_of_several_files(file):
    layout = h5py.VirtualLayout((10,), "f4")
    layout[:] = h5py.VirtualSource("/tmp/other.h5", "x", (10,))
    file.create_virtual_dataset("other", layout)


def numbers_that_are_not_there(file):
    file.create_dataset("other", (10**12,), "f4", chunks=(1024,), compression="gzip")


CHANGES = (
    *(a_link_to_a_file, a_link_within, numbers_in_another_file),
    *(numbers_of_several_files, numbers_that_are_not_there),
)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_weights_that_lie_elsewhere_or_nowhere_are_refused(leave, members, unread, change):
    content = weights_with(change, members[WEIGHTS])
    with pytest.raises(DataError, match=r"is a link|lie in another file|are said to take 4,000,\d{3},\d{3},\d{3}"):
        read_network(leave(model__weights__h5=content))


def test_a_group_within_itself_ends(leave, members):
    def itself(file):
        file["layers/again"] = file["layers"]

    assert read_network(leave(model__weights__h5=weights_with(itself, members[WEIGHTS]))).output_shape == (None, 3)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_a_weights_file_is_looked_at_in_the_same_way(tmp_path, weights_file, monkeypatch, change):
    path = tmp_path / "small.weights.h5"
    path.write_bytes(weights_with(change, weights_file.read_bytes()))
    weights = resolve_weights(path, "mobilenetv2", 32)
    monkeypatch.setattr(keras.Model, "load_weights", lambda *_: pytest.fail("Keras was asked to load it"))
    with pytest.raises(DataError, match="does not fit mobilenetv2 without its top"):
        load_base("mobilenetv2", 32, weights)


def test_sound_weights_are_loaded(weights_file):
    base = load_base("mobilenetv2", 32, resolve_weights(weights_file, "mobilenetv2", 32))
    assert np.isfinite(base.get_weights()[0]).all()
