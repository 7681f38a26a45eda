/* Certificates of every kind under the keys of genesis. What was found valid lately is not computed again: in a log the same
 * certificate stands in a record of its own and in the blocks after it. */
#include "verify.h"

static bool seen(const struct verify *verify, const struct giro_hash *hash)
{
    for (uint32_t i = 0; i < VERIFY_SEEN_MAX; i++)
        if (giro_hash_equal(&verify->seen[i], hash))
            return true;
    return false;
}

static void remember(struct verify *verify, const struct giro_hash *hash)
{
    verify->seen[verify->seen_next] = *hash;
    verify->seen_next = (verify->seen_next + 1) % VERIFY_SEEN_MAX;
}

bool verify_signature(struct verify *verify, struct giro_key_handle key, const void *message,
                      size_t message_bytes, const void *signature)
{
    const struct giro_verify_item item = {.key = key,
                                          .message = message,
                                          .message_bytes = (uint32_t)message_bytes,
                                          .signature = signature};
    uint8_t verdict = GIRO_INVALID;
    return giro_verify_batch(verify->options->ring, &item, 1, &verdict) == 1;
}

const char *verify_certificate(struct verify *verify, const struct giro_certificate *certificate)
{
    struct giro_hash hash = giro_certificate_hash(certificate);
    if (seen(verify, &hash))
        return NULL;
    if (!giro_certificate_verify(verify->options->genesis, verify->options->ring, certificate))
        return "the certificate is not signed by a quorum of this hub";
    remember(verify, &hash);
    verify->options->certificates++;
    return NULL;
}

const char *verify_qc(struct verify *verify, const struct giro_qc *qc)
{
    const struct giro_genesis *genesis = verify->options->genesis;
    const struct giro_qc_header *header = &qc->header;
    if (header->round == 0) {
        struct giro_hash first = giro_genesis_block_id(genesis);
        bool good = header->signer_count == 0 && header->parent_round == 0 &&
                    header->scheme == GIRO_SCHEME_ED25519 &&
                    giro_hash_equal(&header->block_id, &first) &&
                    giro_hash_is_zero(&header->commit_id);
        return good ? NULL : "the first QC is not that of this hub's genesis";
    }
    struct giro_hash hash = giro_qc_hash(qc);
    if (seen(verify, &hash))
        return NULL;
    if (header->scheme != GIRO_SCHEME_ED25519 ||
        header->signer_count != giro_genesis_quorum(genesis))
        return "the QC is not of a quorum of Ed25519 signers";
    uint8_t message[GIRO_VOTE_MESSAGE_BYTES];
    size_t message_bytes = giro_vote_message(&genesis->chain_id, header, message);
    uint32_t signer = 0;
    for (uint32_t i = 0; i < genesis->replica_count; i++) {
        if (!giro_bitmap_has(header->bitmap, i))
            continue;
        if (!verify_signature(verify, genesis->replicas[i].vote.handle, message, message_bytes,
                              qc->signatures[signer++].bytes))
            return "a vote in the QC is not signed by its replica";
    }
    remember(verify, &hash);
    return NULL;
}

const char *verify_checkpoint(struct verify *verify, const struct giro_checkpoint *checkpoint)
{
    const struct giro_genesis *genesis = verify->options->genesis;
    const struct giro_checkpoint_header *header = &checkpoint->header;
    if (header->scheme != GIRO_SCHEME_ED25519 ||
        header->signer_count != giro_genesis_quorum(genesis))
        return "the checkpoint is not of a quorum of Ed25519 signers";
    uint8_t message[GIRO_CHECKPOINT_MESSAGE_BYTES];
    size_t message_bytes = giro_checkpoint_message(&genesis->chain_id, &header->body, message);
    uint32_t signer = 0;
    for (uint32_t i = 0; i < genesis->replica_count; i++) {
        if (!giro_bitmap_has(header->bitmap, i))
            continue;
        if (!verify_signature(verify, genesis->replicas[i].batch.handle, message, message_bytes,
                              checkpoint->signatures[signer++].bytes))
            return "the checkpoint is not signed by a quorum of this hub";
    }
    verify->options->certificates++;
    return NULL;
}

const char *verify_tc(struct verify *verify, const struct giro_tc *tc)
{
    const struct giro_genesis *genesis = verify->options->genesis;
    const struct giro_tc_header *header = &tc->header;
    struct giro_hash hash = giro_tc_hash(tc);
    if (seen(verify, &hash))
        return NULL;
    if (header->scheme != GIRO_SCHEME_ED25519 ||
        header->signer_count != giro_genesis_quorum(genesis))
        return "the TC is not of a quorum of Ed25519 signers";
    uint32_t signer = 0;
    for (uint32_t i = 0; i < genesis->replica_count; i++) {
        if (!giro_bitmap_has(header->bitmap, i))
            continue;
        uint8_t message[GIRO_TIMEOUT_MESSAGE_BYTES];
        size_t message_bytes = giro_timeout_message(
            &genesis->chain_id, header->epoch, header->round, tc->high_qc_rounds[signer], message);
        if (!verify_signature(verify, genesis->replicas[i].vote.handle, message, message_bytes,
                              tc->signatures[signer].bytes))
            return "a timeout in the TC is not signed by its replica";
        signer++;
    }
    const char *wrong = verify_qc(verify, &tc->high_qc);
    if (wrong == NULL)
        remember(verify, &hash);
    return wrong;
}

const char *verify_batch_proof(struct verify *verify, const uint8_t *bytes, uint32_t size_bytes,
                               uint64_t epoch)
{
    const struct giro_genesis *genesis = verify->options->genesis;
    struct giro_hash hash = giro_sha256(bytes, size_bytes);
    if (seen(verify, &hash))
        return NULL;
    static _Thread_local struct giro_batch_ack acks[GIRO_QUORUM_MAX];
    struct giro_batch_proof_header header;
    enum giro_reject reject = giro_batch_proof_decode(
        bytes, size_bytes, epoch, genesis->replica_count, &header, acks, GIRO_QUORUM_MAX);
    if (reject != GIRO_REJECT_NONE)
        return giro_reject_text(reject);
    if (header.scheme != GIRO_SCHEME_ED25519)
        return "the proof of availability is not of Ed25519 signers";
    for (uint32_t i = 0; i < header.signer_count; i++) {
        uint8_t message[GIRO_BATCH_ACK_MESSAGE_BYTES_MAX];
        size_t message_bytes = giro_batch_ack_message(&genesis->chain_id, &acks[i], message);
        if (!verify_signature(verify, genesis->replicas[acks[i].header.voter].batch.handle, message,
                              message_bytes, acks[i].signature.bytes))
            return "an acknowledgement in a proof of availability is not signed by its replica";
    }
    remember(verify, &hash);
    return NULL;
}
