"""The plugin in stand-ins for QEMU releases that are not installed: programs that export what they do."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from mobiledeploy.bench.devices.arm import guest
from mobiledeploy.bench.runner.compile import built, host_compilers

# Loads the plugin as QEMU does, and has it see two blocks, of 5 and of 7 instructions, and system calls.
STAND_IN = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>

struct qemu_plugin_tb { size_t instructions; void (*run)(unsigned, void *); void *data; };
typedef void Syscall(uint64_t, unsigned, int64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t,
                     uint64_t, uint64_t);
static void (*translated)(uint64_t, struct qemu_plugin_tb *);
static Syscall *called;
static void (*ended)(uint64_t, void *);

size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *block) { return block->instructions; }
void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, void (*f)(uint64_t, struct qemu_plugin_tb *)) {
  (void)id;
  translated = f;
}
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *block, void (*f)(unsigned, void *), int bits,
                                          void *data) {
  (void)bits;
  block->run = f;
  block->data = data;
}
void qemu_plugin_register_vcpu_syscall_cb(uint64_t id, Syscall *f) { (void)id, called = f; }
void qemu_plugin_register_atexit_cb(uint64_t id, void (*f)(uint64_t, void *), void *data) {
  (void)id, (void)data, ended = f;
}
#ifdef SINCE_2
void qemu_plugin_register_vcpu_tb_exec_inline_per_vcpu(void) {}
#endif
#ifdef SINCE_4
void qemu_plugin_read_memory_vaddr(void) {}
#endif
#ifdef SINCE_5
void qemu_plugin_write_register(void) {}
#endif
#ifdef SINCE_6
void qemu_plugin_set_pc(void) {}
#endif

static void call(uint64_t mark, uint64_t value) { called(1, 0, 31337, mark, value, 0, 0, 0, 0, 0, 0); }

int main(int argc, char **argv) {
  void *plugin = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
  if (plugin == NULL) return fprintf(stderr, "%s\\n", dlerror()), 1;
  printf("%d\\n", *(int *)dlsym(plugin, "qemu_plugin_version"));
  int (*install)(uint64_t, const void *, int, char **);
  *(void **)&install = dlsym(plugin, "qemu_plugin_install");
  if (install(1, NULL, argc - 2, argv + 2) != 0) return 2;
  struct qemu_plugin_tb blocks[] = {{5, NULL, NULL}, {7, NULL, NULL}};
  for (int i = 0; i < 2; i++) translated(1, &blocks[i]);
  blocks[0].run(0, blocks[0].data);
  call(0, 0);
  blocks[1].run(0, blocks[1].data);
  called(1, 0, 64, 1, 0, 0, 0, 0, 0, 0, 0);  // write(), of no interest
  blocks[1].run(0, blocks[1].data);
  call(2, 41);
  call(1, 0);
  ended(1, NULL);
  return 0;
}
"""


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compilers = host_compilers() or pytest.skip("no C compiler is installed")
    source = Path(guest.__file__).with_name("counter.c")
    return built(source, compilers, flags=("-shared", "-fPIC"), cache=tmp_path_factory.mktemp("plugin"))


def start(plugin: Path, folder: Path, since: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    source = folder / "stand_in.c"
    source.write_text(STAND_IN)
    defined = [f"-DSINCE_{version}" for version in range(2, since + 1)]
    program = built(
        source, host_compilers(), flags=("-rdynamic", *defined), libraries=("-ldl",), cache=folder
    )
    return subprocess.run([program, plugin, *arguments], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("since", "named"), [(1, 1), (2, 2), (3, 2), (4, 4), (5, 5), (6, 6)], ids=lambda version: str(version)
)
def test_the_plugin_names_the_version_of_the_qemu_that_loads_it(
    since: int, named: int, plugin: Path, tmp_path: Path
) -> None:
    done = start(plugin, tmp_path, since, f"out={tmp_path / 'counts'}")
    assert (done.returncode, done.stdout) == (0, f"{named}\n"), done.stderr


def test_markers_write_what_was_retired_so_far(plugin: Path, tmp_path: Path) -> None:
    start(plugin, tmp_path, 6, f"out={tmp_path / 'counts'}")
    assert (tmp_path / "counts").read_text() == "begin 5\ntick 41 19\nend 19\n"


@pytest.mark.parametrize("arguments", [(), ("out",), ("out=a", "b=c")])
def test_other_arguments_are_refused(arguments: tuple[str, ...], plugin: Path, tmp_path: Path) -> None:
    done = start(plugin, tmp_path, 1, *arguments)
    assert done.returncode == 2
    assert "expected out=FILE" in done.stderr


def test_a_file_that_cannot_be_written_is_said(plugin: Path, tmp_path: Path) -> None:
    done = start(plugin, tmp_path, 1, f"out={tmp_path}/none/counts")
    assert done.returncode == 2
    assert "No such file" in done.stderr
