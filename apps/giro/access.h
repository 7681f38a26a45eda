/* apps/giro/access.h - the hub that a command talks to, and as whom: options that all such commands take in the same words. */
#ifndef GIRO_APPS_ACCESS_H
#define GIRO_APPS_ACCESS_H

#include "apps/giro/giro.h"

/* What --genesis, --keys and --https give; the first two have defaults. */
struct giro_access {
    const char *genesis, *keys;
    struct giro_config_address https[GIRO_REPLICAS_MAX];
    uint32_t https_count; /* 0: not given; whether it must be, the command decides */
};
/* giro_access_children is for struct argp. The command's own parser says where the options go, at ARGP_KEY_INIT:
 * state->child_inputs[0] = &arguments->access. */
extern const struct argp_child giro_access_children[2];

/* giro_access_open opens the genesis file and loads the key `role` of `owner`. The caller ends with giro_access_close, also after
 * an error. view and *key begin zeroed. */
enum giro_err giro_access_open(const struct giro_access *access, uint64_t tables_bytes,
                               const char *owner, const char *role, struct giro_hub_view *view,
                               struct giro_secret_key **key,
                               struct giro_diagnosis *diagnosis) GIRO_MUST_USE;
void giro_access_close(struct giro_hub_view *view, struct giro_secret_key *key);
/* giro_access_member finds the member that --as names. */
enum giro_err giro_access_member(const struct giro_hub_view *view, const char *as, uint16_t *member,
                                 struct giro_diagnosis *diagnosis) GIRO_MUST_USE;

#endif
