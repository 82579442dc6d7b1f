/* Damages calls of gradus::TreeWalk1 and opens, walks and closes the kernel on them, under the sanitizers of the compiler.

     fuzz COUNT SEED CALL...      CALL: a file that tests/kernels/test_fuzz_of_the_kernel.py writes

   A stand-in for onnxruntime's C API hands out attributes and tables, each in memory of exactly its size, so that a
   read beyond one is seen. Prints how many calls were taken and how many refused. */
#include "op.c"

#include <math.h>

struct OrtStatus { char text[256]; };
struct OrtShape { int type; size_t rank; int64_t dims[2]; };
struct OrtValue { OrtShape shape; void *data; size_t bytes; };
typedef struct { char name[32]; size_t count; int64_t *values; } Attribute;
struct OrtKernelInfo { size_t attributes, inputs, outputs; Attribute attribute[32]; OrtValue input[64]; };
struct OrtKernelContext { OrtValue rows, output[64]; };

static uint64_t state;
static uint64_t draw(void) { state ^= state << 13, state ^= state >> 7, state ^= state << 17; return state; }
static size_t below(size_t n) { return n ? (size_t)(draw() % n) : 0; }

static OrtStatus *fail(int code, const char *text) {
  (void)code;
  OrtStatus *s = calloc(1, sizeof *s);
  snprintf(s->text, sizeof s->text, "%s", text);
  return s;
}
static const Attribute *find(const OrtKernelInfo *info, const char *name) {
  for (size_t i = 0; i < info->attributes; i++) if (!strcmp(info->attribute[i].name, name)) return info->attribute + i;
  return NULL;
}
static OrtStatus *attribute(const OrtKernelInfo *info, const char *name, int64_t *value) {
  const Attribute *a = find(info, name);
  if (!a || a->count != 1) return fail(1, "no attribute");
  *value = a->values[0];
  return NULL;
}
static OrtStatus *attributes(const OrtKernelInfo *info, const char *name, int64_t *values, size_t *count) {
  const Attribute *a = find(info, name);
  if (!a) return fail(1, "no attribute");
  if (values) memcpy(values, a->values, a->count * sizeof *values);
  *count = a->count;
  return NULL;
}
static OrtStatus *inputs(const OrtKernelInfo *info, size_t *count) { *count = info->inputs; return NULL; }
static OrtStatus *outputs(const OrtKernelInfo *info, size_t *count) { *count = info->outputs; return NULL; }
static OrtStatus *constant(const OrtKernelInfo *info, size_t i, int *is, const OrtValue **value) { *is = 1, *value = info->input + i; return NULL; }
static OrtStatus *shape(const OrtValue *value, OrtShape **found) { *found = malloc(sizeof **found), **found = value->shape; return NULL; }
static OrtStatus *type(const OrtShape *s, int *found) { *found = s->type; return NULL; }
static OrtStatus *rank_of(const OrtShape *s, size_t *found) { *found = s->rank; return NULL; }
static OrtStatus *dims(const OrtShape *s, int64_t *found, size_t n) { memcpy(found, s->dims, n * sizeof *found); return NULL; }
static OrtStatus *data(const OrtValue *value, void **found) { *found = value->data; return NULL; }
static void release(void *x) { free(x); }
static OrtStatus *input(const OrtKernelContext *c, size_t i, const OrtValue **value) { (void)i; *value = &c->rows; return NULL; }
static OrtStatus *output(OrtKernelContext *c, size_t i, const int64_t *d, size_t n, OrtValue **value) {
  (void)n;
  c->output[i].data = malloc((size_t)(d[0] * d[1]) * 8 + 1);
  *value = c->output + i;
  return NULL;
}
static OrtStatus *parallel(const OrtKernelContext *c, void (*f)(void *, size_t), size_t total, size_t batch, void *user) {
  (void)c, (void)batch;
  for (size_t i = 0; i < total; i++) f(user, i);
  return NULL;
}

static OrtApi api[300];
static void fill(void) {
  api[0] = fail, api[51] = data, api[60] = type, api[61] = rank_of, api[62] = dims, api[65] = shape, api[86] = attribute, api[90] = input;
  api[91] = output, api[93] = release, api[99] = release, api[163] = attributes, api[230] = inputs, api[231] = outputs, api[249] = constant, api[274] = parallel;
}

static size_t size_of(int kind) { return kind == ORT_UINT8 ? 1 : kind == ORT_UINT16 ? 2 : kind == ORT_DOUBLE || kind == 7 ? 8 : 4; }

