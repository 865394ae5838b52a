"""Every task by name. Imports none of them before it is asked for: the command line names them all."""

from __future__ import annotations

import importlib
from types import MappingProxyType
from typing import cast

from mobiledeploy.base.errors import InputError
from mobiledeploy.tasks.task import LabelledTask, Task

__all__ = ["TASKS", "get_task", "require_labels"]

TASKS = MappingProxyType({"classification": "Classification", "tensors": "Tensors"})
"""Name, which is that of the module in this folder, too -> the class in it."""


def get_task(name: str) -> Task:
    """Return the task of that name.

    Raises:
        InputError: There is none; the message lists those there are.
    """
    if name not in TASKS:
        raise InputError(f"--task is {name!r}, expected one of {', '.join(TASKS)}; name one")
    return cast(Task, getattr(importlib.import_module(f"mobiledeploy.tasks.{name}"), TASKS[name])())


def require_labels(task: Task, flag: str) -> LabelledTask:
    """Return the task, of which a flag wants that labelled data can judge it.

    Raises:
        InputError: It cannot.
    """
    if isinstance(task, LabelledTask):
        return task
    judged = ", ".join(name for name in TASKS if isinstance(get_task(name), LabelledTask))
    raise InputError(
        f"{flag} for the task {task.name!r}, expected one that labels can judge ({judged}); say what the "
        f"network is for with --task"
    )
