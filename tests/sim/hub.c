#include <stdlib.h>

#include "sim/sim.h"

static struct giro_secret_key *secret_of(const char *owner, const char *role)
{
    char text[96];
    int length = snprintf(text, sizeof(text), "giro-sim/%s/%s", owner, role);
    struct giro_hash hash = giro_sha256(text, (size_t)length);
    struct giro_secret_key *key = giro_key_from_seed(hash.bytes);
    return sim_memory(key);
}

/* Makes the public part with its proof of possession; hands the secret out if somebody wants it. */
static struct giro_genesis_key key_make(const struct giro_genesis *genesis, const char *owner,
                                        const char *role, struct giro_secret_key **keep)
{
    struct giro_secret_key *secret = secret_of(owner, role);
    struct giro_genesis_key key = {.key_id = 1, .key = giro_key_public(secret)};
    uint8_t message[GIRO_POSSESSION_MESSAGE_BYTES];
    size_t size_bytes =
        giro_possession_message(genesis->nonce, role, owner, key.key_id, &key.key, message);
    if (strcmp(role, "sealing") != 0)
        key.possession = giro_sign(secret, message, size_bytes);
    if (keep != NULL)
        *keep = secret;
    else
        giro_key_free(secret);
    return key;
}

static void members_make(struct sim_hub *hub, struct giro_genesis *genesis)
{
    genesis->members = sim_memory(calloc(SIM_MEMBERS, sizeof(*genesis->members)));
    genesis->member_count = SIM_MEMBERS;
    for (uint32_t i = 0; i < SIM_MEMBERS; i++) {
        struct giro_genesis_member *member = &genesis->members[i];
        snprintf(member->bic, sizeof(member->bic), "SIM%uCZPP", i);
        snprintf(member->name, sizeof(member->name), "Member %u", i);
        member->frame_key_count = 1;
        member->frame_keys[0] = key_make(genesis, member->bic, "frame", &hub->member_keys[i]);
        member->session = key_make(genesis, member->bic, "session", NULL);
        member->sealing = key_make(genesis, member->bic, "sealing", NULL);
        member->account_count = SIM_CURRENCIES;
        for (uint16_t c = 0; c < SIM_CURRENCIES; c++)
            member->accounts[c] = (struct giro_genesis_account){.currency_index = c,
                                                                .status = GIRO_ACCOUNT_OPEN,
                                                                .prefunded_minor = SIM_PREFUNDED,
                                                                .hold_minor = SIM_HOLD,
                                                                .cap_minor = SIM_CAP};
    }
}

static void genesis_fill(struct sim_hub *hub, struct giro_genesis *genesis, uint32_t replica_count,
                         uint32_t cycle_seconds)
{
    memset(genesis, 0, sizeof(*genesis));
    memcpy(genesis->name, "sim", 4);
    memset(genesis->nonce, 0x51, sizeof(genesis->nonce));
    memset(hub->window_secret, 0x77, sizeof(hub->window_secret));
    genesis->window_secret_hash = giro_sha256(hub->window_secret, sizeof(hub->window_secret));
    genesis->business_date = (uint16_t)(SIM_WALL_START_NS / GIRO_NS_PER_S / 86400);
    genesis->clock_bound_ns = 250 * SIM_MS;
    genesis->round_floor_ns = 20 * SIM_MS;
    genesis->batch_ttl_ns = 20 * GIRO_NS_PER_S;
    genesis->uetr_retained_entries = 65536;
    genesis->uetr_retained_days = 10;
    genesis->cycle_seconds = cycle_seconds;
    genesis->checkpoint_heights = 24; /* so that every history has some */
    genesis->currencies[0] = (struct giro_genesis_currency){"CZK", 203, 2};
    genesis->currencies[1] = (struct giro_genesis_currency){"EUR", 978, 2};
    genesis->currency_count = SIM_CURRENCIES;
    genesis->replica_count = replica_count;
    for (uint32_t i = 0; i < replica_count; i++) {
        struct giro_genesis_replica *replica = &genesis->replicas[i];
        snprintf(replica->name, sizeof(replica->name), "replica-%u", i);
        replica->vote = key_make(genesis, replica->name, "vote", &hub->vote_keys[i]);
        replica->batch = key_make(genesis, replica->name, "batch", &hub->batch_keys[i]);
        replica->transport = key_make(genesis, replica->name, "transport", NULL);
        replica->file = key_make(genesis, replica->name, "file", NULL);
    }
    members_make(hub, genesis);
}

void sim_hub_open(struct sim_hub *hub, uint32_t replica_count, uint32_t cycle_seconds, bool tables)
{
    memset(hub, 0, sizeof(*hub));
    struct giro_genesis draft;
    struct giro_diagnosis diagnosis = {0};
    genesis_fill(hub, &draft, replica_count, cycle_seconds);
    char *text = sim_memory(giro_genesis_text(&draft));
    free(draft.members);
    enum giro_err err = giro_genesis_parse("sim", text, strlen(text), &hub->genesis, &diagnosis);
    free(text);
    if (err == GIRO_ERR_OK) {
        uint32_t keys = giro_genesis_key_count(&hub->genesis);
        size_t size_bytes = giro_align_up(
            tables ? giro_key_ring_footprint(keys) : giro_key_ring_footprint_for(keys, 0), 64);
        hub->ring = giro_key_ring_init(sim_memory(aligned_alloc(64, size_bytes)), size_bytes, keys);
        err = giro_genesis_enrol(&hub->genesis, hub->ring, &diagnosis);
    }
    if (err != GIRO_ERR_OK)
        giro_diagnosis_print("giro-sim", &diagnosis);
    GIRO_ASSERT(err == GIRO_ERR_OK);
    for (uint32_t i = 0; i < replica_count; i++) {
        hub->vote_handles[i] = hub->genesis.replicas[i].vote.handle;
        hub->batch_handles[i] = hub->genesis.replicas[i].batch.handle;
    }
}

void sim_hub_close(struct sim_hub *hub)
{
    for (uint32_t i = 0; i < hub->genesis.replica_count; i++) {
        giro_key_free(hub->vote_keys[i]);
        giro_key_free(hub->batch_keys[i]);
    }
    for (uint32_t i = 0; i < SIM_MEMBERS; i++)
        giro_key_free(hub->member_keys[i]);
    giro_genesis_free(&hub->genesis);
    free(hub->ring);
}
