"""The settings of a comparison of two files."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from mobiledeploy.base.options import Converted, OptionalPath, Options, argument, number, option, whole
from mobiledeploy.tasks.registry import TASKS
from mobiledeploy.verify.thresholds import DEFAULT_INT8_SQNR_DB, Limit

__all__ = ["VerifySettings"]


def _limit(given: str | float | Limit | None) -> Limit | None:
    return given if given is None or isinstance(given, Limit) else Limit("sqnr_db", number(given))


@dataclass(frozen=True)
class VerifySettings(Options):
    """Options of ``mobiledeploy verify``."""

    candidate: str | Path = field(
        metadata=argument(
            convert=Path, metavar="A.tflite", help="the file to check, such as the int8 artifact"
        )
    )
    reference: str | Path = field(
        metadata=argument(
            convert=Path, metavar="B.tflite", help="what it is held against, such as the fp32 artifact"
        )
    )
    inputs: OptionalPath = option(
        None,
        Path,
        metavar="DIR|FILE",
        help="images, scaled to [0, 1] as the files say nothing of preprocessing, or .npy/.npz of "
        "prepared inputs",
        unset="generated images",
    )
    samples: int = option(16, whole(1), metavar="N", help="inputs to compare on")
    seed: int = option(0, whole(0), metavar="N", help="random seed of the choice of inputs")
    limit: Converted[float | Limit | None, Limit | None] = option(
        DEFAULT_INT8_SQNR_DB, _limit, flag="--min-sqnr", metavar="DB", help="fail below this SQNR"
    )
    task: str = option(
        "tensors", choices=TASKS, help="what the network is for, which says what it means that both agree"
    )
