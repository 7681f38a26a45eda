/* What a disclosure claims, checked under the genesis file alone. */
#include <sodium.h>

#include "giro/recon.h"

static const char *signature_check(const struct giro_genesis *genesis,
                                   const struct giro_key_ring *ring,
                                   struct giro_disclosure_view *view)
{
    uint8_t message[GIRO_FRAME_MESSAGE_BYTES_MAX];
    const struct giro_frame_header *frame = &view->disclosure.frame;
    const struct giro_genesis_key *key =
        giro_genesis_frame_key(genesis, frame->member, frame->key_id);
    if (frame->member >= genesis->member_count || key == NULL)
        return "the frame names a key that is not enrolled";
    const size_t message_bytes =
        giro_disclosure_message(&view->disclosure, &genesis->chain_id, message);
    const struct giro_verify_item item = {key->handle, message, (uint32_t)message_bytes,
                                          view->disclosure.signature};
    uint8_t verdict;
    view->frame_hash = giro_sha256(message, message_bytes);
    return giro_verify_batch(ring, &item, 1, &verdict) == 1
               ? NULL
               : "what is shown is not what the debtor signed";
}

struct giro_result giro_disclosure_result(const struct giro_disclosure_view *view, uint32_t index)
{
    struct giro_result result;
    GIRO_ASSERT(view->has_proof && index < view->disclosure.header.item_count);
    memcpy(&result,
           view->proof.leaf + GIRO_TAG_BYTES + sizeof(struct giro_leaf_frame) +
               view->disclosure.items[index].record_index * sizeof(result),
           sizeof(result));
    return result;
}

/* The proof must be of the leaf that executed exactly this frame. */
static const char *proof_check(const struct giro_genesis *genesis, const struct giro_key_ring *ring,
                               struct giro_disclosure_view *view)
{
    const struct giro_disclosure *disclosure = &view->disclosure;
    const struct giro_frame_header *frame = &disclosure->frame;
    struct giro_leaf_frame leaf;
    if (disclosure->header.proof_bytes == 0)
        return NULL;
    const char *wrong = giro_proof_verify(genesis, ring, disclosure->proof,
                                          disclosure->header.proof_bytes, &view->proof);
    if (wrong != NULL)
        return wrong;
    if (memcmp(view->proof.leaf, GIRO_TAG_LEAF_FRAME, GIRO_TAG_BYTES) != 0)
        return "the proof is not of a frame's leaf";
    memcpy(&leaf, view->proof.leaf + GIRO_TAG_BYTES, sizeof(leaf));
    if (!giro_hash_equal(&leaf.frame_hash, &view->frame_hash) || leaf.member != frame->member ||
        leaf.channel != frame->channel || leaf.sequence != frame->sequence ||
        leaf.record_count != frame->record_count)
        return "the proof is of another frame";
    if (disclosure->header.height != 0 &&
        (disclosure->header.height != leaf.height || disclosure->header.leaf_index != leaf.index))
        return "the proof is of another place than the header says";
    view->has_proof = true;
    return NULL;
}

static const char *cycle_check(const struct giro_genesis *genesis, const struct giro_key_ring *ring,
                               struct giro_disclosure_view *view)
{
    const struct giro_disclosure *disclosure = &view->disclosure;
    struct giro_proof_view proof;
    if (disclosure->header.cycle_proof_bytes == 0)
        return NULL;
    if (!view->has_proof)
        return "a cycle's proof without the frame's says nothing about a payment";
    const char *wrong = giro_proof_verify(genesis, ring, disclosure->cycle_proof,
                                          disclosure->header.cycle_proof_bytes, &proof);
    if (wrong != NULL)
        return wrong;
    if (memcmp(proof.leaf, GIRO_TAG_LEAF_CYCLE, GIRO_TAG_BYTES) != 0)
        return "the second proof is not of a cycle's leaf";
    memcpy(&view->cycle, proof.leaf + GIRO_TAG_BYTES, sizeof(view->cycle));
    view->cycle_certificate = proof.certificate;
    for (uint32_t i = 0; i < disclosure->header.item_count; i++) {
        const struct giro_result result = giro_disclosure_result(view, i);
        if (result.cycle == view->cycle.cycle &&
            disclosure->items[i].record.currency == view->cycle.currency)
            view->has_cycle = true;
    }
    return view->has_cycle ? NULL : "the proof of a cycle is of one that no shown payment is in";
}

enum giro_details_verdict giro_disclosure_open(const struct giro_genesis *genesis,
                                               const struct giro_disclosure *disclosure,
                                               uint32_t index, const uint8_t key[32],
                                               uint8_t plaintext[GIRO_DETAILS_PLAIN_MAX],
                                               struct giro_details *details)
{
    const struct giro_disclosure_item *item = &disclosure->items[index];
    uint32_t plaintext_bytes = 0;
    GIRO_ASSERT(index < disclosure->header.item_count && item->block.bytes != NULL);
    const struct giro_details_place place = giro_details_place_of(
        &genesis->chain_id, &disclosure->frame, item->record_index, item->record.uetr);
    return giro_details_open(&item->block, &place, key, plaintext, &plaintext_bytes, details);
}

static const char *keys_check(const struct giro_genesis *genesis, struct giro_disclosure_view *view)
{
    const struct giro_disclosure *disclosure = &view->disclosure;
    uint8_t plaintext[GIRO_DETAILS_PLAIN_MAX];
    struct giro_details details;
    enum giro_details_verdict verdict = GIRO_DETAILS_OPENED;
    for (uint32_t i = 0; verdict == GIRO_DETAILS_OPENED && i < disclosure->header.item_count; i++) {
        if (disclosure->items[i].key == NULL)
            continue;
        verdict = giro_disclosure_open(genesis, disclosure, i, disclosure->items[i].key, plaintext,
                                       &details);
        view->opened += verdict == GIRO_DETAILS_OPENED;
    }
    sodium_memzero(plaintext, sizeof(plaintext));
    return verdict == GIRO_DETAILS_OPENED ? NULL : giro_details_verdict_text(verdict);
}

const char *giro_disclosure_verify(const struct giro_genesis *genesis,
                                   const struct giro_key_ring *ring, const void *bytes,
                                   size_t size_bytes, struct giro_disclosure_view *view)
{
    view->has_proof = view->has_cycle = false;
    view->opened = 0;
    const enum giro_reject reject =
        giro_disclosure_decode(bytes, size_bytes, genesis->chain_prefix, &view->disclosure);
    if (reject != GIRO_REJECT_NONE)
        return giro_reject_text(reject);
    const char *wrong = signature_check(genesis, ring, view);
    if (wrong == NULL)
        wrong = proof_check(genesis, ring, view);
    if (wrong == NULL)
        wrong = cycle_check(genesis, ring, view);
    return wrong != NULL ? wrong : keys_check(genesis, view);
}
