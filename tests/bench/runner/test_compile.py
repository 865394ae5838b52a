from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mobiledeploy.base.errors import InputError
from mobiledeploy.bench.runner import compile as compiling
from mobiledeploy.bench.runner.compile import Compiler, aarch64_compilers, built, host_compilers
from mobiledeploy.bench.runner.elf import elf_machine

RUNNER = Path(compiling.__file__).with_name("runner.c")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "answer.c"
    path.write_text("int main(void) { return ANSWER; }\n")
    return path


@pytest.fixture
def compilers() -> list[Compiler]:
    return host_compilers()[:1] or pytest.skip("no C compiler is installed")


def failing(folder: Path) -> Compiler:
    path = folder / "failing-cc"
    path.write_text(
        "#!/bin/sh\necho starting >&2\necho 'a.c:1:1: fatal error: no stdio.h' >&2\necho end >&2\nexit 1\n"
    )
    path.chmod(0o755)
    return Compiler((str(path),), "failing 1.0")


def answer(program: Path) -> int:
    return subprocess.run([program], check=False).returncode


def test_a_program_is_built_once(source: Path, compilers: list[Compiler], tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    program = built(source, compilers, flags=("-DANSWER=42",), cache=cache)
    assert answer(program) == 42
    born = program.stat().st_ino
    assert built(source, compilers, flags=("-DANSWER=42",), cache=cache) == program
    assert program.stat().st_ino == born
    assert list(cache.iterdir()) == [program]


def test_all_that_it_depends_on_makes_another_program(
    source: Path, compilers: list[Compiler], tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    header = tmp_path / "answer.h"
    header.write_text("#define ANSWER 1\n")
    flags = ("-include", str(header))
    first = built(source, compilers, flags=flags, headers=[header], cache=cache)
    header.write_text("#define ANSWER 2\n")
    second = built(source, compilers, flags=flags, headers=[header], cache=cache)
    source.write_text("int main(void) { return ANSWER + 1; }\n")
    third = built(source, compilers, flags=flags, headers=[header], cache=cache)
    newer = [Compiler(compilers[0].command, "another version")]
    fourth = built(source, newer, flags=flags, headers=[header], cache=cache)
    assert [answer(program) for program in (first, second, third, fourth)] == [1, 2, 3, 3]
    assert len({first, second, third, fourth}) == 4


def test_a_compiler_that_fails_gives_way_to_the_next(
    source: Path, compilers: list[Compiler], tmp_path: Path
) -> None:
    both = [failing(tmp_path), *compilers]
    assert answer(built(source, both, flags=("-DANSWER=7",), cache=tmp_path / "cache")) == 7


def test_no_compiler_that_works_says_why_and_leaves_nothing(source: Path, tmp_path: Path) -> None:
    expected = (
        r"answer.c cannot be built \(failing 1.0: a.c:1:1: fatal error: no stdio.h\).*mobiledeploy\[bench\]"
    )
    with pytest.raises(InputError, match=expected):
        built(source, [failing(tmp_path)], cache=tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir())


def test_no_compiler_names_what_brings_one(source: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no C compiler was found.*pip install 'mobiledeploy\[bench\]'"):
        built(source, [], cache=tmp_path)


def test_two_may_build_at_once(source: Path, compilers: list[Compiler], tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    with ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(built, source, compilers, flags=("-DANSWER=5",), cache=cache) for _ in range(4)]
    (program,) = {job.result() for job in jobs}
    assert answer(program) == 5
    assert list(cache.iterdir()) == [program]


def test_one_program_of_several_names_is_one_compiler(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cc").write_text("#!/bin/sh\necho 'cc 1.0'\necho more\n")
    (tmp_path / "cc").chmod(0o755)
    (tmp_path / "gcc").symlink_to("cc")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(compiling, "_zig", list)
    assert host_compilers() == [Compiler((str(tmp_path / "cc"),), "cc 1.0")]


@pytest.mark.parametrize("index", range(3))
def test_the_runner_builds_without_a_warning(index: int, tmp_path: Path) -> None:
    found = [*host_compilers(), *aarch64_compilers()]
    if index >= len(found):
        pytest.skip("no further compiler is installed")
    libraries = ("-ldl",)
    program = built(RUNNER, [found[index]], flags=("-Werror",), libraries=libraries, cache=tmp_path)
    assert elf_machine(program) == (
        "aarch64" if found[index] in aarch64_compilers() else elf_machine(Path("/proc/self/exe"))
    )
