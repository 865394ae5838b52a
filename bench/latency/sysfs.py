"""Reads cores, clocks and temperatures out of the files in which Linux and Android state them.

All functions take what was read, a mapping from path to content, so that they serve this host and a phone
alike. The formats are in the kernel's documentation (admin-guide/cputopology, pm/cpufreq, thermal/sysfs-api,
filesystems/proc).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from mobiledeploy.base.errors import DeviceError
from mobiledeploy.bench.runner.records import Core, State

__all__ = ["GLOBS", "MARK", "cores", "dump_command", "parse_dump", "read_files", "state"]

_CPU = "/sys/devices/system/cpu"
GLOBS = (
    f"{_CPU}/present",
    f"{_CPU}/online",
    f"{_CPU}/cpu[0-9]*/cpu_capacity",
    f"{_CPU}/cpu[0-9]*/cpufreq/cpuinfo_max_freq",
    f"{_CPU}/cpu[0-9]*/cpufreq/scaling_max_freq",
    f"{_CPU}/cpu[0-9]*/cpufreq/scaling_cur_freq",
    f"{_CPU}/cpu[0-9]*/cpufreq/scaling_governor",
    "/sys/class/thermal/thermal_zone[0-9]*/type",
    "/sys/class/thermal/thermal_zone[0-9]*/temp",
    "/proc/self/status",
    "/proc/stat",
)
"""What to read. A file that is missing or unreadable, as many are without root, is left out."""

MARK = "@@@ "
"""Stands before a name, and on the lines after it what that name holds."""

_PLAUSIBLE_C = (-40.0, 150.0)  # sensors that are switched off report 0 K, or their scale's end


def read_files(root: Path = Path("/")) -> dict[str, str]:
    """Return path -> content of this host's files that `GLOBS` name."""
    found: dict[str, str] = {}
    for pattern in GLOBS:
        for path in root.glob(pattern.lstrip("/")):
            with suppress(OSError):
                found[f"/{path.relative_to(root)}"] = path.read_text(errors="replace")
    return found


def dump_command() -> str:
    """Return a shell command that prints the files, for `parse_dump` to take apart."""
    return f"for f in {' '.join(GLOBS)}; do [ -r $f ] && echo '{MARK}'$f && cat $f 2>/dev/null; done; true"


def parse_dump(text: str) -> dict[str, str]:
    """Return path -> content, from what `dump_command` printed."""
    sections = text.replace("\r\n", "\n").split(MARK)[1:]
    return {path: content for path, _, content in (section.partition("\n") for section in sections)}


def cores(files: Mapping[str, str]) -> tuple[Core, ...]:
    """Return the processor's cores, by number.

    Raises:
        DeviceError: The files do not say which cores there are.
    """
    present = _cpu_list(files.get(f"{_CPU}/present", "")) or set(_per_core(files, r"/cpufreq/\w+"))
    if not present:
        raise DeviceError(
            f"{_CPU}/present could not be read, expected the list of cores; let the shell read it, or pass "
            "--core N"
        )
    online = _cpu_list(files.get(f"{_CPU}/online", "")) or present
    status = re.search(r"^Cpus_allowed_list:\s*(\S+)", files.get("/proc/self/status", ""), re.MULTILINE)
    allowed = _cpu_list(status.group(1)) if status else present
    fastest = _per_core(files, "/cpufreq/cpuinfo_max_freq")
    capacity = _per_core(files, "/cpu_capacity")
    return tuple(
        Core(number, number in online, number in allowed, fastest.get(number), capacity.get(number))
        for number in sorted(present)
    )


def state(files: Mapping[str, str]) -> State:
    """Return clocks, temperatures and load; what only Android's services know, the caller fills in."""
    return State(
        clocks_khz=_per_core(files, "/cpufreq/scaling_cur_freq"),
        limits_khz=_per_core(files, "/cpufreq/scaling_max_freq"),
        governors={core: text.strip() for core, text in _texts(files, "/cpufreq/scaling_governor")},
        temperatures_c=_temperatures(files),
        busy_ticks=_busy_ticks(files.get("/proc/stat", "")),
    )


def _cpu_list(text: str) -> set[int]:
    """Numbers of a list as the kernel prints it.

    >>> sorted(_cpu_list("0-2,4"))
    [0, 1, 2, 4]
    """
    found: set[int] = set()
    for low, high in re.findall(r"(\d+)(?:-(\d+))?", text):
        found.update(range(int(low), int(high or low) + 1))
    return found


def _texts(files: Mapping[str, str], suffix: str) -> Iterator[tuple[int, str]]:
    """(core, content) of a file that every core has."""
    for path, content in files.items():
        if match := re.fullmatch(rf"{_CPU}/cpu(\d+){suffix}", path):
            yield int(match.group(1)), content


def _per_core(files: Mapping[str, str], suffix: str) -> dict[int, int]:
    numbers = {core: text.strip() for core, text in _texts(files, suffix)}
    return {core: int(text) for core, text in numbers.items() if text.isdecimal()}


def _temperatures(files: Mapping[str, str]) -> dict[str, float]:
    """Sensor -> degrees; the hottest of those that share a name.

    The kernel's unit is a thousandth of a degree, but some phones' sensors state whole degrees.
    """
    found: dict[str, float] = {}
    for path, content in files.items():
        if not path.endswith("/temp") or not re.fullmatch(r"-?\d+", content.strip()):
            continue
        raw = int(content)
        degrees = raw / 1000 if abs(raw) > _PLAUSIBLE_C[1] else float(raw)
        name = files.get(path.removesuffix("temp") + "type", "").strip() or path.split("/")[-2]
        if _PLAUSIBLE_C[0] < degrees < _PLAUSIBLE_C[1] and raw != 0:
            found[name] = max(degrees, found.get(name, degrees))
    return found


def _busy_ticks(text: str) -> dict[int, tuple[int, int]]:
    """Core -> (busy, all) ticks; waiting for a disk counts as idle."""
    found: dict[int, tuple[int, int]] = {}
    for line in text.splitlines():
        if match := re.match(r"cpu(\d+)((?: \d+)+)", line):
            ticks = [int(tick) for tick in match.group(2).split()][:8]  # guest time is in user time already
            idle = sum(ticks[3:5])
            found[int(match.group(1))] = (sum(ticks) - idle, sum(ticks))
    return found
