#include "wire_samples.h"

#include <stdlib.h>

uint32_t sample_quorum(uint32_t replica_count)
{
    return replica_count - (replica_count - 1) / 3;
}

/* sample_fill writes first, first + 1, ... or random bytes. */
void sample_fill(struct giro_prng *prng, void *bytes, size_t size_bytes, uint8_t first)
{
    uint8_t *const out = bytes;
    if (prng != NULL) {
        giro_prng_fill(prng, out, size_bytes);
        return;
    }
    for (size_t i = 0; i < size_bytes; i++)
        out[i] = (uint8_t)(first + i);
}

static uint64_t number(struct giro_prng *prng, uint64_t fixed)
{
    return prng != NULL ? giro_prng_next(prng) : fixed;
}

/* within is `fixed`, or a random value in [low, high]. */
static uint32_t within(struct giro_prng *prng, uint32_t fixed, uint32_t low, uint32_t high)
{
    return prng != NULL ? low + (uint32_t)giro_prng_below(prng, high - low + 1) : fixed;
}

struct giro_hash sample_chain(void)
{
    struct giro_hash chain;
    sample_fill(NULL, &chain, sizeof(chain), 0xC0);
    return chain;
}

/* signers sets q bits: the fixed samples leave out the lowest replicas, so that bit i is not signer i. */
static void signers(uint8_t *bitmap, uint32_t replica_count, struct giro_prng *prng)
{
    const uint32_t quorum = sample_quorum(replica_count);
    if (prng == NULL) {
        for (uint32_t i = replica_count - quorum; i < replica_count; i++)
            giro_bitmap_set(bitmap, i);
        return;
    }
    while (giro_bitmap_count(bitmap) < quorum)
        giro_bitmap_set(bitmap, (uint32_t)giro_prng_below(prng, replica_count));
}

void sample_qc(struct giro_qc *qc, uint32_t replica_count, uint64_t round, struct giro_prng *prng)
{
    memset(qc, 0, sizeof(*qc));
    qc->header.head = giro_head_make(GIRO_KIND_QC);
    qc->header.epoch = WIRE_TEST_EPOCH;
    qc->header.round = round;
    qc->header.scheme = GIRO_SCHEME_ED25519;
    sample_fill(prng, &qc->header.block_id, sizeof(qc->header.block_id), 0x10);
    if (round == 0)
        return;
    qc->header.parent_round = round - within(prng, 1, 1, 2 < round ? 2 : 1);
    if (qc->header.parent_round == round - 1)
        sample_fill(prng, &qc->header.commit_id, sizeof(qc->header.commit_id), 0x30);
    qc->header.signer_count = (uint8_t)sample_quorum(replica_count);
    signers(qc->header.bitmap, replica_count, prng);
    for (uint32_t i = 0; i < qc->header.signer_count; i++)
        sample_fill(prng, &qc->signatures[i], sizeof(qc->signatures[i]), (uint8_t)(0x40 + i));
}

void sample_tc(struct giro_tc *tc, uint32_t replica_count, uint64_t round, struct giro_prng *prng)
{
    memset(tc, 0, sizeof(*tc));
    const uint64_t high_round = round - within(prng, 2, 1, 9);
    sample_qc(&tc->high_qc, replica_count, high_round, prng);
    tc->header.head = giro_head_make(GIRO_KIND_TC);
    tc->header.epoch = WIRE_TEST_EPOCH;
    tc->header.round = round;
    tc->header.scheme = GIRO_SCHEME_ED25519;
    tc->header.signer_count = (uint8_t)sample_quorum(replica_count);
    signers(tc->header.bitmap, replica_count, prng);
    for (uint32_t i = 0; i < tc->header.signer_count; i++) {
        tc->high_qc_rounds[i] = i == 0 ? high_round : high_round - within(prng, 1, 0, 5);
        sample_fill(prng, &tc->signatures[i], sizeof(tc->signatures[i]), (uint8_t)(0x80 + i));
    }
}

void sample_timeout(struct giro_timeout *timeout, uint32_t replica_count, bool has_last_tc,
                    struct giro_prng *prng)
{
    memset(timeout, 0, sizeof(*timeout));
    const uint64_t round = 1000;
    sample_qc(&timeout->high_qc, replica_count, round - within(prng, 3, 1, 20), prng);
    timeout->header.head = giro_head_make(GIRO_KIND_TIMEOUT);
    timeout->header.epoch = WIRE_TEST_EPOCH;
    timeout->header.round = round;
    timeout->header.high_qc_round = timeout->high_qc.header.round;
    timeout->header.voter = (uint16_t)within(prng, replica_count - 1, 0, replica_count - 1);
    timeout->header.has_last_tc = has_last_tc;
    sample_fill(prng, &timeout->header.signature, sizeof(timeout->header.signature), 0x50);
    if (has_last_tc)
        sample_tc(&timeout->last_tc, replica_count, round - 1, prng);
}

