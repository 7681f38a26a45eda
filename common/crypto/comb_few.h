/* common/crypto/comb_few.h - the comb sum of few jobs: too few to fill the lanes, so several lanes share one. Included by
 * comb_lanes.h only.
 *
 * A job's sum has GIRO_COMB_BASE_WINDOWS + giro_comb_windows(width) terms, which may be added in any order. With `share` lanes a
 * job, lane l adds the terms t of job l / share with t % share == l % share; then the lanes of a job are folded: each is added
 * to the one `share` / 2 away, then half as far, until every lane of the job holds the whole sum. One job in eight lanes takes
 * 8 additions of table entries and 3 of points, where one lane would take 58. */
#ifndef GIRO_CRYPTO_COMB_FEW_H
#define GIRO_CRYPTO_COMB_FEW_H

#define FEW_MAX (VFE_LANES / 2)

/* A term's entry, and its sign in bit 0 of *digit; behind the last term the neutral point. */
static inline const struct giro_comb_entry *few_entry(const struct giro_comb_job *job,
                                                      uint32_t term, uint32_t windows, uint32_t row,
                                                      uint32_t *digit)
{
    *digit = 0;
    if (term < windows) {
        *digit = job->key_digits[term];
        return giro_comb_key_entry(job, term, row);
    }
    if (term < windows + GIRO_COMB_BASE_WINDOWS) {
        *digit = job->base_digits[term - windows];
        return giro_comb_base_entry(job, term - windows);
    }
    return giro_comb_base;
}

static void few_sum(struct giro_comb_job *jobs, uint32_t count, uint32_t key_width)
{
    const uint32_t windows = giro_comb_windows(key_width), row = giro_comb_row(key_width);
    const uint32_t terms = windows + GIRO_COMB_BASE_WINDOWS;
    uint32_t share = VFE_LANES, digit = 0;
    GIRO_ASSERT(count >= 1 && count <= FEW_MAX);
    while (share * count > VFE_LANES)
        share /= 2;
    for (uint32_t t = 0; t < terms; t++) {
        for (uint32_t j = 0; j < count; j++)
            giro_comb_prefetch(few_entry(&jobs[j], t, windows, row, &digit));
    }
    /* Lanes left over (three jobs in eight) repeat the last job. */
    struct giro_comb_job *owners[VFE_LANES];
    for (uint32_t l = 0; l < VFE_LANES; l++)
        owners[l] = &jobs[l / share < count ? l / share : count - 1];
    struct vpoint point = vpoint_neutral();
    for (uint32_t first = 0; first < terms; first += share) {
        const struct giro_comb_entry *entries[VFE_LANES];
        uint32_t negative = 0;
        for (uint32_t l = 0; l < VFE_LANES; l++) {
            entries[l] = few_entry(owners[l], first + l % share, windows, row, &digit);
            negative |= (digit & 1u) << l;
        }
        const struct ventry entry = ventry_load(entries, negative);
        vpoint_add(&point, &entry, negative);
    }
    for (uint32_t distance = share / 2; distance > 0; distance /= 2) {
        const struct vpoint other = vpoint_swap(&point, distance);
        vpoint_add_point(&point, &other);
    }
    vpoint_store(owners, &point);
}

#endif
