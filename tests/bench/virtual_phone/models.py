"""What kinds of phones there are."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["MODELS", "Cluster", "PhoneModel"]


@dataclass(frozen=True)
class Cluster:
    """Cores that are alike and share a clock.

    Attributes:
        count: How many.
        max_khz: Highest frequency; the cluster runs at it until someone says otherwise.
        capacity: Work per second relative to the largest core, which has 1024. None: the kernel does not say.
        part: The main ID register's part number, as /proc/cpuinfo shows it: 0xd05 is a Cortex-A55.
        governor: The frequency governor's name.
    """

    count: int
    max_khz: int
    capacity: int | None
    part: int
    governor: str = "schedutil"


@dataclass(frozen=True)
class PhoneModel:
    """A phone, and how it is doing when it is switched on.

    Attributes:
        clusters: From core 0 on.
        name: ro.product.model.
        maker: ro.product.manufacturer.
        device: ro.product.device.
        soc: ro.soc.model, empty before Android 12.
        soc_maker: ro.soc.manufacturer, likewise.
        hardware: ro.hardware.
        platform: ro.board.platform.
        android: ro.build.version.release.
        sdk: ro.build.version.sdk.
        abi: ro.product.cpu.abi; only arm64-v8a runs AArch64 programs.
        cpu: What qemu emulates, on all cores.
        offline: Cores that are switched off.
        forbidden: Cores that the cpuset of adb's shell leaves out.
        battery_percent: Charge.
        battery_c: Temperature of the battery.
        charging: Whether the battery takes charge from the computer.
        cpu_c: Temperature of the processor.
        skin_c: Temperature of the back.
        thermal_status: 0 none, 1 light, 2 moderate, 3 severe, 4 critical, 5 emergency, 6 shutdown.
        free_kb: What df shows for /data.
    """

    clusters: tuple[Cluster, ...]
    name: str = "Virtual V1"
    maker: str = "Nobody"
    device: str = "virtual"
    soc: str = "SM7250"
    soc_maker: str = "QTI"
    hardware: str = "qcom"
    platform: str = "lito"
    android: str = "13"
    sdk: int = 33
    abi: str = "arm64-v8a"
    cpu: str = "cortex-a76"
    offline: frozenset[int] = frozenset()
    forbidden: frozenset[int] = frozenset()
    battery_percent: int = 87
    battery_c: float = 28.4
    charging: bool = True
    cpu_c: float = 38.2
    skin_c: float = 30.1
    thermal_status: int = 0
    free_kb: int = 48_211_004

    @property
    def core_count(self) -> int:
        """Cores, those that are switched off included."""
        return sum(cluster.count for cluster in self.clusters)


def _old(clusters: tuple[Cluster, ...], **other: str) -> PhoneModel:
    """Before Android 12 there is no ro.soc.model."""
    return PhoneModel(clusters, soc="", soc_maker="", android="9", sdk=28, **other)  # type: ignore[arg-type]


# Typical figures of phones with such processors; no phone in particular.
MODELS = {
    "4+4": PhoneModel(
        (Cluster(4, 1_766_400, 414, part=0xD05), Cluster(4, 2_649_600, 1024, part=0xD0B)),
        platform="sdm845",
        soc="SDM845",
    ),
    "1+3+4": PhoneModel(  # the small ones are the first, the largest one is the last
        (
            Cluster(4, 1_804_800, 261, part=0xD05),
            Cluster(3, 2_419_200, 871, part=0xD0D),
            Cluster(1, 2_841_600, 1024, part=0xD0D),
        )
    ),
    "2+6": PhoneModel((Cluster(6, 1_804_800, 305, part=0xD05), Cluster(2, 2_208_000, 1024, part=0xD0B))),
    "large first": _old(  # and no capacities: only the clocks tell
        (
            Cluster(4, 2_016_000, None, part=0xD03, governor="interactive"),
            Cluster(4, 1_401_600, None, part=0xD03, governor="interactive"),
        ),
        cpu="cortex-a53",
    ),
    "all equal": _old((Cluster(8, 1_401_600, None, part=0xD03, governor="interactive"),), cpu="cortex-a53"),
    "32 bit": _old(
        (Cluster(4, 1_430_000, None, part=0xD03, governor="interactive"),),
        abi="armeabi-v7a",
        cpu="cortex-a53",
    ),
}
