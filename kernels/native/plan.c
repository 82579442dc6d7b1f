#include "plan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What is known of a slot of the bottom: the tree that comes by, plus 1, and the steps (below 256) that it has left
   there; 0 where none comes by. */
typedef uint32_t Visit;

static Visit visit_of(int32_t tree, int left_over) { return ((uint32_t)tree + 1) << 8 | (uint32_t)left_over; }
static int32_t tree_of(Visit v) { return (int32_t)(v >> 8) - 1; }
static int left_over(Visit v) { return (int)(v & 255); }

typedef struct {
  const Plan *plan;
  double *most;                                    /* by tree and output: the largest size of its leaves */
  int32_t *run_of;
  int *lowest;                                     /* by output: the exponent of the lowest bit of any leaf */
} Sums;

static int lowest_bit(double v) {
  int exponent;
  double m = frexp(v, &exponent);                  /* v = m 2^exponent, m a number of 53 bits below 1 */
  uint64_t whole = (uint64_t)(int64_t)ldexp(fabs(m), 53);
  return exponent - 53 + __builtin_ctzll(whole);
}

static int note(Sums *s, int32_t tree, int32_t output, double v) {
  if (!(fabs(v) <= 0x1p600)) return 0;
  if (v == 0) return 1;
  double *most = s->most + (size_t)tree * (size_t)s->plan->outputs + output;
  if (fabs(v) > *most) *most = fabs(v);
  int bit = lowest_bit(v);
  if (bit < s->lowest[output]) s->lowest[output] = bit;
  return 1;
}

/* A leaf of a tree: its payload counts; a row of vectors must be there. */
static const char *leaf(Sums *s, int32_t tree, float payload) {
  const Run *run = s->plan->runs + s->run_of[tree];
  if (!run->vectors) {
    int32_t per = run->trees / run->outputs;
    return note(s, tree, run->first + (tree - run->tree) / per, payload) ? NULL : "a payload is not finite";
  }
  if (!(payload >= 0) || !(payload < (float)run->rows) || payload != floorf(payload)) return "a payload is no row of its vectors";
  const double *row = run->vectors + (size_t)payload * (size_t)run->outputs;
  for (int32_t k = 0; k < run->outputs; k++)
    if (!note(s, tree, run->first + k, row[k])) return "a vector is not finite";
  return NULL;
}

/* Levels of the heap: every column is one of the row's, and below a leaf stands the same leaf. */
static const char *check_heap(Sums *s) {
  const Plan *p = s->plan;
  for (int32_t st = 0; st < p->n_stages; st++) {
    const Stage *stage = p->stages + st;
    for (int32_t l = 0; l <= p->heap && l <= stage->steps; l++) {
      size_t from = (size_t)stage->tree << l, to = (size_t)(stage->tree + stage->trees) << l;
      for (size_t i = from; i < to; i++) {
        float t = p->threshold[l][i];
        if (t != t) return "a threshold is NaN";
        int32_t tree = (int32_t)(i >> l);
        if (l == stage->steps) {
          const char *wrong = leaf(s, tree, t);
          if (wrong) return wrong;
          continue;
        }
        if (l == p->heap) continue;                /* the bottom's own check */
        int32_t column = column_at(&p->column[l], i);
        if (column < 0 || column > p->columns) return "a column is beyond the row";
        if (column < p->columns) continue;
        if (p->threshold[l + 1][2 * i] != t) return "a leaf of the heap is not repeated";
        if (l + 1 == stage->steps) continue;
        if (column_at(&p->column[l + 1], 2 * i) != p->columns) return "a leaf of the heap is not repeated";
      }
    }
  }
  return NULL;
}

static const char *visit(Visit *v, int32_t tree, int steps) {
  if (*v) return "a slot has two parents";
  *v = visit_of(tree, steps);
  return NULL;
}

/* The bottom: children come after their parents, so one pass sees each slot after all that lead to it. */
static const char *check_bottom(Sums *s, Visit *visits) {
  const Plan *p = s->plan;
  const Columns *columns = &p->column[p->heap];
  size_t slots = p->slots[p->heap];
  for (int32_t st = 0; st < p->n_stages && p->stages[st].steps > p->heap; st++) {
    const Stage *stage = p->stages + st;
    size_t from = (size_t)stage->tree << p->heap, to = (size_t)(stage->tree + stage->trees) << p->heap;
    for (size_t i = from; i < to; i++) visit(visits + i, (int32_t)(i >> p->heap), stage->steps - p->heap);
  }
  for (size_t i = 0; i < slots; i++) {
    float t = p->threshold[p->heap][i];
    if (t != t) return "a threshold is NaN";
    if (i < columns->count) {
      int32_t column = column_at(columns, i), left = p->left[i];
      if (column < 0 || column > p->columns) return "a column is beyond the row";
      if (left < 0 || (size_t)left >= slots) return "a child is beyond the tables";
      if (column == p->columns && (size_t)left != i) return "a leaf leads elsewhere";
      if (column < p->columns && ((size_t)left <= i || (size_t)left + 1 >= slots)) return "a child is not behind its parent";
    }
    if (!visits[i]) continue;                      /* of trees that end above, or of none */
    if (left_over(visits[i]) > 0 && i >= columns->count) return "a walk leads beyond the columns";
    if (left_over(visits[i]) > 0 && column_at(columns, i) < p->columns) {
      for (int side = 0; side < 2; side++) {
        const char *wrong = visit(visits + p->left[i] + side, tree_of(visits[i]), left_over(visits[i]) - 1);
        if (wrong) return wrong;
      }
      continue;
    }
    const char *wrong = leaf(s, tree_of(visits[i]), t);
    if (wrong) return wrong;
  }
  return NULL;
}

/* Below 2^53 whole numbers of the lowest bit float64 is exact, in any order. */
static const char *check_sums(const Sums *s) {
  const Plan *p = s->plan;
  for (int32_t o = 0; o < p->outputs; o++) {
    double total = 0;
    for (int32_t t = 0; t < p->trees; t++) total += s->most[(size_t)t * (size_t)p->outputs + o];
    if (!(total < ldexp(1, 53 + s->lowest[o]))) return "sums are not exact in float64";
  }
  return NULL;
}

const char *plan_check(const Plan *p) {
  Sums s = {p, calloc((size_t)p->trees * (size_t)p->outputs + 1, sizeof *s.most), calloc((size_t)p->trees + 1, sizeof *s.run_of), calloc((size_t)p->outputs + 1, sizeof *s.lowest)};
  Visit *visits = calloc(p->left ? p->slots[p->heap] + 1 : 1, sizeof *visits);
  const char *wrong = s.most && s.run_of && s.lowest && visits ? NULL : "there is no memory to check it";
  if (!wrong) {
    for (int32_t o = 0; o < p->outputs; o++) s.lowest[o] = 900;
    for (int32_t r = 0; r < p->n_runs; r++)
      for (int32_t t = 0; t < p->runs[r].trees; t++) s.run_of[p->runs[r].tree + t] = r;
    wrong = check_heap(&s);
  }
  if (!wrong && p->left) wrong = check_bottom(&s, visits);
  if (!wrong) wrong = check_sums(&s);
  free(s.most), free(s.run_of), free(s.lowest), free(visits);
  return wrong;
}
