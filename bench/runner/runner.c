// Times inferences of TFLite models on LiteRT, one thread, and prints one JSON document with every sample.
//
//   runner [options] MODEL.tflite ...
//     --core N         be pinned to this core
//     --rounds R       turns of each model (20)
//     --burst B        timed inferences in a turn, after an untimed one (5)
//     --warm-up-ms W   longest warm-up; 0 for none (3000)
//     --limit-ms L     no round begins so long after the first one began (60000)
//     --flags F        XNNPACK's delegate flags (3: int8 kernels, signed and unsigned)
//     --seed S         of the models' order, which is drawn anew for each round (0)
//     --outputs        write each model's outputs to MODEL.tflite.out0, .out1, ...
//     --count          mark each timed inference for an instruction counter, and leave out the untimed ones
//     --profile        have LiteRT and XNNPACK note when each op began and ended
//     --library PATH   libLiteRt.so, if it does not lie next to the runner
//
// The inputs are read from MODEL.tflite.in0, .in1, ..., raw and little endian, in the order of the graph's
// inputs. The document goes to stdout, all else to stderr, whose last line says what was wrong. Exit code 0;
// 2 for models, inputs or arguments that are wrong; 3 where the system refuses. The document:
//
//   runner                1, the version of this form
//   litert                the version of LiteRT whose interface the runner speaks
//   core                  where the runner was at its end; -1: unknown
//   seconds, rounds       from the first round to the last; rounds made, fewer than R if L was reached
//   models                one for each, in order:
//     outputs             their number
//     init_us, first_us   from before the file is read until ready to infer; the first inference
//     fully_delegated     whether XNNPACK took the whole graph
//     warm_up_us, warm    the median of each burst of the warm-up; whether it settled
//     samples_us          each timed inference, by round
//     events              with --profile, of the last inference: [type, start_us, elapsed_us, index, name], as
//                         LiteRT has them, in the order in which they began
//   clock_khz             the core's frequency after each round; empty where the system does not say
//   involuntary_switches  how often another process took the core, in the rounds
//   peak_kb               largest resident set; 0: unknown

#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "litert_api.h"

enum { BAD_INPUT = 2, REFUSED = 3 };
enum { MAX_BURSTS = 10000, CALM_BURSTS = 3 };
enum { MARKER = 31337, MARK_BEGIN = 0, MARK_END = 1 };  // a system call that no kernel has

static const double BETTER = 0.02;  // a burst that is faster than all before by so much is news

typedef struct {
  long core, rounds, burst, warm_up_ms, limit_ms, flags;
  uint64_t seed;
  bool outputs, count, profile;
  const char *library;
} Options;

typedef struct {
  const char *path;
  LiteRtCompiledModel compiled;
  LiteRtTensorBuffer *inputs, *outputs;
  size_t input_count, output_count;
  bool fully_delegated, warm;
  double init_us, first_us;
  double *warm_up_us;  // the median of each burst
  double *samples_us;  // [round][burst]
  LiteRtProfiler profiler;  // NULL without --profile
} Model;

static void fail(int code, const char *format, ...) {
  fputs("runner: ", stderr);
  va_list arguments;
  va_start(arguments, format);
  vfprintf(stderr, format, arguments);
  va_end(arguments);
  fputc('\n', stderr);
  fflush(stderr);
  _exit(code);  // the library's destructors have nothing to do that matters now
}

static void check(LiteRtStatus status, const char *path, const char *what) {
  if (status == kLiteRtStatusErrorMemoryAllocationFailure) fail(REFUSED, "%s: no memory to %s", path, what);
  if (status != kLiteRtStatusOk) fail(BAD_INPUT, "%s: LiteRT cannot %s (status %d)", path, what, (int)status);
}

static void *allocate(size_t count, size_t size) {
  void *memory = calloc(count > 0 ? count : 1, size);
  if (memory == NULL) fail(REFUSED, "no memory for %zu items of %zu bytes", count, size);
  return memory;
}

static double now_us(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec * 1e6 + (double)now.tv_nsec * 1e-3;
}

// Arguments

static long number(const char *option, const char *text, long least, long most) {
  char *end;
  errno = 0;
  long value = strtol(text, &end, 10);
  if (errno != 0 || end == text || *end != '\0' || value < least || value > most)
    fail(BAD_INPUT, "--%s %s, expected a whole number from %ld to %ld", option, text, least, most);
  return value;
}

