/* The hub that a command talks to. See access.h. */
#include "apps/giro/access.h"

static const struct argp_option options[] = {
    {"genesis", 'g', "FILE", 0, "genesis file (default: genesis.json)", 0},
    {"keys", 'k', "DIR", 0, "key directory (default: keys)", 0},
    {"https", 'u', "LIST", 0, "HTTPS addresses of replicas, tried in turn: host:port,host:port,...",
     0},
    {0}};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct giro_access *access = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        *access = (struct giro_access){.genesis = "genesis.json", .keys = "keys"};
        return 0;
    case 'g':
        access->genesis = arg;
        return 0;
    case 'k':
        access->keys = arg;
        return 0;
    case 'u':
        access->https_count = giro_addresses_parse(arg, access->https, GIRO_REPLICAS_MAX);
        if (access->https_count == 0)
            argp_error(state, "--https is host:port,host:port,..., not \"%s\"", arg);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp access_argp = {options, parse, NULL, NULL, NULL, NULL, NULL};
const struct argp_child giro_access_children[2] = {{&access_argp, 0, NULL, 0}, {0}};

enum giro_err giro_access_open(const struct giro_access *access, uint64_t tables_bytes,
                               const char *owner, const char *role, struct giro_hub_view *view,
                               struct giro_secret_key **key, struct giro_diagnosis *diagnosis)
{
    GIRO_TRY(giro_hub_view_open(access->genesis, tables_bytes, view, diagnosis));
    return giro_key_file_load(access->keys, owner, role, key, diagnosis);
}

void giro_access_close(struct giro_hub_view *view, struct giro_secret_key *key)
{
    if (key != NULL)
        giro_key_free(key);
    giro_hub_view_close(view);
}

enum giro_err giro_access_member(const struct giro_hub_view *view, const char *as, uint16_t *member,
                                 struct giro_diagnosis *diagnosis)
{
    uint32_t found = giro_genesis_member_by_bic(&view->genesis, as);
    if (found == GIRO_NONE) {
        giro_diagnosis_set(diagnosis, "", "--as names a member of the genesis file",
                           "\"%s\" is no member of this hub", as);
        return GIRO_ERR_ARGUMENT;
    }
    *member = (uint16_t)found;
    return GIRO_ERR_OK;
}
