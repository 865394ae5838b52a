"""The phone's own files: properties, processor, temperatures, and what its services report.

Paths and formats as the kernel documents them (admin-guide/cputopology, pm/cpufreq, thermal/sysfs-api,
filesystems/proc) and as Android prints them: toybox getprop, and of the framework BatteryService and
ThermalManagerService for `dumpsys battery` and `dumpsys thermalservice`.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench.virtual_phone.models import Cluster, PhoneModel

__all__ = ["System"]

_TOOLS = Path(__file__).parent / "tools"
# Of Android 8's tools (system/core/shell_and_utilities/README.md) what needs no root. Only these are on the
# phone's PATH, besides our own.
_TOOL_NAMES = (
    "base64 basename cat chmod cksum cmp comm cp cut date dd diff dirname du echo env expand "
    "expr false file find flock grep gunzip gzip head hostname kill ln ls md5sum mkdir mkfifo "
    "mktemp mv nice nl nohup od paste printenv printf pwd readlink realpath rm rmdir sed seq "
    "setsid sha1sum sha256sum sha512sum sleep sort split stat strings sync tac tail tar tee "
    "time timeout touch tr true truncate tty uname uniq uptime usleep uudecode uuencode wc "
    "which xargs xxd yes "
)
_TEMPERATURE = "Temperature{{mValue={celsius:.1f}, mType={kind}, mName={name}, mStatus={status}}}"
_SENSORS = (("CPU", 0), ("battery", 2), ("skin", 3))  # names are the maker's, numbers are ThermalManager's
_ZONES = ("cpu-0-0-usr", "cpu-1-0-usr", "battery", "quiet-therm")


@dataclass
class System:
    """The files of a phone, and what changes in them while it is on.

    Attributes:
        model: How it was when it was switched on.
        root: The folder that is the phone's /.
        limits_khz: Core -> frequency that its cluster may not exceed at present; the clock follows.
        online: Cores that are switched on.
        allowed: Cores that the cpuset of adb's shell has.
    """

    model: PhoneModel
    root: Path
    limits_khz: dict[int, int] = field(init=False)
    online: set[int] = field(init=False)
    allowed: set[int] = field(init=False)
    battery_percent: int = field(init=False)
    battery_c: float = field(init=False)
    cpu_c: float = field(init=False)
    skin_c: float = field(init=False)
    thermal_status: int = field(init=False)

    def __post_init__(self) -> None:
        model = self.model
        cores = range(model.core_count)
        self.limits_khz = {core: self._cluster(core)[1].max_khz for core in cores}
        self.online = set(cores) - model.offline
        self.allowed = set(cores) - model.forbidden
        self.battery_percent, self.battery_c = model.battery_percent, model.battery_c
        self.cpu_c, self.skin_c, self.thermal_status = model.cpu_c, model.skin_c, model.thermal_status
        for folder in ("data/local/tmp", "sdcard", "vendor", "system/bin"):
            (self.root / folder).mkdir(parents=True)
        self._install_tools()
        self._write("system/etc/props", "".join(f"{k}={v}\n" for k, v in sorted(self._properties().items())))
        self.write()

    def write(self) -> None:
        """Bring the files up to date."""
        self._write_processor()
        self._write_temperatures()
        self._write_services()

    def max_khz(self, core: int) -> int:
        """The hardware's limit."""
        return self._cluster(core)[1].max_khz

    def _install_tools(self) -> None:
        bin_folder = self.root / "system/bin"
        for tool in _TOOLS.iterdir():
            shutil.copy(tool, bin_folder / tool.name)
            (bin_folder / tool.name).chmod(0o755)
        for name in ("sh", *_TOOL_NAMES.split()):
            found = shutil.which(name)
            if found and not (bin_folder / name).exists():
                (bin_folder / name).symlink_to(found)

    def _properties(self) -> dict[str, str]:
        model = self.model
        bits64 = model.abi == "arm64-v8a"
        found = {
            "ro.product.model": model.name,
            "ro.product.manufacturer": model.maker,
            "ro.product.brand": model.maker.lower(),
            "ro.product.name": model.device,
            "ro.product.device": model.device,
            "ro.product.cpu.abi": model.abi,
            "ro.product.cpu.abilist": f"{'arm64-v8a,' if bits64 else ''}armeabi-v7a,armeabi",
            "ro.product.cpu.abilist64": "arm64-v8a" if bits64 else "",
            "ro.hardware": model.hardware,
            "ro.board.platform": model.platform,
            "ro.build.version.release": model.android,
            "ro.build.version.sdk": str(model.sdk),
            "ro.build.fingerprint": f"{model.maker}/{model.device}:{model.android}/V/1:user/release-keys",
            "ro.build.type": "user",
            "ro.debuggable": "0",
            "ro.serialno": "VIRTUAL0001",
        }
        if model.soc:
            found |= {"ro.soc.model": model.soc, "ro.soc.manufacturer": model.soc_maker}
        return found

    def _cluster(self, core: int) -> tuple[int, Cluster]:
        """(first core of the cluster, cluster)."""
        first = 0
        for cluster in self.model.clusters:
            if core < first + cluster.count:
                return first, cluster
            first += cluster.count
        raise IndexError(core)

    def _write_processor(self) -> None:
        cores = range(self.model.core_count)
        base = "sys/devices/system/cpu"
        self._write(f"{base}/present", _ranges(cores))
        self._write(f"{base}/possible", _ranges(cores))
        self._write(f"{base}/online", _ranges(self.online))
        self._write(f"{base}/offline", _ranges(set(cores) - self.online))
        for core in cores:
            first, cluster = self._cluster(core)
            self._write(f"{base}/cpu{core}/online", f"{int(core in self.online)}\n")
            if cluster.capacity is not None:
                self._write(f"{base}/cpu{core}/cpu_capacity", f"{cluster.capacity}\n")
            link = self.root / base / f"cpu{core}/cpufreq"
            if core not in self.online:  # the kernel takes the link away
                link.unlink(missing_ok=True)
            elif not link.is_symlink():
                link.symlink_to(f"../cpufreq/policy{first}")
            if core == first:
                self._write_policy(f"{base}/cpufreq/policy{first}", first)
        self._write("proc/cpuinfo", "".join(self._cpuinfo(core) for core in cores if core in self.online))
        self._write("proc/self/status", self._status())
        self._write("proc/stat", self._stat())
        self._write("proc/loadavg", "0.42 0.37 0.31 1/1789 4242\n")
        self._write(
            "proc/meminfo",
            "MemTotal:        7716632 kB\nMemFree:          412904 kB\nMemAvailable:    3581244 kB\n",
        )
        self._write("proc/version", "Linux version 4.19.110 (nobody@virtual) #1 SMP PREEMPT\n")
        for group in ("", "/foreground", "/background", "/top-app"):
            self._write(f"dev/cpuset{group}/cpus", _ranges(self.allowed & self.online))

    def _write_policy(self, policy: str, first: int) -> None:
        _, cluster = self._cluster(first)
        members = range(first, first + cluster.count)
        limit = self.limits_khz[first]
        for name, text in {
            "affected_cpus": " ".join(str(core) for core in members if core in self.online),
            "related_cpus": " ".join(map(str, members)),
            "cpuinfo_max_freq": cluster.max_khz,
            "cpuinfo_min_freq": 300_000,
            "scaling_max_freq": limit,
            "scaling_min_freq": 300_000,
            "scaling_cur_freq": limit,
            "scaling_governor": cluster.governor,
            "scaling_available_frequencies": f"300000 {cluster.max_khz // 2} {cluster.max_khz} ",
        }.items():
            self._write(f"{policy}/{name}", f"{text}\n")

    def _cpuinfo(self, core: int) -> str:
        features = "fp asimd evtstrm aes pmull sha1 sha2 crc32 cpuid"
        if self.model.cpu not in ("cortex-a53", "cortex-a72"):
            features += " atomics fphp asimdhp asimdrdm lrcpc dcpop asimddp"
        return (
            f"processor\t: {core}\nBogoMIPS\t: 38.40\nFeatures\t: {features}\nCPU implementer\t: 0x41\n"
            f"CPU architecture: 8\nCPU variant\t: 0x1\nCPU part\t: 0x{self._cluster(core)[1].part:03x}\n"
            "CPU revision\t: 0\n\n"
        )

    def _status(self) -> str:
        mask = sum(1 << core for core in self.allowed)
        return (
            "Name:\tsh\nUmask:\t0077\nState:\tS (sleeping)\nUid:\t2000\t2000\t2000\t2000\n"
            f"Cpus_allowed:\t{mask:x}\nCpus_allowed_list:\t{_ranges(self.allowed)}"
        )

    def _stat(self) -> str:
        count = len(self.online)
        total = f"cpu  {10_000 * count} 0 {5_000 * count} {900_000 * count} 700 0 300 0 0 0\n"
        return total + "".join(
            f"cpu{core} 10000 0 5000 900000 80 0 40 0 0 0\n" for core in sorted(self.online)
        )

    def _write_temperatures(self) -> None:
        values = (self.cpu_c, self.cpu_c, self.battery_c, self.skin_c)
        for number, (kind, celsius) in enumerate(zip(_ZONES, values, strict=True)):
            self._write(f"sys/class/thermal/thermal_zone{number}/type", f"{kind}\n")
            self._write(f"sys/class/thermal/thermal_zone{number}/temp", f"{round(celsius * 1000)}\n")

    def _write_services(self) -> None:
        self._write("system/etc/dumpsys/battery", self._battery())
        if self.model.sdk >= 29:  # the service came with Android 10
            self._write("system/etc/dumpsys/thermalservice", self._thermal())
        free, total = self.model.free_kb, 112_394_000
        used = total - free
        self._write(
            "system/etc/df",
            "Filesystem        1K-blocks     Used Available Use% Mounted on\n"
            f"/dev/block/dm-5 {total:11} {used:8} {free:9} {100 * used // total:3}% /data\n",
        )

    def _battery(self) -> str:
        status = 2 if self.model.charging else 3
        return (
            "Current Battery Service state:\n"
            f"  AC powered: false\n  USB powered: {str(self.model.charging).lower()}\n"
            "  Wireless powered: false\n"
            "  Max charging current: 500000\n  Max charging voltage: 5000000\n  Charge counter: 3270000\n"
            f"  status: {status}\n  health: 2\n  present: true\n  level: {self.battery_percent}\n"
            "  scale: 100\n"
            f"  voltage: 4182\n  temperature: {round(self.battery_c * 10)}\n  technology: Li-ion\n"
        )

    def _thermal(self) -> str:
        celsius = {"CPU": self.cpu_c, "battery": self.battery_c, "skin": self.skin_c}
        lines = "".join(
            "\t"
            + _TEMPERATURE.format(
                celsius=celsius[name],
                kind=kind,
                name=name,
                status=self.thermal_status if name == "skin" else 0,
            )
            + "\n"
            for name, kind in _SENSORS
        )
        listeners = "\tcallbacks: 2\n\tkilled: false\n\tbroadcasts count: -1\n"
        return (
            f"IsStatusOverride: false\nThermalEventListeners:\n{listeners}"
            f"ThermalStatusListeners:\n{listeners}"
            f"Thermal Status: {self.thermal_status}\nCached temperatures:\n{lines}"
            f"HAL Ready: true\nHAL connection:\n\tThermalHAL 2.0 connected: yes\n"
            f"Current temperatures from HAL:\n{lines}"
            "Current cooling devices from HAL:\n\tCoolingDevice{mValue=0, mType=2, mName=thermal-cpufreq-0}\n"
        )

    def _write(self, path: str, text: str) -> None:
        """Renamed into place: a program on the phone reads either the old or the new text."""
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        aside = target.with_name(f".{target.name}.new")
        aside.write_text(text)
        aside.replace(target)


def _ranges(cores: Iterable[int]) -> str:
    """Numbers as the kernel lists them.

    >>> _ranges([0, 1, 2, 5])
    '0-2,5\\n'
    """
    runs: list[list[int]] = []
    for core in sorted(cores):
        if runs and core == runs[-1][-1] + 1:
            runs[-1][1:] = [core]
        else:
            runs.append([core])
    return ",".join("-".join(map(str, run)) for run in runs) + "\n"
