/* The memory of the batches: one arena, parts sized by the options. */
#include "consensus/batches_internal.h"

enum {
    PART_SELF,
    PART_SLOTS,
    PART_BODIES,
    PART_SLOTS_FREE,
    PART_SLOT_MAP,
    PART_ARRIVAL,
    PART_WAITING,
    PART_AUTHORS,
    PART_DEBTS,
    PART_ACKS,
    PART_PROOFS,
    PART_PROOF_BYTES,
    PART_PROOFS_FREE,
    PART_PROOF_MAP,
    PART_PROOF_ORDER,
    PART_EXECUTED,
    PART_EXECUTED_MAP,
    PART_WANTS,
    PART_CHECK_ACKS,
    PART_CHECK_ITEMS,
    PART_CHECK_MESSAGES,
    PART_CHECK_VERDICTS,
    PART_COUNT,
};

static uint32_t slots_of(const struct giro_consensus_options *options)
{
    return options->batches_max + GIRO_FETCHED_MAX;
}

/* Peers' proofs may take 2 x batches_max; every own slot has room for its own besides. */
static uint32_t proofs_of(const struct giro_consensus_options *options)
{
    return 2 * options->batches_max + slots_of(options);
}

static uint32_t proof_bytes_of(uint32_t replica_count)
{
    uint32_t quorum = replica_count - (replica_count - 1) / 3;
    uint32_t ack_bytes = 16 + GIRO_ACK_IDS_MAX * GIRO_HASH_BYTES + GIRO_SIGNATURE_BYTES;
    return (uint32_t)sizeof(struct giro_batch_proof_header) + quorum * ack_bytes;
}

static uint32_t executed_of(const struct giro_consensus_options *options)
{
    return options->executed_max == 0 ? GIRO_EXECUTED_MAX : options->executed_max;
}

static struct giro_map_options map_of(const struct giro_consensus_options *options,
                                      uint32_t capacity)
{
    return (struct giro_map_options){
        .capacity = capacity, .key_bytes = GIRO_HASH_BYTES, .seed = options->map_seed};
}

static bool sizes_of(const struct giro_consensus_options *options, size_t sizes[PART_COUNT])
{
    size_t n = options->replica_count;
    if (n == 0 || n > GIRO_REPLICAS_MAX || options->self >= n)
        return false;
    if (executed_of(options) < 2 * GIRO_BLOCK_REFERENCES_MAX ||
        executed_of(options) > GIRO_EXECUTED_MAX)
        return false;
    if (options->batches_max < 4 * n || options->batches_max > 1u << 20)
        return false;
    size_t slots = slots_of(options);
    size_t proofs = proofs_of(options);
    struct giro_map_options slot_map = map_of(options, (uint32_t)slots);
    struct giro_map_options proof_map = map_of(options, (uint32_t)proofs);
    struct giro_map_options executed_map = map_of(options, executed_of(options));
    sizes[PART_SELF] = sizeof(struct giro_batches);
    sizes[PART_SLOTS] = slots * sizeof(struct giro_batch_slot);
    sizes[PART_BODIES] = slots * GIRO_BATCH_BYTES_MAX;
    sizes[PART_SLOTS_FREE] = slots * sizeof(uint32_t);
    sizes[PART_SLOT_MAP] = giro_map_footprint(&slot_map);
    sizes[PART_ARRIVAL] = slots * sizeof(struct giro_index_link);
    sizes[PART_WAITING] = slots * sizeof(struct giro_index_link);
    sizes[PART_AUTHORS] = n * sizeof(uint32_t);
    sizes[PART_DEBTS] = n * sizeof(uint32_t);
    sizes[PART_ACKS] = slots * n * sizeof(struct giro_batch_ack);
    sizes[PART_PROOFS] = proofs * sizeof(struct giro_proof_entry);
    sizes[PART_PROOF_BYTES] = proofs * proof_bytes_of((uint32_t)n);
    sizes[PART_PROOFS_FREE] = proofs * sizeof(uint32_t);
    sizes[PART_PROOF_MAP] = giro_map_footprint(&proof_map);
    sizes[PART_PROOF_ORDER] = proofs * sizeof(struct giro_index_link);
    sizes[PART_EXECUTED] = executed_of(options) * sizeof(struct giro_executed_entry);
    sizes[PART_EXECUTED_MAP] = giro_map_footprint(&executed_map);
    sizes[PART_WANTS] = GIRO_WANTS_MAX * sizeof(struct giro_batch_want);
    sizes[PART_CHECK_ACKS] = n * sizeof(struct giro_batch_ack);
    sizes[PART_CHECK_ITEMS] = n * sizeof(struct giro_verify_item);
    sizes[PART_CHECK_MESSAGES] = n * GIRO_BATCH_ACK_MESSAGE_BYTES_MAX;
    sizes[PART_CHECK_VERDICTS] = n;
    return true;
}