static Options parse(int argc, char **argv) {
  Options options = {.core = -1, .rounds = 20, .burst = 5, .warm_up_ms = 3000, .limit_ms = 60000, .flags = 3};
  static const struct option known[] = {
      {"core", required_argument, NULL, 'c'},       {"rounds", required_argument, NULL, 'r'},
      {"burst", required_argument, NULL, 'b'},      {"warm-up-ms", required_argument, NULL, 'w'},
      {"limit-ms", required_argument, NULL, 'l'},   {"flags", required_argument, NULL, 'f'},
      {"seed", required_argument, NULL, 's'},       {"library", required_argument, NULL, 'L'},
      {"outputs", no_argument, NULL, 'o'},          {"count", no_argument, NULL, 'C'},
      {"profile", no_argument, NULL, 'p'},
      {NULL, 0, NULL, 0},
  };
  const long day_ms = 24L * 3600 * 1000;
  int found, index = 0;
  opterr = 0;
  while ((found = getopt_long(argc, argv, "", known, &index)) != -1) {
    const char *name = known[index].name;
    switch (found) {
      case 'c': options.core = number(name, optarg, 0, CPU_SETSIZE - 1); break;
      case 'r': options.rounds = number(name, optarg, 1, 1000000); break;
      case 'b': options.burst = number(name, optarg, 1, 1000000); break;
      case 'w': options.warm_up_ms = number(name, optarg, 0, day_ms); break;
      case 'l': options.limit_ms = number(name, optarg, 0, day_ms); break;
      case 'f': options.flags = number(name, optarg, 0, INT32_MAX); break;
      case 's': options.seed = (uint64_t)number(name, optarg, 0, INT64_MAX); break;
      case 'L': options.library = optarg; break;
      case 'o': options.outputs = true; break;
      case 'C': options.count = true; break;
      case 'p': options.profile = true; break;
      default: fail(BAD_INPUT, "option %s is unknown or lacks its value", argv[optind - 1]);
    }
  }
  if (optind == argc) fail(BAD_INPUT, "no model, expected runner [options] MODEL.tflite ...");
  return options;
}

// The system

static void pin(long core) {
  cpu_set_t only;
  CPU_ZERO(&only);
  CPU_SET((int)core, &only);
  if (sched_setaffinity(0, sizeof only, &only) != 0)
    fail(REFUSED, "cannot be pinned to core %ld (%s)", core, strerror(errno));
}

// The current frequency of a core; 0 where the system does not say.
static long clock_khz(int core) {
  char path[80];
  long khz = 0;
  snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/cpufreq/scaling_cur_freq", core);
  FILE *file = fopen(path, "r");
  if (file == NULL) return 0;
  if (fscanf(file, "%ld", &khz) != 1) khz = 0;
  fclose(file);
  return khz;
}

static long involuntary_switches(void) {
  struct rusage usage;
  return getrusage(RUSAGE_THREAD, &usage) == 0 ? usage.ru_nivcsw : 0;
}

// Largest resident set so far; 0 where the system does not say.
static long peak_kb(void) {
  char line[256];
  long kb = 0;
  FILE *file = fopen("/proc/self/status", "r");
  if (file == NULL) return 0;
  while (fgets(line, sizeof line, file) != NULL)
    if (sscanf(line, "VmHWM: %ld", &kb) == 1) break;
  fclose(file);
  return kb;
}

// Models

static void fill(LiteRtTensorBuffer buffer, const char *model, size_t index) {
  char path[4096];
  void *memory;
  size_t size;
  if ((size_t)snprintf(path, sizeof path, "%s.in%zu", model, index) >= sizeof path)
    fail(BAD_INPUT, "%s: the path is too long", model);
  check(LiteRtGetTensorBufferPackedSize(buffer, &size), model, "tell an input's size");
  check(LiteRtLockTensorBuffer(buffer, &memory, kLiteRtTensorBufferLockModeWrite), model, "lock an input");
  FILE *file = fopen(path, "rb");
  if (file == NULL) fail(BAD_INPUT, "%s: %s", path, strerror(errno));
  size_t got = fread(memory, 1, size, file);
  if (got != size || fgetc(file) != EOF)
    fail(BAD_INPUT, "%s: %s than the %zu bytes that the model takes", path,
         got < size ? "less" : "more", size);
  fclose(file);
  check(LiteRtUnlockTensorBuffer(buffer), model, "unlock an input");
}

