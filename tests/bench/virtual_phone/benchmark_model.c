// Stands in for Google's benchmark_model in the tests: its flags, its output, and made-up times.
//
// The format was read from google-ai-edge/LiteRT at f67457790c9c2ab67347d6fe53270e8d3df20868
// (tflite/tools/benchmark, tflite/profiling) and from tensorflow/tensorflow at
// a362d4d08f675835b6d86f3feba02d68e4a1ee90 (stats_calculator.cc); benchmark_model_output.txt describes it.
// An inference takes 1 ms and 0.5 us for each kB of the model.

#define _GNU_SOURCE
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

typedef enum { BOOL, INT, FLOAT, STRING } Kind;

typedef struct {
  const char *name, *title;  // title: NULL if it is never logged
  Kind kind;
  const char *value;  // as given; until then the default
  bool given, always;
} Flag;

// Those of the real tool's that matter to us, in the order in which it logs them.
static Flag flags[] = {
    {"num_runs", "Min num runs", INT, "50", 0, 0},
    {"min_secs", "Min runs duration (seconds)", FLOAT, "1", 0, 0},
    {"max_secs", "Max runs duration (seconds)", FLOAT, "150", 0, 0},
    {"run_delay", "Inter-run delay (seconds)", FLOAT, "-1", 0, 0},
    {"num_threads", "Num threads", INT, "-1", 0, 0},
    {"use_caching", "Use caching", BOOL, "0", 0, 0},
    {"warmup_runs", "Min warmup runs", INT, "1", 0, 0},
    {"warmup_min_secs", "Min warmup runs duration (seconds)", FLOAT, "0.5", 0, 0},
    {"dry_run", "Run w/o invoking kernels", BOOL, "0", 0, 0},
    {"report_peak_memory_footprint", "Report the peak memory footprint", BOOL, "0", 0, 0},
    {"graph", "Graph", STRING, "", 0, 1},
    {"signature_to_run_for", "Signature to run", STRING, "", 0, 1},
    {"input_layer", "Input layers", STRING, "", 0, 0},
    {"input_layer_shape", "Input shapes", STRING, "", 0, 0},
    {"allow_fp16", "Allow fp16", BOOL, "0", 0, 0},
    {"require_full_delegation", "Require full delegation", BOOL, "0", 0, 0},
    {"enable_op_profiling", "Enable op profiling", BOOL, "0", 0, 0},
    {"help", "print out all supported flags", BOOL, "0", 0, 0},
    {"use_xnnpack", "Use xnnpack", BOOL, "0", 0, 0},
    {"xnnpack_force_fp16", "xnnpack_force_fp16", BOOL, "0", 0, 0},
};
enum { FLAGS = sizeof flags / sizeof *flags };

static Flag *flag(const char *name) {
  for (int i = 0; i < FLAGS; i++)
    if (strcmp(flags[i].name, name) == 0) return &flags[i];
  abort();
}

static double number(const char *name) { return atof(flag(name)->value); }

static bool is_set(const char *name) {
  const char *value = flag(name)->value;
  return strcmp(value, "1") == 0 || strcmp(value, "true") == 0;
}

static int give_up(void) {
  fprintf(stderr, "ERROR: Benchmarking failed.\n");
  return EXIT_FAILURE;
}

static bool fits(Kind kind, const char *text) {
  char *end;
  if (kind == STRING) return true;
  if (kind == BOOL)
    return strcmp(text, "true") == 0 || strcmp(text, "false") == 0 || strcmp(text, "0") == 0 ||
           strcmp(text, "1") == 0;
  if (kind == INT)
    strtol(text, &end, 10);
  else
    strtod(text, &end);
  return end != text;
}

static void usage(const char *program) {
  static const char *kinds[] = {"bool", "int32", "float", "string"};
  fprintf(stderr, "ERROR: usage: %s <flags>\nFlags:\n", program);
  for (int i = 0; i < FLAGS; i++)
    fprintf(stderr, "\t--%s=%s\t%s\toptional\t%s\n", flags[i].name, flags[i].value, kinds[flags[i].kind],
            flags[i].title);
  fprintf(stderr, "\n");
}

