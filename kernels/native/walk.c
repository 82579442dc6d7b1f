/* Walks for one instruction set: WIDTH bytes a vector, ISA its name. See docs/kernels.md for what they do. */
#include "walk.h"

#include <math.h>
#include <string.h>

#if ISA_AVX512
#include <immintrin.h>
#define WIDTH 64
#define ISA isa_avx512
#define ISA_NAME "avx512"
#define SWEEP_TARGET __attribute__((target("avx512f,avx512bw"), noinline))
#elif ISA_AVX2
#include <immintrin.h>
#define WIDTH 32
#define ISA isa_avx2
#define ISA_NAME "avx2"
#else
#define WIDTH 16
#define ISA isa_portable
#if defined(__x86_64__) || defined(_M_X64)
#define ISA_NAME "sse2"
#elif defined(__aarch64__) || defined(_M_ARM64)
#define ISA_NAME "neon"
#else
#define ISA_NAME "portable"
#endif
#endif

#ifndef SWEEP_TARGET
#define SWEEP_TARGET
#endif

typedef uint8_t Bytes __attribute__((vector_size(WIDTH)));

/* ---- rows one by one, on the compact tables: LANES trees in turn, so that their loads overlap: 64 take four fifths of the time of 16 */

enum { LANES = 64 };

#ifdef __clang__                                   /* vectors of gathers are slower here than loads that overlap */
#define SCALAR _Pragma("clang loop vectorize(disable)")
#else
#define SCALAR
#endif

#define STEP(table, child)                                                                  \
  SCALAR for (int i = 0; i < LANES; i++) {                                                  \
    int32_t at = slot[i];                                                                   \
    int32_t right = row[(table)[at]] > threshold[at];                                       \
    slot[i] = (child) + right;                                                              \
  }

static inline void step_heap(const Columns *c, const float *threshold, const float *row, int32_t *slot) {
  if (c->u8) STEP(c->u8, 2 * at)
  else if (c->u16) STEP(c->u16, 2 * at)
  else STEP(c->i32, 2 * at)
}

static inline void step_bottom(const Columns *c, const float *threshold, const int32_t *left, const float *row, int32_t *slot) {
  if (c->u8) STEP(c->u8, left[at])
  else if (c->u16) STEP(c->u16, left[at])
  else STEP(c->i32, left[at])
}

static void add_run(const Run *run, int32_t first, int32_t n, const float *payload, double *sums) {
  if (run->vectors) {
    for (int32_t i = 0; i < n; i++) {
      const double *v = run->vectors + (size_t)payload[i] * (size_t)run->outputs;
      for (int32_t k = 0; k < run->outputs; k++) sums[run->first + k] += v[k];
    }
    return;
  }
  int32_t per = run->trees / run->outputs, t = first - run->tree;
  for (int32_t i = 0; i < n;) {
    int32_t output = (t + i) / per, end = (output + 1) * per - t;
    double total = 0;
    for (; i < n && i < end; i++) total += payload[i];
    sums[run->first + output] += total;
  }
}

static void one_row(const Plan *p, const float *row, double *sums) {
  for (int32_t s = 0; s < p->n_stages; s++) {
    const Stage *stage = p->stages + s;
    int32_t heap = stage->steps < p->heap ? stage->steps : p->heap;
    for (int32_t r = stage->run; r < stage->run + stage->runs; r++) {
      const Run *run = p->runs + r;
      for (int32_t t = 0; t < run->trees; t += LANES) {
        int32_t n = run->trees - t < LANES ? run->trees - t : LANES, slot[LANES];
        float payload[LANES];
        for (int i = 0; i < LANES; i++) slot[i] = run->tree + (i < n ? t + i : t);
        for (int32_t l = 0; l < heap; l++) step_heap(&p->column[l], p->threshold[l], row, slot);
        for (int32_t l = heap; l < stage->steps; l++) step_bottom(&p->column[p->heap], p->threshold[p->heap], p->left, row, slot);
        for (int i = 0; i < LANES; i++) payload[i] = p->threshold[heap][slot[i]];
        add_run(run, run->tree + t, n, payload, sums);
      }
    }
  }
}

static void walk_rows(const Plan *p, const float *x, size_t n, float *row, double *sums) {
  size_t columns = (size_t)p->columns;
  row[columns] = -INFINITY;
  for (size_t i = 0; i < n; i++) {
    memcpy(row, x + i * columns, columns * sizeof *row);
    for (int32_t o = 0; o < p->outputs; o++) sums[i * (size_t)p->outputs + o] = 0;
    one_row(p, row, sums + i * (size_t)p->outputs);
  }
}

/* ---- many rows: ranks[feature][row], the number of the feature's thresholds below x, so x > t_k iff rank > k */