static void write_output(LiteRtTensorBuffer buffer, const char *model, size_t index) {
  char path[4096];
  void *memory;
  size_t size;
  snprintf(path, sizeof path, "%s.out%zu", model, index);
  check(LiteRtGetTensorBufferPackedSize(buffer, &size), model, "tell an output's size");
  check(LiteRtLockTensorBuffer(buffer, &memory, kLiteRtTensorBufferLockModeRead), model, "lock an output");
  FILE *file = fopen(path, "wb");
  if (file == NULL || fwrite(memory, 1, size, file) != size || fclose(file) != 0)
    fail(REFUSED, "%s cannot be written (%s)", path, strerror(errno));
  check(LiteRtUnlockTensorBuffer(buffer), model, "unlock an output");
}

static LiteRtTensorBuffer create_buffer(LiteRtEnvironment environment, const Model *model,
                                        LiteRtSignature signature, bool input, size_t index) {
  LiteRtTensor tensor;
  LiteRtRankedTensorType type;
  LiteRtTensorBufferRequirements requirements;
  LiteRtTensorBuffer buffer;
  check(input ? LiteRtGetSignatureInputTensorByIndex(signature, index, &tensor)
              : LiteRtGetSignatureOutputTensorByIndex(signature, index, &tensor),
        model->path, "find an input or output");
  check(LiteRtGetRankedTensorType(tensor, &type), model->path, "tell the shape of an input or output");
  check(input ? LiteRtGetCompiledModelInputBufferRequirements(model->compiled, 0, index, &requirements)
              : LiteRtGetCompiledModelOutputBufferRequirements(model->compiled, 0, index, &requirements),
        model->path, "say what memory an input or output needs");
  check(LiteRtCreateManagedTensorBufferFromRequirements(environment, &type, requirements, &buffer),
        model->path, "make memory for an input or output");
  return buffer;
}

static void load(Model *model, LiteRtEnvironment environment, const Options *options) {
  LiteRtModel file;
  LiteRtOptions compilation;
  LiteRtOpaqueOptions cpu, runtime;
  LiteRtSignature signature;
  double begin = now_us();
  check(LiteRtCreateModelFromFile(environment, model->path, &file), model->path, "read it");
  check(LiteRtCreateOptions(&compilation), model->path, "make options");
  check(LiteRtSetOptionsHardwareAccelerators(compilation, kLiteRtHwAcceleratorCpu), model->path,
        "use the CPU");
  char *settings = allocate(1, 80);
  snprintf(settings, 80, "num_threads = 1\nflags = %ld\n", options->flags);
  check(LiteRtCreateOpaqueOptions("xnnpack", settings, free, &cpu), model->path, "take options");
  check(LiteRtAddOpaqueOptions(compilation, cpu), model->path, "take options");
  if (options->profile) {
    char *runtime_settings = allocate(1, 80);
    snprintf(runtime_settings, 80, "enable_profiling = true\n");
    check(LiteRtCreateOpaqueOptions("runtime_options_string", runtime_settings, free, &runtime), model->path,
          "take options");
    check(LiteRtAddOpaqueOptions(compilation, runtime), model->path, "take options");
  }
  check(LiteRtCreateCompiledModel(environment, file, compilation, &model->compiled), model->path,
        "prepare it");
  check(LiteRtGetModelSignature(file, 0, &signature), model->path, "find a signature");
  check(LiteRtGetNumSignatureInputs(signature, &model->input_count), model->path, "count the inputs");
  check(LiteRtGetNumSignatureOutputs(signature, &model->output_count), model->path, "count the outputs");
  model->inputs = allocate(model->input_count, sizeof *model->inputs);
  model->outputs = allocate(model->output_count, sizeof *model->outputs);
  for (size_t i = 0; i < model->input_count; i++)
    model->inputs[i] = create_buffer(environment, model, signature, true, i);
  for (size_t i = 0; i < model->output_count; i++)
    model->outputs[i] = create_buffer(environment, model, signature, false, i);
  model->init_us = now_us() - begin;
  check(LiteRtCompiledModelIsFullyAccelerated(model->compiled, &model->fully_delegated), model->path,
        "say what XNNPACK took");
  if (options->profile)
    check(LiteRtCompiledModelGetProfiler(model->compiled, &model->profiler), model->path, "profile it");
  for (size_t i = 0; i < model->input_count; i++) fill(model->inputs[i], model->path, i);
}

// Measurement

// One inference, in microseconds. The markers enclose the call alone, so that nothing of ours is counted.
static double infer(Model *model, bool mark) {
  if (model->profiler != NULL) check(LiteRtStartProfiler(model->profiler), model->path, "profile it");
  double begin = now_us();
  if (mark) syscall(MARKER, MARK_BEGIN);
  LiteRtStatus status = LiteRtRunCompiledModel(model->compiled, 0, model->input_count, model->inputs,
                                               model->output_count, model->outputs);
  if (mark) syscall(MARKER, MARK_END);
  double end = now_us();
  if (model->profiler != NULL) check(LiteRtStopProfiler(model->profiler), model->path, "profile it");
  check(status, model->path, "run it");
  return end - begin;
}

