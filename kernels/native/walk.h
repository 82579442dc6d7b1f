/* The walks, compiled once for each instruction set; `isa.c` chooses. */
#ifndef GRADUS_WALK_H
#define GRADUS_WALK_H

#include "layout.h"

typedef struct {
  const char *name;
  /* Sums of rows, one after the other, on the compact tables: x [n, columns], sums [n, outputs]; `row`: columns + 1. */
  void (*rows)(const Plan *plan, const float *x, size_t n, float *row, double *sums);
  /* Sums of up to BLOCK rows at once: x [n, columns]; `scratch` of block_scratch bytes. */
  void (*block)(const Plan *plan, const Layout *layout, const float *x, size_t n, void *scratch, double *sums);
} Isa;

size_t block_scratch(const Plan *plan);

/* The best instruction set that the processor has, or the one that the variable GRADUS_KERNELS_ISA names, if it has it. */
const Isa *isa_choose(void);

extern const Isa isa_portable;
#if defined(__x86_64__) || defined(_M_X64)
extern const Isa isa_avx2, isa_avx512;
#endif

#endif
