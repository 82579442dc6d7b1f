#include "layout.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct { float t; int32_t right; uint16_t feature, rank, a; } Node;   /* right < 0: a leaf, t its payload */

typedef struct {
  const Plan *plan;
  Layout *out;
  Node *nodes;                                     /* of one tree, in preorder */
  int32_t used, capacity, leaves, depth;
  int failed;
} Builder;

static void *room(Layout *l, size_t count, size_t size) {
  l->bytes += count * size;
  return calloc(count + 64 / size + 1, size);      /* vectors may be read beyond the end */
}

/* Append the subtree at a slot. A plan that was checked is a tree, so this ends. */
static void grow(Builder *b, int32_t level, size_t slot, int32_t steps, int32_t depth) {
  const Plan *p = b->plan;
  int32_t table = level < p->heap ? level : p->heap, me = b->used;
  if (b->used == b->capacity) {
    Node *more = realloc(b->nodes, sizeof *more * 2 * (size_t)b->capacity);
    if (!more) b->failed = 1;
    if (b->failed) return;
    b->nodes = more, b->capacity *= 2;
  }
  b->used++;
  if (depth > b->depth) b->depth = depth;
  int32_t column = level < steps ? column_at(&p->column[table], slot) : p->columns;
  b->nodes[me] = (Node){p->threshold[table][slot], -1, (uint16_t)column, 0, (uint16_t)b->leaves};
  if (column == p->columns) { b->leaves++; return; }
  size_t child = level < p->heap ? 2 * slot : (size_t)p->left[slot];
  grow(b, level + 1, child, steps, depth + 1);
  if (b->failed) return;
  b->nodes[me].right = b->used;
  grow(b, level + 1, child + 1, steps, depth + 1);
}

static int tree(Builder *b, int32_t t) {
  const Plan *p = b->plan;
  int32_t s = 0;
  while (t >= p->stages[s].tree + p->stages[s].trees) s++;
  b->used = b->leaves = b->depth = 0;
  grow(b, 0, (size_t)t, p->stages[s].steps, 0);
  return !b->failed;
}

static int32_t run_of(const Plan *p, int32_t t) {
  int32_t r = 0;
  while (t >= p->runs[r].tree + p->runs[r].trees) r++;
  return r;
}

/* A number that sorts as its float does; -0 as 0. */
static uint32_t key_of(float t) {
  uint32_t u;
  t += 0.0f;
  memcpy(&u, &t, 4);
  return u ^ (u >> 31 ? 0xffffffffu : 0x80000000u);
}

static float of_key(uint32_t u) {
  float t;
  u ^= u >> 31 ? 0x80000000u : 0xffffffffu;
  memcpy(&t, &u, 4);
  return t;
}

static void sort(uint32_t *keys, uint32_t *other, size_t n) {
  for (int shift = 0; shift < 32; shift += 8) {
    size_t at[257] = {0};
    for (size_t i = 0; i < n; i++) at[(keys[i] >> shift & 255) + 1]++;
    for (int d = 0; d < 256; d++) at[d + 1] += at[d];
    for (size_t i = 0; i < n; i++) other[at[keys[i] >> shift & 255]++] = keys[i];
    uint32_t *swap = keys;
    keys = other, other = swap;                    /* four passes: the result is where it was */
  }
}

static const char *TOO_MANY = "more than 8,191 thresholds of a feature", *NO_MEMORY = "there is no memory for the layout";

/* The distinct thresholds of each feature, sorted and padded. */
static const char *thresholds(Builder *b) {
  const Plan *p = b->plan;
  Layout *l = b->out;
  size_t *start = calloc((size_t)l->features + 2, sizeof *start), splits = 0;
  uint32_t *keys = NULL, *other = NULL;
  const char *wrong = start ? NULL : NO_MEMORY;
  for (int pass = 0; pass < 2 && !wrong; pass++) {
    for (int32_t t = 0; t < p->trees && !wrong; t++) {
      if (!tree(b, t)) wrong = NO_MEMORY;
      for (int32_t i = 0; i < b->used && !wrong; i++) {
        if (b->nodes[i].right < 0) continue;
        if (pass == 0) start[b->nodes[i].feature + 2]++, splits++;
        else keys[start[b->nodes[i].feature + 1]++] = key_of(b->nodes[i].t);
      }
    }
    if (pass || wrong) break;
    for (int32_t f = 0; f < l->features; f++) start[f + 2] += start[f + 1];
    keys = malloc((splits + 1) * sizeof *keys), other = malloc((splits + 1) * sizeof *other);
    if (!keys || !other) wrong = NO_MEMORY;
  }
  size_t total = 0;
  for (int32_t f = 0; f < l->features && !wrong; f++) {
    uint32_t *k = keys + start[f];
    size_t n = start[f + 1] - start[f], distinct = 0;
    sort(k, other, n);
    for (size_t i = 0; i < n; i++)
      if (!i || k[i] != k[i - 1]) k[distinct++] = k[i];
    for (size_t i = distinct; i < n; i++) k[i] = 0xffffffffu;  /* no float */
    if (distinct > MOST_RANKS) wrong = TOO_MANY;
    while ((1u << l->bits[f]) - 1 < distinct) l->bits[f]++;
    l->first[f] = (uint32_t)total;
    total += (1u << l->bits[f]) - 1;
  }
  l->first[l->features] = (uint32_t)total;
  if (!wrong && !(l->threshold = room(l, total, sizeof *l->threshold))) wrong = NO_MEMORY;
  for (int32_t f = 0; f < l->features && !wrong; f++) {
    float *t = l->threshold + l->first[f];
    size_t n = start[f + 1] - start[f], i = 0;
    for (; i < n && keys[start[f] + i] != 0xffffffffu; i++) t[i] = of_key(keys[start[f] + i]);
    for (; i < (1u << l->bits[f]) - 1; i++) t[i] = INFINITY;
  }
  free(start), free(keys), free(other);
  return wrong;
}

