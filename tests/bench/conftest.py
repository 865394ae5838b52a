"""What tests of the bench share: a tiny network as float and int8 TFLite, a fake device, virtual phones."""

from __future__ import annotations

import signal
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from mobiledeploy.bench.latency.protocol import Launcher
from mobiledeploy.bench.runner.records import Core, Identity, Launch, LaunchPlan, Model, ModelSamples, State
from tests.bench.virtual_phone.adb_server import AdbServer, find_adb
from tests.bench.virtual_phone.emulation import Emulation, build_emulation
from tests.bench.virtual_phone.phones import Phones

CLASSES, SIDE, CHANNELS = 5, 4, 3
INPUT_SCALE, WEIGHT_SCALE, OUTPUT_SCALE = 0.02, 0.01, 0.08

TypedArray = tuple[NDArray[Any], int]


@pytest.fixture(autouse=True)
def heeded_signals() -> Iterator[None]:
    """Hang-ups and interrupts as a terminal gives them: under ``nohup``, or in the background of a script,
    processes are born ignoring them, and so would be the shells of virtual phones."""
    ignored = [s for s in (signal.SIGHUP, signal.SIGINT) if signal.getsignal(s) == signal.SIG_IGN]
    for number in ignored:
        heeded = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
        signal.signal(number, heeded)
    yield
    for number in ignored:
        signal.signal(number, signal.SIG_IGN)


@pytest.fixture(scope="session")
def linear_weight() -> NDArray[np.int8]:
    """(classes, H * W * C), in steps of WEIGHT_SCALE."""
    return np.random.default_rng(0).integers(-60, 61, (CLASSES, SIDE * SIDE * CHANNELS)).astype(np.int8)


@pytest.fixture(scope="session")
def linear_files(
    tmp_path_factory: pytest.TempPathFactory, linear_weight: NDArray[np.int8]
) -> dict[str, Path]:
    """A linear layer on a 4x4 RGB image: "fp32" and "int8" -> file."""
    folder = tmp_path_factory.mktemp("linear")
    files = {kind: folder / f"linear_{kind}.tflite" for kind in ("fp32", "int8")}
    weight = (linear_weight * np.float32(WEIGHT_SCALE)).astype(np.float32)
    files["fp32"].write_bytes(_linear(weight, schema.TensorType.FLOAT32, scales=None))
    scales = (INPUT_SCALE, WEIGHT_SCALE, OUTPUT_SCALE)
    files["int8"].write_bytes(_linear(linear_weight, schema.TensorType.INT8, scales))
    return files


def _linear(weight: NDArray[Any], dtype: int, scales: tuple[float, float, float] | None) -> bytes:
    model = schema.ModelT()
    model.version = 3
    model.buffers = [schema.BufferT() for _ in range(4)]
    model.buffers[2].data = np.frombuffer(weight.tobytes(), np.uint8)
    graph = schema.SubGraphT()
    shapes = {"image": [1, SIDE, SIDE, CHANNELS], "weight": list(weight.shape), "logits": [1, CLASSES]}
    graph.tensors = []
    for i, (name, shape) in enumerate(shapes.items()):
        tensor = schema.TensorT()
        tensor.name, tensor.shape, tensor.type, tensor.buffer = name, shape, dtype, i + 1
        if scales is not None:
            tensor.quantization = schema.QuantizationParametersT()
            tensor.quantization.scale, tensor.quantization.zeroPoint = [scales[i]], [0]
        graph.tensors.append(tensor)
    op = schema.OperatorT()
    op.inputs, op.outputs, op.opcodeIndex = [0, 1, -1], [2], 0
    op.builtinOptionsType = schema.BuiltinOptions.FullyConnectedOptions
    op.builtinOptions = schema.FullyConnectedOptionsT()
    graph.operators, graph.inputs, graph.outputs = [op], [0], [2]
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.FULLY_CONNECTED
    code.version = 4
    model.operatorCodes, model.subgraphs = [code], [graph]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