void sample_vote(struct giro_vote *vote, uint32_t replica_count, struct giro_prng *prng)
{
    memset(vote, 0, sizeof(*vote));
    vote->head = giro_head_make(GIRO_KIND_VOTE);
    vote->epoch = number(prng, WIRE_TEST_EPOCH);
    vote->round = 0x0102030405060708;
    vote->parent_round = vote->round - within(prng, 1, 1, 3);
    sample_fill(prng, &vote->block_id, sizeof(vote->block_id), 0x10);
    if (vote->round - vote->parent_round == 1)
        sample_fill(prng, &vote->commit_id, sizeof(vote->commit_id), 0x30);
    vote->voter = (uint16_t)within(prng, 2 % replica_count, 0, replica_count - 1);
    sample_fill(prng, &vote->signature, sizeof(vote->signature), 0x60);
}

static void hello_header(struct giro_hello_header *header, uint16_t subject, struct giro_prng *prng)
{
    header->head = giro_head_make(GIRO_KIND_HELLO);
    sample_fill(prng, header->nonce, sizeof(header->nonce), 0x70);
    header->epoch = WIRE_TEST_EPOCH;
    header->incarnation = 1 + number(prng, 8) % (UINT64_MAX - 1);
    header->subject = header->answerer = subject;
    sample_fill(prng, &header->signature, sizeof(header->signature), 0x80);
}

void sample_hello(struct giro_hello *hello, uint32_t replica_count, uint8_t parts,
                  struct giro_prng *prng)
{
    static struct giro_timeout timeout;
    const uint16_t subject = (uint16_t)within(prng, 2 % replica_count, 0, replica_count - 1);
    memset(hello, 0, sizeof(*hello));
    hello_header(&hello->header, subject, prng);
    hello->header.answerer = (uint16_t)within(prng, replica_count - 1, 0, replica_count - 1);
    hello->header.answer = 1;
    hello->header.parts = parts;
    if ((parts & GIRO_HELLO_QUESTION) != 0) {
        hello_header(&hello->question, subject, prng);
        hello->question.incarnation = 10;
    }
    if ((parts & GIRO_HELLO_VOTE) != 0) {
        sample_vote(&hello->vote, replica_count, prng);
        hello->vote.round = 1000;
        hello->vote.parent_round = 999;
        hello->vote.voter = subject;
    }
    if ((parts & GIRO_HELLO_TIMEOUT) != 0) {
        sample_timeout(&timeout, replica_count, false, prng);
        hello->timeout = timeout.header;
        hello->timeout.high_qc_round = 998;
        hello->timeout.voter = subject;
    }
}

static void commit_body(struct giro_commit_body *body, enum giro_kind kind, struct giro_prng *prng)
{
    body->head = giro_head_make(kind);
    body->epoch = number(prng, WIRE_TEST_EPOCH);
    body->height = 1 + number(prng, 41) % (UINT64_MAX - 1);
    body->time_ns = number(prng, UINT64_C(1795485600123456789));
    sample_fill(prng, &body->block_id, sizeof(body->block_id), 0x10);
    sample_fill(prng, &body->state_root, sizeof(body->state_root), 0x30);
    sample_fill(prng, &body->ledger_root, sizeof(body->ledger_root), 0x50);
}

void sample_commit_vote(struct giro_commit_vote *vote, uint32_t replica_count,
                        struct giro_prng *prng)
{
    memset(vote, 0, sizeof(*vote));
    commit_body(&vote->body, GIRO_KIND_COMMIT_VOTE, prng);
    vote->voter = (uint16_t)within(prng, 1 % replica_count, 0, replica_count - 1);
    sample_fill(prng, &vote->signature, sizeof(vote->signature), 0x70);
}

static void checkpoint_body(struct giro_checkpoint_body *body, enum giro_kind kind,
                            struct giro_prng *prng)
{
    body->head = giro_head_make(kind);
    body->epoch = WIRE_TEST_EPOCH;
    body->height = 1 + number(prng, 1023) % (UINT64_MAX - 1);
    sample_fill(prng, &body->block_id, sizeof(body->block_id), 0x10);
    sample_fill(prng, &body->state_root, sizeof(body->state_root), 0x30);
    sample_fill(prng, &body->ledger_root, sizeof(body->ledger_root), 0x50);
    sample_fill(prng, &body->image_root, sizeof(body->image_root), 0x70);
}

void sample_checkpoint_vote(struct giro_checkpoint_vote *vote, uint32_t replica_count,
                            struct giro_prng *prng)
{
    memset(vote, 0, sizeof(*vote));
    checkpoint_body(&vote->body, GIRO_KIND_CHECKPOINT_VOTE, prng);
    vote->voter = (uint16_t)within(prng, 1 % replica_count, 0, replica_count - 1);
    sample_fill(prng, &vote->signature, sizeof(vote->signature), 0x70);
}