static void rank_block(const Layout *l, const float *x, int rows, uint16_t *ranks) {
  ptrdiff_t columns = l->features;
  for (int32_t f = 0; f < l->features; f++) {
    const float *t = l->threshold + l->first[f];
    for (int r = 0; r < rows; r += 16) {
      float v[16];
      uint32_t below[16] = {0};
      for (int i = 0; i < 16; i++) v[i] = x[(r + i) * columns + f];
      for (uint32_t step = 1u << l->bits[f]; step >>= 1;)
        for (int i = 0; i < 16; i++) below[i] += (0u - (uint32_t)(v[i] > t[below[i] + step - 1])) & step;
      for (int i = 0; i < 16; i++) ranks[f * BLOCK + r + i] = (uint16_t)below[i];
    }
  }
}

static void map_block(const Layout *l, const Group *g, const uint16_t *ranks, int rows, uint8_t *own) {
  for (int32_t f = 0; f < l->features; f++) {
    const uint8_t *map = g->map + l->first[f] + f;
    for (int r = 0; r < rows; r++) own[f * BLOCK + r] = map[ranks[f * BLOCK + r]];
  }
}

/* All splits of a tree for all rows: `c` holds, for each row, the first leaf of the subtree that it is in. */
SWEEP_TARGET static void sweep(const uint8_t *own, const SweepNode *n, const SweepNode *end, int rows, uint8_t *leaf) {
  for (int h = 0; h < rows; h += 4 * WIDTH) {
#if ISA_AVX512
    __m512i c0 = _mm512_setzero_si512(), c1 = c0, c2 = c0, c3 = c0;
    for (const SweepNode *at = n; at < end; at++) {
      const uint8_t *x = own + at->feature * BLOCK + h;
      __m512i t = _mm512_set1_epi8((char)at->t), a = _mm512_set1_epi8((char)at->a), s = _mm512_set1_epi8((char)at->s);
#define SWEEP(c, i) c = _mm512_mask_mov_epi8(c, _mm512_mask_cmpgt_epu8_mask(_mm512_cmpeq_epi8_mask(c, a), _mm512_loadu_si512(x + 64 * (i)), t), s)
#else
    Bytes c0 = {0}, c1 = c0, c2 = c0, c3 = c0;
    for (const SweepNode *at = n; at < end; at++) {
      const uint8_t *x = own + at->feature * BLOCK + h;
      Bytes t = at->t - (Bytes){0}, a = at->a - (Bytes){0}, change = at->change - (Bytes){0}, v;
#define SWEEP(c, i) memcpy(&v, x + WIDTH * (i), WIDTH), c ^= change & (Bytes)(c == a) & (Bytes)(v > t)
#endif
      SWEEP(c0, 0), SWEEP(c1, 1), SWEEP(c2, 2), SWEEP(c3, 3);
    }
    memcpy(leaf + h, &c0, WIDTH), memcpy(leaf + h + WIDTH, &c1, WIDTH);
    memcpy(leaf + h + 2 * WIDTH, &c2, WIDTH), memcpy(leaf + h + 3 * WIDTH, &c3, WIDTH);
  }
}

static void sweep_group(const Group *g, const uint8_t *own, int rows, double *totals) {
  uint8_t leaf[BLOCK];
  for (int32_t k = 0; k < g->trees; k++) {
    sweep(own, g->nodes + g->start[k], g->nodes + g->start[k + 1], rows, leaf);
    const float *value = g->values + g->value_start[k];
    double *total = totals + (size_t)g->output[k] * BLOCK;
    for (int r = 0; r < rows; r++) total[r] += value[leaf[r]];
  }
}

/* Where the rows of a block end in a tree that is walked. The feature of a leaf is 0, and its step. */
static void walk_tree(const uint32_t *nodes, int32_t depth, const uint16_t *ranks, int rows, uint32_t *ends) {
#if ISA_AVX2 || ISA_AVX512
  const __m256i lane = _mm256_set_epi32(7, 6, 5, 4, 3, 2, 1, 0), one = _mm256_set1_epi32(1);
  const __m256i m7 = _mm256_set1_epi32(127), m13 = _mm256_set1_epi32(8191), m16 = _mm256_set1_epi32(65535);
  for (int r = 0; r < rows; r += 32) {
    __m256i s[4], l[4];
    for (int i = 0; i < 4; i++) s[i] = _mm256_setzero_si256(), l[i] = _mm256_add_epi32(lane, _mm256_set1_epi32(r + 8 * i));
    for (int32_t d = 0; d < depth; d++)
      for (int i = 0; i < 4; i++) {
        __m256i n = _mm256_i32gather_epi32((const int *)nodes, s[i], 4);
        __m256i at = _mm256_add_epi32(_mm256_slli_epi32(_mm256_and_si256(n, m7), 8), l[i]);
        __m256i x = _mm256_and_si256(_mm256_i32gather_epi32((const int *)ranks, at, 2), m16);
        __m256i step = _mm256_srli_epi32(n, 20);
        __m256i right = _mm256_cmpgt_epi32(x, _mm256_and_si256(_mm256_srli_epi32(n, 7), m13));
        s[i] = _mm256_add_epi32(s[i], _mm256_blendv_epi8(_mm256_min_epi32(step, one), step, right));
      }
    for (int i = 0; i < 4; i++) _mm256_storeu_si256((__m256i *)(ends + r + 8 * i), s[i]);
  }
#else
  for (int r = 0; r < rows; r += 16) {
    uint32_t s[16] = {0};
    for (int32_t d = 0; d < depth; d++)
      for (int i = 0; i < 16; i++) {
        uint32_t n = nodes[s[i]], step = n >> 20;
        uint32_t right = 0u - (uint32_t)(ranks[(n & 127) * BLOCK + (uint32_t)(r + i)] > (n >> 7 & 8191));
        s[i] += (step & right) | ((uint32_t)(step != 0) & ~right);
      }
    memcpy(ends + r, s, sizeof s);
  }
#endif
}

static inline void add_vectors(const double *vectors, int32_t width, const int32_t *leaf, const uint32_t *ends, int rows, double *by_row) {
  for (int r = 0; r < rows; r++) {
    const double *v = vectors + (size_t)leaf[ends[r]] * (size_t)width;
    for (int32_t k = 0; k < width; k++) by_row[r * width + k] += v[k];
  }
}

static void walk_trees(const Plan *p, const Walked *w, const uint16_t *ranks, int rows, double *by_row, double *totals) {
  uint32_t ends[BLOCK];
  for (int32_t k = 0; k < w->trees; k++) {
    const Run *run = p->runs + w->run[k];
    const int32_t *leaf = w->leaf + w->root[k];
    walk_tree(w->nodes + w->root[k], w->depth[k], ranks, rows, ends);
    if (!run->vectors) {
      double *total = totals + (size_t)(run->first + (w->tree[k] - run->tree) / (run->trees / run->outputs)) * BLOCK;
      for (int r = 0; r < rows; r++) {
        float value;
        memcpy(&value, leaf + ends[r], 4);
        total[r] += value;
      }
      continue;
    }
    int first = !k || w->run[k - 1] != w->run[k], last = k + 1 == w->trees || w->run[k + 1] != w->run[k];
    if (first) memset(by_row, 0, BLOCK * (size_t)run->outputs * sizeof *by_row);
    if (run->outputs == 2) add_vectors(run->vectors, 2, leaf, ends, rows, by_row);
    else if (run->outputs == 3) add_vectors(run->vectors, 3, leaf, ends, rows, by_row);
    else add_vectors(run->vectors, run->outputs, leaf, ends, rows, by_row);
    if (last)
      for (int32_t o = 0; o < run->outputs; o++)
        for (int r = 0; r < rows; r++) totals[(size_t)(run->first + o) * BLOCK + r] = by_row[r * run->outputs + o];
  }
}

static void walk_block(const Plan *p, const Layout *l, const float *x, size_t n, void *scratch, double *sums) {
  size_t outputs = (size_t)p->outputs, columns = (size_t)p->columns;
  double *totals = scratch, *by_row = totals + outputs * BLOCK;
  float *padded = (float *)(by_row + outputs * BLOCK);
  uint16_t *ranks = (uint16_t *)(padded + columns * BLOCK);
  uint8_t *own = (uint8_t *)(ranks + columns * BLOCK + 2);
  int rows = (int)(n + 31) / 32 * 32;               /* whole steps of every loop; a sweep does no harm beyond */
  if (n < (size_t)rows) {
    memcpy(padded, x, n * columns * sizeof *x);
    memset(padded + n * columns, 0, ((size_t)rows - n) * columns * sizeof *x);
    x = padded;
  }
  if (rows < BLOCK) memset(own, 0, columns * BLOCK);
  memset(totals, 0, outputs * BLOCK * sizeof *totals);
  rank_block(l, x, rows, ranks);
  for (int32_t g = 0; g < l->n_groups; g++) {
    map_block(l, l->group + g, ranks, rows, own);
    sweep_group(l->group + g, own, rows, totals);
  }
  walk_trees(p, &l->walked, ranks, rows, by_row, totals);
  for (size_t r = 0; r < n; r++)
    for (size_t o = 0; o < outputs; o++) sums[r * outputs + o] = totals[o * BLOCK + r];
}

const Isa ISA = {ISA_NAME, walk_rows, walk_block};
