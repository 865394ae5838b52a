from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from mobiledeploy.base.errors import InputError, MobileDeployError
from mobiledeploy.bench.evaluation import zoo
from mobiledeploy.bench.evaluation.__main__ import main
from mobiledeploy.bench.evaluation.zoo import Figures, Job, export, jobs, misses
from mobiledeploy.models import registry
from mobiledeploy.runtime.partitions import UNEXPLAINED

Outside = list[dict[str, str]]
POOL = {"op": "AVERAGE_POOL_2D", "output": "pool", "reason": "AVERAGE_POOL_2D is not delegated in int8"}


def report(
    float_error: float = 6e-7,
    int8_partitions: int = 1,
    outside: Outside | None = None,
    failures: list[str] | None = None,
) -> dict[str, Any]:
    """A report as `mobiledeploy export --json` prints it; what is not given is as it should be."""

    def check(candidate: str, reference: str, error: float, sqnr: float | str) -> dict[str, Any]:
        return {"candidate": candidate, "reference": reference, "relative_error": error, "sqnr_db": sqnr}

    def file(size_bytes: int, count: int, outside: Outside) -> dict[str, Any]:
        return {"size_bytes": size_bytes, "partitions": {"count": count, "ops": 9, "outside": outside}}

    return {
        "model": {"parameters": 1_366_792, "multiply_adds": 40_476_448},
        "artifacts": {
            "onnx": {"size_bytes": 1, "partitions": None},
            "fp32": file(5_491_760, 1, []),
            "int8": file(1_548_272, int8_partitions, outside or []),
        },
        "checks": [
            check("ONNX", "PyTorch", 0.5, 1.0),
            check("fp32 TFLite", "PyTorch", float_error / 2, "inf"),
            check("fp32 TFLite", "PyTorch", float_error, 119.0),
            check("int8 TFLite", "QDQ in ONNX Runtime", 0.01, 33.0),
            check("int8 TFLite", "fp32 TFLite", 0.09, 15.45),
        ],
        "failures": failures or [],
    }


def exports(monkeypatch: pytest.MonkeyPatch, reports: dict[str, dict[str, Any] | None]) -> list[str]:
    """Let each network's export give this report, or none; what is exported goes into the list."""
    asked = []

    def instead(job: Job, out: Path) -> Figures:
        asked.append(str(job))
        found = reports[job.network]
        if found is None:
            raise MobileDeployError("ended with status 1")
        return Figures.of(found, 2.0)

    monkeypatch.setattr(zoo, "export", instead)
    return asked


def test_the_table_is_written_and_all_is_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    exports(monkeypatch, {"augshufflenet_x1_0": report()})
    table = tmp_path / "docs" / "zoo.md"
    arguments = ["zoo", "--only", "augshufflenet_x1_0", "--table", str(table), "--out", str(tmp_path / "out")]
    assert main(arguments) == 0
    assert "zoo --only augshufflenet_x1_0`" in table.read_text()
    assert "says nothing of accuracy" in table.read_text()
    assert (
        "| augshufflenet_x1_0 | 1.37 | 40.5 | 6.0e-07 | 1 / 1 |  | 15.4 | 5.49 / 1.55 | 2 |"
        in table.read_text()
    )
    assert "1/1 augshufflenet_x1_0: 2 s, ok" in capsys.readouterr().out


def test_what_is_missed_is_listed_and_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    reports = {
        "mnasnet_b1": None,
        "shufflenetv2_x0_5": report(int8_partitions=3, outside=[POOL, POOL]),
        "shufflenetv2_x1_0": report(float_error=1),
    }
    asked = exports(monkeypatch, reports)
    arguments = ["zoo", "--only", *reports, "--out", str(tmp_path)]
    assert main(arguments) == 3
    page, printed = (tmp_path / "zoo.md").read_text(), capsys.readouterr()
    assert "| mnasnet_b1 |  |  |  |  |  |  |  | no result: ended with status 1 |" in page
    assert "| 1 / 3 | int8: 2 AVERAGE_POOL_2D (AVERAGE_POOL_2D is not delegated in int8) |" in page
    assert "missed: mnasnet_b1\n  ended with status 1\n" in printed.err
    assert "missed: shufflenetv2_x1_0\n  fp32 errs by 1.0e+00" in printed.err
    assert "shufflenetv2_x0_5" not in printed.err

    before = list(asked)  # a run that was cut goes on where it was
    assert main(arguments) == 3
    assert set(asked[len(before) :]) == {name for name in before if name.startswith("mnasnet_b1")}
    assert (tmp_path / "zoo.md").read_text() == page


