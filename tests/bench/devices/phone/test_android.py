"""Texts as Android prints them, written after AOSP's sources; those of makers as users have shown them."""

from __future__ import annotations

import pytest

from mobiledeploy.base.errors import InputError
from mobiledeploy.bench.devices.phone import android
from mobiledeploy.bench.latency import sysfs

GETPROP = """[ro.board.platform]: [zuma]
[ro.build.fingerprint]: [google/shiba/shiba:14/UQ1A.240205.004/11269751:user/release-keys]
[ro.build.version.release]: [14]
[ro.build.version.sdk]: [34]
[ro.hardware]: [shiba]
[ro.product.cpu.abi]: [arm64-v8a]
[ro.product.cpu.abilist]: [arm64-v8a]
[ro.product.manufacturer]: [Google]
[ro.product.model]: [Pixel 8]
[ro.soc.manufacturer]: [Google]
[ro.soc.model]: [Tensor G3]
[persist.sys.locale]: []
[some.text]: [first line
second line]
"""

BATTERY = """Current Battery Service state:
  AC powered: false
  USB powered: true
  Max charging current: 500000
  Charge counter: 4123000
  status: 2
  health: 2
  present: true
  level: 43
  scale: 50
  voltage: 4312
  temperature: 314
  technology: Li-ion
"""

THERMAL = """IsStatusOverride: false
ThermalEventListeners:
	callbacks: 1
Thermal Status: 3
Cached temperatures:
	Temperature{mValue=99.0, mType=0, mName=CPU0, mStatus=0}
HAL Ready: true
HAL connection:
	ThermalHAL 2.0 connected: yes
Current temperatures from HAL:
	Temperature{mValue=61.5, mType=0, mName=CPU0, mStatus=0}
	Temperature{mValue=33.25, mType=3, mName=skin, mStatus=3}
	Temperature{mValue=-99.9, mType=6, mName=amplifier, mStatus=0}
	Temperature{mValue=0.0, mType=5, mName=usb, mStatus=0}
Current cooling devices from HAL:
	CoolingDevice{mValue=0, mType=2, mName=cpu}
Temperature static thresholds from HAL:
	TemperatureThreshold{mType=3, mName=skin, mHotThrottlingThresholds=[NaN, 37.0]}
"""


def dump(**services: str) -> str:
    return "".join(f"{sysfs.MARK}{name}\n{text}" for name, text in services.items())


def test_a_phone_is_known_by_its_properties() -> None:
    found = android.identity("28151FDH", android.properties(GETPROP))
    assert (found.kind, found.key, found.abi) == ("phone", "28151FDH", "arm64-v8a")
    assert (found.name, found.soc, found.system) == (
        "Google Pixel 8",
        "Google Tensor G3",
        "Android 14 (API 34)",
    )
    assert found.build.startswith("google/shiba/")


def test_before_android_12_the_board_stands_for_the_soc() -> None:
    properties = {"ro.product.cpu.abilist": "arm64-v8a,armeabi-v7a", "ro.board.platform": "sdm660"}
    assert android.identity("S", properties).soc == "sdm660"
    properties |= {"ro.board.platform": "", "ro.hardware": "qcom", "ro.soc.model": "unknown"}
    assert android.identity("S", properties).soc == "qcom"


def test_a_maker_that_is_part_of_the_models_name_is_not_said_twice() -> None:
    properties = {"ro.product.cpu.abilist": "arm64-v8a", "ro.product.manufacturer": "Xiaomi"}
    assert android.identity("S", properties | {"ro.product.model": "Xiaomi 13"}).name == "Xiaomi 13"


@pytest.mark.parametrize(
    ("properties", "message"),
    [
        (
            {"ro.product.cpu.abilist": "x86_64,x86"},
            "^S runs programs for x86_64, x86, expected arm64-v8a; take a phone with a 64-bit Arm system$",
        ),
        ({"ro.product.cpu.abi": "armeabi-v7a"}, "^S runs programs for armeabi-v7a, expected arm64-v8a; "),
        ({}, "^S runs programs for no known processor, expected arm64-v8a; "),
        (
            {
                "ro.product.cpu.abi": "arm64-v8a",
                "ro.build.version.release": "7.1.2",
                "ro.build.version.sdk": "25",
            },
            r"^S runs Android 7\.1\.2 \(API 25\), expected 8 \(API 26\) or newer, ",
        ),
    ],
)
def test_a_phone_that_does_not_run_our_programs(properties: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        android.identity("S", properties)


def test_battery_and_thermal_services() -> None:
    state = android.snapshot(dump(battery=BATTERY, thermal=THERMAL)).state
    assert (state.battery_percent, state.battery_c, state.charging) == (86, 31.4, True)
    assert state.thermal_status == 3
    assert state.temperatures_c == {"CPU0": 61.5, "skin": 33.25}


def test_temperatures_that_android_last_heard_of_where_the_hal_says_nothing() -> None:
    thermal = (
        "Thermal Status: 0\nCached temperatures:\n Temperature{mValue=36.5, mType=3, mName=skin, mStatus=0}\n"
    )
    assert android.snapshot(dump(thermal=thermal)).state.temperatures_c == {"skin": 36.5}


def test_the_kernels_own_sensors_come_first() -> None:
    zone = "/sys/class/thermal/thermal_zone0"
    files = f"{sysfs.MARK}{zone}/type\nskin\n{sysfs.MARK}{zone}/temp\n41250\n"
    assert android.snapshot(files + dump(thermal=THERMAL)).state.temperatures_c == {
        "CPU0": 61.5,
        "skin": 41.25,
    }


def test_what_a_phone_does_not_say_is_left_open() -> None:
    found = android.snapshot(
        dump(battery="Can't find service: battery\n", thermal="", power="", saver="null\n")
    )
    assert (found.state.battery_percent, found.state.battery_c, found.state.charging) == (None, None, None)
    assert (found.state.thermal_status, found.screen_on, found.battery_saver) == (None, None, None)
    assert not android.warnings(found)


@pytest.mark.parametrize(
    ("wakefulness", "saver", "words"),
    [("Awake", "0", []), ("Asleep", "0", ["screen"]), ("Dozing", "1", ["screen", "saver"])],
)
def test_what_slows_a_phone_down_is_warned_of(wakefulness: str, saver: str, words: list[str]) -> None:
    found = android.snapshot(dump(power=f"  mWakefulness={wakefulness}\n", saver=f"{saver}\n"))
    warnings = android.warnings(found)
    assert len(warnings) == len(words)
    assert all(word in warning for word, warning in zip(words, warnings, strict=True))