/* Fill in the ranks of the tree at hand: the place of each threshold among those of its feature. */
static void rank(Builder *b) {
  const Layout *l = b->out;
  for (int32_t i = 0; i < b->used; i++) {
    Node *n = b->nodes + i;
    if (n->right < 0) continue;
    const float *t = l->threshold + l->first[n->feature];
    uint32_t at = 0;
    for (uint32_t step = 1u << l->bits[n->feature]; step >>= 1;)
      if (n->t > t[at + step - 1]) at += step;
    n->rank = (uint16_t)at;
  }
}

static int swept(const Builder *b, int32_t run) { return !b->plan->runs[run].vectors && b->leaves <= SWEEP_LEAVES; }

/* Whether the tree at hand fits a group; marks its thresholds if it does. `stamp` is of all thresholds: the number of
   the last group that has it, plus 1. */
static int fits(const Builder *b, uint8_t *stamp, int32_t *have, int32_t *added) {
  const Layout *l = b->out;
  int32_t n = 0, full = 0;
  for (int32_t i = 0; i < b->used; i++) {
    const Node *at = b->nodes + i;
    if (at->right < 0) continue;
    uint32_t place = l->first[at->feature] + at->rank;
    if (stamp[place]) continue;
    stamp[place] = 1, added[n++] = i;
    if (++have[at->feature] > SWEEP_RANKS) full = 1;
  }
  if (!full) return 1;
  for (int32_t k = 0; k < n; k++) {                /* not this tree: take its marks away */
    const Node *at = b->nodes + added[k];
    stamp[l->first[at->feature] + at->rank] = 0, have[at->feature]--;
  }
  return 0;
}

/* Lay out a group of trees whose thresholds are marked in `stamp`. */
static const char *emit_group(Builder *b, Group *g, const int32_t *trees, int32_t count, const uint8_t *stamp, size_t splits) {
  Layout *l = b->out;
  const Plan *p = b->plan;
  size_t total = l->first[l->features];
  g->map = room(l, total + (size_t)l->features, 1);
  g->output = room(l, (size_t)count, sizeof *g->output);
  g->start = room(l, (size_t)count + 1, sizeof *g->start), g->value_start = room(l, (size_t)count + 1, sizeof *g->value_start);
  g->nodes = room(l, splits, sizeof *g->nodes), g->values = room(l, splits + (size_t)count, sizeof *g->values);
  if (!g->map || !g->output || !g->start || !g->value_start || !g->nodes || !g->values) return NO_MEMORY;
  for (int32_t f = 0; f < l->features; f++) {
    uint8_t *map = g->map + l->first[f] + f, below = 0;
    for (uint32_t r = 0; r < 1u << l->bits[f]; r++) {
      map[r] = below;
      if (r < (1u << l->bits[f]) - 1) below = (uint8_t)(below + stamp[l->first[f] + r]);
    }
  }
  uint32_t s = 0, v = 0;
  for (int32_t k = 0; k < count; k++) {
    if (!tree(b, trees[k])) return NO_MEMORY;
    rank(b);
    const Run *run = p->runs + run_of(p, trees[k]);
    g->start[k] = s, g->value_start[k] = v;
    g->output[k] = run->first + (trees[k] - run->tree) / (run->trees / run->outputs);
    for (int32_t i = 0; i < b->used; i++) {
      const Node *n = b->nodes + i;
      if (n->right < 0) { g->values[v++] = n->t; continue; }
      uint8_t t = g->map[l->first[n->feature] + n->feature + n->rank], a = (uint8_t)n->a, to = (uint8_t)b->nodes[n->right].a;
      g->nodes[s++] = (SweepNode){n->feature, t, a, to, (uint8_t)(a ^ to)};
    }
  }
  g->start[count] = s, g->value_start[count] = v, g->trees = count;
  return NULL;
}

