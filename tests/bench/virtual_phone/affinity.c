// Preloaded into programs that run under qemu: they are pinned to cores of the phone, not of this computer.
//
// $VIRTUAL_PHONE_STATE/cores holds the mask of the cores that are online and that the cpuset allows, as a
// number. As in the kernel, a mask is cut to those, and refused if nothing is left. What was accepted is
// appended to $VIRTUAL_PHONE_STATE/pinned as "PROGRAM MASK".

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static unsigned long long pinned;  // 0: not yet

static unsigned long long possible(void) {
  char path[4096];
  unsigned long long mask = 0;
  snprintf(path, sizeof path, "%s/cores", getenv("VIRTUAL_PHONE_STATE"));
  FILE *file = fopen(path, "r");
  if (file == NULL) return 0;
  if (fscanf(file, "%llu", &mask) != 1) mask = 0;
  fclose(file);
  return mask;
}

static unsigned long long current(void) {
  if (pinned != 0) return pinned;
  const char *inherited = getenv("VIRTUAL_PHONE_PINNED");  // by taskset
  return inherited != NULL ? strtoull(inherited, NULL, 10) : possible();
}

int sched_setaffinity(pid_t pid, size_t size, const cpu_set_t *set) {
  (void)pid;
  unsigned long long mask = 0;
  for (int core = 0; core < 64 && (size_t)core < size * 8; core++)
    if (CPU_ISSET_S((size_t)core, size, set)) mask |= 1ULL << core;
  mask &= possible();
  if (mask == 0) {
    errno = EINVAL;
    return -1;
  }
  pinned = mask;
  char path[4096], line[512];
  snprintf(path, sizeof path, "%s/pinned", getenv("VIRTUAL_PHONE_STATE"));
  int length = snprintf(line, sizeof line, "%s %llu\n", program_invocation_short_name, mask);
  int file = open(path, O_WRONLY | O_CREAT | O_APPEND, 0644);
  if (file >= 0) {
    (void)!write(file, line, (size_t)length);
    close(file);
  }
  return 0;
}

int sched_getaffinity(pid_t pid, size_t size, cpu_set_t *set) {
  (void)pid;
  unsigned long long mask = current();
  CPU_ZERO_S(size, set);
  for (int core = 0; core < 64 && (size_t)core < size * 8; core++)
    if (mask >> core & 1) CPU_SET_S((size_t)core, size, set);
  return 0;
}

int sched_getcpu(void) { return __builtin_ctzll(current()); }
