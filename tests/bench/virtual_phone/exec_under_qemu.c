// Preloaded into the shells of the phone, on this computer: a program for AArch64 runs under qemu.
//
// Before that, the phone is told and says what is to happen: it counts starts, and some of them go wrong. The
// answer comes through a socket; its first line is one of
//   run            start the program
//   hang           do nothing for ever
//   signal N       end by this signal
//   exit N LENGTH  print what follows, LENGTH bytes of it to stdout and the rest to stderr, and exit

#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

extern char **environ;

enum { MOST_ARGUMENTS = 256, LONGEST_ANSWER = 1 << 20 };

typedef int (*Execve)(const char *, char *const[], char *const[]);

static int genuine(const char *path, char *const arguments[], char *const environment[]) {
  return ((Execve)dlsym(RTLD_NEXT, "execve"))(path, arguments, environment);
}

// Of an ELF file; 0 for anything else.
static int machine(const char *path) {
  Elf64_Ehdr head;
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return 0;
  ssize_t size = read(file, &head, sizeof head);
  close(file);
  bool is_elf = size == sizeof head && memcmp(head.e_ident, ELFMAG, SELFMAG) == 0;
  return is_elf ? head.e_machine : 0;
}

static void write_all(int file, const char *text, size_t size) {
  while (size > 0) {
    ssize_t written = write(file, text, size);
    if (written <= 0) return;
    text += written;
    size -= (size_t)written;
  }
}

// Tells the phone, and does anything but run the program. Returns if it is to run.
static void ask(int found, char *const arguments[]) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  snprintf(address.sun_path, sizeof address.sun_path, "%s/programs", getenv("VIRTUAL_PHONE_STATE"));
  int phone = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connect(phone, (struct sockaddr *)&address, sizeof address) != 0) _exit(1);  // it is switched off
  char line[64];
  write_all(phone, line, (size_t)snprintf(line, sizeof line, "%d %d", getpid(), found));
  for (int i = 0; arguments[i] != NULL; i++) {
    write_all(phone, "\0", 1);
    write_all(phone, arguments[i], strlen(arguments[i]));
  }
  shutdown(phone, SHUT_WR);

  char *answer = malloc(LONGEST_ANSWER);
  size_t size = 0;
  ssize_t more;
  while ((more = read(phone, answer + size, LONGEST_ANSWER - 1 - size)) > 0) size += (size_t)more;
  answer[size] = '\0';
  close(phone);
  char *text = memchr(answer, '\n', size);
  int number, length;
  if (strncmp(answer, "run", 3) == 0) {
    free(answer);
  } else if (strncmp(answer, "hang", 4) == 0) {
    while (true) pause();
  } else if (sscanf(answer, "signal %d", &number) == 1) {
    signal(number, SIG_DFL);
    raise(number);
  } else if (text != NULL && sscanf(answer, "exit %d %d", &number, &length) == 2) {
    text++;
    write_all(STDOUT_FILENO, text, (size_t)length);
    write_all(STDERR_FILENO, text + length, size - (size_t)(text - answer) - (size_t)length);
    _exit(number);
  } else {
    _exit(1);
  }
}

static int run(const char *path, char *const arguments[], char *const environment[]) {
  const char *root = getenv("VIRTUAL_PHONE_ROOT");
  char *real = realpath(path, NULL);
  int found = machine(path);
  bool pushed = real != NULL && strncmp(real, root, strlen(root)) == 0;
  free(real);
  if (!pushed || found == 0) return genuine(path, arguments, environment);
  ask(found, arguments);

  setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});  // qemu would write the program's core to where it runs
  char preload[4096];
  snprintf(preload, sizeof preload, "LD_PRELOAD=%s", getenv("VIRTUAL_PHONE_PRELOAD"));
  const char *command[MOST_ARGUMENTS + 16] = {
      getenv("VIRTUAL_PHONE_QEMU"), "-cpu", getenv("VIRTUAL_PHONE_CPU"), "-L", getenv("VIRTUAL_PHONE_GUEST"),
      "-E", preload, "-0", arguments[0], path};
  int count = 10;
  for (int i = 1; arguments[i] != NULL && i < MOST_ARGUMENTS; i++) command[count++] = arguments[i];
  command[count] = NULL;

  const char *kept[1024];
  int variables = 0;
  for (int i = 0; environment[i] != NULL && variables < 1023; i++)
    if (strncmp(environment[i], "LD_PRELOAD=", 11) != 0) kept[variables++] = environment[i];
  kept[variables] = NULL;
  return genuine(command[0], (char *const *)command, (char *const *)kept);
}

int execve(const char *path, char *const arguments[], char *const environment[]) {
  return run(path, arguments, environment);
}

int execv(const char *path, char *const arguments[]) { return run(path, arguments, environ); }

int execvp(const char *name, char *const arguments[]) {
  if (strchr(name, '/') != NULL) return run(name, arguments, environ);
  return ((int (*)(const char *, char *const[]))dlsym(RTLD_NEXT, "execvp"))(name, arguments);
}
