"""Free memory as the kernel reports it, inside and outside containers."""

from __future__ import annotations

from pathlib import Path

import pytest

from penchant.core import memory
from penchant.core.memory import MIB, free_bytes, require
from penchant.errors import MemoryLimitError


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


MEMINFO = {"proc/meminfo": "MemTotal: 9000 kB\nMemFree: 10 kB\nMemAvailable:    8000 kB\n"}


def test_machine_alone(tmp_path: Path) -> None:
    assert free_bytes(write(tmp_path, MEMINFO)) == 8000 * 1024
    assert free_bytes(tmp_path / "nothing") is None
    assert (free_bytes() or 0) > 0


def test_the_tightest_cgroup_counts(tmp_path: Path) -> None:
    group = "sys/fs/cgroup/a/b"
    two = MEMINFO | {
        "proc/self/cgroup": "0::/a/b\n",
        f"{group}/memory.max": "max\n",
        f"{group}/memory.current": "100\n",
        "sys/fs/cgroup/a/memory.max": "5000\n",
        "sys/fs/cgroup/a/memory.current": "3000\n",
        "sys/fs/cgroup/a/memory.stat": "anon 7\ninactive_file 500\n",
    }
    assert free_bytes(write(tmp_path, two)) == 2500


def test_the_old_cgroups(tmp_path: Path) -> None:
    one = MEMINFO | {
        "proc/self/cgroup": "5:cpu:/x\n4:memory,hugetlb:/elsewhere/on/the/host\n",
        "sys/fs/cgroup/memory/memory.limit_in_bytes": "4000\n",
        "sys/fs/cgroup/memory/memory.usage_in_bytes": "9000\n",
    }
    assert free_bytes(write(tmp_path, one)) == 0


def test_refuses_with_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "free_bytes", lambda: 1000 * MIB)
    require(800 * MIB, "this", "do that")
    with pytest.raises(MemoryLimitError, match=r"this needs 801 MiB, 1,000 MiB are free.*\(800 MiB\).*do that"):
        require(801 * MIB, "this", "do that")
    monkeypatch.setattr(memory, "free_bytes", lambda: None)
    require(10**15, "this", "do that")


def test_a_meter_refuses_to_go_on_where_little_address_space_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    left = [memory.RESERVE]
    monkeypatch.setattr(memory, "_address_space", lambda: left[0])
    meter = memory.Meter("reading")
    meter.add(1)
    left[0] -= 1
    with pytest.raises(MemoryLimitError, match=r"reading needs more address space .* after 7 rows, which is 256 MiB"):
        meter.add(1, " after 7 rows")


def test_page_cache_counts_as_free_in_old_cgroups(tmp_path: Path) -> None:
    one = MEMINFO | {
        "proc/self/cgroup": "4:memory:/\n",
        "sys/fs/cgroup/memory/memory.limit_in_bytes": "4000\n",
        "sys/fs/cgroup/memory/memory.usage_in_bytes": "3000\n",
        "sys/fs/cgroup/memory/memory.stat": "inactive_file 7\ntotal_inactive_file 600\n",
    }
    assert free_bytes(write(tmp_path, one)) == 1600


def test_lines_that_are_no_cgroup_and_limits_without_end_are_passed_over(tmp_path: Path) -> None:
    odd = MEMINFO | {
        "proc/self/cgroup": "nonsense\n4:cpu:/\n0::/a\n",
        "sys/fs/cgroup/a/memory.max": f"{2**60}\n",
        "sys/fs/cgroup/a/memory.current": "1\n",
    }
    assert free_bytes(write(tmp_path, odd)) == 8000 * 1024
    write(tmp_path, {"sys/fs/cgroup/a/memory.max": "900\n"})
    assert free_bytes(tmp_path) == 899  # without a file of statistics


def test_work_fits_into_four_fifths(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "free_bytes", lambda: 1000)
    assert memory.fits(800) and not memory.fits(801)
    monkeypatch.setattr(memory, "free_bytes", lambda: None)
    assert memory.fits(10**18)


def test_without_proc_half_of_the_memory_is_taken_as_free(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 1000}
    monkeypatch.setattr("os.sysconf", lambda name: asked[name])
    assert memory._of_sysconf() == 4096 * 500

    def unknown(name: str) -> int:
        raise ValueError(name)

    monkeypatch.setattr("os.sysconf", unknown)
    assert memory._of_sysconf() is None


def test_regardless_lets_a_requirement_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "free_bytes", lambda: MIB)
    with memory.regardless():
        require(5 * MIB, "a table", "fewer items")
    with memory.regardless(go=False), pytest.raises(MemoryLimitError):
        require(5 * MIB, "a table", "fewer items")
    with pytest.raises(MemoryLimitError, match="a table needs 5 MiB, 1 MiB are free"):
        require(5 * MIB, "a table", "fewer items")