static int by_size(const void *left, const void *right) {
  double a = *(const double *)left, b = *(const double *)right;
  return (a > b) - (a < b);
}

static double median(double *values, long count) {
  qsort(values, (size_t)count, sizeof *values, by_size);
  return (values[(count - 1) / 2] + values[count / 2]) / 2;
}

// Bursts of each model in turn until none has brought a median better than the best before by BETTER, CALM_BURSTS
// times running. A cold processor gets faster; what makes it slower is disturbance, which no warm-up ends. Returns
// the number of bursts.
static long warm_up(Model *models, size_t count, const Options *options) {
  double *burst = allocate((size_t)options->burst, sizeof *burst);
  double *best = allocate(count, sizeof *best);
  int *calm = allocate(count, sizeof *calm);
  double begin = now_us();
  long done = 0;
  bool settled = false;
  while (!settled && done < MAX_BURSTS && now_us() - begin < (double)options->warm_up_ms * 1e3) {
    settled = true;
    for (size_t m = 0; m < count; m++) {
      for (long i = 0; i < options->burst; i++) burst[i] = infer(&models[m], false);
      double now = median(burst, options->burst);
      models[m].warm_up_us[done] = now;
      bool better = done == 0 || now < best[m] * (1 - BETTER);
      calm[m] = better ? 0 : calm[m] + 1;
      if (done == 0 || now < best[m]) best[m] = now;
      models[m].warm = calm[m] >= CALM_BURSTS;
      settled = settled && models[m].warm;
    }
    done++;
  }
  free(calm);
  free(best);
  free(burst);
  return done;
}

// SplitMix64.
static uint64_t random_bits(uint64_t *state) {
  uint64_t bits = *state += 0x9e3779b97f4a7c15u;
  bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9u;
  bits = (bits ^ (bits >> 27)) * 0x94d049bb133111ebu;
  return bits ^ (bits >> 31);
}

static void shuffle(size_t *order, size_t count, uint64_t *state) {
  for (size_t i = count; i > 1; i--) {
    size_t other = (size_t)(random_bits(state) % i), kept = order[i - 1];
    order[i - 1] = order[other];
    order[other] = kept;
  }
}

// Returns the number of rounds made: at least one.
static long measure(Model *models, size_t count, const Options *options, long *clocks_khz) {
  size_t *order = allocate(count, sizeof *order);
  for (size_t m = 0; m < count; m++) order[m] = m;
  uint64_t state = options->seed;
  double begin = now_us();
  long round = 0;
  do {
    shuffle(order, count, &state);
    for (size_t m = 0; m < count; m++) {
      Model *model = &models[order[m]];
      if (!options->count) infer(model, false);  // brings the model's weights back into the caches
      for (long i = 0; i < options->burst; i++)
        model->samples_us[round * options->burst + i] = infer(model, options->count);
    }
    int core = options->core >= 0 ? (int)options->core : sched_getcpu();
    clocks_khz[round++] = core >= 0 ? clock_khz(core) : 0;
  } while (round < options->rounds && now_us() - begin < (double)options->limit_ms * 1e3);
  free(order);
  return round;
}

// The document

static void print_list(FILE *out, const double *values, long count) {
  fputc('[', out);
  for (long i = 0; i < count; i++) fprintf(out, "%s%.3f", i > 0 ? "," : "", values[i]);
  fputc(']', out);
}

static void print_events(FILE *out, const Model *model) {
  int count;
  check(LiteRtGetNumProfilerEvents(model->profiler, &count), model->path, "count the events");
  LiteRtProfiledEvent *events = allocate((size_t)count, sizeof *events);
  check(LiteRtGetProfilerEvents(model->profiler, count, events), model->path, "tell the events");
  fputs(",\"events\":[", out);
  for (int i = 0; i < count; i++) {
    const LiteRtProfiledEvent *event = &events[i];
    fprintf(out, "%s[%d,%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",\"", i > 0 ? "," : "", event->event_type,
            event->start_timestamp_us, event->elapsed_time_us, event->event_metadata1);
    for (const char *c = event->tag; *c != '\0'; c++)
      fputc(*c < ' ' || *c > '~' || *c == '"' || *c == '\\' ? '?' : *c, out);
    fputs("\"]", out);
  }
  fputc(']', out);
  free(events);
}

