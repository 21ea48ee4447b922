import json
import struct

import pytest

from acofer.doctor import networks
from acofer.doctor.finding import Finding
from acofer.doctor.networks import backend, device_findings, network_findings, spared_packages, weights_findings

FILE = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_{}_no_top.h5"


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """Keras' folder, empty, and nothing set."""
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    (tmp_path / "keras" / "models").mkdir(parents=True)
    return tmp_path / "keras"


@pytest.fixture
def installed(monkeypatch):
    """Return a setter of the packages that are installed."""
    return lambda *names: monkeypatch.setattr(networks, "find_spec", lambda name: name in names or None)


def hdf5(path, claimed=2000, there=2000):
    """Write a file that looks like HDF5 and says how long it is."""
    head = bytearray(there)
    head[:9] = b"\x89HDF\r\n\x1a\n\x00"
    struct.pack_into("<Q", head, 40, claimed)
    path.write_bytes(head)


def keras():
    return {finding.name: finding for finding in network_findings()}["keras"]


def test_the_backend_is_the_one_that_keras_takes(home, monkeypatch):
    assert backend() == "tensorflow"
    (home / "keras.json").write_text('{"backend": "jax"}')
    assert backend() == "jax"
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    assert backend() == "torch"


def test_tensorflow_may_be_absent_where_keras_has_another_backend(installed, monkeypatch):
    assert spared_packages() == ()
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    installed("keras")
    assert spared_packages() == ()
    installed("keras", "jax")
    assert spared_packages() == ("tensorflow",)
    monkeypatch.setenv("KERAS_BACKEND", "no.such")
    assert spared_packages() == ()


def test_settings_that_acofer_can_use(home, installed, monkeypatch):
    installed("keras", "tensorflow", "jax")
    assert (keras().mark, keras().said) == ("ok", "backend tensorflow, no settings file")
    (home / "keras.json").write_text('{"backend": "tensorflow", "floatx": "float32"}')
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    assert keras().said == f"backend jax by KERAS_BACKEND, settings in {home / 'keras.json'}"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ('{"image_data_format": "channels_first"}', "sets image_data_format to 'channels_first'"),
        ('{"floatx": "float16"}', "sets floatx to 'float16'"),
        ("{", "cannot be read: Expecting property name"),
        ("[]", "cannot be read: TypeError"),
        ('{"backend": "theano"}', "acofer knows tensorflow, jax, torch"),
        ('{"backend": "jax"}', "jax is not installed"),
    ],
)
def test_settings_that_acofer_cannot_use_are_warnings(home, installed, settings, words):
    installed("keras", "tensorflow")
    (home / "keras.json").write_text(settings)
    found = keras()
    assert found.mark == "warn"
    assert words in found.said
    assert found.advice


def test_settings_do_not_matter_without_keras(installed):
    installed()
    assert [finding.name for finding in network_findings()] == ["weights"]


def test_weights_that_are_nowhere_come_with_their_addresses(home):
    (found,) = weights_findings(home / "models")
    assert found.mark == "missing"
    assert not found.is_vital
    assert found.said == f"of ImageNet not at hand in {home / 'models'}: mobilenetv2, efficientnetb0, mobilenet"
    assert len(found.command.splitlines()) == 3
    assert found.command.splitlines()[0].endswith("/mobilenet_v2/" + FILE.format(224))
    assert list((home / "models").iterdir()) == []


def test_weights_at_hand_are_told_by_the_size_they_are_for(home):
    for rows in (224, 96):
        hdf5(home / "models" / FILE.format(rows))
    hdf5(home / "models" / "efficientnetb0_notop.h5")
    found = {finding.name: finding for finding in weights_findings(home / "models")}
    assert (
        found["mobilenetv2"].said == f"ImageNet weights of 224, 96 pixels a side, at hand, 0.0 MB, in {home / 'models'}"
    )
    assert found["efficientnetb0"].said.startswith("ImageNet weights at hand")
    assert found["weights"].said.endswith(": mobilenet")


def test_weights_that_were_cut_short_are_to_be_removed(home):
    place = home / "models" / FILE.format(224)
    hdf5(place, claimed=9000)
    found = weights_findings(home / "models")[0]
    assert (found.name, found.mark, found.command) == ("mobilenetv2", "warn", f"rm {place}")
    assert "cut short at 2,000 bytes" in found.said


def test_the_shared_weights_are_found(home, shared_weights):
    (home / "models" / shared_weights.name).symlink_to(shared_weights)
    assert weights_findings(home / "models")[0].mark == "ok"


def test_a_graphics_device_that_networks_pass_over_is_a_warning():
    def ran(name, kind):
        facts = {"device": {"backend": name, "kind": kind, "name": kind}}
        return [Finding("tune", "ok", ""), Finding("nets", "ok", "", facts=facts)]

    (found,) = device_findings(ran("tensorflow", "cpu"), ["NVIDIA H100"])
    assert found.said == "NVIDIA H100 can be seen, but networks on tensorflow run on the processor"
    assert "tensorflow[and-cuda]" in found.command
    assert device_findings(ran("torch", "cpu"), ["AMD"])[0].command is None
    assert device_findings(ran("tensorflow", "gpu"), ["NVIDIA H100"]) == []
    assert device_findings(ran("tensorflow", "cpu"), []) == []
    assert device_findings([Finding("nets", "missing", "")], ["NVIDIA H100"]) == []


def test_the_findings_are_plain_data(home):
    hdf5(home / "models" / FILE.format(224))
    assert json.dumps([finding.facts for finding in network_findings()])
