/* Is it signed? The watcher's own judgement of certificates, with the only verifier there is and the signed strings of the
 * formats; not the code of consensus/. What was found valid is remembered by a digest of all its bytes. */
#include <stdlib.h>
#include <xxhash.h>

#include "sim/node.h"

#define ACKS_MAX GIRO_QUORUM_MAX

static bool known(const struct sim_nodes *nodes, uint64_t digest)
{
    if (nodes->good_room == 0)
        return false;
    uint32_t mask = nodes->good_room - 1;
    for (uint32_t at = (uint32_t)digest & mask; nodes->good_certs[at] != 0; at = (at + 1) & mask) {
        if (nodes->good_certs[at] == digest)
            return true;
    }
    return false;
}

static void put(uint64_t *table, uint32_t room, uint64_t digest)
{
    uint32_t at = (uint32_t)digest & (room - 1);
    while (table[at] != 0)
        at = (at + 1) & (room - 1);
    table[at] = digest;
}

static void remember(struct sim_nodes *nodes, uint64_t digest)
{
    if (2 * (nodes->good_count + 1) > nodes->good_room) {
        uint32_t room = nodes->good_room == 0 ? 1024 : 2 * nodes->good_room;
        uint64_t *table = sim_memory(calloc(room, sizeof(*table)));
        for (uint32_t i = 0; i < nodes->good_room; i++) {
            if (nodes->good_certs[i] != 0)
                put(table, room, nodes->good_certs[i]);
        }
        free(nodes->good_certs);
        nodes->good_certs = table;
        nodes->good_room = room;
    }
    put(nodes->good_certs, nodes->good_room, digest);
    nodes->good_count++;
}

static uint64_t digest_of(const void *bytes, size_t size_bytes, uint64_t kind)
{
    uint64_t digest = XXH3_64bits_withSeed(bytes, size_bytes, kind);
    return digest == 0 ? 1 : digest;
}

/* The signers of a bitmap in ascending order; false unless there are exactly q. */
static bool signers_list(const struct sim_world *world, const uint8_t bitmap[GIRO_BITMAP_BYTES],
                         uint32_t count, uint32_t signers[GIRO_QUORUM_MAX])
{
    uint32_t found = 0;
    for (uint32_t i = 0; i < world->replica_count; i++) {
        if (!giro_bitmap_has(bitmap, i))
            continue;
        if (found == GIRO_QUORUM_MAX)
            return false;
        signers[found++] = i;
    }
    return found == count && count == world->quorum;
}

static bool all_valid(const struct sim_world *world, const struct giro_verify_item *items,
                      uint32_t count)
{
    uint8_t verdicts[GIRO_QUORUM_MAX];
    return giro_verify_batch(world->hub->ring, items, count, verdicts) == count;
}

static bool same_message_good(const struct sim_world *world, const struct giro_key_handle *keys,
                              const uint8_t *bitmap, uint32_t count, const uint8_t *message,
                              size_t message_bytes, const struct giro_signature *signatures)
{
    uint32_t signers[GIRO_QUORUM_MAX];
    struct giro_verify_item items[GIRO_QUORUM_MAX];
    if (!signers_list(world, bitmap, count, signers))
        return false;
    for (uint32_t i = 0; i < count; i++)
        items[i] = (struct giro_verify_item){.key = keys[signers[i]],
                                             .message = message,
                                             .message_bytes = (uint32_t)message_bytes,
                                             .signature = signatures[i].bytes};
    return all_valid(world, items, count);
}

bool sim_qc_good(struct sim_world *world, const struct giro_qc *qc)
{
    if (qc->header.round == 0)
        return qc->header.signer_count == 0;
    uint64_t digest =
        digest_of(qc, sizeof(qc->header) + qc->header.signer_count * sizeof(qc->signatures[0]), 1);
    if (known(world->nodes, digest))
        return true;
    uint8_t message[GIRO_VOTE_MESSAGE_BYTES];
    size_t message_bytes = giro_vote_message(&world->hub->genesis.chain_id, &qc->header, message);
    if (!same_message_good(world, world->hub->vote_handles, qc->header.bitmap,
                           qc->header.signer_count, message, message_bytes, qc->signatures))
        return false;
    remember(world->nodes, digest);
    return true;
}

