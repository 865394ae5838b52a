// Counts the instructions that a program retires under QEMU's user-mode emulation.
//
//   qemu-aarch64 -plugin counter.so,out=FILE program ...
//
// Each marker system call of the program writes a line into FILE, with the instructions retired so far:
//   begin N     before an inference
//   end N       after it
//   tick K N    at the program's K-th look at the clock (tick_clock.c)
//
// Debian ships no header for plugins, so what is used of it is declared here. All of it has kept its form from
// version 1 of the interface (QEMU 6) to version 6 (QEMU 11.0). Blocks are counted by a callback and not by an
// addition in line, which is another function since version 2: that makes the emulation a tenth slower.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define EXPORTED __attribute__((visibility("default")))

enum { MARKER = 31337, MARK_BEGIN = 0, MARK_END = 1, MARK_TICK = 2 };  // as in runner.c and tick_clock.c
enum { QEMU_PLUGIN_CB_NO_REGS = 0 };

struct qemu_plugin_tb;

size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, void (*)(uint64_t id, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *, void (*)(unsigned vcpu, void *), int flags,
                                          void *data);
typedef void SystemCallback(uint64_t id, unsigned vcpu, int64_t number, uint64_t a1, uint64_t a2, uint64_t a3,
                            uint64_t a4, uint64_t a5, uint64_t a6, uint64_t a7, uint64_t a8);
void qemu_plugin_register_vcpu_syscall_cb(uint64_t id, SystemCallback *);
void qemu_plugin_register_atexit_cb(uint64_t id, void (*)(uint64_t id, void *), void *data);

EXPORTED int qemu_plugin_version = 1;

static uint64_t retired;
static FILE *out;

// QEMU loads a plugin only if it names a version that QEMU still serves, which it reads after this has run. What
// QEMU's own is, the functions tell that came with each; version 3 changed one that is not used here.
__attribute__((constructor)) static void adopt_version(void) {
  static const struct {
    int version;
    const char *came_with_it;
  } known[] = {
      {6, "qemu_plugin_set_pc"},
      {5, "qemu_plugin_write_register"},
      {4, "qemu_plugin_read_memory_vaddr"},
      {2, "qemu_plugin_register_vcpu_tb_exec_inline_per_vcpu"},
  };
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    if (dlsym(RTLD_DEFAULT, known[i].came_with_it) != NULL) {
      qemu_plugin_version = known[i].version;
      return;
    }
  }
}

static void on_block(unsigned vcpu, void *instructions) {
  (void)vcpu;
  retired += (uintptr_t)instructions;
}

static void on_translation(uint64_t id, struct qemu_plugin_tb *block) {
  (void)id;
  void *instructions = (void *)(uintptr_t)qemu_plugin_tb_n_insns(block);
  qemu_plugin_register_vcpu_tb_exec_cb(block, on_block, QEMU_PLUGIN_CB_NO_REGS, instructions);
}

static void on_system_call(uint64_t id, unsigned vcpu, int64_t number, uint64_t mark, uint64_t value,
                           uint64_t a3, uint64_t a4, uint64_t a5, uint64_t a6, uint64_t a7, uint64_t a8) {
  (void)id, (void)vcpu, (void)a3, (void)a4, (void)a5, (void)a6, (void)a7, (void)a8;
  if (number != MARKER) return;
  if (mark == MARK_BEGIN) fprintf(out, "begin %" PRIu64 "\n", retired);
  if (mark == MARK_END) fprintf(out, "end %" PRIu64 "\n", retired);
  if (mark == MARK_TICK) fprintf(out, "tick %" PRIu64 " %" PRIu64 "\n", value, retired);
}

static void close_out(uint64_t id, void *data) {
  (void)id, (void)data;
  fclose(out);
}

EXPORTED int qemu_plugin_install(uint64_t id, const void *info, int argc, char **argv) {
  (void)info;
  static const char key[] = "out=";
  if (argc != 1 || strncmp(argv[0], key, strlen(key)) != 0) {
    fputs("counter: expected out=FILE\n", stderr);
    return 1;
  }
  out = fopen(argv[0] + strlen(key), "w");
  if (out == NULL) {
    perror(argv[0] + strlen(key));
    return 1;
  }
  qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
  qemu_plugin_register_vcpu_syscall_cb(id, on_system_call);
  qemu_plugin_register_atexit_cb(id, close_out, NULL);
  return 0;
}
