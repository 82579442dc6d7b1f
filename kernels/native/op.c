/* The operator gradus::TreeWalk1 for onnxruntime: reads the tables of a call, checks them, walks them. */
#include "ort.h"
#include "walk.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef _WIN32
#define EXPORT __declspec(dllexport)
#else
#define EXPORT __attribute__((visibility("default")))
#endif

enum { FEW_ROWS = 64 };                            /* fewer are walked one by one, on the tables as they are */
enum { NONE, BUILDING, BUILT, REFUSED };

typedef struct {
  const OrtApi *api;
  const Isa *isa;
  Plan plan;
  _Atomic(int) state;                              /* of the layout: built by the first large batch */
  Layout *layout;
} Kernel;

#define TRY(e)                     \
  do {                             \
    OrtStatus *status_ = (e);      \
    if (status_) return status_;   \
  } while (0)

static OrtStatus *refuse(const OrtApi *api, const char *what) {
  char text[200];
  snprintf(text, sizeof text, "gradus::TreeWalk1: %s", what);
  return ortCreateStatus(api)(ORT_NOT_IMPLEMENTED, text);
}

#define NEED(holds, what) \
  if (!(holds)) return refuse(api, what)

/* ---- the call's attributes and tables */

static OrtStatus *numbers(const OrtApi *api, const OrtKernelInfo *info, const char *name, int64_t **values, size_t *count) {
  *count = 0;
  TRY(ortAttributes(api)(info, name, NULL, count));
  NEED(*count > 0 && *count <= 1 << 16, "an attribute has too many numbers, or none");
  NEED(*values = calloc(*count, sizeof **values), "there is no memory for an attribute");
  TRY(ortAttributes(api)(info, name, *values, count));
  for (size_t i = 0; i < *count; i++) NEED((*values)[i] >= 0 && (*values)[i] < 1 << 30, "an attribute has a number out of range");
  return NULL;
}

typedef struct { int type; size_t rank; int64_t dims[2]; const void *data; } Tensor;

static OrtStatus *tensor_of(const OrtApi *api, const OrtValue *value, Tensor *t) {
  OrtShape *shape = NULL;
  TRY(ortShapeOf(api)(value, &shape));
  OrtStatus *wrong = ortElementType(api)(shape, &t->type);
  if (!wrong) wrong = ortRank(api)(shape, &t->rank);
  t->dims[0] = t->dims[1] = 1;
  if (!wrong && t->rank > 0 && t->rank <= 2) wrong = ortDims(api)(shape, t->dims, t->rank);
  ortReleaseShape(api)(shape);
  TRY(wrong);
  NEED(t->rank > 0 && t->rank <= 2 && t->dims[0] >= 0 && t->dims[1] >= 0 && t->dims[0] < 1 << 30, "a tensor has another shape");
  return ortData(api)(value, (void **)&t->data);
}

typedef struct { const OrtApi *api; const OrtKernelInfo *info; size_t next, count; } Inputs;

static OrtStatus *next_table(Inputs *in, size_t rank, Tensor *t) {
  const OrtApi *api = in->api;
  int constant = 0;
  const OrtValue *value = NULL;
  NEED(in->next < in->count, "a table is missing");
  TRY(ortConstant(api)(in->info, in->next++, &constant, &value));
  NEED(constant && value, "a table is not constant");
  TRY(tensor_of(api, value, t));
  NEED(t->rank == rank, "a table has another shape");
  return NULL;
}

static OrtStatus *next_columns(Inputs *in, Columns *columns) {
  const OrtApi *api = in->api;
  Tensor t;
  TRY(next_table(in, 1, &t));
  *columns = (Columns){0};
  columns->count = (size_t)t.dims[0];
  if (t.type == ORT_UINT8) columns->u8 = t.data;
  else if (t.type == ORT_UINT16) columns->u16 = t.data;
  else if (t.type == ORT_INT32) columns->i32 = t.data;
  NEED(columns->u8 || columns->u16 || columns->i32, "a table of columns has another type");
  return NULL;
}

