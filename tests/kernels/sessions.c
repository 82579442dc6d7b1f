/* Opens and closes the kernel for calls under four threads, which all bring the first large batch at once.

     sessions LOADS KEPT CALL...      KEPT: how many are never closed, to see that this is noticed
     sessions                         registers with an onnxruntime that is too old; prints the instruction set

   Prints how many blocks of memory were taken, how many of them were not given back, and how often another answer
   came out than in one thread. malloc and its kin are wrapped by the linker (--wrap). */
#include "stand_in.h"

#include <pthread.h>

enum { THREADS = 4, ROWS = 300, MOST_CALLS = 16 };

static _Atomic(long) taken, given, wrong;
void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *old, size_t n);
void __real_free(void *x);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *old, size_t n);
void __wrap_free(void *x);
/* Relaxed: an order between threads would hide races from the sanitizer. */
static void *count(void *x) {
  if (x) atomic_fetch_add_explicit(&taken, 1, memory_order_relaxed);
  return x;
}
void *__wrap_malloc(size_t n) { return count(__real_malloc(n)); }
void *__wrap_calloc(size_t n, size_t size) { return count(__real_calloc(n, size)); }
void *__wrap_realloc(void *old, size_t n) { return old ? __real_realloc(old, n) : count(__real_realloc(old, n)); }
void __wrap_free(void *x) {
  if (x) atomic_fetch_add_explicit(&given, 1, memory_order_relaxed);
  __real_free(x);
}

typedef struct { const OrtKernelInfo *info; void *kernel; const double *expected; } Session;

static Session shared;                             /* that all threads ask */
static pthread_barrier_t together;

static size_t outputs_of(const OrtKernelInfo *info) {
  const Attribute *widths = find(info, "widths");
  size_t all = 0;
  for (size_t i = 0; i < widths->count; i++) all += (size_t)widths->values[i];
  return all;
}

/* The sums of some rows, the same rows at each call. */
static double *ask(const Session *s) {
  const Attribute *widths = find(s->info, "widths");
  int64_t columns = find(s->info, "columns")->values[0];
  size_t values = (size_t)(ROWS * columns);
  OrtKernelContext c = {0};
  float *x = malloc(values * sizeof *x);
  for (size_t i = 0; i < values; i++) x[i] = (float)((int64_t)(i * 2654435761u % 997) - 498) / 256;
  c.rows = (OrtValue){{ORT_FLOAT, 2, {ROWS, columns}}, x, 0};
  if (compute(s->kernel, &c)) exit(3);
  double *sums = malloc(ROWS * outputs_of(s->info) * sizeof *sums), *at = sums;
  for (size_t i = 0; i < widths->count; i++) {
    memcpy(at, c.output[i].data, ROWS * (size_t)widths->values[i] * sizeof *at);
    at += ROWS * (size_t)widths->values[i];
    free(c.output[i].data);
  }
  free(x);
  return sums;
}

static void *ask_shared(void *nothing) {
  pthread_barrier_wait(&together);
  for (int i = 0; i < 3; i++) {
    double *sums = ask(&shared);
    if (memcmp(sums, shared.expected, ROWS * outputs_of(shared.info) * sizeof *sums)) atomic_fetch_add_explicit(&wrong, 1, memory_order_relaxed);
    free(sums);
  }
  return nothing;
}

static void *opened(const OrtKernelInfo *info) {
  void *kernel = NULL;
  if (create(NULL, api, info, &kernel)) exit(3);
  return kernel;
}

static const OrtApi *ORT_CALL no_api(uint32_t version) { (void)version; return NULL; }

int main(int argc, char **argv) {
  if (argc == 1) {
    OrtApiBase old = {no_api, NULL};
    if (RegisterCustomOps(NULL, &old)) exit(5);    /* of an API that is not there nothing may be called */
    printf("%s\n", isa_choose()->name);
    return 0;
  }
  size_t loads = strtoull(argv[1], NULL, 10), kept = strtoull(argv[2], NULL, 10), n = (size_t)argc - 3;
  static OrtKernelInfo info[MOST_CALLS];
  double *expected[MOST_CALLS];
  fill();
  for (size_t i = 0; i < n; i++) {
    size_t size;
    uint8_t *data = read_file(argv[i + 3], &size);
    if (!parse_call(data, size, info + i)) exit(2);
    free(data);
    Session first = {info + i, opened(info + i), NULL};
    expected[i] = ask(&first);
    destroy(first.kernel);
  }
  for (size_t k = 0; k < loads; k++) {
    pthread_t threads[THREADS];
    shared = (Session){info + k % n, opened(info + k % n), expected[k % n]};
    pthread_barrier_init(&together, NULL, THREADS);
    for (int t = 0; t < THREADS; t++) if (pthread_create(threads + t, NULL, ask_shared, NULL)) exit(4);
    for (int t = 0; t < THREADS; t++) pthread_join(threads[t], NULL);
    pthread_barrier_destroy(&together);
    if (k >= kept) destroy(shared.kernel);
    shared.kernel = NULL;
  }
  for (size_t i = 0; i < n; i++) free(expected[i]), let_go(info + i);
  printf("taken %ld left %ld wrong %ld\n", atomic_load(&taken), atomic_load(&taken) - atomic_load(&given), atomic_load(&wrong));
  return 0;
}
