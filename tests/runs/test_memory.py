"""Memory in made-up machines: a folder that stands for the root of each."""

import pytest

from acofer.doctor.surroundings import graphics, machine_findings
from acofer.runs.memory import memory_of

GB = 1 << 30


@pytest.fixture
def machine(tmp_path):
    """Return a writer of the files of a machine with 16 GB, 10 of them free."""

    def write(**files):
        free_and_all = f"MemTotal: {16 * GB >> 10} kB\nMemAvailable: {10 * GB >> 10} kB\nHugePages: 0\n"
        files.setdefault("proc/meminfo", free_and_all)
        for name, content in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(content)
        return tmp_path

    return write


def told(root):
    memory = memory_of(root)
    return memory.total, memory.free, memory.limit


def test_a_machine_without_limits(machine):
    assert told(machine()) == (16 * GB, 10 * GB, None)


def test_a_container_of_the_second_version(machine):
    files = {
        "proc/self/cgroup": "0::/\n",
        "sys/fs/cgroup/memory.max": f"{4 * GB}\n",
        "sys/fs/cgroup/memory.current": f"{3 * GB}\n",
        "sys/fs/cgroup/memory.stat": f"anon 7\ninactive_file {2 * GB}\n",
    }
    assert told(machine(**files)) == (16 * GB, 3 * GB, 4 * GB), "pages of files are given back"


def test_the_narrowest_of_nested_groups_counts(machine):
    files = {
        "proc/self/cgroup": "0::/slice/unit\n",
        "sys/fs/cgroup/slice/unit/memory.max": "max\n",
        "sys/fs/cgroup/slice/unit/memory.current": "5\n",
        "sys/fs/cgroup/slice/memory.max": f"{6 * GB}\n",
        "sys/fs/cgroup/slice/memory.current": f"{5 * GB}\n",
    }
    assert told(machine(**files)) == (16 * GB, 1 * GB, 6 * GB)


def test_a_container_of_the_first_version(machine):
    files = {
        "proc/self/cgroup": "4:memory:/docker/7f\n1:cpu:/docker/7f\n0::/\n",
        "sys/fs/cgroup/memory/memory.limit_in_bytes": f"{2 * GB}\n",
        "sys/fs/cgroup/memory/memory.usage_in_bytes": f"{1 * GB}\n",
        "sys/fs/cgroup/memory/memory.stat": "cache 5\ntotal_inactive_file 0\n",
    }
    assert told(machine(**files)) == (16 * GB, 1 * GB, 2 * GB)


def test_no_limit_of_the_first_version_is_a_large_number(machine):
    files = {
        "proc/self/cgroup": "4:memory:/\n",
        "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
        "sys/fs/cgroup/memory/memory.usage_in_bytes": f"{1 * GB}\n",
    }
    assert told(machine(**files)) == (16 * GB, 10 * GB, None)


def test_a_system_that_tells_nothing(tmp_path):
    memory = memory_of(tmp_path)
    assert (memory.free, memory.limit) == (None, None)
    assert {finding.mark for finding in machine_findings(tmp_path)} == {"ok"}


def test_little_memory_is_a_warning(machine):
    files = {"proc/meminfo": f"MemTotal: {16 * GB >> 10} kB\nMemAvailable: {GB >> 10} kB\n"}
    found = {finding.name: finding for finding in machine_findings(machine(**files))}["memory"]
    assert (found.mark, found.said) == ("warn", "17.2 GB, 1.1 GB free")
    assert found.advice is not None


def test_graphics_are_seen_without_their_libraries(machine, tmp_path):
    assert graphics(tmp_path) == []
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev" / "kfd").touch()
    assert graphics(tmp_path) == ["AMD"]
    (tmp_path / "dev" / "nvidia0").touch()
    (tmp_path / "dev" / "nvidiactl").touch()
    assert graphics(tmp_path) == ["NVIDIA"]
    machine(**{"proc/driver/nvidia/gpus/0000:01:00.0/information": "Model: \t\t NVIDIA H100 80GB HBM3\nIRQ: 1\n"})
    assert graphics(tmp_path) == ["NVIDIA H100 80GB HBM3"]