static bool parse(int argc, char **argv) {
  bool good = true;
  char unknown[4096] = "";
  for (int i = 1; i < argc; i++) {
    Flag *found = NULL;
    const char *value = strchr(argv[i], '=');
    for (int k = 0; k < FLAGS && value != NULL; k++) {
      size_t length = strlen(flags[k].name);
      if (strncmp(argv[i], "--", 2) == 0 && (size_t)(value - argv[i]) == length + 2 &&
          strncmp(argv[i] + 2, flags[k].name, length) == 0)
        found = &flags[k];
    }
    if (found == NULL) {
      size_t length = strlen(unknown);
      snprintf(unknown + length, sizeof unknown - length, "%s%s", length > 0 ? " " : "", argv[i]);
    } else if (!fits(found->kind, value + 1)) {
      fprintf(stderr, "ERROR: Failed to parse flag '%s' against argv '%s'\n", found->name, argv[i]);
      good = false;
    } else {
      found->value = value + 1;
      found->given = true;
    }
  }
  if (!good || is_set("help")) {
    usage(argv[0]);
    return false;
  }
  if (*unknown) printf("WARN: Unconsumed cmdline flags: %s\n", unknown);
  return true;
}

static void log_flags(void) {
  printf("INFO: Log parameter values verbosely: [0]\n");
  for (int i = 0; i < FLAGS; i++) {
    const Flag *each = &flags[i];
    if (each == flag("help") && flag("num_threads")->given)  // the first of the delegates' flags
      printf("INFO: #threads used for CPU inference: [%g]\n", number("num_threads"));
    if (!each->given && !each->always) continue;
    if (each->kind == BOOL)
      printf("INFO: %s: [%d]\n", each->title, is_set(each->name));
    else if (each->kind == STRING)
      printf("INFO: %s: [%s]\n", each->title, each->value);
    else
      printf("INFO: %s: [%g]\n", each->title, atof(each->value));
  }
}

// Runs

typedef struct {
  int64_t count, first, current, least, most, sum;
  double squares;
  int64_t *values;
} Statistics;

