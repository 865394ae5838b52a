from __future__ import annotations

import pytest

from mobiledeploy.base.errors import InputError
from mobiledeploy.bench.devices.arm.profiles import PROFILES, cpuinfo, get_profile


def test_cpuinfo_has_the_form_that_linux_gives_it() -> None:
    assert cpuinfo(get_profile("cortex-a53")) == (
        "processor\t: 0\n"
        "BogoMIPS\t: 38.40\n"
        "Features\t: fp asimd evtstrm aes pmull sha1 sha2 crc32\n"
        "CPU implementer\t: 0x41\n"
        "CPU architecture: 8\n"
        "CPU variant\t: 0x0\n"
        "CPU part\t: 0xd03\n"
        "CPU revision\t: 4\n\n"
    )


@pytest.mark.parametrize(
    ("name", "dot_product"),
    [("cortex-a53", False), ("cortex-a55", True), ("cortex-a72", False), ("cortex-a76", True)],
)
def test_features_say_whether_there_is_a_dot_product(name: str, dot_product: bool) -> None:
    features = get_profile(name).features.split()
    assert ("asimddp" in features) is dot_product
    assert ("asimdhp" in features) is dot_product  # both came with ARMv8.2 cores


def test_an_unknown_profile_is_refused_with_a_close_one() -> None:
    with pytest.raises(
        InputError, match=r"'cortex-a75' is unknown, expected one of .*; did you mean cortex-a7"
    ):
        get_profile("cortex-a75")
    with pytest.raises(InputError, match=", ".join(PROFILES)):
        get_profile("z80")
