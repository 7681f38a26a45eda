/* common/crypto/comb_lanes.h - the comb sum in lanes, for any vector field: lane l works on job l of a group. Included by
 * exactly one file of each variant, after its field header (field8.h, field4.h), which defines VFE_LANES, struct vfe,
 * struct ventry and the vfe_ operations. */
#ifndef GIRO_CRYPTO_COMB_LANES_H
#define GIRO_CRYPTO_COMB_LANES_H

#include "point_lanes.h"

/* What a group adds from tables of one width: row after row, one entry a lane. */
struct lane_rows {
    const struct giro_comb_entry *tables[VFE_LANES];
    const uint16_t *digits[VFE_LANES];
    uint32_t windows, row;
};

static inline const struct giro_comb_entry *rows_entry(const struct lane_rows *rows,
                                                       uint32_t window, uint32_t lane)
{
    return &rows->tables[lane][window * rows->row + (rows->digits[lane][window] >> 1)];
}

/* Into the second-level cache, while the group before is worked on: a group's entries fill the first-level cache. */
static inline void prefetch_far(const struct lane_rows *rows, uint32_t window)
{
    for (uint32_t l = 0; l < VFE_LANES; l++) {
        const uint8_t *entry = (const uint8_t *)rows_entry(rows, window, l);
        _mm_prefetch((const char *)entry, _MM_HINT_T1);
        _mm_prefetch((const char *)entry + GIRO_CACHE_LINE_BYTES, _MM_HINT_T1);
    }
}

/* Into the first-level cache, one window ahead. */
static inline void prefetch_near(const struct lane_rows *rows, uint32_t window)
{
    for (uint32_t l = 0; l < VFE_LANES; l++)
        giro_comb_prefetch(rows_entry(rows, window, l));
}

/* Adds all rows; `after` is what this group adds next, `far` what the next group adds where this one does now; NULL: nothing. */
static __attribute__((noinline)) void rows_add(struct vpoint *sum, const struct lane_rows *rows,
                                               const struct lane_rows *after,
                                               const struct lane_rows *far)
{
    struct vpoint point = *sum;
    for (uint32_t w = 0; w < rows->windows; w++) {
        if (far != NULL)
            prefetch_far(far, w);
        if (w + 1 < rows->windows)
            prefetch_near(rows, w + 1);
        else if (after != NULL)
            prefetch_near(after, 0);
        const struct giro_comb_entry *entries[VFE_LANES];
        uint32_t negative = 0;
        for (uint32_t l = 0; l < VFE_LANES; l++) {
            entries[l] = rows_entry(rows, w, l);
            negative |= (rows->digits[l][w] & 1u) << l;
        }
        const struct ventry entry = ventry_load(entries, negative);
        vpoint_add(&point, &entry, negative);
    }
    *sum = point;
}

/* One group of jobs and what it adds. */
struct lane_group {
    struct giro_comb_job *jobs[VFE_LANES];
    struct lane_rows base, key;
};

/* Empty lanes of the last group repeat its last job. */
static void group_fill(struct lane_group *group, struct giro_comb_job *jobs, uint32_t at,
                       uint32_t count, uint32_t key_width)
{
    for (uint32_t l = 0; l < VFE_LANES; l++) {
        struct giro_comb_job *job = &jobs[at + l < count ? at + l : count - 1];
        group->jobs[l] = job;
        group->base.tables[l] = giro_comb_base;
        group->base.digits[l] = job->base_digits;
        group->key.tables[l] = job->table;
        group->key.digits[l] = job->key_digits;
    }
    group->base.windows = GIRO_COMB_BASE_WINDOWS;
    group->base.row = GIRO_COMB_BASE_ROW;
    group->key.windows = giro_comb_windows(key_width);
    group->key.row = giro_comb_row(key_width);
}

/* The sums of one group; next is the group after it, NULL after the last. */
static void group_sum(const struct lane_group *group, const struct lane_group *next)
{
    struct vpoint point = vpoint_neutral();
    prefetch_near(&group->base, 0);
    rows_add(&point, &group->base, &group->key, next != NULL ? &next->base : NULL);
    rows_add(&point, &group->key, NULL, next != NULL ? &next->key : NULL);
    vpoint_store(group->jobs, &point);
}

#include "comb_few.h"

/* From here on a lane a job is faster than several. */
#define LANES_WORTH (FEW_MAX + 1)

static void lanes_sum(struct giro_comb_job *jobs, uint32_t count, uint32_t key_width)
{
    uint32_t i = 0;
    struct lane_group groups[2];
    if (count >= LANES_WORTH) {
        group_fill(&groups[0], jobs, 0, count, key_width);
        for (uint32_t w = 0; w < groups[0].key.windows; w++)
            prefetch_far(&groups[0].key, w);
    }
    for (; i + LANES_WORTH <= count; i += VFE_LANES) {
        const struct lane_group *group = &groups[i / VFE_LANES % 2];
        struct lane_group *next = NULL;
        if (i + VFE_LANES + LANES_WORTH <= count) {
            next = &groups[(i / VFE_LANES + 1) % 2];
            group_fill(next, jobs, i + VFE_LANES, count, key_width);
        }
        group_sum(group, next);
    }
    if (i < count)
        few_sum(jobs + i, count - i, key_width);
}

#endif
