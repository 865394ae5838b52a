"""Every task by name."""

from __future__ import annotations

from types import MappingProxyType

from mobiledeploy.base.errors import InputError
from mobiledeploy.tasks.classification import Classification
from mobiledeploy.tasks.task import LabelledTask, Task
from mobiledeploy.tasks.tensors import Tensors

__all__ = ["TASKS", "get_task", "require_labels"]

TASKS: MappingProxyType[str, Task] = MappingProxyType(
    {task.name: task for task in (Classification(), Tensors())}
)


def get_task(name: str) -> Task:
    """Return the task of that name.

    Raises:
        InputError: There is none; the message lists those there are.
    """
    if name not in TASKS:
        raise InputError(f"--task is {name!r}, expected one of {', '.join(TASKS)}; name one")
    return TASKS[name]


def require_labels(task: Task, flag: str) -> LabelledTask:
    """Return the task, of which a flag wants that labelled data can judge it.

    Raises:
        InputError: It cannot.
    """
    if isinstance(task, LabelledTask):
        return task
    judged = ", ".join(name for name, known in TASKS.items() if isinstance(known, LabelledTask))
    raise InputError(
        f"{flag} for the task {task.name!r}, expected one that labels can judge ({judged}); say what the "
        f"network is for with --task"
    )