@dataclass
class FakeDevice:
    """A phone of four small and four large cores whose inferences take what a test says.

    Attributes:
        latency_ms: (model name, number of the launch, generator) -> milliseconds; the launches of each model
            alone count, too.
        states: What `state` gives, in turn; the last one for ever.
        launched: (names of models, plan) of each launch.
        is_open: Whether there is a session.
    """

    latency_ms: Callable[[str, int, np.random.Generator], float] = lambda name, launch, rng: rng.normal(
        2.0, 0.01
    )
    states: list[State] = field(default_factory=lambda: [State()])
    clock_khz: tuple[int, ...] = ()
    warm: bool = True
    involuntary_switches: int = 0
    note: str = "a fake"
    launched: list[tuple[list[str], LaunchPlan]] = field(default_factory=list)
    is_open: bool = False

    def identity(self) -> Identity:
        return Identity("phone", "FAKE0", "Fake One", "Android 14", "arm64-v8a", soc="FK1")

    def cores(self) -> tuple[Core, ...]:
        return tuple(Core(number, max_khz=1_800_000 if number < 4 else 2_800_000) for number in range(8))

    def state(self) -> State:
        return self.states.pop(0) if len(self.states) > 1 else self.states[0]

    @contextmanager
    def session(self, models: Sequence[Model]) -> Iterator[Launcher]:
        self.is_open = True
        try:
            yield self.launch
        finally:
            self.is_open = False

    def launch(self, models: Sequence[Model], plan: LaunchPlan) -> Launch:
        number = len(self.launched)
        self.launched.append(([model.name for model in models], plan))
        rng = np.random.default_rng(number)
        samples = tuple(self._samples(model.name, number, plan, rng) for model in models)
        return Launch(
            samples,
            runtime="Fake 1.0",
            core=plan.core,
            seconds=1.0,
            clock_khz=self.clock_khz,
            involuntary_switches=self.involuntary_switches,
            peak_memory_mb=10.0,
        )

    def _samples(self, name: str, number: int, plan: LaunchPlan, rng: np.random.Generator) -> ModelSamples:
        rounds = tuple(
            tuple(self.latency_ms(name, number, rng) for _ in range(plan.burst)) for _ in range(plan.rounds)
        )
        outputs = (b"\x01\x02",) if plan.outputs else ()
        return ModelSamples(5.0, 3.0, self.warm, rounds, fully_delegated=True, outputs=outputs)


@pytest.fixture
def fake_device() -> type[FakeDevice]:
    """Its class, to make devices of."""
    return FakeDevice


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary folders are made; nothing may be left in it."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def models(linear_files: dict[str, Path]) -> list[Model]:
    """The linear layer in float and in int8."""
    return [Model(kind, path, sha256=kind * 8, inputs=()) for kind, path in linear_files.items()]


@pytest.fixture(scope="session")
def emulation(tmp_path_factory: pytest.TempPathFactory) -> Emulation | str:
    """What runs AArch64 programs, or why nothing does."""
    return build_emulation(tmp_path_factory.mktemp("emulation"))


@pytest.fixture(scope="session")
def adb_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AdbServer]:
    """An adb server that knows nobody."""
    pytest.importorskip("adbutils", reason="there is no adb; python -m pip install adbutils")
    server = AdbServer(find_adb(), tmp_path_factory.mktemp("adb"))
    yield server
    server.stop()


@pytest.fixture
def phones(
    adb_server: AdbServer, emulation: Emulation | str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Phones]:
    """Switches phones on. While a test has this, the adb clients that it starts find them, and no others."""
    for name in (
        "ADB_SERVER_SOCKET",
        "ANDROID_ADB_SERVER_ADDRESS",
        "ANDROID_ADB_SERVER_HOST",
        "ANDROID_SERIAL",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", str(adb_server.port))
    phones = Phones(adb_server, emulation)
    yield phones
    phones.stop()
