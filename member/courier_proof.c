/* Proofs: fetched in parts, verified against the signatures of q replicas; only then an outcome is proven. */
#include "member/courier_internal.h"

static struct proof_slot *slot_take(struct giro_courier *courier, struct flight *flight)
{
    if (flight->proof_slot != GIRO_NONE)
        return &courier->proofs[flight->proof_slot];
    for (uint32_t i = 0; i < PROOFS; i++) {
        if (courier->proofs[i].flight != GIRO_NONE)
            continue;
        courier->proofs[i].flight = slot_of(courier, flight);
        flight->proof_slot = i;
        return &courier->proofs[i];
    }
    return NULL;
}

void giro_proof_drop(struct giro_courier *courier, struct flight *flight)
{
    if (flight->proof_slot != GIRO_NONE)
        courier->proofs[flight->proof_slot].flight = GIRO_NONE;
    flight->proof_slot = GIRO_NONE;
}

void giro_flight_prove(struct giro_courier *courier, struct flight *flight, uint32_t replica)
{
    struct proof_slot *slot = slot_take(courier, flight);
    flight->due_ns = now_of(courier) + (slot == NULL ? SCAN_NS : flight->wait_ns);
    if (slot == NULL)
        return;
    flight->proof_turns++;
    slot->replica = (uint16_t)replica;
    slot->total = slot->have = 0;
    flight->witness = (uint16_t)replica;
    struct peer *peer = peer_of(courier, flight->member, replica);
    giro_peer_want(courier, peer);
    giro_peer_errand(courier, peer, ERRAND_PROOF, flight, 0);
}

/* The leaf of the frame itself: what it says is so, whatever anyone told before. */
static bool leaf_read(const struct flight *flight, const struct giro_proof_view *view,
                      struct giro_leaf_frame *leaf, const uint8_t **results)
{
    if (view->header.leaf_bytes < GIRO_TAG_BYTES + sizeof(*leaf) ||
        memcmp(view->leaf, GIRO_TAG_LEAF_FRAME, GIRO_TAG_BYTES) != 0)
        return false;
    memcpy(leaf, view->leaf + GIRO_TAG_BYTES, sizeof(*leaf));
    *results = view->leaf + GIRO_TAG_BYTES + sizeof(*leaf);
    size_t whole = GIRO_TAG_BYTES + sizeof(*leaf) + leaf->record_count * sizeof(struct giro_result);
    bool of_frame = leaf->member == flight->member && leaf->channel == flight->channel &&
                    leaf->sequence == flight->sequence;
    /* Of a question nobody knows the hash; of a frame it must be its own. */
    bool of_bytes = flight->bytes == NULL || (giro_hash_equal(&leaf->frame_hash, &flight->hash) &&
                                              leaf->record_count == flight->record_count);
    return whole == view->header.leaf_bytes && leaf->record_count <= GIRO_FRAME_RECORDS_MAX &&
           of_frame && of_bytes;
}

static void proven(struct giro_courier *courier, struct flight *flight,
                   const struct proof_slot *slot, const struct giro_leaf_frame *leaf,
                   const uint8_t *results)
{
    memcpy(courier->results, results, leaf->record_count * sizeof(struct giro_result));
    struct giro_hash claim =
        giro_sha256(courier->results, leaf->record_count * sizeof(struct giro_result));
    bool lied = !giro_hash_equal(&claim, &flight->claim);
    courier->stats.lies += lied;
    for (uint32_t i = 0; i < DENIALS - 1; i++) /* OLD is no lie */
        courier->stats.lies += replicas_in(flight->denied_by[i]);
    courier->stats.frames_proven++;
    struct giro_courier_told told = {.kind = GIRO_TOLD_PROVEN,
                                     .final = true,
                                     .tag = flight->tag,
                                     .member = flight->member,
                                     .replica = slot->replica,
                                     .item = {.sequence = leaf->sequence,
                                              .frame_hash = leaf->frame_hash,
                                              .height = leaf->height,
                                              .leaf_index = leaf->index,
                                              .channel = leaf->channel,
                                              .level = GIRO_LEVEL_CERTIFIED,
                                              .outcome = leaf->outcome},
                                     .result_count = leaf->record_count,
                                     .results = courier->results,
                                     .proof = slot->bytes,
                                     .proof_bytes = slot->total,
                                     .first_sent_ns = flight->first_sent_ns};
    courier->options.told(courier->options.context, &told);
    giro_flight_end(courier, flight);
}

static void verify(struct giro_courier *courier, struct flight *flight, struct proof_slot *slot)
{
    struct giro_proof_view view;
    struct giro_leaf_frame leaf;
    const uint8_t *results = NULL;
    const char *wrong = giro_proof_verify(courier->options.genesis, courier->options.ring,
                                          slot->bytes, slot->total, &view);
    if (wrong == NULL && leaf_read(flight, &view, &leaf, &results)) {
        proven(courier, flight, slot, &leaf, results);
        return;
    }
    /* Not what it was said to be: another one is asked, at once. */
    courier->stats.lies++;
    giro_flight_prove(courier, flight, (slot->replica + 1u) % courier->replica_count);
}

void giro_flight_proof(struct giro_courier *courier, const struct peer *peer,
                       const struct giro_session_block *block)
{
    struct giro_session_proof part;
    memcpy(&part, block->bytes, sizeof(part));
    uint32_t size = block->size_bytes - (uint32_t)sizeof(part);
    struct flight *flight = giro_flight_find(courier, peer->member, part.channel, part.sequence);
    struct proof_slot *slot = flight == NULL || flight->proof_slot == GIRO_NONE
                                  ? NULL
                                  : &courier->proofs[flight->proof_slot];
    if (slot == NULL || slot->replica != peer->replica || part.total > PROOF_BYTES_MAX ||
        (slot->total != 0 && part.total != slot->total)) {
        courier->stats.receipts_ignored++;
        return;
    }
    slot->total = part.total;
    if (part.offset !=
        slot->have) /* a part was lost, or came twice; what is missing is asked for in time */
        return;
    memcpy(slot->bytes + slot->have, block->bytes + sizeof(part), size);
    slot->have += size;
    if (slot->have == slot->total)
        verify(courier, flight, slot);
}