bool sim_tc_good(struct sim_world *world, const struct giro_tc *tc)
{
    uint32_t signers[GIRO_QUORUM_MAX], count = tc->header.signer_count;
    struct giro_verify_item items[GIRO_QUORUM_MAX];
    uint8_t messages[GIRO_QUORUM_MAX][GIRO_TIMEOUT_MESSAGE_BYTES];
    uint64_t digest = digest_of(tc, sizeof(tc->header), 2) ^
                      digest_of(tc->signatures, count * sizeof(tc->signatures[0]), 3) ^
                      digest_of(&tc->high_qc.header, sizeof(tc->high_qc.header), 4);
    if (known(world->nodes, digest))
        return true;
    if (!signers_list(world, tc->header.bitmap, count, signers) ||
        !sim_qc_good(world, &tc->high_qc))
        return false;
    uint64_t highest = 0;
    for (uint32_t i = 0; i < count; i++) {
        size_t message_bytes =
            giro_timeout_message(&world->hub->genesis.chain_id, tc->header.epoch, tc->header.round,
                                 tc->high_qc_rounds[i], messages[i]);
        items[i] = (struct giro_verify_item){.key = world->hub->vote_handles[signers[i]],
                                             .message = messages[i],
                                             .message_bytes = (uint32_t)message_bytes,
                                             .signature = tc->signatures[i].bytes};
        if (tc->high_qc_rounds[i] > highest)
            highest = tc->high_qc_rounds[i];
    }
    if (highest != tc->high_qc.header.round || !all_valid(world, items, count))
        return false;
    remember(world->nodes, digest);
    return true;
}

bool sim_certificate_good(struct sim_world *world, const struct giro_certificate *certificate)
{
    const struct giro_certificate_header *header = &certificate->header;
    uint64_t digest =
        digest_of(certificate,
                  sizeof(*header) + header->signer_count * sizeof(certificate->signatures[0]), 5);
    if (known(world->nodes, digest))
        return true;
    uint8_t message[GIRO_COMMIT_MESSAGE_BYTES];
    size_t message_bytes =
        giro_commit_message(&world->hub->genesis.chain_id, &header->body, message);
    /* The key a commit vote is signed with is the replica's batch key: the safety module alone holds the other. */
    if (!same_message_good(world, world->hub->batch_handles, header->bitmap, header->signer_count,
                           message, message_bytes, certificate->signatures))
        return false;
    remember(world->nodes, digest);
    return true;
}

bool sim_proof_good(struct sim_world *world, const struct giro_batch_reference *reference,
                    const uint8_t *proof, uint32_t proof_bytes)
{
    struct giro_batch_proof_header header;
    static struct giro_batch_ack acks[ACKS_MAX];
    static uint8_t messages[ACKS_MAX][GIRO_BATCH_ACK_MESSAGE_BYTES_MAX];
    struct giro_verify_item items[ACKS_MAX];
    uint64_t digest = digest_of(proof, proof_bytes, 6);
    if (giro_batch_proof_decode(proof, proof_bytes, 1, world->replica_count, &header, acks,
                                ACKS_MAX) != GIRO_REJECT_NONE ||
        memcmp(&header.reference, reference, sizeof(*reference)) != 0)
        return false;
    if (known(world->nodes, digest))
        return true;
    if (header.signer_count != world->quorum)
        return false;
    for (uint32_t i = 0; i < header.signer_count; i++) {
        size_t message_bytes =
            giro_batch_ack_message(&world->hub->genesis.chain_id, &acks[i], messages[i]);
        items[i] = (struct giro_verify_item){.key = world->hub->batch_handles[acks[i].header.voter],
                                             .message = messages[i],
                                             .message_bytes = (uint32_t)message_bytes,
                                             .signature = acks[i].signature.bytes};
    }
    if (!all_valid(world, items, header.signer_count))
        return false;
    remember(world->nodes, digest);
    return true;
}