size_t giro_batches_footprint(const struct giro_consensus_options *options)
{
    size_t sizes[PART_COUNT];
    if (!sizes_of(options, sizes))
        return 0;
    size_t total = 0;
    for (uint32_t i = 0; i < PART_COUNT; i++)
        total += giro_align_up(sizes[i], GIRO_CACHE_LINE_BYTES);
    return total;
}

static void pools_init(struct giro_batches *batches)
{
    for (uint32_t i = 0; i < batches->slot_count; i++)
        batches->slots_free[i] = batches->slot_count - 1 - i;
    batches->slots_free_count = batches->slot_count;
    for (uint32_t i = 0; i < batches->proof_count; i++)
        batches->proofs_free[i] = batches->proof_count - 1 - i;
    batches->proofs_free_count = batches->proof_count;
}

static void limits_init(struct giro_batches *batches, const struct giro_consensus_options *options)
{
    batches->slot_count = slots_of(options);
    batches->proof_count = proofs_of(options);
    batches->proof_bytes_max = proof_bytes_of(options->replica_count);
    batches->proof_foreign_max = 2 * options->batches_max;
    batches->executed_max = executed_of(options);
    batches->normal_max = options->batches_max;
    /* Half of the pool is promised evenly, half is for whoever has the traffic. */
    batches->guaranteed = options->batches_max / (2 * options->replica_count);
    batches->shared_max = options->batches_max - batches->guaranteed * options->replica_count;
    GIRO_ASSERT(batches->guaranteed >= 2);
    memcpy(&batches->chain_prefix, options->chain_id.bytes, sizeof(batches->chain_prefix));
    giro_patience_init(&batches->proving, GIRO_BATCH_RESEND_NS, GIRO_BATCH_RESEND_MAX_NS);
    giro_patience_init(&batches->asking, GIRO_FETCH_RETRY_NS, GIRO_FETCH_RETRY_MAX_NS);
    batches->wake_ns = UINT64_MAX;
    batches->expiry_floor_ns = UINT64_MAX;
}

/* The large ones, whose entries are written before they are counted as used. */
static bool part_is_raw(uint32_t part)
{
    return part == PART_BODIES || part == PART_ACKS || part == PART_PROOF_BYTES ||
           part == PART_EXECUTED || part == PART_EXECUTED_MAP;
}

struct giro_batches *giro_batches_init(void *mem, size_t size_bytes, struct giro_env *env)
{
    const struct giro_consensus_options *options = &env->options;
    size_t sizes[PART_COUNT];
    void *parts[PART_COUNT];
    if (!sizes_of(options, sizes) || giro_batches_footprint(options) > size_bytes)
        return NULL;
    struct giro_arena arena;
    giro_arena_init(&arena, mem, size_bytes);
    for (uint32_t i = 0; i < PART_COUNT; i++) {
        parts[i] = part_is_raw(i) ? giro_arena_take_raw(&arena, sizes[i], GIRO_CACHE_LINE_BYTES)
                                  : giro_arena_take(&arena, sizes[i], GIRO_CACHE_LINE_BYTES);
        GIRO_ASSERT(parts[i] != NULL);
    }
    struct giro_batches *batches = parts[PART_SELF];
    batches->env = env;
    limits_init(batches, options);
    batches->slots = parts[PART_SLOTS];
    batches->bodies = parts[PART_BODIES];
    batches->slots_free = parts[PART_SLOTS_FREE];
    batches->author_count = parts[PART_AUTHORS];
    batches->author_debt = parts[PART_DEBTS];
    batches->acks = parts[PART_ACKS];
    batches->proofs = parts[PART_PROOFS];
    batches->proof_bytes = parts[PART_PROOF_BYTES];
    batches->proofs_free = parts[PART_PROOFS_FREE];
    batches->executed = parts[PART_EXECUTED];
    batches->wants = parts[PART_WANTS];
    batches->check_acks = parts[PART_CHECK_ACKS];
    batches->check_items = parts[PART_CHECK_ITEMS];
    batches->check_messages = parts[PART_CHECK_MESSAGES];
    batches->check_verdicts = parts[PART_CHECK_VERDICTS];
    giro_index_list_init(&batches->arrival, parts[PART_ARRIVAL]);
    giro_index_list_init(&batches->waiting, parts[PART_WAITING]);
    giro_index_list_init(&batches->proof_order, parts[PART_PROOF_ORDER]);
    struct giro_map_options map = map_of(options, batches->slot_count);
    batches->slot_map = giro_map_init(parts[PART_SLOT_MAP], sizes[PART_SLOT_MAP], &map);
    map = map_of(options, batches->proof_count);
    batches->proof_map = giro_map_init(parts[PART_PROOF_MAP], sizes[PART_PROOF_MAP], &map);
    map = map_of(options, executed_of(options));
    batches->executed_map = giro_map_init(parts[PART_EXECUTED_MAP], sizes[PART_EXECUTED_MAP], &map);
    GIRO_ASSERT(batches->slot_map != NULL && batches->proof_map != NULL);
    GIRO_ASSERT(batches->executed_map != NULL);
    pools_init(batches);
    return batches;
}
