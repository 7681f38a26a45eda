/* Comb tables: how they are built, and the sum in plain C. */
#include "comb.h"

const struct giro_fe giro_curve_2d = {
    {1859910466990425, 932731440258426, 1072319116312658, 1815898335770999, 633789495995903}};

struct giro_comb_entry giro_comb_base[GIRO_COMB_BASE_WINDOWS * GIRO_COMB_BASE_ROW]
    __attribute__((aligned(GIRO_CACHE_LINE_BYTES)));

/* The unified addition with an arbitrary point: eight multiplications and one by 2d. */
static struct giro_point point_add(const struct giro_point *p, const struct giro_point *q)
{
    struct giro_fe s = giro_fe_sub(&p->y, &p->x), t = giro_fe_sub(&q->y, &q->x);
    const struct giro_fe a = giro_fe_mul(&s, &t);
    s = giro_fe_add(&p->y, &p->x);
    t = giro_fe_add(&q->y, &q->x);
    const struct giro_fe b = giro_fe_mul(&s, &t);
    t = giro_fe_mul(&p->t, &q->t);
    const struct giro_fe c = giro_fe_mul(&t, &giro_curve_2d);
    t = giro_fe_mul(&p->z, &q->z);
    const struct giro_fe d = giro_fe_add(&t, &t);
    const struct giro_fe e = giro_fe_sub(&b, &a), f = giro_fe_sub(&d, &c);
    const struct giro_fe g = giro_fe_add(&d, &c), h = giro_fe_add(&b, &a);
    return (struct giro_point){.x = giro_fe_mul(&e, &f),
                               .y = giro_fe_mul(&g, &h),
                               .z = giro_fe_mul(&f, &g),
                               .t = giro_fe_mul(&e, &h)};
}

static struct giro_comb_entry entry_of(const struct giro_point *point,
                                       const struct giro_fe *inverse_z)
{
    const struct giro_fe x = giro_fe_mul(&point->x, inverse_z);
    const struct giro_fe y = giro_fe_mul(&point->y, inverse_z);
    const struct giro_fe sum = giro_fe_add(&y, &x), difference = giro_fe_sub(&y, &x);
    struct giro_fe product = giro_fe_mul(&x, &y);
    product = giro_fe_mul(&product, &giro_curve_2d);
    return (struct giro_comb_entry){.sum = giro_fe_canonical(&sum),
                                    .difference = giro_fe_canonical(&difference),
                                    .product = giro_fe_canonical(&product)};
}

/* Entries that share one inversion when a row is built. */
#define BUILD_CHUNK 64u

/* One row: entries 0..half of multiples of base; returns 2 * half * base, the next row's base. */
static struct giro_point row_build(struct giro_comb_entry *row, uint32_t half,
                                   const struct giro_point *base)
{
    struct giro_point points[BUILD_CHUNK], last = giro_point_neutral;
    struct giro_fe inverses[BUILD_CHUNK], scratch[BUILD_CHUNK];
    row[0] = entry_of(&giro_point_neutral, &giro_fe_one);
    for (uint32_t at = 1; at <= half; at += BUILD_CHUNK) {
        const uint32_t count = half + 1 - at < BUILD_CHUNK ? half + 1 - at : BUILD_CHUNK;
        for (uint32_t j = 0; j < count; j++) {
            last = point_add(&last, base);
            points[j] = last;
            inverses[j] = last.z; /* never zero: the addition law is complete */
        }
        giro_fe_invert_all(inverses, scratch, count);
        for (uint32_t j = 0; j < count; j++)
            row[at + j] = entry_of(&points[j], &inverses[j]);
    }
    return point_add(&last, &last);
}

static void rows_build(struct giro_comb_entry *table, uint32_t rows, uint32_t width,
                       const struct giro_point *point)
{
    struct giro_point base = *point;
    for (uint32_t w = 0; w < rows; w++)
        base = row_build(&table[w * giro_comb_row(width)], 1u << (width - 1), &base);
}

void giro_comb_build(struct giro_comb_entry *table, uint32_t width, const struct giro_point *point)
{
    GIRO_ASSERT(width >= GIRO_COMB_WIDTH_MIN && width <= GIRO_COMB_WIDTH_MAX);
    rows_build(table, giro_comb_windows(width), width, point);
}

void giro_comb_base_build(void)
{
    const struct giro_point base = giro_point_base();
    rows_build(giro_comb_base, GIRO_COMB_BASE_WINDOWS, GIRO_COMB_BASE_WIDTH, &base);
}

bool giro_comb_base_ready(void)
{
    return giro_comb_base[0].sum.v[0] == 1; /* the neutral point, once built */
}

void giro_comb_sum_portable(struct giro_comb_job *jobs, uint32_t count, uint32_t key_width)
{
    const uint32_t windows = giro_comb_windows(key_width), row = giro_comb_row(key_width);
    for (uint32_t w = 0; w < windows && count > 0; w++)
        giro_comb_prefetch(giro_comb_key_entry(&jobs[0], w, row));
    for (uint32_t i = 0; i < count; i++) {
        struct giro_comb_job *job = &jobs[i];
        struct giro_point sum = giro_point_neutral;
        for (uint32_t w = 0; w < GIRO_COMB_BASE_WINDOWS; w++)
            giro_comb_prefetch(giro_comb_base_entry(job, w));
        for (uint32_t w = 0; w < windows; w++) {
            if (i + 1 < count)
                giro_comb_prefetch(giro_comb_key_entry(&jobs[i + 1], w, row));
            giro_point_add_entry(&sum, giro_comb_key_entry(job, w, row), job->key_digits[w] & 1);
        }
        for (uint32_t w = 0; w < GIRO_COMB_BASE_WINDOWS; w++)
            giro_point_add_entry(&sum, giro_comb_base_entry(job, w), job->base_digits[w] & 1);
        job->x = sum.x;
        job->y = sum.y;
        job->z = sum.z;
    }
}

void giro_comb_encode_portable(struct giro_comb_job *jobs, uint32_t count)
{
    GIRO_ASSERT(count <= GIRO_COMB_JOBS_MAX);
    struct giro_fe inverses[GIRO_COMB_JOBS_MAX], scratch[GIRO_COMB_JOBS_MAX];
    for (uint32_t i = 0; i < count; i++)
        inverses[i] = jobs[i].z;
    giro_fe_invert_all(inverses, scratch, count);
    for (uint32_t i = 0; i < count; i++) {
        const struct giro_fe x = giro_fe_mul(&jobs[i].x, &inverses[i]);
        const struct giro_fe y = giro_fe_mul(&jobs[i].y, &inverses[i]);
        giro_fe_to_bytes(&y, jobs[i].encoded);
        jobs[i].encoded[31] |= giro_fe_is_odd(&x) ? 0x80 : 0;
    }
}
