"""The runtimes that artifacts and graphs are executed on, each behind one small class."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from mobiledeploy.base.errors import InputError, UnsupportedModelError

if TYPE_CHECKING:
    import onnx
    from torch import nn

__all__ = ["OnnxSession", "Outputs", "Runner", "Sample", "TfliteSession", "TorchRunner"]

Sample = Mapping[str, NDArray[np.float32]]
"""Input name -> array with batch 1; images are (1, C, H, W)."""

Outputs = dict[str, NDArray[np.float32]]
"""Output name -> array; images are (1, C, H, W)."""


class Runner(Protocol):
    """Something that can run a model."""

    def run(self, sample: Sample) -> Outputs:
        """Output name -> array."""


class OnnxSession:
    """An ONNX model in ONNX Runtime, on the CPU.

    Args:
        model: The graph, as ``onnx_ir`` or as a proto, which may get more outputs.
        extra_outputs: Names of inner values that can be asked for, too.
        optimize: Whether ONNX Runtime may rewrite the graph. It must not for a QDQ model that stands for the
            exact arithmetic, since it would replace QDQ by its own integer kernels.
        threads: Threads within an op; one gives the same bits on any machine with the same instruction set.
        fuse_qdq: Whether rewriting may make integer kernels of QDQ; without it, QDQ is what is executed.

    Raises:
        UnsupportedModelError: ONNX Runtime refuses the model. `run` raises it, too.
    """

    def __init__(
        self,
        model: ir.Model | onnx.ModelProto,
        extra_outputs: Sequence[str] = (),
        optimize: bool = True,
        threads: int = 0,
        fuse_qdq: bool = True,
    ) -> None:
        import onnxruntime

        proto = ir.to_proto(model) if isinstance(model, ir.Model) else model
        self.output_names = [value.name for value in proto.graph.output]
        own = {value.name for value in proto.graph.output} | {value.name for value in proto.graph.input}
        for name in extra_outputs:
            if name not in own:
                proto.graph.output.add(name=name)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = threads
        # Threads that spin while they wait take the processor from whatever else runs on a small machine.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.add_session_config_entry("session.disable_quant_qdq", "0" if fuse_qdq else "1")
        levels = onnxruntime.GraphOptimizationLevel
        options.graph_optimization_level = levels.ORT_ENABLE_ALL if optimize else levels.ORT_DISABLE_ALL
        with _explained():
            self._session = onnxruntime.InferenceSession(
                proto.SerializeToString(), options, providers=["CPUExecutionProvider"]
            )

    def run(self, sample: Sample) -> Outputs:
        """Output name -> array."""
        return dict(zip(self.output_names, self._run(self.output_names, sample), strict=True))

    def values(self, sample: Sample, names: Sequence[str]) -> list[NDArray[np.float32]]:
        """The values of those names, inputs and `extra_outputs` among them."""
        computed = [name for name in names if name not in sample]
        results = dict(zip(computed, self._run(computed, sample), strict=True))
        return [sample[name] if name in sample else results[name] for name in names]

    def _run(self, names: Sequence[str], sample: Sample) -> list[NDArray[np.float32]]:
        if not names:  # ONNX Runtime would take that for all outputs
            return []
        with _explained():
            results: list[NDArray[np.float32]] = self._session.run(list(names), dict(sample))
        return results


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except Exception as error:  # ONNX Runtime has an exception class of its own for each status code
        reason = str(error).strip().splitlines()[0].removeprefix("[ONNXRuntimeError] : ")
        raise UnsupportedModelError(
            f"ONNX Runtime refuses the graph ({reason}), expected a valid model; correct and export it again"
        ) from error


class TorchRunner:
    """A module in PyTorch, in evaluation mode.

    Args:
        outputs: Names for what the module returns, in order.
    """

    def __init__(self, module: nn.Module, outputs: Sequence[str]) -> None:
        self._module = module
        self._names = list(outputs)

    def run(self, sample: Sample) -> Outputs:
        """Output name -> array."""
        import torch
        from torch.utils._pytree import tree_leaves

        from mobiledeploy.runtime.evaluation_mode import evaluating

        with evaluating(self._module):
            # Copies: a forward may change its input in place, and the sample goes to other runners, too.
            results = tree_leaves(self._module(*(torch.tensor(array) for array in sample.values())))
        return dict(zip(self._names, (result.numpy() for result in results), strict=True))


class TfliteSession:
    """A .tflite file in LiteRT, one thread.

    Takes and gives float32 as the other runners do, images NCHW: what the file holds as NHWC is transposed,
    and integer inputs and outputs are converted with the parameters that the file states.

    Args:
        delegate: Whether XNNPACK runs what it can, as in an app.
        keep_all: Whether inner tensors can be read after `run`; only those outside a delegate hold anything.
        nhwc: Whether rank-4 inputs and outputs are NHWC; None to tell it from the first input's shape.

    Raises:
        InputError: The file is missing or is no TFLite model.
    """

    def __init__(
        self, path: Path, delegate: bool = True, keep_all: bool = False, nhwc: bool | None = None
    ) -> None:
        with _quiet_stderr():
            from ai_edge_litert.interpreter import Interpreter, OpResolverType

        if not path.is_file():
            raise InputError(f"{path}: no such file, expected a .tflite model")
        resolver = OpResolverType.AUTO if delegate else OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        try:
            with _quiet_stderr():
                self.interpreter = Interpreter(
                    str(path),
                    num_threads=1,
                    experimental_preserve_all_tensors=keep_all,
                    experimental_op_resolver_type=resolver,
                )
                self.interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            reason = str(error).strip().splitlines()[0]
            raise InputError(f"{path}: LiteRT cannot load it ({reason}); export it again") from error
        self.signature = next(iter(self.interpreter._get_full_signature_list().values()), None)
        self.inputs = self._named("inputs", self.interpreter.get_input_details())
        self.outputs = self._named("outputs", self.interpreter.get_output_details())
        self.nhwc = self._looks_nhwc() if nhwc is None else nhwc

    def nodes(self) -> list[dict[str, Any]]:
        """The ops in execution order, as LiteRT describes them; a partition of a delegate is one DELEGATE."""
        found: list[dict[str, Any]] = self.interpreter._get_ops_details()
        return found

    def tensors(self) -> dict[int, dict[str, Any]]:
        """Index -> what LiteRT says of the tensor."""
        return {detail["index"]: detail for detail in self.interpreter.get_tensor_details()}

    def _looks_nhwc(self) -> bool:
        """Images have 1 or 3 channels; anything else is taken for NHWC, as TFLite files mostly are."""
        shape = next(iter(self.inputs.values()))["shape"]
        return len(shape) != 4 or shape[3] in (1, 3) or shape[1] not in (1, 3)

    def input_shapes(self) -> dict[str, tuple[int, ...]]:
        """Input name -> shape as `run` takes it, images NCHW."""
        shapes = {name: tuple(int(d) for d in detail["shape"]) for name, detail in self.inputs.items()}
        return {
            name: (s[0], s[3], s[1], s[2]) if self.nhwc and len(s) == 4 else s for name, s in shapes.items()
        }

    def _named(self, side: str, details: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
        """Details by signature name; by tensor name in a file without signatures."""
        if self.signature is None:
            return {detail["name"]: detail for detail in details}
        by_index = {detail["index"]: detail for detail in details}
        return {name: by_index[index] for name, index in self.signature[side].items()}

    def run(self, sample: Sample) -> Outputs:
        """Output name -> array."""
        for name, detail in self.inputs.items():
            array = sample[name]
            if self.nhwc and array.ndim == 4:
                array = array.transpose(0, 2, 3, 1)
            self.interpreter.set_tensor(detail["index"], _to_storage(array, detail))
        self.interpreter.invoke()
        return {name: self.value(detail) for name, detail in self.outputs.items()}

    def value(self, detail: Mapping[str, Any]) -> NDArray[np.float32]:
        """The tensor's current content as real numbers, images NCHW."""
        array = self.interpreter.get_tensor(detail["index"])
        scale, zero_point = detail["quantization"]
        if array.dtype.kind in "iu" and scale:
            array = (array.astype(np.int32) - zero_point) * np.float32(scale)
        if self.nhwc and array.ndim == 4:
            array = array.transpose(0, 3, 1, 2)
        return np.asarray(array, np.float32)


def _to_storage(array: NDArray[np.float32], detail: Mapping[str, Any]) -> NDArray[Any]:
    dtype = np.dtype(detail["dtype"])
    scale, zero_point = detail["quantization"]
    if dtype.kind not in "iu" or not scale:
        return array.astype(dtype, copy=False)
    limits = np.iinfo(dtype)
    stored: NDArray[Any] = np.clip(np.rint(array / scale) + zero_point, limits.min, limits.max).astype(dtype)
    return stored


@contextmanager
def _quiet_stderr() -> Iterator[None]:
    """Keeps the native runtime's INFO lines, which Python's logging cannot reach, off the user's screen."""
    try:
        stderr = sys.__stderr__.fileno() if sys.__stderr__ is not None else 2
        saved = os.dup(stderr)
    except (OSError, ValueError):
        yield
        return
    try:
        with open(os.devnull, "wb") as sink:
            os.dup2(sink.fileno(), stderr)
        yield
    finally:
        os.dup2(saved, stderr)
        os.close(saved)
