// The part of LiteRT's C API that the runner uses, as the headers under litert/c declare it for LiteRT 2.3.
//
// The library is opened at run time, so that one program serves any place where a device keeps it. Each
// function is a pointer of the function's own name, which open_litert fills in.

#ifndef MOBILEDEPLOY_LITERT_API_H
#define MOBILEDEPLOY_LITERT_API_H

#include <dlfcn.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LITERT_VERSION "2.3.0"

typedef struct LiteRtEnvironmentT *LiteRtEnvironment;
typedef struct LiteRtModelT *LiteRtModel;
typedef struct LiteRtOptionsT *LiteRtOptions;
typedef struct LiteRtOpaqueOptionsT *LiteRtOpaqueOptions;
typedef struct LiteRtCompiledModelT *LiteRtCompiledModel;
typedef struct LiteRtSignatureT *LiteRtSignature;
typedef struct LiteRtTensorT *LiteRtTensor;
typedef struct LiteRtTensorBufferT *LiteRtTensorBuffer;
typedef struct LiteRtTensorBufferRequirementsT *LiteRtTensorBufferRequirements;
typedef struct LiteRtProfilerT *LiteRtProfiler;

typedef enum {
  kLiteRtStatusOk = 0,
  kLiteRtStatusErrorMemoryAllocationFailure = 2,
} LiteRtStatus;

enum { kLiteRtHwAcceleratorCpu = 1 };

enum { kLiteRtEnvOptionTagAutoRegisterAccelerators = 24, kLiteRtEnvOptionTagMinLoggerSeverity = 25 };
enum { kLiteRtAnyTypeInt = 2 };
enum { kLiteRtLogSeverityError = 3 };

typedef struct {
  int tag;
  struct {
    int type;
    int64_t int_value;
  } value;
} LiteRtEnvOption;

_Static_assert(sizeof(LiteRtEnvOption) == 24, "LiteRtEnvOption differs from the library's");

typedef enum { kLiteRtTensorBufferLockModeRead = 0, kLiteRtTensorBufferLockModeWrite = 1 } LiteRtLockMode;

typedef struct {
  unsigned int rank : 7;
  unsigned int has_strides : 1;
  int32_t dimensions[8];
  uint32_t strides[8];
} LiteRtLayout;

typedef struct {
  int element_type;
  LiteRtLayout layout;
} LiteRtRankedTensorType;

_Static_assert(sizeof(LiteRtRankedTensorType) == 72, "LiteRtRankedTensorType differs from the library's");

typedef struct {
  size_t total_allocated_bytes, in_use_allocated_bytes, private_footprint_bytes;
} LiteRtMemoryUsage;

typedef struct {
  const char *tag;
  int event_type;
  uint64_t start_timestamp_us, elapsed_time_us;
  LiteRtMemoryUsage begin_mem_usage, end_mem_usage;
  uint64_t event_metadata1, event_metadata2;
  int event_source;
} LiteRtProfiledEvent;

_Static_assert(sizeof(LiteRtProfiledEvent) == 104, "ProfiledEventData differs from the library's");

// X(name, parameters): functions that return a LiteRtStatus.
#define LITERT_FUNCTIONS(X)                                                                                  \
  X(LiteRtCreateEnvironment, (int count, const LiteRtEnvOption *options, LiteRtEnvironment *))               \
  X(LiteRtCreateModelFromFile, (LiteRtEnvironment, const char *path, LiteRtModel *))                         \
  X(LiteRtCreateOptions, (LiteRtOptions *))                                                                  \
  X(LiteRtSetOptionsHardwareAccelerators, (LiteRtOptions, int accelerators))                                 \
  X(LiteRtCreateOpaqueOptions,                                                                               \
    (const char *identifier, void *payload, void (*)(void *), LiteRtOpaqueOptions *))                        \
  X(LiteRtAddOpaqueOptions, (LiteRtOptions, LiteRtOpaqueOptions))                                            \
  X(LiteRtCreateCompiledModel, (LiteRtEnvironment, LiteRtModel, LiteRtOptions, LiteRtCompiledModel *))       \
  X(LiteRtCompiledModelIsFullyAccelerated, (LiteRtCompiledModel, bool *))                                    \
  X(LiteRtGetModelSignature, (LiteRtModel, size_t index, LiteRtSignature *))                                 \
  X(LiteRtGetNumSignatureInputs, (LiteRtSignature, size_t *))                                                \
  X(LiteRtGetNumSignatureOutputs, (LiteRtSignature, size_t *))                                               \
  X(LiteRtGetSignatureInputTensorByIndex, (LiteRtSignature, size_t index, LiteRtTensor *))                   \
  X(LiteRtGetSignatureOutputTensorByIndex, (LiteRtSignature, size_t index, LiteRtTensor *))                  \
  X(LiteRtGetRankedTensorType, (LiteRtTensor, LiteRtRankedTensorType *))                                     \
  X(LiteRtGetCompiledModelInputBufferRequirements,                                                           \
    (LiteRtCompiledModel, size_t signature, size_t index, LiteRtTensorBufferRequirements *))                 \
  X(LiteRtGetCompiledModelOutputBufferRequirements,                                                          \
    (LiteRtCompiledModel, size_t signature, size_t index, LiteRtTensorBufferRequirements *))                 \
  X(LiteRtCreateManagedTensorBufferFromRequirements,                                                         \
    (LiteRtEnvironment, const LiteRtRankedTensorType *, LiteRtTensorBufferRequirements,                      \
     LiteRtTensorBuffer *))                                                                                  \
  X(LiteRtGetTensorBufferPackedSize, (LiteRtTensorBuffer, size_t *))                                         \
  X(LiteRtLockTensorBuffer, (LiteRtTensorBuffer, void **, LiteRtLockMode))                                   \
  X(LiteRtUnlockTensorBuffer, (LiteRtTensorBuffer))                                                          \
  X(LiteRtRunCompiledModel,                                                                                  \
    (LiteRtCompiledModel, size_t signature, size_t input_count, LiteRtTensorBuffer *inputs,                  \
     size_t output_count, LiteRtTensorBuffer *outputs))                                                      \
  X(LiteRtCompiledModelGetProfiler, (LiteRtCompiledModel, LiteRtProfiler *))                                 \
  X(LiteRtStartProfiler, (LiteRtProfiler))                                                                   \
  X(LiteRtStopProfiler, (LiteRtProfiler))                                                                    \
  X(LiteRtGetNumProfilerEvents, (LiteRtProfiler, int *))                                                     \
  X(LiteRtGetProfilerEvents, (LiteRtProfiler, int count, LiteRtProfiledEvent *))

#define LITERT_POINTER(name, parameters) static LiteRtStatus(*name) parameters;
LITERT_FUNCTIONS(LITERT_POINTER)

// NULL, or what was wrong. Valid until the next call of a dl function.
static const char *open_litert(const char *path) {
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (library == NULL) return dlerror();
#define LITERT_LOOK_UP(name, parameters) \
  if ((*(void **)&name = dlsym(library, #name)) == NULL) return dlerror();
  LITERT_FUNCTIONS(LITERT_LOOK_UP)
  return NULL;
}

#endif