/* Group the trees that can be swept, in their order. */
static const char *groups(Builder *b) {
  const Plan *p = b->plan;
  Layout *l = b->out;
  size_t total = l->first[l->features], splits = 0;
  uint8_t *stamp = calloc(total + 1, 1);
  int32_t *have = calloc((size_t)l->features + 1, sizeof *have), *trees = malloc(((size_t)p->trees + 1) * sizeof *trees), count = 0;
  int32_t *added = malloc((size_t)(2 * SWEEP_LEAVES) * sizeof *added);
  const char *wrong = stamp && have && trees && added ? NULL : NO_MEMORY;
  for (int32_t t = 0; t < p->trees && !wrong; t++) {
    if (!tree(b, t)) { wrong = NO_MEMORY; break; }
    if (!swept(b, run_of(p, t))) continue;
    rank(b);
    if (!fits(b, stamp, have, added)) {
      if (l->n_groups == MOST_GROUPS || !count) { wrong = "too many thresholds for groups of trees"; break; }
      if ((wrong = emit_group(b, &l->group[l->n_groups++], trees, count, stamp, splits))) break;
      memset(stamp, 0, total), memset(have, 0, (size_t)l->features * sizeof *have);
      count = 0, splits = 0;
      t--;                                         /* once more, into the next group */
      continue;
    }
    trees[count++] = t, splits += (size_t)b->leaves - 1;
  }
  if (!wrong && count) wrong = l->n_groups == MOST_GROUPS ? "too many thresholds for groups of trees" : emit_group(b, &l->group[l->n_groups++], trees, count, stamp, splits);
  free(stamp), free(have), free(trees), free(added);
  return wrong;
}

/* The other trees, packed. */
static const char *walked(Builder *b) {
  const Plan *p = b->plan;
  Layout *l = b->out;
  Walked *w = &l->walked;
  size_t nodes = 0;
  for (int pass = 0; pass < 2; pass++) {
    size_t at = 0;
    int32_t k = 0;
    for (int32_t t = 0; t < p->trees; t++) {
      int32_t run = run_of(p, t);
      if (!tree(b, t)) return NO_MEMORY;
      if (swept(b, run)) continue;
      if (pass) {
        rank(b);
        w->run[k] = run, w->tree[k] = t, w->depth[k] = b->depth, w->root[k] = (uint32_t)at;
        for (int32_t i = 0; i < b->used; i++) {
          const Node *n = b->nodes + i;
          if (n->right < 0) {
            if (p->runs[run].vectors) w->leaf[at + (size_t)i] = (int32_t)n->t;
            else memcpy(w->leaf + at + i, &n->t, 4);
            continue;
          }
          if (n->right - i > 4095) return "a tree with more than 4,095 nodes on a left side";
          w->nodes[at + (size_t)i] = (uint32_t)n->feature | (uint32_t)n->rank << 7 | (uint32_t)(n->right - i) << 20;
        }
      }
      at += (size_t)b->used, k++;
    }
    if (pass) break;
    nodes = at, w->trees = k;
    w->run = room(l, (size_t)k, 4), w->tree = room(l, (size_t)k, 4), w->depth = room(l, (size_t)k, 4), w->root = room(l, (size_t)k, 4);
    w->nodes = room(l, nodes, 4), w->leaf = room(l, nodes, 4);
    if (!w->run || !w->tree || !w->depth || !w->root || !w->nodes || !w->leaf) return NO_MEMORY;
  }
  return NULL;
}

Layout *layout_build(const Plan *plan, const char **wrong) {
  *wrong = NO_MEMORY;
  if (plan->columns > MOST_FEATURES) { *wrong = "more than 128 features"; return NULL; }
  Layout *l = calloc(1, sizeof *l);
  Builder b = {plan, l, malloc(1024 * sizeof(Node)), 0, 1024, 0, 0, 0};
  if (l && b.nodes) {
    l->features = plan->columns;
    l->first = room(l, (size_t)plan->columns + 1, sizeof *l->first), l->bits = room(l, (size_t)plan->columns, sizeof *l->bits);
    if (l->first && l->bits) *wrong = thresholds(&b);
    if (!*wrong) *wrong = groups(&b);
    if (!*wrong) *wrong = walked(&b);
  }
  free(b.nodes);
  if (!*wrong) return l;
  if (l) layout_free(l);
  return NULL;
}

void layout_free(Layout *l) {
  for (int32_t g = 0; g < l->n_groups; g++) {
    Group *q = l->group + g;
    free(q->output), free(q->start), free(q->value_start), free(q->nodes), free(q->values), free(q->map);
  }
  Walked *w = &l->walked;
  free(w->run), free(w->tree), free(w->depth), free(w->root), free(w->nodes), free(w->leaf);
  free(l->first), free(l->bits), free(l->threshold), free(l);
}