void sample_checkpoint(struct giro_checkpoint *checkpoint, uint32_t replica_count,
                       struct giro_prng *prng)
{
    memset(checkpoint, 0, sizeof(*checkpoint));
    checkpoint_body(&checkpoint->header.body, GIRO_KIND_CHECKPOINT, prng);
    checkpoint->header.scheme = GIRO_SCHEME_ED25519;
    checkpoint->header.signer_count = (uint8_t)sample_quorum(replica_count);
    signers(checkpoint->header.bitmap, replica_count, prng);
    for (uint32_t i = 0; i < checkpoint->header.signer_count; i++)
        sample_fill(prng, &checkpoint->signatures[i], sizeof(checkpoint->signatures[i]),
                    (uint8_t)(0x90 + i));
}

void sample_certificate(struct giro_certificate *certificate, uint32_t replica_count,
                        struct giro_prng *prng)
{
    memset(certificate, 0, sizeof(*certificate));
    commit_body(&certificate->header.body, GIRO_KIND_CERTIFICATE, prng);
    certificate->header.scheme = GIRO_SCHEME_ED25519;
    certificate->header.signer_count = (uint8_t)sample_quorum(replica_count);
    signers(certificate->header.bitmap, replica_count, prng);
    for (uint32_t i = 0; i < certificate->header.signer_count; i++)
        sample_fill(prng, &certificate->signatures[i], sizeof(certificate->signatures[i]),
                    (uint8_t)(0x90 + i));
}

/* Ids ascend from *first: their first byte counts up. */
void sample_ack(struct giro_batch_ack *ack, uint32_t voter, uint32_t id_count,
                const struct giro_hash *first, struct giro_prng *prng)
{
    memset(ack, 0, sizeof(*ack));
    ack->header.head = giro_head_make(GIRO_KIND_BATCH_ACK);
    ack->header.epoch = WIRE_TEST_EPOCH;
    ack->header.expiry_ns = number(prng, UINT64_C(1795485620000000000) + voter);
    ack->header.voter = (uint16_t)voter;
    ack->header.id_count = (uint16_t)id_count;
    for (uint32_t i = 0; i < id_count; i++) {
        ack->ids[i] = *first;
        ack->ids[i].bytes[0] = (uint8_t)(first->bytes[0] + i);
    }
    sample_fill(prng, &ack->signature, sizeof(ack->signature), (uint8_t)(0xA0 + voter));
}

/* ---- Encoded samples ----------------------------------------------------------------------------- */

static struct giro_writer writer_over(uint8_t *out)
{
    struct giro_writer writer;
    giro_writer_init(&writer, out, WIRE_TEST_BYTES_MAX);
    return writer;
}

static void record_put(struct giro_writer *writer, uint32_t index, struct giro_prng *prng)
{
    struct giro_record record = {
        .amount_minor = 123456 + index,
        .creditor = 7,
        .currency = 203,
        .service = GIRO_SERVICE_NET,
        .kind = GIRO_PAYMENT_CREDIT_TRANSFER,
        .priority = GIRO_PRIORITY_HIGH,
        .value_date = 20781,
        .earliest_s = 1795485600,
        .latest_s = 1795489200,
    };
    sample_fill(prng, record.uetr, sizeof(record.uetr), (uint8_t)(0x11 * (index + 1)));
    giro_writer_put(writer, &record, sizeof(record));
}

/* Sealed details of some of the records, as many as fit in room bytes; returns their size. The fixed sample has one block. */
static uint32_t details_fill(uint8_t *out, uint32_t room, uint32_t record_count,
                             struct giro_prng *prng)
{
    uint32_t used = 0;
    for (uint32_t i = 0; i < record_count; i++) {
        const uint32_t cipher_bytes = 128 * within(prng, 1, 1, 8) + 16;
        struct giro_details_header header = {.record = (uint16_t)i,
                                             .ciphertext_bytes = (uint16_t)cipher_bytes,
                                             .creditor_key_id = (uint16_t)within(prng, 1, 1, 9),
                                             .supervisor_key_id = (uint16_t)within(prng, 2, 0, 2)};
        if (used + sizeof(header) + cipher_bytes > room || within(prng, 1, 0, 3) == 0)
            continue;
        sample_fill(prng, &header.commitment, sizeof(header.commitment), 0x40);
        sample_fill(prng, header.nonce, sizeof(header.nonce), 0x60);
        sample_fill(prng, header.creditor_box, sizeof(header.creditor_box), 0x80);
        if (header.supervisor_key_id != 0)
            sample_fill(prng, header.supervisor_box, sizeof(header.supervisor_box), 0xA0);
        memcpy(out + used, &header, sizeof(header));
        sample_fill(prng, out + used + sizeof(header), cipher_bytes, 0xC0);
        used += (uint32_t)sizeof(header) + cipher_bytes;
    }
    return used;
}