static void read_call(const char *path, OrtKernelInfo *info) {
  FILE *f = fopen(path, "rb");
  int64_t n[4];
  if (!f || fread(n, 8, 3, f) != 3) exit(2);
  info->attributes = (size_t)n[0], info->inputs = (size_t)n[1], info->outputs = (size_t)n[2];
  for (size_t i = 0; i < info->attributes; i++) {
    Attribute *a = info->attribute + i;
    if (fread(a->name, 1, 32, f) != 32 || fread(n, 8, 1, f) != 1) exit(2);
    a->count = (size_t)n[0], a->values = malloc(a->count * 8 + 1);
    if (fread(a->values, 8, a->count, f) != a->count) exit(2);
  }
  for (size_t i = 1; i < info->inputs; i++) {
    OrtValue *v = info->input + i;
    if (fread(n, 8, 4, f) != 4) exit(2);
    v->shape = (OrtShape){(int)n[0], (size_t)n[1], {n[2], n[3]}};
    v->bytes = (size_t)(n[2] * n[3]) * size_of(v->shape.type), v->data = malloc(v->bytes ? v->bytes : 1);
    if (fread(v->data, 1, v->bytes, f) != v->bytes) exit(2);
  }
  fclose(f);
}

static int64_t odd(int64_t old) {
  static const int64_t some[] = {0, 1, 2, -1, 255, 256, 4095, 65535, 1 << 20, 1 << 30, INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN};
  switch (below(4)) {
    case 0: return some[below(sizeof some / sizeof *some)];
    case 1: return (int64_t)((uint64_t)old + 1 - 2 * below(2));
    case 2: return old ^ (int64_t)((uint64_t)1 << below(40));
    default: return (int64_t)below(64);
  }
}

/* A copy, damaged in one to three places. */
static void damaged(const OrtKernelInfo *from, OrtKernelInfo *to) {
  *to = *from;
  for (size_t i = 0; i < to->attributes; i++) {
    Attribute *a = to->attribute + i;
    a->values = memcpy(malloc(a->count * 8 + 1), a->values, a->count * 8);
  }
  for (size_t i = 1; i < to->inputs; i++) {
    OrtValue *v = to->input + i;
    v->data = memcpy(malloc(v->bytes ? v->bytes : 1), v->data, v->bytes);
  }
  for (size_t k = 1 + below(3); k > 0; k--) {
    size_t what = below(8);
    if (what < 2) {
      Attribute *a = to->attribute + below(to->attributes);
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

static void let_go(OrtKernelInfo *info) {
  for (size_t i = 0; i < info->attributes; i++) free(info->attribute[i].values);
  for (size_t i = 1; i < info->inputs; i++) free(info->input[i].data);
}

static void walk_some(void *kernel, int64_t columns) {
  static const int64_t counts[] = {1, 3, 70, 300};
  OrtKernelContext c = {0};
  int64_t rows = counts[below(4)];
  float *x = malloc((size_t)(rows * columns) * 4 + 1);
  for (int64_t i = 0; i < rows * columns; i++) x[i] = below(50) ? (float)((int64_t)below(400) - 200) / 64 : NAN;
  c.rows = (OrtValue){{ORT_FLOAT, 2, {rows, columns}}, x, 0};
  OrtStatus *wrong = compute(kernel, &c);
  if (wrong) free(wrong);
  for (int i = 0; i < 64; i++) free(c.output[i].data);
  free(x);
}

int main(int argc, char **argv) {
  size_t taken = 0, refused = 0, count = strtoull(argv[1], NULL, 10);
  static OrtKernelInfo calls[64];
  state = strtoull(argv[2], NULL, 10) * 2654435769u + 88172645463325252u;
  fill();
  for (int i = 3; i < argc; i++) read_call(argv[i], calls + i - 3);
  for (size_t k = 0; k < count; k++) {
    OrtKernelInfo info;
    void *kernel = NULL;
    damaged(calls + below((size_t)argc - 3), &info);
    OrtStatus *wrong = create(NULL, api, &info, &kernel);
    if (wrong) refused++, free(wrong);
    else {
      taken++;
      walk_some(kernel, find(&info, "columns")->values[0]);
      destroy(kernel);
    }
    let_go(&info);
  }
  for (int i = 3; i < argc; i++) let_go(calls + i - 3);
  printf("taken %zu refused %zu\n", taken, refused);
  return 0;
}
