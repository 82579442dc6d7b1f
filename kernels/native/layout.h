/* What large batches are walked with, built from the tables once: ranks, sweeps and packed nodes. See docs/kernels.md. */
#ifndef GRADUS_LAYOUT_H
#define GRADUS_LAYOUT_H

#include "plan.h"

enum { BLOCK = 256, MOST_FEATURES = 128, MOST_RANKS = 8191, MOST_GROUPS = 64, SWEEP_LEAVES = 256, SWEEP_RANKS = 254 };

/* A split of a swept tree, in preorder: rows whose first open leaf is `a` and whose rank is above `t` go on from `s`. */
typedef struct { uint16_t feature; uint8_t t, a, s, change; } SweepNode;  /* change: a ^ s */

/* Trees whose splits have at most 254 thresholds a feature between them, so that ranks fit a byte. */
typedef struct {
  int32_t trees, *output;
  uint32_t *start, *value_start;                   /* of each tree, and the ends */
  SweepNode *nodes;
  float *values;
  uint8_t *map;                                    /* from the rank among all thresholds to that of the group */
} Group;

/* Trees that are walked. A node: feature (7 bits), rank (13), steps to the right child (12), 0 at a leaf; the left child
   is the next. `leaf`: a row of the vectors, or the bits of the value. */
typedef struct {
  int32_t trees, *run, *tree, *depth;
  uint32_t *root, *nodes;
  int32_t *leaf;
} Walked;

typedef struct {
  int32_t features, n_groups;
  uint32_t *first;                                 /* by feature: its thresholds, sorted, +inf up to 2^bits - 1 */
  int32_t *bits;
  float *threshold;
  Group group[MOST_GROUPS];
  Walked walked;
  size_t bytes;
} Layout;

/* NULL if there is no memory, or the trees do not fit: then *wrong says what. */
Layout *layout_build(const Plan *plan, const char **wrong);
void layout_free(Layout *layout);

#endif