static size_t frame_put(struct giro_writer *writer, enum giro_kind kind, uint32_t record_count,
                        uint32_t details_room, struct giro_prng *prng)
{
    const size_t start = writer->offset;
    uint8_t tail[GIRO_FRAME_BYTES_MAX];
    const uint32_t details_bytes = details_fill(tail, details_room, record_count, prng);
    const struct giro_frame_header header = {
        .head = giro_head_make(kind),
        .chain_prefix = WIRE_TEST_PREFIX,
        .member = kind == GIRO_KIND_CONTROL ? GIRO_MEMBER_OPERATOR
                                            : (uint16_t)within(prng, 5, 0, GIRO_MEMBERS_MAX - 1),
        .key_id = 1,
        .channel = (uint16_t)within(prng, 3, 0, GIRO_CHANNELS_MAX - 1),
        .record_count = (uint16_t)record_count,
        .sequence = number(prng, 77) >> 1,
        .details_bytes = details_bytes,
        .checker_key_id = kind == GIRO_KIND_CONTROL ? 2 : 0,
    };
    giro_writer_put(writer, &header, sizeof(header));
    for (uint32_t i = 0; i < record_count && kind == GIRO_KIND_FRAME; i++)
        record_put(writer, i, prng);
    for (uint32_t i = 0; i < record_count && kind == GIRO_KIND_CONTROL; i++) {
        const struct giro_control control = {
            .op = GIRO_CONTROL_SET_CAP, .member = 5, .currency = 203, .amount_minor = 50000000 + i};
        giro_writer_put(writer, &control, sizeof(control));
    }
    if (kind == GIRO_KIND_SKIP)
        giro_writer_u64(writer, header.sequence + within(prng, 2, 0, 1000));
    const uint32_t signature_count = kind == GIRO_KIND_CONTROL ? 2 : 1;
    const size_t signatures_bytes = signature_count * GIRO_SIGNATURE_BYTES;
    sample_fill(prng, tail + details_bytes, signatures_bytes, 0x80);
    giro_writer_put(writer, tail, details_bytes + signatures_bytes);
    return writer->offset - start;
}

static size_t frame_make(uint32_t replica_count, struct giro_prng *prng, uint8_t *out)
{
    struct giro_writer writer = writer_over(out);
    const uint32_t record_count = within(prng, 2, 1, GIRO_FRAME_RECORDS_MAX);
    const uint32_t room = GIRO_FRAME_BYTES_MAX - 104 - record_count * 64;
    return frame_put(&writer, GIRO_KIND_FRAME, record_count, prng == NULL ? 0 : room, prng);
}

static size_t frame_details_make(uint32_t replica_count, struct giro_prng *prng, uint8_t *out)
{
    struct giro_writer writer = writer_over(out);
    return frame_put(&writer, GIRO_KIND_FRAME, 1, 224 + 144, prng);
}

/* Some payments of a frame with details; the fixed sample shows one of two with its K, and has two proofs of made-up bytes. */
static size_t disclosure_make(uint32_t replica_count, struct giro_prng *prng, uint8_t *out)
{
    static uint8_t frame_bytes[GIRO_FRAME_BYTES_MAX], keys[GIRO_FRAME_RECORDS_MAX][32];
    static uint8_t proofs[2][400];
    static struct giro_disclosure disclosure;
    struct giro_frame frame;
    struct giro_writer writer;
    giro_writer_init(&writer, frame_bytes, sizeof(frame_bytes));
    const uint32_t record_count = within(prng, 2, 1, 40);
    const size_t size_bytes =
        frame_put(&writer, GIRO_KIND_FRAME, record_count, prng == NULL ? 2 * 368 : 5000, prng);
    if (giro_frame_decode(frame_bytes, size_bytes, WIRE_TEST_PREFIX, &frame) != GIRO_REJECT_NONE)
        abort();
    giro_disclosure_of(&frame, &disclosure);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < record_count; i++) {
        struct giro_disclosure_item *item = &disclosure.items[i];
        if (within(prng, i == 0, 0, 2) == 0 && (kept > 0 || i + 1 < record_count))
            continue;
        sample_fill(prng, keys[i], 32, 0x21);
        if (item->block.bytes != NULL && within(prng, 1, 0, 1) == 1)
            item->key = keys[i];
        if (item->block.bytes != NULL && within(prng, 1, 0, 4) == 0) { /* details not shown */
            item->block_index = GIRO_DISCLOSURE_NO_BLOCK;
            item->block.bytes = NULL;
        }
        disclosure.items[kept++] = *item;
    }
    disclosure.header.item_count = (uint16_t)kept;
    disclosure.header.height = number(prng, 41) | 1;
    disclosure.header.leaf_index = within(prng, 3, 0, 1000);
    disclosure.header.proof_bytes = 4 * within(prng, 20, 0, 100);
    disclosure.header.cycle_proof_bytes = 4 * within(prng, 10, 0, 100);
    sample_fill(prng, proofs[0], sizeof(proofs[0]), 0x31);
    sample_fill(prng, proofs[1], sizeof(proofs[1]), 0x41);
    disclosure.proof = proofs[0];
    disclosure.cycle_proof = proofs[1];
    writer = writer_over(out);
    if (!giro_disclosure_encode(&disclosure, &writer))
        abort();
    return writer.offset;
}