static void print_model(FILE *out, const Model *model, long bursts, long rounds, long burst) {
  fprintf(out, "{\"outputs\":%zu,\"init_us\":%.3f,\"first_us\":%.3f,\"warm\":%s,\"fully_delegated\":%s",
          model->output_count, model->init_us, model->first_us, model->warm ? "true" : "false",
          model->fully_delegated ? "true" : "false");
  fputs(",\"warm_up_us\":", out);
  print_list(out, model->warm_up_us, bursts);
  fputs(",\"samples_us\":[", out);
  for (long r = 0; r < rounds; r++) {
    if (r > 0) fputc(',', out);
    print_list(out, model->samples_us + r * burst, burst);
  }
  fputc(']', out);
  if (model->profiler != NULL) print_events(out, model);
  fputc('}', out);
}

static void print_clocks(FILE *out, const long *clocks_khz, long rounds) {
  bool known = true;
  for (long r = 0; r < rounds; r++) known = known && clocks_khz[r] > 0;
  fputc('[', out);
  for (long r = 0; known && r < rounds; r++) fprintf(out, "%s%ld", r > 0 ? "," : "", clocks_khz[r]);
  fputc(']', out);
}

int main(int argc, char **argv) {
  Options options = parse(argc, argv);
  // Whatever a library prints must not get into the document.
  int document = dup(STDOUT_FILENO);
  FILE *out = document >= 0 && dup2(STDERR_FILENO, STDOUT_FILENO) >= 0 ? fdopen(document, "w") : NULL;
  if (out == NULL) fail(REFUSED, "stdout cannot be written (%s)", strerror(errno));
  if (options.core >= 0) pin(options.core);

  char library[4096];
  const char *slash = strrchr(argv[0], '/');
  snprintf(library, sizeof library, "%.*slibLiteRt.so", slash ? (int)(slash - argv[0] + 1) : 0, argv[0]);
  const char *fault = open_litert(options.library != NULL ? options.library : library);
  if (fault != NULL) fail(REFUSED, "no LiteRT library: %s", fault);

  LiteRtEnvironment environment;
  // Left to itself, LiteRT looks for drivers of GPUs and NPUs, and tells of it.
  const LiteRtEnvOption quiet[] = {
      {kLiteRtEnvOptionTagAutoRegisterAccelerators, {kLiteRtAnyTypeInt, kLiteRtHwAcceleratorCpu}},
      {kLiteRtEnvOptionTagMinLoggerSeverity, {kLiteRtAnyTypeInt, kLiteRtLogSeverityError}},
  };
  check(LiteRtCreateEnvironment(2, quiet, &environment), argv[0], "start");
  size_t count = (size_t)(argc - optind);
  Model *models = allocate(count, sizeof *models);
  for (size_t m = 0; m < count; m++) {
    models[m].path = argv[(size_t)optind + m];
    models[m].warm_up_us = allocate(MAX_BURSTS, sizeof(double));
    models[m].samples_us = allocate((size_t)options.rounds * (size_t)options.burst, sizeof(double));
    load(&models[m], environment, &options);
  }
  long *clocks_khz = allocate((size_t)options.rounds, sizeof *clocks_khz);

  for (size_t m = 0; m < count; m++) models[m].first_us = infer(&models[m], false);
  long bursts = warm_up(models, count, &options);
  long switches = involuntary_switches();
  double begin = now_us();
  long rounds = measure(models, count, &options, clocks_khz);
  double seconds = (now_us() - begin) * 1e-6;
  switches = involuntary_switches() - switches;
  if (options.outputs)
    for (size_t m = 0; m < count; m++)
      for (size_t i = 0; i < models[m].output_count; i++)
        write_output(models[m].outputs[i], models[m].path, i);

  fprintf(out, "{\"runner\":1,\"litert\":\"%s\",\"core\":%d,\"seconds\":%.6f,\"rounds\":%ld,\"models\":[",
          LITERT_VERSION, sched_getcpu(), seconds, rounds);
  for (size_t m = 0; m < count; m++) {
    if (m > 0) fputc(',', out);
    print_model(out, &models[m], bursts, rounds, options.burst);
  }
  fputs("],\"clock_khz\":", out);
  print_clocks(out, clocks_khz, rounds);
  fprintf(out, ",\"involuntary_switches\":%ld,\"peak_kb\":%ld}\n", switches, peak_kb());
  if (fflush(out) != 0 || ferror(out)) fail(REFUSED, "the result cannot be written (%s)", strerror(errno));
  _exit(0);
}
