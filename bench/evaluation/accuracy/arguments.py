"""What the commands of this folder ask for alike: networks and images."""

from __future__ import annotations

import argparse
from pathlib import Path

from mobiledeploy.bench.evaluation.accuracy.network import request
from mobiledeploy.cli.arguments import at_least

__all__ = ["add_images"]


def add_images(parser: argparse.ArgumentParser) -> None:
    """Add the options that say on what is measured."""
    add = parser.add_argument
    add(
        "--network",
        type=request,
        action="append",
        required=True,
        metavar="NAME[,OPTION=VALUE...][,WEIGHTS.pt]",
        help="such as mobilenetv2,width_mult=0.5,net.pt; as often as needed",
    )
    add("--data", type=Path, required=True, metavar="DIR|ZIP", help="training images, a folder per class")
    add("--validation", type=Path, required=True, metavar="DIR|ZIP", help="the same to measure on")
    add("--size", type=at_least(8), default=96, metavar="N", help="side of the input (default: %(default)s)")
    add("--samples", type=at_least(1), default=256, metavar="N", help="to calibrate with (default: 256)")
    add("--limit", type=at_least(1), metavar="N", help="of the validation images (default: all)")
    add("--seed", type=at_least(0), default=0, metavar="N", help="of every choice (default: %(default)s)")