static size_t skip_make(uint32_t replica_count, struct giro_prng *prng, uint8_t *out)
{
    struct giro_writer writer = writer_over(out);
    return frame_put(&writer, GIRO_KIND_SKIP, 0, 0, prng);
}

static size_t control_make(uint32_t replica_count, struct giro_prng *prng, uint8_t *out)
{
    struct giro_writer writer = writer_over(out);
    return frame_put(&writer, GIRO_KIND_CONTROL, within(prng, 1, 1, GIRO_CONTROL_RECORDS_MAX), 0,
                     prng);
}

static size_t receipt_make(uint32_t replica_count, struct giro_prng *prng, uint8_t *out)
{
    (void)replica_count;
    struct giro_writer writer = writer_over(out);
    struct giro_receipt_item item = {
        .sequence = number(prng, 79),
        .height = number(prng, 42),
        .leaf_index = (uint32_t)number(prng, 3),
        .channel = 3,
        .level = (uint8_t)within(prng, 3, 1, 3),
        .outcome = GIRO_OUTCOME_EXECUTED,
    };
    if (item.level == GIRO_LEVEL_CERTIFIED)
        item.run_count = (uint16_t)within(prng, 2, 0, 10);
    sample_fill(prng, &item.frame_hash, sizeof(item.frame_hash), 0x20);
    giro_writer_put(&writer, &item, sizeof(item));
    for (uint32_t j = 0; j < item.run_count; j++) {
        const struct giro_receipt_run run = {
            .count = (uint16_t)within(prng, 2, 1, 13),
            .result = {.status = j == 0 ? GIRO_STATUS_ACSP : GIRO_STATUS_RJCT,
                       .reason = j == 0 ? GIRO_REASON_NONE : GIRO_REASON_AM04,
                       .cycle = j == 0 ? 9 : 0},
        };
        giro_writer_put(&writer, &run, sizeof(run));
    }
    return writer.offset;
}

static size_t peer_make(uint32_t replica_count, struct giro_prng *prng, uint8_t *out)
{
    struct giro_writer writer = writer_over(out);
    const struct giro_peer_envelope envelope = {
        .head = giro_head_make(GIRO_KIND_PEER),
        .size_bytes = 64 + 24,
        .body_kind = GIRO_KIND_SYNC,
        .sender = (uint16_t)(replica_count - 1),
        .epoch = WIRE_TEST_EPOCH,
        .round = number(prng, 1002),
        .high_qc_round = number(prng, 1001),
        .high_tc_round = number(prng, 999),
        .committed_height = number(prng, 900),
        .certified_height = number(prng, 898),
    };
    const struct giro_sync_header question = {.head = giro_head_make(GIRO_KIND_SYNC)};
    giro_writer_put(&writer, &envelope, sizeof(envelope));
    giro_writer_put(&writer, &question, sizeof(question));
    return writer.offset;
}

static size_t qc_make(uint32_t replica_count, struct giro_prng *prng, uint8_t *out)
{
    static struct giro_qc qc;
    struct giro_writer writer = writer_over(out);
    sample_qc(&qc, replica_count, 1000, prng);
    giro_qc_encode(&qc, &writer);
    return writer.offset;
}

static size_t qc_genesis_make(uint32_t replica_count, struct giro_prng *prng, uint8_t *out)
{
    static struct giro_qc qc;
    struct giro_writer writer = writer_over(out);
    sample_qc(&qc, replica_count, 0, prng);
    giro_qc_encode(&qc, &writer);
    return writer.offset;
}

static size_t tc_make(uint32_t replica_count, struct giro_prng *prng, uint8_t *out)
{
    static struct giro_tc tc;
    struct giro_writer writer = writer_over(out);
    sample_tc(&tc, replica_count, 1000, prng);
    giro_tc_encode(&tc, &writer);
    return writer.offset;
}