static int64_t now_us(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void sleep_us(int64_t us) {
  struct timespec time = {us / 1000000, us % 1000000 * 1000};
  nanosleep(&time, NULL);
}

static void add(Statistics *statistics, int64_t us) {
  if (statistics->count == 0) statistics->first = statistics->least = statistics->most = us;
  if (us < statistics->least) statistics->least = us;
  if (us > statistics->most) statistics->most = us;
  statistics->current = us;
  statistics->sum += us;
  statistics->squares += (double)us * (double)us;
  size_t count = (size_t)statistics->count + 1;
  statistics->values = realloc(statistics->values, count * sizeof *statistics->values);
  statistics->values[statistics->count++] = us;
}

static double average(const Statistics *statistics) {
  return (double)statistics->sum / (double)statistics->count;
}

static int ascending(const void *a, const void *b) {
  int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
  return (left > right) - (left < right);
}

static int64_t percentile(const Statistics *statistics, int percent) {
  return statistics->count == 0 ? 0 : statistics->values[statistics->count * percent / 100];
}

static void print_statistics(Statistics *statistics, bool percentiles) {
  double mean = average(statistics);
  if (statistics->count == 0)
    printf("count=0");
  else if (statistics->least == statistics->most)
    printf("count=%lld curr=%lld%s", (long long)statistics->count, (long long)statistics->current,
           statistics->count > 1 ? "(all same)" : "");
  else
    printf("count=%lld first=%lld curr=%lld min=%lld max=%lld avg=%g std=%lld", (long long)statistics->count,
           (long long)statistics->first, (long long)statistics->current, (long long)statistics->least,
           (long long)statistics->most, mean,
           (long long)sqrt(statistics->squares / (double)statistics->count - mean * mean));
  if (!percentiles) return;
  qsort(statistics->values, (size_t)statistics->count, sizeof *statistics->values, ascending);
  printf(" p5=%lld median=%lld p95=%lld", (long long)percentile(statistics, 5),
         (long long)percentile(statistics, 50), (long long)percentile(statistics, 95));
}

static Statistics run(double runs, double least_s, double most_s, int64_t inference_us, int64_t first_us) {
  Statistics statistics = {0};
  printf("INFO: Running benchmark for at least %g iterations and at least %g seconds but terminate if "
         "exceeding %g seconds.\n", runs, least_s, most_s);
  fflush(stdout);
  int64_t begin = now_us(), now = begin;
  for (int i = 0; i < runs || (double)(now - begin) < least_s * 1e6; i++) {
    if ((double)(now - begin) > most_s * 1e6) break;
    int64_t start = now_us();
    sleep_us(i == 0 ? first_us : inference_us);
    now = now_us();
    add(&statistics, now - start);
  }
  printf("INFO: ");
  print_statistics(&statistics, true);
  printf("\n\n");
  fflush(stdout);
  return statistics;
}

// Profile

typedef struct {
  const char *type, *name;
  double share;  // of the time, for one call
  double memory_kb;
  int calls;
} Node;

static const Node init_nodes[] = {
    {"ModifyGraphWithDelegate", "ModifyGraphWithDelegate/0", 0.72, 1536, 1},
    {"AllocateTensors", "AllocateTensors/0", 0.28, 640, 1},
};
static const Node run_nodes[] = {
    {"QUANTIZE", "[tfl.quantize]:0", 0.02, 0, 1},
    {"Convolution (NHWC, QC8) IGEMM", "Delegate/Convolution (NHWC, QC8) IGEMM:0", 0.25, 0, 1},
    {"Convolution (NHWC, QC8) DWConv", "Delegate/Convolution (NHWC, QC8) DWConv:1", 0.12, 0, 2},
    {"Convolution (NHWC, QC8) GEMM", "Delegate/Convolution (NHWC, QC8) GEMM:2", 0.18, 0, 2},
    {"Add (ND, QS8)", "Delegate/Add (ND, QS8):3", 0.02, 0, 1},
    {"HARD_SWISH", "[features.0/hard_swish]:4", 0.04, 0, 1},
    {"Fully Connected (NC, QC8) GEMM", "Delegate/Fully Connected (NC, QC8) GEMM:0", 0.07, 0, 1},
};
enum { INIT_NODES = sizeof init_nodes / sizeof *init_nodes, RUN_NODES = sizeof run_nodes / sizeof *run_nodes };

static int longest_first(const void *a, const void *b) {
  double left = ((const Node *)a)->share, right = ((const Node *)b)->share;
  return (left < right) - (left > right);
}

static void print_nodes(const char *title, const Node *nodes, int count, double total_ms) {
  double sum = 0;
  printf("============================== %s ==============================\n", title);
  printf("\t%40s\t%9s\t%9s\t%8s\t%8s\t%10s\t%9s\t[Name]\n", "[node type]", "[first]", "[avg ms]", "[%]",
         "[cdf%]", "[mem KB]", "[times called]");
  for (int i = 0; i < count; i++) {
    double ms = nodes[i].share * total_ms, share = nodes[i].share * nodes[i].calls * 100;
    sum += share;
    printf("\t%40s\t%9.3f\t%9.3f\t%7.3f%%\t%7.3f%%\t%10.3f\t%9d\t%s\n", nodes[i].type, ms * 1.02, ms, share,
           sum, nodes[i].memory_kb, nodes[i].calls, nodes[i].name);
  }
  printf("\n");
}

static void print_profile(const char *title, const Node *nodes, int count, double total_ms, Statistics *runs) {
  printf("INFO: %s\n", title);
  print_nodes("Run Order", nodes, count, total_ms);
  Node sorted[RUN_NODES];
  memcpy(sorted, nodes, (size_t)count * sizeof *nodes);
  qsort(sorted, (size_t)count, sizeof *sorted, longest_first);
  print_nodes("Top by Computation Time", sorted, count < 10 ? count : 10, total_ms);

  for (int i = 0; i < count; i++) sorted[i].share *= sorted[i].calls;
  qsort(sorted, (size_t)count, sizeof *sorted, longest_first);
  double sum = 0;
  printf("Number of nodes executed: %d\n", count);
  printf("============================== Summary by node type ==============================\n");
  printf("\t%40s\t%9s\t%10s\t%11s\t%11s\t%10s\t%10s\n", "[Node type]", "[count]", "[avg ms]", "[avg %]",
         "[cdf %]", "[mem KB]", "[times called]");
  for (int i = 0; i < count; i++) {
    sum += sorted[i].share * 100;
    printf("\t%40s\t%9d\t%10.3f\t%10.3f%%\t%10.3f%%\t%10.3f\t%9d\n", sorted[i].type, 1,
           sorted[i].share * total_ms, sorted[i].share * 100, sum, sorted[i].memory_kb, sorted[i].calls);
  }
  printf("\nTimings (microseconds): ");
  print_statistics(runs, false);
  printf("\nMemory (bytes): count=0\n%d nodes observed\n\n\n\n", count);
}

int main(int argc, char **argv) {
  printf("INFO: STARTING!\n");
  if (!parse(argc, argv)) return give_up();
  const char *graph = flag("graph")->value;
  if (*graph == '\0') {
    fprintf(stderr, "ERROR: Please specify the name of your TF Lite input file with --graph\n");
    return give_up();
  }
  log_flags();
  fflush(stdout);
  int64_t start = now_us();
  char magic[8] = "";
  struct stat status;
  FILE *model = fopen(graph, "rb");
  if (model == NULL) fprintf(stderr, "ERROR: Could not open '%s'.\n", graph);
  bool is_model = model != NULL && fread(magic, 1, 8, model) == 8 && memcmp(magic + 4, "TFL3", 4) == 0;
  if (model != NULL && !is_model) fprintf(stderr, "ERROR: The model is not a valid Flatbuffer buffer\n");
  if (!is_model || fstat(fileno(model), &status) != 0) {
    fprintf(stderr, "ERROR: Failed to load model %s\n", graph);
    return give_up();
  }
  fclose(model);
  int64_t inference_us = 1000 + status.st_size / 2000;
  printf("INFO: Loaded model %s\n", graph);
  fflush(stdout);
  fprintf(stderr, "INFO: Initialized TensorFlow Lite runtime.\n");
  fprintf(stderr, "INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\n");
  fprintf(stderr, "VERBOSE: Replacing 12 out of 14 node(s) with delegate (TfLiteXNNPackDelegate) node, "
                  "yielding 2 partitions for subgraph 0.\n");
  if (is_set("use_xnnpack"))
    printf("INFO: Explicitly applied XNNPACK delegate, and the model graph will be partially executed by the "
           "delegate w/ 2 delegate kernels.\n");
  sleep_us(2 * inference_us);
  int64_t init_us = now_us() - start;
  printf("INFO: The input model file size (MB): %g\n", (double)status.st_size / 1e6);
  printf("INFO: Initialized session in %gms.\n", (double)init_us / 1e3);

  double most_s = number("max_secs");
  Statistics warm_up =
      run(number("warmup_runs"), number("warmup_min_secs"), most_s, inference_us, 2 * inference_us);
  Statistics timed = run(number("num_runs"), number("min_secs"), most_s, inference_us, inference_us);
  printf("INFO: Inference timings in us: Init: %lld, First inference: %lld, Warmup (avg): %g, "
         "Inference (avg): %g\n",
         (long long)init_us, (long long)warm_up.first, average(&warm_up), average(&timed));
  printf("INFO: Note: as the benchmark tool itself affects memory footprint, the following is only APPROXIMATE "
         "to the actual memory footprint of the model at runtime. Take the information at your discretion.\n");
  printf("INFO: Memory footprint delta from the start of the tool (MB): init=8.84766 overall=12.3711\n");
  if (is_set("report_peak_memory_footprint"))
    printf("INFO: Overall peak memory footprint (MB) via periodic monitoring: 13.2031\n"
           "INFO: Memory status at the end of exeution:\nINFO: - VmRSS              : 13 MB\n"
           "INFO: + RssAnnon           : 9 MB\nINFO: + RssFile + RssShmem : 4 MB\n");
  if (is_set("enable_op_profiling")) {
    Statistics once = {0};
    add(&once, init_us);
    print_profile("Profiling Info for Benchmark Initialization:", init_nodes, INIT_NODES,
                  (double)init_us / 1e3, &once);
    print_profile("Operator-wise Profiling Info for Regular Benchmark Runs:", run_nodes, RUN_NODES,
                  average(&timed) / 1e3, &timed);
  }
  return EXIT_SUCCESS;
}