def test_an_unknown_name_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["zoo", "--only", "nonesuch"]) == 2
    assert "error: model 'nonesuch'" in capsys.readouterr().err


def test_figures_are_of_the_worst_output_and_count_the_ops_outside() -> None:
    found = Figures.of(report(int8_partitions=3, outside=[POOL, POOL]), 25.4)
    assert (found.parameters, found.multiply_adds) == (1_366_792, 40_476_448)
    assert (found.float_error, found.sqnr_db) == (6e-7, 15.45)
    assert found.partitions == {"fp32": 1, "int8": 3}
    assert found.outside == {"fp32": {}, "int8": {f"{POOL['op']} ({POOL['reason']})": 2}}
    assert found.size_bytes == {"fp32": 5_491_760, "int8": 1_548_272}


def test_partitions_with_a_reason_are_no_miss() -> None:
    assert misses(Figures.of(report(), 1.0)) == []
    assert misses(Figures.of(report(int8_partitions=2, outside=[POOL]), 1.0)) == []


@pytest.mark.parametrize(
    ("fault", "miss"),
    [
        ({"float_error": 1e-4}, "fp32 errs by 1.0e-04 of the range, expected less than 0.0001"),
        ({"int8_partitions": 2}, "int8 has 2 partitions, expected 1 or an op and a reason for it"),
        ({"int8_partitions": 0}, "int8 has 0 partitions, expected 1 or an op and a reason for it"),
        (
            {"int8_partitions": 3, "outside": [POOL, POOL | {"reason": f"litert-2.3 {UNEXPLAINED}"}]},
            "int8 has 3 partitions, expected 1 or an op and a reason for it",
        ),
        ({"failures": ["output 'y' of int8 TFLite differs"]}, "output 'y' of int8 TFLite differs"),
    ],
)
def test_each_fault_is_named(fault: dict[str, Any], miss: str) -> None:
    assert misses(Figures.of(report(**fault), 1.0)) == [miss]


def ends(monkeypatch: pytest.MonkeyPatch, status: int, stdout: str = "") -> list[list[str]]:
    """Let every process end like this; the command lines go into the list."""
    asked: list[list[str]] = []

    def instead(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        asked.append(command)
        return subprocess.CompletedProcess(command, status, stdout, "")

    monkeypatch.setattr(subprocess, "run", instead)
    return asked


def test_all_networks_of_the_registry_are_jobs_with_their_widths() -> None:
    todo = jobs()
    assert [job.network for job in todo if job.width_mult == 1] == list(registry.specs())
    assert {str(job) for job in todo} > {"shufflenetv1_g3", "shufflenetv1_g3 0.5x", "shufflenetv1_g3 2x"}


def test_chosen_networks_go_by_any_of_their_names() -> None:
    assert jobs(["ShuffleNet-V2-x1_0", "mobilenetv3_large_minimalistic"]) == [
        Job("shufflenetv2_x1_0"),
        Job("mobilenetv3_large_minimalistic"),
    ]
    with pytest.raises(InputError, match="nonesuch"):
        jobs(["nonesuch"])


@pytest.mark.parametrize("status", [0, 3])
def test_a_report_is_taken_also_of_artifacts_that_miss_a_threshold(
    monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    asked = ends(monkeypatch, status, json.dumps({"name": "net", "report": report()}))
    done = export(Job("net", 0.5), Path("out"))
    assert done == Figures.of(report(), done.seconds) and done.seconds > 0
    assert asked[0][3:5] == ["export", "net"]
    assert {"--int8", "--width-mult=0.5", "--out=out/net_0.5x"} < set(asked[0])


def test_a_process_that_dies_leaves_its_last_words(monkeypatch: pytest.MonkeyPatch) -> None:
    ends(monkeypatch, -9)
    with pytest.raises(MobileDeployError, match="ended with status -9 and said nothing"):
        export(Job("net"), Path("out"))


def test_the_command_line_is_one_that_export_understands(tmp_path: Path) -> None:
    # The name is looked up after the flags are parsed.
    with pytest.raises(MobileDeployError, match=r"status 2 .*model 'nonesuch' is not known"):
        export(Job("nonesuch", 0.5), tmp_path)