static size_t timeout_make(uint32_t replica_count, struct giro_prng *prng, uint8_t *out)
{
    static struct giro_timeout timeout;
    struct giro_writer writer = writer_over(out);
    sample_timeout(&timeout, replica_count, within(prng, 1, 0, 1) != 0, prng);
    giro_timeout_encode(&timeout, &writer);
    return writer.offset;
}

static size_t vote_make(uint32_t replica_count, struct giro_prng *prng, uint8_t *out)
{
    struct giro_vote vote;
    struct giro_writer writer = writer_over(out);
    sample_vote(&vote, replica_count, prng);
    giro_vote_encode(&vote, &writer);
    return writer.offset;
}

static size_t hello_make(uint32_t replica_count, struct giro_prng *prng, uint8_t *out)
{
    struct giro_hello hello;
    struct giro_writer writer = writer_over(out);
    sample_hello(&hello, replica_count, (uint8_t)within(prng, 7, 0, 7), prng);
    giro_hello_encode(&hello, &writer);
    return writer.offset;
}

static size_t commit_vote_make(uint32_t replica_count, struct giro_prng *prng, uint8_t *out)
{
    struct giro_commit_vote vote;
    struct giro_writer writer = writer_over(out);
    sample_commit_vote(&vote, replica_count, prng);
    giro_commit_vote_encode(&vote, &writer);
    return writer.offset;
}

static size_t certificate_make(uint32_t replica_count, struct giro_prng *prng, uint8_t *out)
{
    static struct giro_certificate certificate;
    struct giro_writer writer = writer_over(out);
    sample_certificate(&certificate, replica_count, prng);
    giro_certificate_encode(&certificate, &writer);
    return writer.offset;
}

static size_t checkpoint_vote_make(uint32_t replica_count, struct giro_prng *prng, uint8_t *out)
{
    struct giro_checkpoint_vote vote;
    struct giro_writer writer = writer_over(out);
    sample_checkpoint_vote(&vote, replica_count, prng);
    giro_checkpoint_vote_encode(&vote, &writer);
    return writer.offset;
}

static size_t checkpoint_make(uint32_t replica_count, struct giro_prng *prng, uint8_t *out)
{
    static struct giro_checkpoint checkpoint;
    struct giro_writer writer = writer_over(out);
    sample_checkpoint(&checkpoint, replica_count, prng);
    giro_checkpoint_encode(&checkpoint, &writer);
    return writer.offset;
}

/* Checkpoint, certificate and QC of one block, and the root of its chunks. */
static size_t manifest_make(uint32_t replica_count, struct giro_prng *prng, uint8_t *out)
{
    static struct giro_manifest manifest;
    static struct giro_hash hashes[20];
    struct giro_writer writer = writer_over(out);
    struct giro_hash chain;
    memset(&chain, 0xC0, sizeof(chain)); /* as in wire_roundtrip.c */
    sample_checkpoint(&manifest.checkpoint, replica_count, prng);
    sample_certificate(&manifest.certificate, replica_count, prng);
    sample_qc(&manifest.qc, replica_count, 1000, prng);
    struct giro_checkpoint_body *const body = &manifest.checkpoint.header.body;
    struct giro_commit_body *const commit = &manifest.certificate.header.body;
    commit->epoch = body->epoch;
    commit->height = body->height;
    commit->block_id = body->block_id;
    commit->state_root = body->state_root;
    commit->ledger_root = body->ledger_root;
    manifest.qc.header.epoch = body->epoch;
    manifest.qc.header.block_id = body->block_id;
    manifest.chunk_count = within(prng, 2, 1, 20);
    sample_fill(prng, hashes, manifest.chunk_count * sizeof(hashes[0]), 0xA0);
    manifest.chunk_hashes = hashes[0].bytes;
    body->image_root = giro_image_root(&chain, body->height, hashes, manifest.chunk_count);
    giro_manifest_encode(&manifest, &writer);
    return writer.offset;
}

static size_t fetch_image_make(uint32_t replica_count, struct giro_prng *prng, uint8_t *out)
{
    struct giro_writer writer = writer_over(out);
    const struct giro_fetch_image request = {.head = giro_head_make(GIRO_KIND_FETCH_IMAGE),
                                             .above_height = number(prng, 1023)};
    (void)replica_count;
    giro_writer_put(&writer, &request, sizeof(request));
    return writer.offset;
}

static size_t fetch_chunk_make(uint32_t replica_count, struct giro_prng *prng, uint8_t *out)
{
    struct giro_writer writer = writer_over(out);
    struct giro_fetch_chunk request = {.head = giro_head_make(GIRO_KIND_FETCH_CHUNK)};
    (void)replica_count;
    sample_fill(prng, &request.hash, sizeof(request.hash), 0x20);
    giro_writer_put(&writer, &request, sizeof(request));
    return writer.offset;
}

