/* See hub_keys.h. */
#include "apps/girod/hub_keys.h"

#include <string.h>

#include "giro/sys.h"

static enum giro_err open_ring(const struct giro_config *config, struct giro_genesis *genesis,
                               struct giro_hub_keys *keys, struct giro_diagnosis *diagnosis)
{
    const struct giro_keys_options options = {.genesis = genesis,
                                              .tables_path = config->key_tables_path,
                                              .tables_bytes =
                                                  (uint64_t)config->key_tables_mb * 1024u * 1024u};
    const struct giro_clock clock = giro_clock_system();
    const uint64_t begin_ns = clock.mono_ns(clock.self);
    GIRO_TRY(giro_keys_open(&options, &keys->enrolled, diagnosis));
    keys->ring = giro_keys_ring(keys->enrolled);
    const struct giro_keys_report report = giro_keys_report(keys->enrolled);
    GIRO_LOG(INFO, "keys",
             "%u keys enrolled in %lu ms; %u tables of %u bits, %lu MiB: %u built, %u shared",
             report.key_count, (unsigned long)((clock.mono_ns(clock.self) - begin_ns) / 1000000u),
             report.table_count, report.table_width, (unsigned long)(report.tables_bytes >> 20),
             report.built, report.mapped);
    if (report.table_width == 0)
        GIRO_LOG(WARN, "keys", "limits.key_tables_mb is too low for tables: libsodium verifies");
    return GIRO_ERR_OK;
}

enum giro_err giro_hub_keys_open(const struct giro_config *config, struct giro_genesis *genesis,
                                 struct giro_hub_keys *keys, struct giro_diagnosis *diagnosis)
{
    GIRO_TRY(giro_genesis_load(config->genesis_path, genesis, diagnosis));
    if (config->replica >= genesis->replica_count || config->peer_count != genesis->replica_count) {
        giro_diagnosis_set(diagnosis, "replica and peers must fit the genesis file",
                           "list one peer address per replica, in genesis order",
                           "%u peers and replica %u configured, the genesis file has %u replicas",
                           config->peer_count, config->replica, genesis->replica_count);
        return GIRO_ERR_CONFIG;
    }
    GIRO_TRY(open_ring(config, genesis, keys, diagnosis));
    const struct giro_genesis_replica *own = &genesis->replicas[config->replica];
    GIRO_TRY(giro_key_file_load(config->keys_path, own->name, "vote", &keys->vote, diagnosis));
    GIRO_TRY(giro_key_file_load(config->keys_path, own->name, "batch", &keys->batch, diagnosis));
    GIRO_TRY(
        giro_key_file_load(config->keys_path, own->name, "transport", &keys->transport, diagnosis));
    struct {
        struct giro_secret_key *secret;
        const struct giro_genesis_key *enrolled;
        const char *role;
    } pairs[] = {{keys->vote, &own->vote, "vote"},
                 {keys->batch, &own->batch, "batch"},
                 {keys->transport, &own->transport, "transport"}};
    for (uint32_t i = 0; i < 3; i++) {
        struct giro_public_key key = giro_key_public(pairs[i].secret);
        if (memcmp(&key, &pairs[i].enrolled->key, sizeof(key)) == 0)
            continue;
        giro_diagnosis_set(diagnosis, own->name, "use the key directory the genesis was made with",
                           "the %s key in \"%s\" is not the enrolled one", pairs[i].role,
                           config->keys_path);
        return GIRO_ERR_KEY;
    }
    return GIRO_ERR_OK;
}

void giro_hub_keys_close(struct giro_hub_keys *keys)
{
    struct giro_secret_key *own[] = {keys->vote, keys->batch, keys->transport};
    for (uint32_t i = 0; i < 3; i++)
        if (own[i] != NULL)
            giro_key_free(own[i]);
    giro_keys_close(keys->enrolled);
}
