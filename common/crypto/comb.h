/* common/crypto/comb.h - fixed-base comb tables and the jobs that run over them.
 *
 * A scalar s < 2^253 is written as signed digits d[w] of `width` bits: s = sum of d[w] * 2^(width w), |d[w]| <=
 * 2^(width - 1). The table of a point P has for each window w one row of 2^(width - 1) + 1 entries; entry j is the
 * point j * 2^(width w) * P. [s]P is then the sum of one entry (or its negative) from each row: no doublings.
 */
#ifndef GIRO_CRYPTO_COMB_H
#define GIRO_CRYPTO_COMB_H

#include <assert.h>

#include "field.h"

/* An affine point as a mixed addition wants it: y + x, y - x, 2dxy, canonical limbs; two cache lines. The neutral
 * point is 1, 1, 0. */
struct giro_comb_entry {
    struct giro_fe sum, difference, product;
    uint64_t padding;
};
static_assert(sizeof(struct giro_comb_entry) == 2 * GIRO_CACHE_LINE_BYTES, "two cache lines");

/* Widths a key's table may have. */
#define GIRO_COMB_WIDTH_MAX   8u
#define GIRO_COMB_WIDTH_MIN   4u
#define GIRO_COMB_WINDOWS_MAX 64u

/* The base point's: there is one table, so its digits are wider. 26 rows of 513 entries, 1.6 MiB. 12 bits would save five
 * additions of 58; but their 5.3 MiB would have to come from memory, beside the keys' tables, and memory is what bounds the
 * eight lanes (perf/README.md). */
#define GIRO_COMB_BASE_WIDTH   10u
#define GIRO_COMB_BASE_WINDOWS ((253 + GIRO_COMB_BASE_WIDTH) / GIRO_COMB_BASE_WIDTH)
#define GIRO_COMB_BASE_ROW     ((1u << (GIRO_COMB_BASE_WIDTH - 1)) + 1)

static inline uint32_t giro_comb_windows(uint32_t width)
{
    return (253 + width) / width; /* 253 bits and the carry of the last digit: 32, 43, 64 */
}

static inline uint32_t giro_comb_row(uint32_t width)
{
    return (1u << (width - 1)) + 1;
}

static inline size_t giro_comb_bytes(uint32_t width)
{
    return (size_t)giro_comb_windows(width) * giro_comb_row(width) * sizeof(struct giro_comb_entry);
}

/* A point in extended coordinates: x = X/Z, y = Y/Z, T = XY/Z (Hisil and others 2008). */
struct giro_point {
    struct giro_fe x, y, z, t;
};

/* giro_point_decode reads an encoded point; false if it is none. y >= p is reduced, as libsodium does. */
bool giro_point_decode(struct giro_point *point, const uint8_t bytes[32]) GIRO_MUST_USE;
/* giro_point_encode writes the encoding; false: the coordinates are of no point of the curve, and the bytes mean nothing. No
 * branch and no address depends on the point. */
bool giro_point_encode(const struct giro_point *point, uint8_t bytes[32]);
struct giro_point giro_point_base(void);
void giro_point_negate(struct giro_point *point);
/* giro_point_add_entry adds an affine table entry, or its negative. */
void giro_point_add_entry(struct giro_point *point, const struct giro_comb_entry *entry,
                          bool negative);
extern const struct giro_point giro_point_neutral;
extern const struct giro_fe giro_curve_2d; /* twice the curve's d */

/* giro_comb_build fills a table of `width` for point. 0.3 to 1 ms. */
void giro_comb_build(struct giro_comb_entry *table, uint32_t width, const struct giro_point *point);
/* giro_comb_base is the table of the base point; giro_comb_base_build fills it once, at start. */
extern struct giro_comb_entry giro_comb_base[];
void giro_comb_base_build(void);
bool giro_comb_base_ready(void);

/* ---- Jobs: one signature on its way ---- */

static_assert(GIRO_COMB_BASE_ROW * 2 <= UINT16_MAX, "an index and a sign fit in a digit");

/* A digit as the lookups want it: the entry's index in its row, and its sign in bit 0. */
struct giro_comb_job {
    struct giro_fe x, y, z; /* the sum, loose limbs; two cache lines */
    uint64_t padding;
    const struct giro_comb_entry *table;          /* of -A */
    uint16_t base_digits[GIRO_COMB_BASE_WINDOWS]; /* of S */
    uint16_t key_digits[GIRO_COMB_WINDOWS_MAX];   /* of k */
    uint8_t encoded[32];                          /* the sum's encoding */
} __attribute__((aligned(GIRO_CACHE_LINE_BYTES)));
/* Jobs that share one inversion. */
#define GIRO_COMB_JOBS_MAX 128u

/* The entries that a window's digits of a job name; key_row is the number of entries of a row of the key's table. */
static inline const struct giro_comb_entry *giro_comb_base_entry(const struct giro_comb_job *job,
                                                                 uint32_t window)
{
    return &giro_comb_base[window * GIRO_COMB_BASE_ROW + (job->base_digits[window] >> 1)];
}

static inline const struct giro_comb_entry *giro_comb_key_entry(const struct giro_comb_job *job,
                                                                uint32_t window, uint32_t key_row)
{
    return &job->table[window * key_row + (job->key_digits[window] >> 1)];
}

/* giro_comb_prefetch asks for an entry. Tables fit in no near cache: what a job will read is asked for while the job before
 * it, or the window before, is worked on. */
static inline void giro_comb_prefetch(const struct giro_comb_entry *entry)
{
    __builtin_prefetch(entry);
    __builtin_prefetch((const uint8_t *)entry + GIRO_CACHE_LINE_BYTES);
}

/* giro_comb_digits writes the digits of a scalar < 2^253 for a table of that width: a key's, or GIRO_COMB_BASE_WIDTH. */
void giro_comb_digits(uint16_t *digits, uint32_t width, const uint8_t scalar[32]);
/* giro_comb_digits_secret writes the 64 digits of width 4 of a secret scalar < 2^253; no branch and no address depends on it. */
void giro_comb_digits_secret(uint16_t digits[GIRO_COMB_WINDOWS_MAX], const uint8_t scalar[32]);

/* [S]B + [k](-A) of jobs[0..count), whose tables all have width key_width. */
typedef void giro_comb_sum_fn(struct giro_comb_job *jobs, uint32_t count, uint32_t key_width);
void giro_comb_sum_portable(struct giro_comb_job *jobs, uint32_t count, uint32_t key_width);
void giro_comb_sum_avx512(struct giro_comb_job *jobs, uint32_t count, uint32_t key_width);
void giro_comb_sum_avx2(struct giro_comb_job *jobs, uint32_t count, uint32_t key_width);
/* The encodings of the sums of jobs[0..count), count <= GIRO_COMB_JOBS_MAX, with one inversion. */
typedef void giro_comb_encode_fn(struct giro_comb_job *jobs, uint32_t count);
void giro_comb_encode_portable(struct giro_comb_job *jobs, uint32_t count);
void giro_comb_encode_avx512(struct giro_comb_job *jobs, uint32_t count);
/* For the tests: four products, loose. Limbs of a and b < 2^51 + 2^41: what four lanes carry at most. */
void giro_field4_mul(struct giro_fe results[4], const struct giro_fe a[4],
                     const struct giro_fe b[4]);
/* For the tests: eight carried products; element l has limbs a[0..5)[l]. */
void giro_field8_mul(uint64_t result[5][8], const uint64_t a[5][8], const uint64_t b[5][8]);

#endif