static size_t chunk_make(uint32_t replica_count, struct giro_prng *prng, uint8_t *out)
{
    struct giro_writer writer = writer_over(out);
    uint8_t chunk[300];
    struct giro_chunk_header header = {.head = giro_head_make(GIRO_KIND_CHUNK),
                                       .size_bytes = within(prng, 40, 1, sizeof(chunk))};
    (void)replica_count;
    sample_fill(prng, &header.hash, sizeof(header.hash), 0x20);
    sample_fill(prng, chunk, sizeof(chunk), 0x40);
    chunk[header.size_bytes - 1] |= 1;
    giro_writer_put(&writer, &header, sizeof(header));
    giro_writer_put(&writer, chunk, header.size_bytes);
    return writer.offset;
}

static size_t ack_make(uint32_t replica_count, struct giro_prng *prng, uint8_t *out)
{
    struct giro_batch_ack ack;
    struct giro_hash first;
    struct giro_writer writer = writer_over(out);
    sample_fill(prng, &first, sizeof(first), 0x20);
    first.bytes[0] &= 0x7F; /* room to count up */
    sample_ack(&ack, within(prng, 0, 0, replica_count - 1), within(prng, 2, 1, GIRO_ACK_IDS_MAX),
               &first, prng);
    giro_batch_ack_encode(&ack, &writer);
    return writer.offset;
}

static size_t batch_make(uint32_t replica_count, struct giro_prng *prng, uint8_t *out)
{
    struct giro_writer writer = writer_over(out);
    struct giro_batch_header header = {
        .head = giro_head_make(GIRO_KIND_BATCH),
        .epoch = WIRE_TEST_EPOCH,
        .sequence = UINT64_C(3) << 32 | 5,
        .created_ns = number(prng, UINT64_C(1795485600000000000)),
        .frame_count = within(prng, 3, 1, 12),
        .author = (uint16_t)within(prng, 2 % replica_count, 0, replica_count - 1),
    };
    giro_writer_reserve(&writer, sizeof(header));
    for (uint32_t i = 0; i < header.frame_count; i++) {
        static const enum giro_kind kinds[] = {GIRO_KIND_FRAME, GIRO_KIND_SKIP, GIRO_KIND_CONTROL};
        const enum giro_kind kind = kinds[within(prng, i % 3, 0, 2)];
        const uint32_t record_count = kind == GIRO_KIND_SKIP ? 0 : within(prng, 1, 1, 16);
        uint8_t *const size_at = giro_writer_reserve(&writer, 4);
        const uint32_t frame_bytes =
            (uint32_t)frame_put(&writer, kind, record_count,
                                kind == GIRO_KIND_FRAME ? within(prng, 0, 0, 9) * 4 : 0, prng);
        memcpy(size_at, &frame_bytes, 4);
        header.record_count += record_count;
    }
    header.size_bytes = (uint32_t)writer.offset;
    memcpy(out, &header, sizeof(header));
    return writer.offset;
}

static struct giro_batch_reference proof_put(struct giro_writer *writer, uint32_t replica_count,
                                             uint8_t first, struct giro_prng *prng)
{
    static struct giro_batch_ack acks[GIRO_QUORUM_MAX];
    struct giro_batch_proof_header header = {
        .head = giro_head_make(GIRO_KIND_BATCH_PROOF),
        .reference = {.expiry_ns = UINT64_MAX,
                      .size_bytes = within(prng, 4096, 65, GIRO_BATCH_BYTES_MAX),
                      .frame_count = within(prng, 20, 1, GIRO_BATCH_FRAMES_MAX),
                      .record_count = within(prng, 20, 0, 100),
                      .author = (uint16_t)(replica_count / 2),
                      .sequence = number(prng, UINT64_C(3) << 32 | 5)},
        .scheme = GIRO_SCHEME_ED25519,
        .signer_count = (uint8_t)sample_quorum(replica_count),
    };
    signers(header.bitmap, replica_count, prng);
    sample_fill(prng, &header.reference.batch_id, sizeof(header.reference.batch_id), first);
    header.reference.batch_id.bytes[0] &= 0x7F;
    uint32_t count = 0;
    for (uint32_t voter = 0; voter < replica_count; voter++) {
        if (!giro_bitmap_has(header.bitmap, voter))
            continue;
        struct giro_batch_ack *const ack = &acks[count];
        sample_ack(ack, voter, within(prng, 1 + count % 2, 1, GIRO_ACK_IDS_MAX),
                   &header.reference.batch_id, prng);
        if (ack->header.expiry_ns < header.reference.expiry_ns)
            header.reference.expiry_ns = ack->header.expiry_ns;
        count++;
    }
    giro_batch_proof_encode(&header, acks, writer);
    return header.reference;
}

static size_t proof_make(uint32_t replica_count, struct giro_prng *prng, uint8_t *out)
{
    struct giro_writer writer = writer_over(out);
    proof_put(&writer, replica_count, 0x20, prng);
    return writer.offset;
}

