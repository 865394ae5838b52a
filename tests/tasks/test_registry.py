"""Tasks by name, and what is asked of those that labels cannot judge."""

from __future__ import annotations

import numpy as np
import pytest

from mobiledeploy.base.errors import InputError
from mobiledeploy.models.registry import specs
from mobiledeploy.tasks.registry import TASKS, get_task, require_labels


def test_every_network_has_a_task_that_labels_can_judge() -> None:
    for spec in specs().values():
        assert require_labels(get_task(spec.task), "--validation").name == spec.task


def test_an_unknown_task_gets_the_names() -> None:
    with pytest.raises(InputError, match=f"--task is 'clasification', expected one of {', '.join(TASKS)}"):
        get_task("clasification")


def test_what_needs_labels_says_which_task_to_name() -> None:
    with pytest.raises(InputError, match=r"--validation for the task 'tensors'.*\(classification\).*--task"):
        require_labels(get_task("tensors"), "--validation")


def test_tensors_agree_in_numbers_alone() -> None:
    task = get_task("tensors")
    agreement = task.agreement()
    logits = {"y": np.eye(1, 8, dtype=np.float32)}
    agreement.add(logits, logits)
    assert agreement.result() == {}
    assert task.describe_outputs({"y": (1, 8)}) == {"y": "numbers of the shape 1x8"}
