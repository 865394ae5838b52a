// What the tests of the phone run on it.
//
//   probe pin N   be pinned to core N, and print which cores are allowed then, and which one it runs on
//   probe wait    print "waiting", and wait for the end of stdin

#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int pin(int core) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(core, &set);
  if (sched_setaffinity(0, sizeof set, &set) != 0) {
    printf("%s\n", errno == EINVAL ? "EINVAL" : strerror(errno));
    return 3;
  }
  sched_getaffinity(0, sizeof set, &set);
  printf("%d core, on %d\n", CPU_COUNT(&set), sched_getcpu());
  return 0;
}

int main(int argc, char **argv) {
  if (argc == 3 && strcmp(argv[1], "pin") == 0) return pin(atoi(argv[2]));
  char byte;
  printf("waiting\n");
  fflush(stdout);
  while (read(STDIN_FILENO, &byte, 1) > 0) {
  }
  return 0;
}