static size_t proposal_make(uint32_t replica_count, struct giro_prng *prng, uint8_t *out)
{
    static uint8_t proof_space[8][GIRO_BATCH_PROOF_BYTES_MAX];
    static struct giro_qc qc;
    static struct giro_tc tc;
    static struct giro_certificate certificate;
    struct giro_batch_reference references[8];
    const uint8_t *proofs[8];
    uint32_t proof_bytes[8];
    struct giro_block_header block = {
        .head = giro_head_make(GIRO_KIND_BLOCK),
        .chain_id = sample_chain(),
        .epoch = WIRE_TEST_EPOCH,
        .round = 1002,
        .time_ns = number(prng, UINT64_C(1795485600000000000)),
        .author = (uint16_t)within(prng, 1 % replica_count, 0, replica_count - 1),
        .reference_count = (uint16_t)within(prng, 2, 0, 5),
    };
    const bool has_tc = within(prng, 1, 0, 1) != 0;
    const bool has_certificate = within(prng, 1, 0, 1) != 0;
    for (uint32_t i = 0; i < block.reference_count; i++) {
        struct giro_writer proof;
        giro_writer_init(&proof, proof_space[i], sizeof(proof_space[i]));
        references[i] = proof_put(&proof, replica_count, (uint8_t)(0x20 + 0x10 * i), prng);
        proofs[i] = proof_space[i];
        proof_bytes[i] = (uint32_t)proof.offset;
    }
    sample_qc(&qc, replica_count, 999, prng);
    sample_tc(&tc, replica_count, 1001, prng);
    sample_certificate(&certificate, replica_count, prng);
    block.parent_id = qc.header.block_id;
    certificate.header.body.height = number(prng, 898) >> 1 | 1;
    block.certified_height = has_certificate ? certificate.header.body.height : 0;
    block.height = block.certified_height + 2;
    struct giro_writer writer = writer_over(out);
    struct giro_hash block_id;
    giro_proposal_encode(&block, references, proofs, proof_bytes, &qc, has_tc ? &tc : NULL,
                         has_certificate ? &certificate : NULL, &writer, &block_id);
    struct giro_signature signature;
    sample_fill(prng, &signature, sizeof(signature), 0xB0);
    giro_writer_put(&writer, &signature, sizeof(signature));
    return writer.offset;
}

const struct wire_sample wire_samples[] = {
    {"frame", GIRO_KIND_FRAME, frame_make},
    {"frame_details", GIRO_KIND_FRAME, frame_details_make},
    {"disclosure", GIRO_KIND_DISCLOSURE, disclosure_make},
    {"skip", GIRO_KIND_SKIP, skip_make},
    {"control", GIRO_KIND_CONTROL, control_make},
    {"receipt", WIRE_TEST_RECEIPT, receipt_make},
    {"peer", GIRO_KIND_PEER, peer_make},
    {"qc", GIRO_KIND_QC, qc_make},
    {"qc_genesis", GIRO_KIND_QC, qc_genesis_make},
    {"vote", GIRO_KIND_VOTE, vote_make},
    {"timeout", GIRO_KIND_TIMEOUT, timeout_make},
    {"tc", GIRO_KIND_TC, tc_make},
    {"hello", GIRO_KIND_HELLO, hello_make},
    {"commit_vote", GIRO_KIND_COMMIT_VOTE, commit_vote_make},
    {"certificate", GIRO_KIND_CERTIFICATE, certificate_make},
    {"batch", GIRO_KIND_BATCH, batch_make},
    {"batch_ack", GIRO_KIND_BATCH_ACK, ack_make},
    {"batch_proof", GIRO_KIND_BATCH_PROOF, proof_make},
    {"proposal", GIRO_KIND_PROPOSAL, proposal_make},
    {"checkpoint_vote", GIRO_KIND_CHECKPOINT_VOTE, checkpoint_vote_make},
    {"checkpoint", GIRO_KIND_CHECKPOINT, checkpoint_make},
    {"manifest", GIRO_KIND_MANIFEST, manifest_make},
    {"fetch_image", GIRO_KIND_FETCH_IMAGE, fetch_image_make},
    {"fetch_chunk", GIRO_KIND_FETCH_CHUNK, fetch_chunk_make},
    {"chunk", GIRO_KIND_CHUNK, chunk_make},
};
const uint32_t wire_sample_count = sizeof(wire_samples) / sizeof(wire_samples[0]);

const struct wire_sample *wire_sample_find(const char *name)
{
    for (uint32_t i = 0; i < wire_sample_count; i++) {
        if (strcmp(wire_samples[i].name, name) == 0)
            return &wire_samples[i];
    }
    GIRO_ASSERT(!"every name in a test's table is a sample");
    return NULL;
}
