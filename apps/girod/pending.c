#include "apps/girod/pending.h"

#define CUTS 1024u /* own batches whose cut is remembered: more than can be without a proof */
#define HEIGHT_LISTS                                                                               \
    1024u /* executed heights that wait for a certificate: at most c + 32 carry payload */

enum slot_state { SLOT_FREE, SLOT_WAITING, SLOT_DURABLE, SLOT_EXECUTED };

struct slot {
    struct giro_answer answer;
    uint64_t arrived_ns;
    uint64_t cut;                                  /* number of the batch it went into */
    uint64_t durable_ns, proposed_ns, executed_ns; /* 0: did not happen here */
    uint64_t executed_height;                      /* whose certificate it waits for */
    uint32_t next;                                 /* free list or height list */
    enum slot_state state;
};

struct giro_pending {
    uint32_t max;
    uint32_t count;
    uint32_t free_head;
    uint32_t used;   /* slots ever taken: [0, used) */
    uint32_t cursor; /* of giro_pending_expire */
    uint32_t heads[HEIGHT_LISTS];
    uint64_t now_ns;
    uint64_t cuts; /* batches cut */
    uint64_t cut_ns[CUTS];
    struct giro_legs legs;
    struct giro_map *by_hash;
    struct slot *slots;
};

static size_t map_bytes(uint32_t pending_max, uint64_t seed)
{
    struct giro_map_options options = {
        .capacity = pending_max, .key_bytes = GIRO_HASH_BYTES, .seed = seed};
    return giro_map_footprint(&options);
}

size_t giro_pending_footprint(uint32_t pending_max)
{
    if (pending_max == 0 || pending_max > (1u << 22))
        return 0;
    return giro_align_up(sizeof(struct giro_pending), 64) + map_bytes(pending_max, 1) +
           giro_align_up((size_t)pending_max * sizeof(struct slot), 64);
}

struct giro_pending *giro_pending_init(void *mem, size_t size_bytes, uint32_t pending_max,
                                       uint64_t seed)
{
    size_t need = giro_pending_footprint(pending_max);
    if (need == 0 || size_bytes < need)
        return NULL;
    uint8_t *at = mem;
    struct giro_pending *pending = (struct giro_pending *)at;
    memset(pending, 0, sizeof(*pending));
    at += giro_align_up(sizeof(*pending), 64);
    struct giro_map_options options = {
        .capacity = pending_max, .key_bytes = GIRO_HASH_BYTES, .seed = seed};
    pending->by_hash = giro_map_init(at, map_bytes(pending_max, seed), &options);
    at += map_bytes(pending_max, seed);
    pending->slots = (struct slot *)at;
    pending->max = pending_max;
    /* The free list holds only slots that were used before, so memory that was never needed stays untouched. */
    pending->free_head = GIRO_NONE;
    for (uint32_t i = 0; i < HEIGHT_LISTS; i++)
        pending->heads[i] = GIRO_NONE;
    return pending;
}

static uint32_t slot_take(struct giro_pending *pending)
{
    if (pending->free_head != GIRO_NONE) {
        uint32_t index = pending->free_head;
        pending->free_head = pending->slots[index].next;
        return index;
    }
    return pending->used < pending->max ? pending->used++ : GIRO_NONE;
}

static void slot_free(struct giro_pending *pending, uint32_t index)
{
    struct slot *slot = &pending->slots[index];
    GIRO_ASSERT(slot->state != SLOT_FREE);
    bool known = giro_map_remove(pending->by_hash, slot->answer.item.frame_hash.bytes);
    GIRO_ASSERT(known);
    slot->state = SLOT_FREE;
    slot->next = pending->free_head;
    pending->free_head = index;
    GIRO_ASSERT(pending->count > 0);
    pending->count--;
}

void giro_pending_time(struct giro_pending *pending, uint64_t now_ns)
{
    pending->now_ns = now_ns;
}

void giro_pending_cut(struct giro_pending *pending)
{
    pending->cut_ns[pending->cuts++ % CUTS] = pending->now_ns;
}

bool giro_pending_has(const struct giro_pending *pending, const struct giro_hash *hash)
{
    return giro_map_get(pending->by_hash, hash->bytes) != GIRO_NONE;
}

bool giro_pending_add(struct giro_pending *pending, uint64_t now_ns, const struct giro_frame *frame,
                      const struct giro_hash *hash, const struct giro_endpoint *from)
{
    uint32_t known = giro_map_get(pending->by_hash, hash->bytes);
    if (known != GIRO_NONE) {
        pending->slots[known].answer.to = *from;
        return true;
    }
    uint32_t index = slot_take(pending);
    if (index == GIRO_NONE)
        return false;
    struct slot *slot = &pending->slots[index];
    slot->answer.to = *from;
    slot->answer.member = frame->header.member;
    slot->answer.run_count = 0;
    slot->answer.item = (struct giro_receipt_item){.sequence = frame->header.sequence,
                                                   .frame_hash = *hash,
                                                   .channel = frame->header.channel,
                                                   .level = GIRO_LEVEL_RECEIVED};
    slot->arrived_ns = now_ns;
    slot->cut = pending->cuts;
    slot->durable_ns = slot->proposed_ns = slot->executed_ns = 0;
    slot->state = SLOT_WAITING;
    slot->next = GIRO_NONE;
    bool put = giro_map_put(pending->by_hash, hash->bytes, index);
    GIRO_ASSERT(put);
    pending->count++;
    return true;
}