static OrtStatus *next_thresholds(Inputs *in, Plan *p, int32_t level) {
  const OrtApi *api = in->api;
  Tensor t;
  TRY(next_table(in, 1, &t));
  NEED(t.type == ORT_FLOAT, "a table of thresholds has another type");
  p->threshold[level] = t.data, p->slots[level] = (size_t)t.dims[0];
  return NULL;
}

static OrtStatus *read_tables(const OrtApi *api, const OrtKernelInfo *info, Plan *p, const int64_t *vectors) {
  Inputs in = {api, info, 1, 0};
  Tensor t;
  TRY(ortInputCount(api)(info, &in.count));
  int32_t deepest = p->stages[0].steps;
  for (int32_t l = 0; l < p->heap; l++) {
    TRY(next_columns(&in, &p->column[l]));
    TRY(next_thresholds(&in, p, l));
  }
  TRY(next_thresholds(&in, p, p->heap));
  if (deepest > p->heap) {
    TRY(next_columns(&in, &p->column[p->heap]));
    TRY(next_table(&in, 1, &t));
    NEED(t.type == ORT_INT32 && (size_t)t.dims[0] == p->column[p->heap].count, "`left` has another type or length");
    p->left = t.data;
  }
  for (int32_t l = 0; l <= p->heap; l++) {
    size_t trees = 0;
    for (int32_t s = 0; s < p->n_stages; s++) trees += p->stages[s].steps >= l ? (size_t)p->stages[s].trees : 0;
    NEED(p->slots[l] >= trees << l && (l == p->heap || p->slots[l] == trees << l), "a table has too few slots, or too many");
    NEED(l == p->heap || p->column[l].count == trees << l, "a table of columns has another length");
    NEED(l < p->heap || !p->left || (p->column[l].count >= trees << l && p->column[l].count <= p->slots[l]), "`column` has another length");
    NEED(p->slots[l] < 1 << 30, "a table is too large");
  }
  for (int32_t r = 0; r < p->n_runs; r++) {
    if (!vectors[r]) continue;
    TRY(next_table(&in, 2, &t));
    NEED(t.type == ORT_DOUBLE && t.dims[1] == p->runs[r].outputs && t.dims[0] > 0, "a table of vectors has another type or shape");
    p->runs[r].vectors = t.data, p->runs[r].rows = (size_t)t.dims[0];
  }
  NEED(in.next == in.count, "there are tables that nothing needs");
  return NULL;
}

enum { TREES, STEPS, RUNS, FIRST, OUTPUTS, RUN_TREES, VECTORS, WIDTHS, LISTS };

static OrtStatus *read_lists(const OrtApi *api, const OrtKernelInfo *info, int64_t **list, size_t *count) {
  static const char *const names[LISTS] = {"stage_trees", "stage_steps", "stage_runs", "run_first", "run_outputs", "run_trees", "run_vectors", "widths"};
  for (int i = 0; i < LISTS; i++) TRY(numbers(api, info, names[i], &list[i], &count[i]));
  NEED(count[TREES] == count[STEPS] && count[TREES] == count[RUNS] && count[TREES] <= MOST_STAGES, "the stages do not fit together");
  NEED(count[FIRST] == count[OUTPUTS] && count[FIRST] == count[RUN_TREES] && count[FIRST] == count[VECTORS], "the runs do not fit together");
  return NULL;
}

