/* The kernel with a stand-in for onnxruntime's C API, which hands out the attributes and tables of a call.

   Each table lies in memory of exactly its size, so that a read beyond one is seen. A call is a file that
   tests/kernels/test_fuzz_of_the_kernel.py writes. */
#include "op.c"

struct OrtStatus { char text[256]; };
struct OrtShape { int type; size_t rank; int64_t dims[2]; };
struct OrtValue { OrtShape shape; void *data; size_t bytes; };
typedef struct { char name[32]; size_t count; int64_t *values; } Attribute;
struct OrtKernelInfo { size_t attributes, inputs, outputs; Attribute attribute[32]; OrtValue input[64]; };
struct OrtKernelContext { OrtValue rows, output[64]; };

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

/* The next `n` bytes of a call, or 0 where it ends before them. */
typedef struct { const uint8_t *at, *end; } Bytes;
static int take(Bytes *b, void *to, size_t n) {
  if ((size_t)(b->end - b->at) < n) return 0;
  memcpy(to, b->at, n), b->at += n;
  return 1;
}

static void let_go(OrtKernelInfo *info) {
  for (size_t i = 0; i < info->attributes; i++) free(info->attribute[i].values);
  for (size_t i = 1; i < info->inputs; i++) free(info->input[i].data);
}

static int read_attribute(Bytes *b, Attribute *a) {
  int64_t n = 0;
  if (!take(b, a->name, 32) || !take(b, &n, 8) || n < 0 || n > (b->end - b->at) / 8) return 0;
  a->name[31] = 0, a->count = (size_t)n, a->values = malloc(a->count * 8 + 1);
  return take(b, a->values, a->count * 8);
}

static int read_tensor(Bytes *b, OrtValue *v) {
  int64_t n[4], most = b->end - b->at;
  if (!take(b, n, 32) || n[1] < 0 || n[1] > 2 || n[2] < 0 || n[3] < 0 || n[2] > most || n[3] > most) return 0;
  for (int64_t i = n[1]; i < 2; i++) n[2 + i] = 1;  /* dimensions beyond the rank are none */
  v->shape = (OrtShape){(int)n[0], (size_t)n[1], {n[2], n[3]}};
  v->bytes = (size_t)(n[2] * n[3]) * size_of(v->shape.type);
  if (v->bytes > (size_t)(b->end - b->at)) return 0;
  v->data = malloc(v->bytes ? v->bytes : 1);
  return take(b, v->data, v->bytes);
}

/* Read a call; 0 where the bytes are none. Whatever was read must be let go. */
static int parse_call(const uint8_t *data, size_t size, OrtKernelInfo *info) {
  Bytes b = {data, data + size};
  int64_t n[3];
  memset(info, 0, sizeof *info);
  if (!take(&b, n, 24) || n[0] < 0 || n[0] > 32 || n[1] < 1 || n[1] > 64 || n[2] < 0 || n[2] > 64) return 0;
  info->attributes = (size_t)n[0], info->inputs = (size_t)n[1], info->outputs = (size_t)n[2];
  for (size_t i = 0; i < info->attributes; i++) if (!read_attribute(&b, info->attribute + i)) return 0;
  for (size_t i = 1; i < info->inputs; i++) if (!read_tensor(&b, info->input + i)) return 0;
  return 1;
}

static uint8_t *read_file(const char *path, size_t *size) {
  FILE *f = fopen(path, "rb");
  if (!f || fseek(f, 0, SEEK_END)) exit(2);
  *size = (size_t)ftell(f), rewind(f);
  uint8_t *data = malloc(*size + 1);
  if (fread(data, 1, *size, f) != *size) exit(2);
  fclose(f);
  return data;
}
