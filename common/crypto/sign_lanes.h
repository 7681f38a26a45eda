/* common/crypto/sign_lanes.h - [r]B in lanes, for any vector field. Included by exactly one file of each variant, after its
 * field header and sign_entry: the entries of windows `window` to window + VFE_LANES, whose digits are given, one a lane, and the
 * lanes to subtract in. */
#ifndef GIRO_CRYPTO_SIGN_LANES_H
#define GIRO_CRYPTO_SIGN_LANES_H

#include "point_lanes.h"

static void sign_sum(struct giro_comb_job *job)
{
    struct giro_comb_job *owners[VFE_LANES];
    struct vpoint point = vpoint_neutral();
    for (uint32_t w = 0; w < GIRO_COMB_WINDOWS_MAX; w += VFE_LANES) {
        uint32_t negative;
        const struct ventry entry = sign_entry(w, job->key_digits + w, &negative);
        vpoint_add(&point, &entry, negative);
    }
    for (uint32_t distance = VFE_LANES / 2; distance > 0; distance /= 2) {
        const struct vpoint other = vpoint_swap(&point, distance);
        vpoint_add_point(&point, &other);
    }
    for (uint32_t l = 0; l < VFE_LANES; l++)
        owners[l] = job;
    vpoint_store(owners, &point);
}

#endif
