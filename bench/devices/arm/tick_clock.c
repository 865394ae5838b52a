// A clock that goes on by one microsecond each time someone looks at it, and has counter.c note the
// instructions retired until then. Loaded before all other libraries (LD_PRELOAD), it is what LiteRT and
// XNNPACK profile by: two times that they note for an op say between which of counter.c's lines the op ran.

#define _GNU_SOURCE
#include <time.h>
#include <unistd.h>

enum { MARKER = 31337, MARK_TICK = 2 };  // as in counter.c

int clock_gettime(clockid_t clock, struct timespec *now) {
  static long ticks;
  (void)clock;
  ticks++;
  now->tv_sec = ticks / 1000000;
  now->tv_nsec = ticks % 1000000 * 1000;
  syscall(MARKER, MARK_TICK, ticks);
  return 0;
}

// The first two looks enclose nothing, so what lies between them is the cost of looking.
__attribute__((constructor)) static void calibrate(void) {
  struct timespec unused;
  clock_gettime(CLOCK_MONOTONIC, &unused);
  clock_gettime(CLOCK_MONOTONIC, &unused);
}