/* Stages of trees, side by side; each is cut into runs. */
static OrtStatus *read_stages(const OrtApi *api, Plan *p, int64_t **list, const size_t *count) {
  int64_t tree = 0, run = 0, before = MOST_STEPS + 1;
  p->n_stages = (int32_t)count[TREES], p->n_runs = (int32_t)count[FIRST];
  for (int32_t s = 0; s < p->n_stages; s++) {
    Stage *stage = p->stages + s;
    NEED(list[STEPS][s] > 0 && list[STEPS][s] < before, "the steps of the stages must fall, and be from 1 to 256");
    NEED(list[TREES][s] > 0 && list[RUNS][s] > 0 && run + list[RUNS][s] <= p->n_runs, "a stage has no trees, or runs that are not there");
    *stage = (Stage){(int32_t)tree, (int32_t)list[TREES][s], (int32_t)list[STEPS][s], (int32_t)run, (int32_t)list[RUNS][s]};
    int64_t start = tree;
    for (int64_t r = run; r < run + stage->runs; r++) {
      NEED(list[RUN_TREES][r] > 0 && list[OUTPUTS][r] > 0 && list[OUTPUTS][r] <= MOST_OUTPUTS, "a run has no trees, or no outputs");
      NEED(list[VECTORS][r] <= 1 && (list[VECTORS][r] || list[RUN_TREES][r] % list[OUTPUTS][r] == 0), "a run has another number of trees");
      p->runs[r] = (Run){(int32_t)start, (int32_t)list[RUN_TREES][r], (int32_t)list[FIRST][r], (int32_t)list[OUTPUTS][r], NULL, 0};
      start += list[RUN_TREES][r];
    }
    NEED(start == tree + stage->trees && start < (1 << 24) - 1, "the runs of a stage must have its trees");
    tree = start, run += stage->runs, before = stage->steps;
  }
  NEED(run == p->n_runs, "there are runs of no stage");
  p->trees = (int32_t)tree;
  return NULL;
}

/* Every output is filled by one run, and the widths of the tensors add up to all of them. */
static OrtStatus *read_outputs(const OrtApi *api, const OrtKernelInfo *info, Plan *p, int64_t **list, const size_t *count) {
  int64_t outputs = 0, filled = 0;
  size_t tensors = 0;
  TRY(ortOutputCount(api)(info, &tensors));
  NEED(tensors == count[WIDTHS], "there are other outputs than widths");
  for (size_t i = 0; i < count[WIDTHS]; i++) outputs += list[WIDTHS][i], p->widths[i] = (int32_t)list[WIDTHS][i];
  for (int32_t r = 0; r < p->n_runs; r++) filled += p->runs[r].outputs;
  NEED(outputs > 0 && outputs <= MOST_OUTPUTS && filled == outputs, "the runs do not fill the outputs");
  p->outputs = (int32_t)outputs, p->n_widths = (int32_t)count[WIDTHS];
  uint8_t seen[MOST_OUTPUTS] = {0};
  for (int32_t r = 0; r < p->n_runs; r++)
    for (int32_t o = p->runs[r].first; o < p->runs[r].first + p->runs[r].outputs; o++) {
      NEED(o < p->outputs && !seen[o], "two runs fill one output");
      seen[o] = 1;
    }
  return NULL;
}

static OrtStatus *read_plan(const OrtApi *api, const OrtKernelInfo *info, Plan *p) {
  int64_t *list[LISTS] = {0}, columns = 0, heap = 0;
  size_t count[LISTS] = {0};
  TRY(ortAttribute(api)(info, "columns", &columns));
  TRY(ortAttribute(api)(info, "heap", &heap));
  NEED(columns > 0 && columns < MOST_COLUMNS && heap > 0 && heap <= MOST_HEAP, "the columns or the heap are out of range");
  p->columns = (int32_t)columns, p->heap = (int32_t)heap;
  OrtStatus *wrong = read_lists(api, info, list, count);
  if (!wrong) {
    p->runs = calloc(count[FIRST], sizeof *p->runs), p->widths = calloc(count[WIDTHS], sizeof *p->widths);
    wrong = p->runs && p->widths ? read_stages(api, p, list, count) : refuse(api, "there is no memory for the runs");
  }
  if (!wrong && p->stages[0].steps < p->heap) wrong = refuse(api, "the heap has more levels than there are steps");
  if (!wrong) wrong = read_outputs(api, info, p, list, count);
  if (!wrong) wrong = read_tables(api, info, p, list[VECTORS]);
  for (int i = 0; i < LISTS; i++) free(list[i]);
  return wrong;
}