bool giro_pending_durable(struct giro_pending *pending, const struct giro_hash *hash,
                          uint64_t expiry_ns, struct giro_answer *answer)
{
    uint32_t index = giro_map_get(pending->by_hash, hash->bytes);
    if (index == GIRO_NONE || pending->slots[index].state != SLOT_WAITING)
        return false;
    struct slot *slot = &pending->slots[index];
    slot->state = SLOT_DURABLE;
    slot->durable_ns = pending->now_ns;
    answer->to = slot->answer.to;
    answer->member = slot->answer.member;
    answer->item = slot->answer.item;
    answer->item.level = GIRO_LEVEL_DURABLE;
    answer->item.height = expiry_ns;
    answer->run_count = 0;
    return true;
}

static uint32_t runs_make(const struct giro_frame_outcome *outcome, struct giro_receipt_run *runs)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < outcome->record_count; i++) {
        const struct giro_result *result = &outcome->results[i];
        if (count > 0 && memcmp(&runs[count - 1].result, result, sizeof(*result)) == 0)
            runs[count - 1].count++;
        else
            runs[count++] = (struct giro_receipt_run){.count = 1, .result = *result};
    }
    return count;
}

void giro_pending_executed(struct giro_pending *pending, const struct giro_hash *hash,
                           uint64_t height, uint64_t proposed_ns,
                           const struct giro_frame_outcome *outcome)
{
    uint32_t index = giro_map_get(pending->by_hash, hash->bytes);
    if (index == GIRO_NONE || pending->slots[index].state == SLOT_EXECUTED)
        return;
    struct slot *slot = &pending->slots[index];
    struct giro_receipt_item *item = &slot->answer.item;
    item->outcome = outcome->outcome;
    item->level = GIRO_LEVEL_CERTIFIED;
    item->leaf_index = outcome->leaf_index;
    item->height = outcome->outcome == GIRO_OUTCOME_DUPLICATE ? outcome->first_height : height;
    slot->answer.run_count = runs_make(outcome, slot->answer.runs);
    item->run_count = (uint16_t)slot->answer.run_count;
    slot->state = SLOT_EXECUTED;
    slot->executed_height = height;
    slot->proposed_ns = proposed_ns;
    slot->executed_ns = pending->now_ns;
    slot->next = pending->heads[height % HEIGHT_LISTS];
    pending->heads[height % HEIGHT_LISTS] = index;
}

/* Only frames that went the whole way here: not repeats, nor those another replica's batch brought. */
static void legs_add(struct giro_pending *pending, const struct slot *slot)
{
    uint64_t cut_ns = pending->cut_ns[slot->cut % CUTS];
    uint64_t proposed_ns = slot->proposed_ns;
    bool whole = slot->cut < pending->cuts && pending->cuts - slot->cut <= CUTS &&
                 slot->arrived_ns <= cut_ns && cut_ns <= slot->durable_ns &&
                 slot->durable_ns <= slot->executed_ns;
    if (!whole)
        return;
    if (proposed_ns < slot->durable_ns) /* clocks of two machines */
        proposed_ns = slot->durable_ns;
    if (proposed_ns > slot->executed_ns)
        proposed_ns = slot->executed_ns;
    struct giro_legs *legs = &pending->legs;
    legs->frames++;
    legs->batch_ns += cut_ns - slot->arrived_ns;
    legs->durable_ns += slot->durable_ns - cut_ns;
    legs->propose_ns += proposed_ns - slot->durable_ns;
    legs->commit_ns += slot->executed_ns - proposed_ns;
    legs->certify_ns += pending->now_ns - slot->executed_ns;
}

void giro_pending_certified(struct giro_pending *pending, uint64_t height,
                            void (*answer)(void *context, const struct giro_answer *answer),
                            void *context)
{
    uint32_t *link = &pending->heads[height % HEIGHT_LISTS];
    while (*link != GIRO_NONE) {
        uint32_t index = *link;
        struct slot *slot = &pending->slots[index];
        if (slot->executed_height != height) {
            link = &slot->next;
            continue;
        }
        *link = slot->next;
        legs_add(pending, slot);
        answer(context, &slot->answer);
        slot_free(pending, index);
    }
}

void giro_pending_expire(struct giro_pending *pending, uint64_t before_ns, uint32_t max)
{
    /* Executed slots stay: their certificate comes or the replica stops at c + 32. */
    for (uint32_t step = 0; step < max && pending->count > 0; step++) {
        pending->cursor = (pending->cursor + 1) % pending->used;
        struct slot *slot = &pending->slots[pending->cursor];
        bool waits = slot->state == SLOT_WAITING || slot->state == SLOT_DURABLE;
        if (waits && slot->arrived_ns < before_ns)
            slot_free(pending, pending->cursor);
    }
}

void giro_pending_legs(const struct giro_pending *pending, struct giro_legs *legs)
{
    *legs = pending->legs;
}

uint32_t giro_pending_count(const struct giro_pending *pending)
{
    return pending->count;
}
