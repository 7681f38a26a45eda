/* apps/girod/hub_keys.h - the keys of a replica: those enrolled in the genesis file, as tables for the verifier, and its own three.
 * Internal to girod. */
#ifndef GIRO_APPS_HUB_KEYS_H
#define GIRO_APPS_HUB_KEYS_H

#include "giro/config.h"
#include "giro/keys.h"

struct giro_hub_keys {
    struct giro_keys *enrolled;
    const struct giro_key_ring *ring; /* of them */
    struct giro_secret_key *vote, *batch, *transport;
};
/* giro_hub_keys_open loads the genesis file, which the caller frees, and the keys; KEY: one of its own is not the one enrolled. What
 * was opened before an error is closed by giro_hub_keys_close. */
enum giro_err giro_hub_keys_open(const struct giro_config *config, struct giro_genesis *genesis,
                                 struct giro_hub_keys *keys,
                                 struct giro_diagnosis *diagnosis) GIRO_MUST_USE;
void giro_hub_keys_close(struct giro_hub_keys *keys);

#endif
