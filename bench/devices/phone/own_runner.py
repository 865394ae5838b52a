"""Our runner as the program that measures. Android has no glibc, so that goes along."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from mobiledeploy.bench.devices.phone.folder import File, Folder
from mobiledeploy.bench.runner.compile import runner_for
from mobiledeploy.bench.runner.launch import Finished, arguments, to_launch
from mobiledeploy.bench.runner.litert_library import library_for, library_version
from mobiledeploy.bench.runner.records import Launch, LaunchPlan, Model
from mobiledeploy.bench.runner.system_libraries import LOADER, system_libraries

__all__ = ["OwnRunner"]

_RUNNER, _LIBRARY = "runner", "libLiteRt.so"


class OwnRunner:
    """The runner on LiteRT, with the libraries that it takes."""

    note = ""

    def __init__(self, *, library: Path | None = None, arm_libraries: Path | None = None) -> None:
        """Build or find all files.

        Args:
            library: libLiteRt.so for AArch64; fetched by pip when left out.
            arm_libraries: Folder with glibc for AArch64; looked for on this machine when left out.

        Raises:
            InputError: Something is missing. The message says how to install it.
        """
        found = library_for("aarch64", path=library)
        self._runtime = f"LiteRT {library_version(found)}"
        self._files = {_LIBRARY: found, _RUNNER: runner_for("aarch64"), **system_libraries(arm_libraries)}

    def files(self, models: Sequence[Model]) -> tuple[File, ...]:
        """The runner, the libraries, and the models with their inputs."""
        found = {
            name: File(name, name, path, executable=name in (LOADER, _RUNNER))
            for name, path in self._files.items()
        }
        for model in models:
            name = _file_name(model)
            found[name] = File(name, model.path.name, model.path)
            for i, content in enumerate(model.inputs):
                found[f"{name}.in{i}"] = File(f"{name}.in{i}", f"input {i} of {model.path.name}", content)
        return tuple(found.values())

    def launch(self, folder: Folder, models: Sequence[Model], plan: LaunchPlan) -> Launch:
        """Start it once."""
        paths = [folder.path(_file_name(model)) for model in models]
        loader = [folder.path(LOADER), "--library-path", folder.path(""), folder.path(_RUNNER)]
        command = [*loader, *arguments(plan, paths, folder.path(_LIBRARY))]
        result = folder.start(command, plan.warm_up_s + plan.limit_s)
        return to_launch(
            Finished(result.code, result.stdout.encode(), result.stderr.encode(), paths),
            models,
            plan,
            where=folder.serial,
            runtime=self._runtime,
            read=folder.pull,
        )


def _file_name(model: Model) -> str:
    """A name for model and inputs by content: none is sent twice, nor again where it was left."""
    summary = hashlib.sha256(model.sha256.encode())
    for content in model.inputs:
        summary.update(hashlib.sha256(content).digest())
    return f"{summary.hexdigest()[:16]}.tflite"
