/* What the records of a block log say: every certificate under its keys, every block under its parent, every executed block
 * with its batches, roots against certificates. */
#include <stdlib.h>

#include "verify_log.h"

static bool keep(struct log_verify *log, struct verify_list *list, const void *item)
{
    if (verify_list_add(list, item))
        return true;
    log->no_memory = true;
    return false;
}

static const char *block_keep(struct log_verify *log, const struct giro_log_found *found)
{
    const struct giro_proposal *proposal = &log->proposal;
    struct log_block block = {.id = proposal->block_id,
                              .parent = proposal->block.parent_id,
                              .height = proposal->block.height,
                              .round = proposal->block.round,
                              .first_reference = log->references.count,
                              .reference_count = proposal->block.reference_count,
                              .position = found->position};
    for (uint32_t i = 0; i < block.reference_count; i++)
        if (!keep(log, &log->references, &proposal->references[i].batch_id))
            return "out of memory";
    return keep(log, &log->blocks, &block) ? NULL : "out of memory";
}

static const char *block_verify(struct log_verify *log, const struct giro_log_found *found)
{
    struct verify *verify = log->verify;
    const struct giro_genesis *genesis = verify->options->genesis;
    struct giro_proposal *proposal = &log->proposal;
    enum giro_reject reject =
        giro_proposal_decode(found->body, found->body_bytes, genesis->replica_count, proposal);
    if (reject != GIRO_REJECT_NONE)
        return giro_reject_text(reject);
    const struct giro_block_header *block = &proposal->block;
    if (!giro_hash_equal(&block->chain_id, &genesis->chain_id))
        return "the block is another hub's";
    if (!giro_hash_equal(&block->parent_id, &proposal->qc.header.block_id))
        return "the block's QC is not its parent's";
    uint8_t message[GIRO_PROPOSAL_MESSAGE_BYTES];
    size_t message_bytes =
        giro_proposal_message(&genesis->chain_id, block->epoch, &proposal->block_id, message);
    if (!verify_signature(verify, genesis->replicas[block->author].batch.handle, message,
                          message_bytes, proposal->signature.bytes))
        return "the block is not signed by its author";
    const char *wrong = verify_qc(verify, &proposal->qc);
    if (wrong == NULL && proposal->has_tc)
        wrong = verify_tc(verify, &proposal->tc);
    if (wrong == NULL && proposal->has_certificate)
        wrong = verify_certificate(verify, &proposal->certificate);
    for (uint32_t i = 0; wrong == NULL && i < block->reference_count; i++)
        wrong =
            verify_batch_proof(verify, proposal->proofs[i], proposal->proof_bytes[i], block->epoch);
    return wrong == NULL ? block_keep(log, found) : wrong;
}

static const char *timeout_verify(struct log_verify *log, struct giro_reader *reader)
{
    struct verify *verify = log->verify;
    const struct giro_genesis *genesis = verify->options->genesis;
    struct giro_timeout *timeout = &log->timeout;
    enum giro_reject reject = giro_timeout_decode(reader, genesis->replica_count, timeout);
    if (reject != GIRO_REJECT_NONE)
        return giro_reject_text(reject);
    /* It is logged before it is signed. */
    const struct giro_timeout_header *header = &timeout->header;
    if (!verify_is_zero(header->signature.bytes, sizeof(header->signature))) {
        uint8_t message[GIRO_TIMEOUT_MESSAGE_BYTES];
        size_t message_bytes = giro_timeout_message(&genesis->chain_id, header->epoch,
                                                    header->round, header->high_qc_round, message);
        if (!verify_signature(verify, genesis->replicas[header->voter].vote.handle, message,
                              message_bytes, header->signature.bytes))
            return "the timeout is not signed by its replica";
    }
    const char *wrong = verify_qc(verify, &timeout->high_qc);
    if (wrong == NULL && header->has_last_tc != 0)
        wrong = verify_tc(verify, &timeout->last_tc);
    return wrong;
}

static const char *batch_keep(struct log_verify *log, const struct giro_log_found *found)
{
    const struct giro_genesis *genesis = log->verify->options->genesis;
    struct giro_batch_header header;
    enum giro_reject reject =
        giro_batch_decode(found->body, found->body_bytes, genesis->chain_prefix, &header);
    if (reject != GIRO_REJECT_NONE)
        return giro_reject_text(reject);
    struct giro_hash id = giro_batch_id(&genesis->chain_id, found->body, found->body_bytes);
    return keep(log, &log->batches, &id) ? NULL : "out of memory";
}

static const char *roots_keep(struct log_verify *log, const struct giro_log_found *found)
{
    struct log_body roots = {.position = found->position};
    if (found->body_bytes != sizeof(roots.body))
        return "not the size of a commit body";
    memcpy(&roots.body, found->body, sizeof(roots.body));
    return keep(log, &log->roots, &roots) ? NULL : "out of memory";
}

static const char *certificate_keep(struct log_verify *log, const struct giro_log_found *found,
                                    struct giro_reader *reader)
{
    enum giro_reject reject = giro_certificate_decode(
        reader, log->verify->options->genesis->replica_count, &log->certificate);
    if (reject != GIRO_REJECT_NONE)
        return giro_reject_text(reject);
    const char *wrong = verify_certificate(log->verify, &log->certificate);
    struct log_body body = {.body = log->certificate.header.body, .position = found->position};
    if (wrong != NULL)
        return wrong;
    return keep(log, &log->certificates, &body) ? NULL : "out of memory";
}

/* A proof's epoch is not in it: the log's is genesis' epoch. */
#define LOG_EPOCH 1u

