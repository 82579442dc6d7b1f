/* A walk as gradus::TreeWalk1 states it (gradus_convert.graphs.tree_walk): read, checked, and then only read. */
#ifndef GRADUS_PLAN_H
#define GRADUS_PLAN_H

#include <stddef.h>
#include <stdint.h>

enum { MOST_HEAP = 16, MOST_STAGES = 256, MOST_STEPS = 256, MOST_COLUMNS = 1 << 20, MOST_OUTPUTS = 4096 };

/* A table of columns of one of three types: exactly one pointer is set. */
typedef struct { const uint8_t *u8; const uint16_t *u16; const int32_t *i32; size_t count; } Columns;

static inline int32_t column_at(const Columns *c, size_t i) { return c->u8 ? c->u8[i] : c->u16 ? c->u16[i] : c->i32[i]; }

/* Neighbouring trees of a stage. Values: output first + t / (trees / outputs) of tree t; vectors: all outputs. */
typedef struct { int32_t tree, trees, first, outputs; const double *vectors; size_t rows; } Run;
typedef struct { int32_t tree, trees, steps, run, runs; } Stage;

typedef struct {
  int32_t columns, heap, trees, n_stages, n_runs, outputs, n_widths;
  Stage stages[MOST_STAGES];
  Run *runs;
  int32_t *widths;
  Columns column[MOST_HEAP + 1];                   /* [heap]: of the bottom; its count is that of the slots left again */
  const float *threshold[MOST_HEAP + 1];
  size_t slots[MOST_HEAP + 1];                     /* thresholds of each level, and of the bottom */
  const int32_t *left;
} Plan;

/* What is wrong with a plan, or NULL. `scratch_failed` says that memory was short. Linear in the tables.
   After it nothing that a walk of `steps` steps reads lies outside of a table, every vector that it takes is there, and
   no order of summing changes a bit. */
const char *plan_check(const Plan *plan);

#endif