static void ORT_CALL destroy(void *state) {
  Kernel *k = state;
  if (k->layout) layout_free(k->layout);
  free(k->plan.runs), free(k->plan.widths), free(k);
}

static OrtStatus *ORT_CALL create(const OrtCustomOp *op, const OrtApi *api, const OrtKernelInfo *info, void **kernel) {
  (void)op;
  Kernel *k = calloc(1, sizeof *k);
  NEED(k, "there is no memory for the kernel");
  k->api = api, k->isa = isa_choose();
  OrtStatus *wrong = read_plan(api, info, &k->plan);
  if (!wrong) {
    const char *what = plan_check(&k->plan);
    if (what) wrong = refuse(api, what);
  }
  if (wrong) destroy(k);
  else *kernel = k;
  return wrong;
}

/* ---- a call with rows */

/* The layout, or NULL: another thread builds it, or the trees do not fit one. */
static const Layout *layout_of(Kernel *k) {
  int state = atomic_load_explicit(&k->state, memory_order_acquire), none = NONE;
  if (state == NONE && atomic_compare_exchange_strong(&k->state, &none, BUILDING)) {
    const char *wrong = NULL;
    k->layout = layout_build(&k->plan, &wrong);
    state = k->layout ? BUILT : REFUSED;
    atomic_store_explicit(&k->state, state, memory_order_release);
  }
  return state == BUILT ? k->layout : NULL;
}

typedef struct { const Kernel *k; const Layout *layout; const float *x; size_t rows; double *sums; _Atomic(int) failed; } Work;

static void walk_part(void *work, size_t part) {
  Work *w = work;
  const Plan *p = &w->k->plan;
  size_t from = part * BLOCK, n = w->rows - from < BLOCK ? w->rows - from : BLOCK;
  const float *x = w->x + from * (size_t)p->columns;
  double *sums = w->sums + from * (size_t)p->outputs;
  void *scratch = malloc(w->layout ? block_scratch(p) : ((size_t)p->columns + 1) * sizeof(float));
  if (!scratch) atomic_store(&w->failed, 1);
  else if (w->layout) w->k->isa->block(p, w->layout, x, n, scratch, sums);
  else w->k->isa->rows(p, x, n, scratch, sums);
  free(scratch);
}

static OrtStatus *walk_all(Kernel *k, OrtKernelContext *context, const float *x, size_t rows, double *sums) {
  const OrtApi *api = k->api;
  Work work = {k, rows >= FEW_ROWS ? layout_of(k) : NULL, x, rows, sums, 0};
  size_t parts = (rows + BLOCK - 1) / BLOCK;
  if (parts > 1) TRY(ortParallelFor(api)(context, walk_part, parts, 0, &work));
  else if (parts) walk_part(&work, 0);
  NEED(!atomic_load(&work.failed), "there is no memory for a block of rows");
  return NULL;
}

static OrtStatus *ORT_CALL compute(void *state, OrtKernelContext *context) {
  Kernel *k = state;
  const OrtApi *api = k->api;
  const Plan *p = &k->plan;
  const OrtValue *rows = NULL;
  Tensor x;
  TRY(ortInput(api)(context, 0, &rows));
  TRY(tensor_of(api, rows, &x));
  NEED(x.rank == 2 && x.type == ORT_FLOAT && x.dims[1] == p->columns, "rows have another number of columns");
  size_t n = (size_t)x.dims[0];
  double *parts[64], **part = parts, *sums = NULL, *own = NULL;
  NEED(p->n_widths <= 64, "there are more than 64 outputs");
  for (int32_t i = 0; i < p->n_widths; i++) {
    OrtValue *value = NULL;
    TRY(ortOutput(api)(context, (size_t)i, (int64_t[]){x.dims[0], p->widths[i]}, 2, &value));
    TRY(ortData(api)(value, (void **)&part[i]));
  }
  double few[64];
  if (p->n_widths == 1) sums = part[0];
  else if (n * (size_t)p->outputs <= 64) sums = few;
  else NEED(sums = own = malloc(n * (size_t)p->outputs * sizeof *sums), "there is no memory for the sums");
  OrtStatus *wrong = walk_all(k, context, x.data, n, sums);
  for (int32_t i = 0, at = 0; !wrong && p->n_widths > 1 && i < p->n_widths; at += p->widths[i++])
    for (size_t r = 0; r < n; r++)
      memcpy(part[i] + r * (size_t)p->widths[i], sums + r * (size_t)p->outputs + at, (size_t)p->widths[i] * sizeof *sums);
  free(own);
  return wrong;
}