const char *log_record_verify(struct log_verify *log, const struct giro_log_found *found)
{
    const uint32_t replicas = log->verify->options->genesis->replica_count;
    const char *wrong = NULL;
    enum giro_reject reject = GIRO_REJECT_NONE;
    struct giro_reader reader;
    giro_reader_init(&reader, found->body, found->body_bytes);
    switch (found->kind) {
    case GIRO_LOG_BLOCK_RECORD:
        return block_verify(log, found);
    case GIRO_LOG_BATCH_RECORD:
        return batch_keep(log, found);
    case GIRO_LOG_ROOTS_RECORD:
        return roots_keep(log, found);
    case GIRO_LOG_PROOF_RECORD:
        return verify_batch_proof(log->verify, found->body, found->body_bytes, LOG_EPOCH);
    case GIRO_LOG_TIMEOUT_RECORD:
        wrong = timeout_verify(log, &reader);
        break;
    case GIRO_LOG_CERTIFICATE_RECORD:
        wrong = certificate_keep(log, found, &reader);
        break;
    case GIRO_LOG_QC_RECORD:
        reject = giro_qc_decode(&reader, replicas, &log->qc);
        wrong = reject != GIRO_REJECT_NONE ? giro_reject_text(reject)
                                           : verify_qc(log->verify, &log->qc);
        break;
    case GIRO_LOG_TC_RECORD:
        reject = giro_tc_decode(&reader, replicas, &log->tc);
        wrong = reject != GIRO_REJECT_NONE ? giro_reject_text(reject)
                                           : verify_tc(log->verify, &log->tc);
        break;
    default: /* evidence speaks for itself */
        return NULL;
    }
    if (wrong == NULL && giro_reader_left(&reader) != 0)
        wrong = "the record is longer than what is in it";
    return wrong;
}

/* ---- The log as a whole ---- */

static int block_compare(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct giro_hash)); /* the id stands first */
}

static int body_compare(const void *a, const void *b)
{
    const struct log_body *left = a, *right = b;
    return left->body.height < right->body.height ? -1 : left->body.height > right->body.height;
}

static void *find(const struct verify_list *list, const void *key,
                  int (*compare)(const void *, const void *))
{
    return list->count == 0 ? NULL
                            : bsearch(key, list->items, list->count, list->item_bytes, compare);
}

static void sort(struct verify_list *list, int (*compare)(const void *, const void *))
{
    if (list->count > 1)
        qsort(list->items, list->count, list->item_bytes, compare);
}

static const char *fail_at(struct log_verify *log, struct giro_log_position position,
                           const char *sentence)
{
    log->wrong_generation = position.generation;
    log->wrong_offset = position.offset;
    return sentence;
}

static const char *parents_check(struct log_verify *log)
{
    struct giro_hash first = giro_genesis_block_id(log->verify->options->genesis);
    for (uint64_t i = 0; i < log->blocks.count; i++) {
        const struct log_block *block = verify_list_at(&log->blocks, i);
        const struct log_block *parent = find(&log->blocks, &block->parent, block_compare);
        /* Where the log was cut, an image takes the place of what came before. */
        if (parent == NULL && (block->height <= log->image_height ||
                               (block->height == log->image_height + 1 && log->image_height > 0 &&
                                giro_hash_equal(&block->parent, &log->image_block))))
            continue;
        if (parent == NULL && !giro_hash_equal(&block->parent, &first))
            return fail_at(log, block->position, "the block's parent is not in the log");
        uint64_t height = parent == NULL ? 0 : parent->height;
        uint64_t round = parent == NULL ? 0 : parent->round;
        if (block->height != height + 1 || block->round <= round)
            return fail_at(log, block->position, "the block does not follow its parent");
    }
    return NULL;
}

/* Roots are made by execution, and execution needs the block and every batch of it. */
static const char *roots_check(struct log_verify *log)
{
    const size_t from = sizeof(struct giro_head); /* kinds differ: commit vote, certificate */
    for (uint64_t i = 0; i < log->roots.count; i++) {
        const struct log_body *roots = verify_list_at(&log->roots, i);
        const struct log_body *certified = find(&log->certificates, roots, body_compare);
        if (certified != NULL &&
            memcmp((const uint8_t *)&certified->body + from, (const uint8_t *)&roots->body + from,
                   sizeof(roots->body) - from) != 0)
            return fail_at(log, roots->position,
                           "the roots are not those certified at their height");
        const struct log_block *block = find(&log->blocks, &roots->body.block_id, block_compare);
        if (roots->body.height <= log->image_height)
            continue; /* block and batches may be gone */
        if (block == NULL || block->height != roots->body.height)
            return fail_at(log, roots->position, "the executed block is not in the log");
        for (uint32_t r = 0; r < block->reference_count; r++)
            if (find(&log->batches, verify_list_at(&log->references, block->first_reference + r),
                     block_compare) == NULL)
                return fail_at(log, block->position,
                               "a batch of an executed block is not in the log");
    }
    return NULL;
}

static const char *certificates_check(struct log_verify *log)
{
    for (uint64_t i = 1; i < log->certificates.count; i++) {
        const struct log_body *before = verify_list_at(&log->certificates, i - 1);
        const struct log_body *body = verify_list_at(&log->certificates, i);
        if (before->body.height == body->body.height &&
            memcmp(&before->body, &body->body, sizeof(body->body)) != 0)
            return fail_at(log, body->position, "two certificates of one height disagree");
    }
    return NULL;
}

const char *log_whole_verify(struct log_verify *log)
{
    sort(&log->blocks, block_compare);
    sort(&log->batches, block_compare);
    sort(&log->certificates, body_compare);
    const char *wrong = parents_check(log);
    if (wrong == NULL)
        wrong = certificates_check(log);
    if (wrong == NULL)
        wrong = roots_check(log);
    return wrong;
}
