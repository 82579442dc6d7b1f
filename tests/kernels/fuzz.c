/* Damages calls of gradus::TreeWalk1 and opens, walks and closes the kernel on them, under the sanitizers of the compiler.

     fuzz COUNT SEED CALL...      CALL: a file that tests/kernels/test_fuzz_of_the_kernel.py writes

   Compiled with -DCOVERAGE and -fsanitize=fuzzer it is a target of libFuzzer, which damages calls where that reaches
   code that no call has reached. Then a corpus is a folder of such files.

   Prints how many calls were taken and how many refused. */
#include "stand_in.h"

#include <math.h>

static uint64_t state;
static uint64_t draw(void) { state ^= state << 13, state ^= state >> 7, state ^= state << 17; return state; }
static size_t below(size_t n) { return n ? (size_t)(draw() % n) : 0; }

static int64_t odd(int64_t old) {
  static const int64_t some[] = {0, 1, 2, -1, 255, 256, 4095, 65535, 1 << 20, 1 << 30, INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN};
  switch (below(4)) {
    case 0: return some[below(sizeof some / sizeof *some)];
    case 1: return (int64_t)((uint64_t)old + 1 - 2 * below(2));
    case 2: return old ^ (int64_t)((uint64_t)1 << below(40));
    default: return (int64_t)below(64);
  }
}

/* Damage a call in one to three places. */
static void damage(OrtKernelInfo *to) {
  if (!to->attributes || to->inputs < 2) return;
  for (size_t k = 1 + below(3); k > 0; k--) {
    size_t what = below(8);
    if (what < 2) {
      Attribute *a = to->attribute + below(to->attributes);
      if (!a->count) continue;
      int64_t *at = a->values + below(a->count);
      *at = odd(*at);
    } else if (what == 2) {                         /* another shape: as large as the memory, or smaller */
      OrtValue *v = to->input + 1 + below(to->inputs - 1);
      if (v->shape.dims[0]) v->shape.dims[0] -= 1 + (int64_t)below((size_t)v->shape.dims[0]);
    } else {
      OrtValue *v = to->input + 1 + below(to->inputs - 1);
      size_t width = size_of(v->shape.type), n = v->bytes / width;
      if (!n) continue;
      uint8_t *at = (uint8_t *)v->data + below(n) * width;
      if (v->shape.type == ORT_FLOAT) {
        static const float some[] = {NAN, INFINITY, -INFINITY, 0, -0.0f, 1e-45f, 3e38f, 1e9f, -1};
        float t = below(2) ? some[below(9)] : (float)below(1000);
        memcpy(at, &t, 4);
      } else if (v->shape.type == ORT_DOUBLE) {
        static const double some[] = {NAN, INFINITY, 1e300, 1e-300, 0, 1};
        memcpy(at, &some[below(6)], 8);
      } else {
        int64_t old = 0, now;
        memcpy(&old, at, width);
        now = odd(old);
        memcpy(at, &now, width);
      }
    }
  }
}

static void walk_some(void *kernel, int64_t columns) {
  static const int64_t counts[] = {1, 3, 70, 300};
  OrtKernelContext c = {0};
  int64_t rows = columns > 4096 ? 1 : counts[below(4)];  /* wide rows: no more memory than the tables may take */
  float *x = malloc((size_t)(rows * columns) * 4 + 1);
  for (int64_t i = 0; i < rows * columns; i++) x[i] = below(50) ? (float)((int64_t)below(400) - 200) / 64 : NAN;
  c.rows = (OrtValue){{ORT_FLOAT, 2, {rows, columns}}, x, 0};
  OrtStatus *wrong = compute(kernel, &c);
  if (wrong) free(wrong);
  for (int i = 0; i < 64; i++) free(c.output[i].data);
  free(x);
}

/* Whether the kernel takes a call; where it does, it walks some rows. */
static int takes(const OrtKernelInfo *info) {
  void *kernel = NULL;
  OrtStatus *wrong = create(NULL, api, info, &kernel);
  if (wrong) return free(wrong), 0;
  walk_some(kernel, find(info, "columns")->values[0]);
  destroy(kernel);
  return 1;
}

#ifdef COVERAGE

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t most);

static size_t write_call(const OrtKernelInfo *info, uint8_t *to) {
  uint8_t *at = to;
  int64_t n[4] = {(int64_t)info->attributes, (int64_t)info->inputs, (int64_t)info->outputs};
  memcpy(at, n, 24), at += 24;
  for (size_t i = 0; i < info->attributes; i++) {
    const Attribute *a = info->attribute + i;
    memcpy(at, a->name, 32), memcpy(at + 32, &a->count, 8), memcpy(at + 40, a->values, a->count * 8);
    at += 40 + a->count * 8;
  }
  for (size_t i = 1; i < info->inputs; i++) {
    const OrtValue *v = info->input + i;
    size_t bytes = (size_t)(v->shape.dims[0] * v->shape.dims[1]) * size_of(v->shape.type);
    int64_t head[4] = {v->shape.type, (int64_t)v->shape.rank, v->shape.dims[0], v->shape.dims[1]};
    memcpy(at, head, 32), memcpy(at + 32, v->data, bytes);
    at += 32 + bytes;
  }
  return (size_t)(at - to);
}

/* Three in four mutations change a number that means something; the rest are libFuzzer's own, of any bytes. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed) {
  OrtKernelInfo info;
  state = (seed + 1) * 2654435769u;
  int whole = parse_call(data, size, &info) && below(4);
  if (whole) damage(&info), size = write_call(&info, data);
  let_go(&info);
  return whole ? size : LLVMFuzzerMutate(data, size, most);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const char *const isas[] = {"avx512", "avx2", "sse2"};
  OrtKernelInfo info;
  if (!api[0]) fill();
  state = 88172645463325252u;
  for (size_t i = 0; i < size; i++) state = (state ^ data[i]) * 1099511628211u;  /* the same input, the same walk */
  state |= 1;
  setenv("GRADUS_KERNELS_ISA", isas[below(3)], 1);
  if (parse_call(data, size, &info)) takes(&info);
  let_go(&info);
  return 0;
}

#else

int main(int argc, char **argv) {
  size_t taken = 0, count = strtoull(argv[1], NULL, 10), n = (size_t)argc - 3;
  uint8_t *data[64];
  size_t size[64];
  state = strtoull(argv[2], NULL, 10) * 2654435769u + 88172645463325252u;
  fill();
  for (size_t i = 0; i < n; i++) data[i] = read_file(argv[i + 3], &size[i]);
  for (size_t k = 0; k < count; k++) {
    OrtKernelInfo info;
    size_t i = below(n);
    if (!parse_call(data[i], size[i], &info)) exit(2);
    damage(&info);
    taken += (size_t)takes(&info);
    let_go(&info);
  }
  for (size_t i = 0; i < n; i++) free(data[i]);
  printf("taken %zu refused %zu\n", taken, count - taken);
  return 0;
}

#endif