/* ---- what onnxruntime asks of an operator */

static const char *ORT_CALL name(const OrtCustomOp *op) { (void)op; return "TreeWalk1"; }
static const char *ORT_CALL provider(const OrtCustomOp *op) { (void)op; return NULL; }
static int ORT_CALL input_type(const OrtCustomOp *op, size_t i) { (void)op; return i ? ORT_UNDEFINED : ORT_FLOAT; }
static int ORT_CALL output_type(const OrtCustomOp *op, size_t i) { (void)op, (void)i; return ORT_DOUBLE; }
static size_t ORT_CALL two(const OrtCustomOp *op) { (void)op; return 2; }
static size_t ORT_CALL one(const OrtCustomOp *op) { (void)op; return 1; }
static int ORT_CALL input_form(const OrtCustomOp *op, size_t i) { (void)op; return i ? ORT_VARIADIC : ORT_REQUIRED; }
static int ORT_CALL output_form(const OrtCustomOp *op, size_t i) { (void)op, (void)i; return ORT_VARIADIC; }
static int ORT_CALL memory(const OrtCustomOp *op, size_t i) { (void)op, (void)i; return 0; }
static int ORT_CALL yes(const OrtCustomOp *op) { (void)op; return 1; }
static int ORT_CALL no(const OrtCustomOp *op) { (void)op; return 0; }
static int ORT_CALL last(const OrtCustomOp *op) { (void)op; return INT32_MAX; }

static const OrtCustomOp TREE_WALK = {
    .version = ORT_API_VERSION,
    .GetName = name,
    .GetExecutionProviderType = provider,
    .GetInputType = input_type,
    .GetInputTypeCount = two,
    .GetOutputType = output_type,
    .GetOutputTypeCount = one,
    .KernelDestroy = destroy,
    .GetInputCharacteristic = input_form,
    .GetOutputCharacteristic = output_form,
    .GetInputMemoryType = memory,
    .GetVariadicInputMinArity = yes,
    .GetVariadicInputHomogeneity = no,
    .GetVariadicOutputMinArity = yes,
    .GetVariadicOutputHomogeneity = yes,
    .CreateKernelV2 = create,
    .KernelComputeV2 = compute,
    .GetStartVersion = yes,
    .GetEndVersion = last,
};

/* One domain for all sessions: onnxruntime asks that it outlive them. */
static _Atomic(OrtDomain *) domain;

EXPORT OrtStatus *ORT_CALL RegisterCustomOps(OrtSessionOptions *options, const OrtApiBase *base) {
  const OrtApi *api = base->GetApi(ORT_API_VERSION);
  if (!api) return NULL;                           /* too old an onnxruntime: the bodies of the functions run */
  OrtDomain *ours = atomic_load(&domain), *nothing = NULL;
  if (!ours) {
    TRY(ortCreateDomain(api)("gradus", &ours));
    TRY(ortDomainAdd(api)(ours, &TREE_WALK));
    if (!atomic_compare_exchange_strong(&domain, &nothing, ours)) ours = nothing;  /* another thread's; a small leak */
  }
  return ortAddDomain(api)(options, ours);
}
