#include "walk.h"

#include <stdlib.h>
#include <string.h>

size_t block_scratch(const Plan *p) {
  size_t columns = (size_t)p->columns, outputs = (size_t)p->outputs;
  return BLOCK * (outputs * 16 + columns * (4 + 2 + 1)) + 256;
}

#if defined(__x86_64__) || defined(_M_X64)
#include <cpuid.h>

/* Asked of the processor: __builtin_cpu_supports needs a table that some runtime libraries leave empty. */
static int has(int avx512) {
  unsigned a, b, c, d, low, high;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & 1u << 27)) return 0;            /* OSXSAVE */
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  if ((low & 0x6) != 0x6 || !__get_cpuid_count(7, 0, &a, &b, &c, &d)) return 0;
  unsigned avx2 = 1u << 5 | 1u << 8, more = 1u << 16 | 1u << 17 | 1u << 30 | 1u << 31;  /* AVX2, BMI2; F, DQ, BW, VL */
  if ((b & avx2) != avx2) return 0;
  return !avx512 || ((low & 0xe0) == 0xe0 && (b & more) == more);
}
#endif

const Isa *isa_choose(void) {
  const char *forced = getenv("GRADUS_KERNELS_ISA");
#if defined(__x86_64__) || defined(_M_X64)
  const Isa *found[] = {has(1) ? &isa_avx512 : NULL, has(0) ? &isa_avx2 : NULL, &isa_portable};
#else
  const Isa *found[] = {&isa_portable};
#endif
  const Isa *best = NULL;
  for (size_t i = 0; i < sizeof found / sizeof *found; i++) {
    if (!found[i]) continue;
    if (!best) best = found[i];
    if (forced && !strcmp(forced, found[i]->name)) return found[i];
  }
  return best;
}
