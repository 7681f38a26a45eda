/* Every decoder against every sample: round trips, truncations, leftovers, reserved bytes, fields out of range. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "wire_samples.h"

static void setup(void)
{
    cr_assert(giro_crypto_init() == GIRO_ERR_OK);
}

TestSuite(wire, .init = setup);

static uint8_t sample_bytes[WIRE_TEST_BYTES_MAX];

/* try_exact decodes a heap copy of exactly size_bytes, so that the sanitizer sees any read behind the end. */
static enum giro_reject try_exact(uint16_t kind, const uint8_t *bytes, size_t size_bytes,
                                  uint32_t replica_count)
{
    uint8_t *const copy = malloc(size_bytes + (size_bytes == 0));
    memcpy(copy, bytes, size_bytes);
    const enum giro_reject reject = wire_roundtrip_hold(kind, copy, size_bytes, replica_count);
    free(copy);
    return reject;
}

static const uint32_t replica_counts[] = {1, 2, 4, 7, 31, 100};

Test(wire, every_sample_decodes_and_encodes_to_the_same_bytes)
{
    for (uint32_t i = 0; i < wire_sample_count; i++) {
        for (uint32_t j = 0; j < sizeof(replica_counts) / sizeof(replica_counts[0]); j++) {
            const uint32_t n = replica_counts[j];
            const size_t size_bytes = wire_samples[i].make(n, NULL, sample_bytes);
            const enum giro_reject reject =
                try_exact(wire_samples[i].kind, sample_bytes, size_bytes, n);
            cr_assert(reject == GIRO_REJECT_NONE, "%s n=%u: %s", wire_samples[i].name, n,
                      giro_reject_name(reject));
        }
    }
}

/* DECODED fails unless decoding what was encoded gives the same struct, byte for byte. */
#define DECODED(object, value)                                                                     \
    do {                                                                                           \
        static struct giro_##object decoded_;                                                      \
        struct giro_writer writer_;                                                                \
        struct giro_reader reader_;                                                                \
        memset(&decoded_, 0xEE, sizeof(decoded_));                                                 \
        giro_writer_init(&writer_, sample_bytes, sizeof(sample_bytes));                            \
        cr_assert(giro_##object##_encode(&(value), &writer_));                                     \
        giro_reader_init(&reader_, sample_bytes, writer_.offset);                                  \
        cr_assert(giro_##object##_decode(&reader_, n, &decoded_) == GIRO_REJECT_NONE, #object);    \
        cr_assert(memcmp(&decoded_, &(value), sizeof(decoded_)) == 0, #object " n=%u", n);         \
        cr_assert(giro_reader_left(&reader_) == 0);                                                \
    } while (0)

Test(wire, decoding_gives_back_the_encoded_struct_with_zeros_behind_the_last_signature)
{
    static struct giro_qc qc;
    static struct giro_tc tc;
    static struct giro_timeout timeout;
    static struct giro_certificate certificate;
    struct giro_vote vote;
    struct giro_hello hello;
    struct giro_commit_vote commit_vote;
    struct giro_batch_ack ack;
    struct giro_prng prng;
    giro_prng_init(&prng, 7);
    for (uint32_t i = 0; i < 200; i++) {
        const uint32_t n = 1 + (uint32_t)giro_prng_below(&prng, GIRO_REPLICAS_MAX);
        const struct giro_hash first = {{1, 2, 3}};
        sample_qc(&qc, n, i, &prng);
        sample_tc(&tc, n, 50 + i, &prng);
        sample_timeout(&timeout, n, i % 2 != 0, &prng);
        sample_vote(&vote, n, &prng);
        sample_commit_vote(&commit_vote, n, &prng);
        sample_certificate(&certificate, n, &prng);
        sample_ack(&ack, i % n, 1 + i % GIRO_ACK_IDS_MAX, &first, &prng);
        DECODED(qc, qc);
        DECODED(tc, tc);
        DECODED(timeout, timeout);
        DECODED(vote, vote);
        sample_hello(&hello, n, i % 8, &prng);
        DECODED(hello, hello);
        DECODED(commit_vote, commit_vote);
        DECODED(certificate, certificate);
        DECODED(batch_ack, ack);
    }
}

Test(wire, every_truncation_is_rejected)
{
    for (uint32_t i = 0; i < wire_sample_count; i++) {
        const size_t size_bytes = wire_samples[i].make(4, NULL, sample_bytes);
        /* An envelope is whole once its 64 bytes are there: its body comes later on the stream. */
        const size_t end_bytes = wire_samples[i].kind == GIRO_KIND_PEER ? 64 : size_bytes;
        for (size_t cut_bytes = 0; cut_bytes < end_bytes; cut_bytes++) {
            const enum giro_reject reject =
                try_exact(wire_samples[i].kind, sample_bytes, cut_bytes, 4);
            cr_assert(reject == GIRO_REJECT_TRUNCATED, "%s cut to %zu of %zu: %s",
                      wire_samples[i].name, cut_bytes, size_bytes, giro_reject_name(reject));
        }
    }
}

Test(wire, bytes_behind_a_complete_message_are_rejected)
{
    for (uint32_t i = 0; i < wire_sample_count; i++) {
        if (wire_samples[i].kind == GIRO_KIND_PEER)
            continue;
        const size_t size_bytes = wire_samples[i].make(4, NULL, sample_bytes);
        for (size_t extra_bytes = 1; extra_bytes <= 9; extra_bytes++) {
            sample_bytes[size_bytes + extra_bytes - 1] = 0;
            const enum giro_reject reject =
                try_exact(wire_samples[i].kind, sample_bytes, size_bytes + extra_bytes, 4);
            cr_assert(reject == GIRO_REJECT_OVERSIZED, "%s and %zu bytes: %s", wire_samples[i].name,
                      extra_bytes, giro_reject_name(reject));
        }
    }
}

Test(wire, every_reserved_byte_must_be_zero)
{
    static const struct {
        const char *sample;
        uint32_t offset, size_bytes;
    } rows[] = {
        {"frame", 36, 4},
        {"frame_details", 36, 4},
        {"disclosure", 36, 12},
        {"disclosure", 48 + 40 + 64 + 2 * 32 + 2 * 32 + 7, 1},
        {"skip", 32, 8},
        {"control", 32, 4},
        {"control", 38, 2},
        {"receipt", 58, 6},
        {"receipt", 66, 2},
        {"receipt", 69, 1},
        {"receipt", 78, 2},
        {"receipt", 81, 1},
        {"qc", 114, 6},
        {"qc_genesis", 114, 6},
        {"vote", 98, 6},
        {"hello", 46, 26},
        {"hello", 136 + 46, 26},
        {"hello", 272 + 98, 6},
        {"hello", 440 + 35, 5},
        {"timeout", 35, 5},
        {"timeout", 104 + 114, 6},
        {"tc", 42, 6},
        {"commit_vote", 130, 6},
        {"checkpoint_vote", 154, 6},
        {"checkpoint", 170, 6},
        {"manifest", 24, 8},
        {"fetch_image", 16, 8},
        {"fetch_chunk", 40, 8},
        {"chunk", 44, 4},
        {"certificate", 146, 6},
        {"batch", 46, 18},
        {"batch", 64 + 4 + 38, 2},
        {"batch_ack", 28, 12},
        {"batch_proof", 62, 2},
        {"batch_proof", 74, 6},
        {"batch_proof", 106, 6},
        {"proposal", 24 + 212, 4},
        {"proposal", 240 + 54, 2},
        {"proposal", 240 + 64 + 54, 2},
    };
    for (uint32_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct wire_sample *const sample = wire_sample_find(rows[i].sample);
        const size_t size_bytes = sample->make(4, NULL, sample_bytes);
        for (uint32_t at = rows[i].offset; at < rows[i].offset + rows[i].size_bytes; at++) {
            for (uint32_t bit = 0; bit < 8; bit++) {
                cr_assert(sample_bytes[at] == 0, "%s byte %u", sample->name, at);
                sample_bytes[at] = (uint8_t)(1u << bit);
                const enum giro_reject reject =
                    try_exact(sample->kind, sample_bytes, size_bytes, 4);
                cr_assert(reject == GIRO_REJECT_RESERVED, "%s byte %u: %s", sample->name, at,
                          giro_reject_name(reject));
                sample_bytes[at] = 0;
            }
        }
    }
}

/* What the head says: 4 bytes of magic, kind, version. */
Test(wire, every_head_is_checked)
{
    for (uint32_t i = 0; i < wire_sample_count; i++) {
        const struct wire_sample *const sample = &wire_samples[i];
        const size_t size_bytes = sample->make(4, NULL, sample_bytes);
        for (uint32_t at = 0; at < 8 && sample->kind != WIRE_TEST_RECEIPT; at++) {
            const enum giro_reject expected = at < 4   ? GIRO_REJECT_MAGIC
                                              : at < 6 ? GIRO_REJECT_KIND
                                                       : GIRO_REJECT_VERSION;
            sample_bytes[at] ^= 0x80;
            const enum giro_reject reject = try_exact(sample->kind, sample_bytes, size_bytes, 4);
            cr_assert(reject == expected, "%s byte %u: %s", sample->name, at,
                      giro_reject_name(reject));
            sample_bytes[at] ^= 0x80;
        }
    }
}

struct field_row {
    const char *sample;
    uint32_t offset, size_bytes;
    uint64_t value;
    enum giro_reject reject;
};

static void rows_hold(const struct field_row *rows, uint32_t row_count)
{
    for (uint32_t i = 0; i < row_count; i++) {
        const struct field_row *const row = &rows[i];
        const struct wire_sample *const sample = wire_sample_find(row->sample);
        const size_t size_bytes = sample->make(4, NULL, sample_bytes);
        memcpy(sample_bytes + row->offset, &row->value, row->size_bytes);
        const enum giro_reject reject = try_exact(sample->kind, sample_bytes, size_bytes, 4);
        cr_assert(reject == row->reject, "%s: %u bytes at %u set to %llu give %s, not %s",
                  row->sample, row->size_bytes, row->offset, (unsigned long long)row->value,
                  giro_reject_name(reject), giro_reject_name(row->reject));
    }
}
#define ROWS_HOLD(rows) rows_hold(rows, sizeof(rows) / sizeof(rows[0]))

Test(wire, what_members_send_is_held_to_its_ranges)
{
    static const struct field_row rows[] = {
        {"frame", 8, 8, 1, GIRO_REJECT_CHAIN},
        {"frame", 16, 2, GIRO_MEMBERS_MAX, GIRO_REJECT_MEMBER},
        {"frame", 16, 2, GIRO_MEMBER_OPERATOR, GIRO_REJECT_MEMBER},
        {"frame", 20, 2, GIRO_CHANNELS_MAX, GIRO_REJECT_CHANNEL},
        {"frame", 22, 2, 0, GIRO_REJECT_COUNT},
        {"frame", 22, 2, 1, GIRO_REJECT_OVERSIZED},
        {"frame", 22, 2, 3, GIRO_REJECT_TRUNCATED},
        {"frame", 22, 2, GIRO_FRAME_RECORDS_MAX + 1, GIRO_REJECT_COUNT},
        {"frame", 22, 2, 0xFFFF, GIRO_REJECT_COUNT},
        {"frame", 32, 4, 1, GIRO_REJECT_FIELD},
        {"frame", 32, 4, 4, GIRO_REJECT_TRUNCATED},
        {"frame", 32, 4, 8840, GIRO_REJECT_OVERSIZED},
        {"frame", 32, 4, 0xFFFFFFFC, GIRO_REJECT_OVERSIZED},
        {"frame", 4, 2, GIRO_KIND_SKIP, GIRO_REJECT_COUNT},
        {"frame", 4, 2, GIRO_KIND_CONTROL, GIRO_REJECT_MEMBER},
        {"frame", 4, 2, GIRO_KIND_BATCH, GIRO_REJECT_KIND},
        {"skip", 16, 2, GIRO_MEMBERS_MAX, GIRO_REJECT_MEMBER},
        {"skip", 22, 2, 1, GIRO_REJECT_COUNT},
        {"skip", 24, 8, 41, GIRO_REJECT_FIELD}, /* from 41 to 40 */
        {"skip", 40, 8, 37, GIRO_REJECT_FIELD},
        {"skip", 40, 8, 38, GIRO_REJECT_NONE},
        {"skip", 4, 2, GIRO_KIND_FRAME, GIRO_REJECT_COUNT},
        {"control", 16, 2, 5, GIRO_REJECT_MEMBER},
        {"control", 18, 2, 2, GIRO_REJECT_SIGNER}, /* maker and checker the same */
        {"control", 22, 2, 0, GIRO_REJECT_COUNT},
        {"control", 22, 2, GIRO_CONTROL_RECORDS_MAX + 1, GIRO_REJECT_COUNT},
        {"receipt", 52, 2, GIRO_CHANNELS_MAX, GIRO_REJECT_CHANNEL},
        {"receipt", 54, 1, 0, GIRO_REJECT_FIELD},
        {"receipt", 54, 1, 4, GIRO_REJECT_FIELD},
        {"receipt", 55, 1, 8, GIRO_REJECT_FIELD},
        {"receipt", 54, 1, GIRO_LEVEL_DURABLE, GIRO_REJECT_COUNT}, /* runs below CERTIFIED */
        {"receipt", 56, 2, 1, GIRO_REJECT_OVERSIZED},
        {"receipt", 56, 2, 3, GIRO_REJECT_TRUNCATED},
        {"receipt", 56, 2, 139, GIRO_REJECT_COUNT},
        {"receipt", 64, 2, 0, GIRO_REJECT_COUNT},
        {"receipt", 64, 2, 137, GIRO_REJECT_COUNT}, /* 137 + 2 records */
        {"receipt", 64, 2, 136, GIRO_REJECT_NONE},
        {"receipt", 68, 1, 10, GIRO_REJECT_FIELD},
        {"receipt", 70, 2, 20, GIRO_REJECT_FIELD},
    };
    ROWS_HOLD(rows);
}

Test(wire, votes_and_certificates_are_held_to_their_ranges)
{
    static const struct field_row rows[] = {
        {"peer", 8, 4, 63, GIRO_REJECT_TRUNCATED},
        {"peer", 8, 4, GIRO_PEER_BYTES_MAX + 1, GIRO_REJECT_OVERSIZED},
        {"peer", 8, 4, GIRO_PEER_BYTES_MAX, GIRO_REJECT_NONE},
        {"peer", 12, 2, 0, GIRO_REJECT_KIND},
        {"peer", 12, 2, GIRO_KIND_PEER, GIRO_REJECT_KIND},
        {"peer", 12, 2, GIRO_KIND_FRAME, GIRO_REJECT_KIND},
        {"peer", 12, 2, GIRO_KIND_HALTED + 1, GIRO_REJECT_KIND},
        {"peer", 14, 2, GIRO_REPLICAS_MAX, GIRO_REJECT_SIGNER},
        {"qc", 16, 8, 0, GIRO_REJECT_COUNT},   /* round 0 with signers */
        {"qc", 16, 8, 999, GIRO_REJECT_FIELD}, /* its own parent's round */
        {"qc", 24, 8, 998, GIRO_REJECT_FIELD}, /* a commit id, but not neighbours */
        {"qc", 24, 8, UINT64_MAX, GIRO_REJECT_FIELD},
        {"qc", 96, 1, 0x0F, GIRO_REJECT_SIGNER}, /* four bits, three signatures */
        {"qc", 96, 1, 0x06, GIRO_REJECT_SIGNER}, /* two bits */
        {"qc", 96, 1, 0x16, GIRO_REJECT_SIGNER}, /* three bits, one of a fifth replica */
        {"qc", 96, 8, 0, GIRO_REJECT_SIGNER},
        {"qc", 111, 1, 0x80, GIRO_REJECT_SIGNER},
        {"qc", 112, 1, 0, GIRO_REJECT_FIELD},
        {"qc", 112, 1, 2, GIRO_REJECT_FIELD},
        {"qc", 113, 1, 0, GIRO_REJECT_QUORUM},
        {"qc", 113, 1, 2, GIRO_REJECT_QUORUM},
        {"qc", 113, 1, 4, GIRO_REJECT_QUORUM},
        {"qc", 113, 1, 67, GIRO_REJECT_QUORUM},
        {"qc", 113, 1, 68, GIRO_REJECT_COUNT},
        {"qc", 113, 1, 255, GIRO_REJECT_COUNT},
        {"qc_genesis", 16, 8, 1, GIRO_REJECT_QUORUM}, /* unsigned, but no longer genesis */
        {"qc_genesis", 24, 8, 1, GIRO_REJECT_FIELD},
        {"qc_genesis", 64, 1, 1, GIRO_REJECT_FIELD},
        {"qc_genesis", 96, 1, 1, GIRO_REJECT_SIGNER},
        {"qc_genesis", 112, 1, 0, GIRO_REJECT_FIELD},
        {"qc_genesis", 113, 1, 3, GIRO_REJECT_COUNT},
        {"vote", 16, 8, 0, GIRO_REJECT_FIELD},
        {"vote", 24, 8, 0x0102030405060708, GIRO_REJECT_FIELD},
        {"vote", 24, 8, 0x0102030405060706, GIRO_REJECT_FIELD},
        {"vote", 96, 2, 4, GIRO_REJECT_SIGNER},
        {"timeout", 16, 8, 997, GIRO_REJECT_FIELD}, /* not above its high QC */
        {"timeout", 16, 8, 999, GIRO_REJECT_FIELD}, /* not above its TC */
        {"timeout", 24, 8, 996, GIRO_REJECT_FIELD}, /* not its high QC's round */
        {"timeout", 32, 2, 4, GIRO_REJECT_SIGNER},
        {"timeout", 34, 1, 0, GIRO_REJECT_OVERSIZED},
        {"timeout", 34, 1, 2, GIRO_REJECT_FIELD},
        {"tc", 16, 8, 998, GIRO_REJECT_FIELD},
        {"tc", 24, 1, 0x0F, GIRO_REJECT_SIGNER},
        {"tc", 24, 1, 0x13, GIRO_REJECT_SIGNER},
        {"tc", 40, 1, 0, GIRO_REJECT_FIELD},
        {"tc", 41, 1, 0, GIRO_REJECT_QUORUM},
        {"tc", 41, 1, 4, GIRO_REJECT_QUORUM},
        {"tc", 41, 1, 255, GIRO_REJECT_COUNT},
        {"tc", 48, 8, 997, GIRO_REJECT_FIELD}, /* nobody reports the high QC's round */
        {"tc", 56, 8, 999, GIRO_REJECT_FIELD}, /* somebody reports a higher one */
        {"commit_vote", 16, 8, 0, GIRO_REJECT_FIELD},
        {"commit_vote", 128, 2, 4, GIRO_REJECT_SIGNER},
        {"certificate", 16, 8, 0, GIRO_REJECT_FIELD},
        {"certificate", 128, 1, 0x1E, GIRO_REJECT_SIGNER},
        {"certificate", 128, 1, 0x16, GIRO_REJECT_SIGNER},
        {"certificate", 144, 1, 3, GIRO_REJECT_FIELD},
        {"certificate", 145, 1, 2, GIRO_REJECT_QUORUM},
        {"certificate", 145, 1, 0, GIRO_REJECT_QUORUM},
        {"certificate", 145, 1, 200, GIRO_REJECT_COUNT},
    };
    ROWS_HOLD(rows);
}

Test(wire, hellos_are_held_to_their_ranges_and_their_subject)
{
    static const struct field_row rows[] = {
        {"hello", 32, 8, 0, GIRO_REJECT_FIELD},
        {"hello", 40, 2, 1, GIRO_REJECT_SIGNER}, /* of another subject than its parts */
        {"hello", 40, 2, 4, GIRO_REJECT_SIGNER},
        {"hello", 42, 2, 4, GIRO_REJECT_SIGNER},
        {"hello", 44, 1, 0, GIRO_REJECT_SIGNER}, /* a question in another's name */
        {"hello", 44, 1, 2, GIRO_REJECT_FIELD},
        {"hello", 45, 1, 0, GIRO_REJECT_OVERSIZED},
        {"hello", 45, 1, 3, GIRO_REJECT_OVERSIZED},
        {"hello", 45, 1, 15, GIRO_REJECT_FIELD},
        {"hello", 136 + 44, 1, 1, GIRO_REJECT_FIELD}, /* an answer in the place of a question */
        {"hello", 136 + 42, 2, 1, GIRO_REJECT_SIGNER},
        {"hello", 136 + 45, 1, 1, GIRO_REJECT_FIELD},
        {"hello", 272 + 96, 2, 1, GIRO_REJECT_SIGNER},
        {"hello", 440 + 32, 2, 1, GIRO_REJECT_SIGNER},
        {"hello", 440 + 34, 1, 1, GIRO_REJECT_FIELD},
        {"hello", 440 + 24, 8, 1000, GIRO_REJECT_FIELD},
    };
    ROWS_HOLD(rows);
}

Test(wire, checkpoints_and_manifests_are_held_to_their_ranges)
{
    static const struct field_row rows[] = {
        {"checkpoint_vote", 16, 8, 0, GIRO_REJECT_FIELD},
        {"checkpoint_vote", 152, 2, 4, GIRO_REJECT_SIGNER},
        {"checkpoint", 16, 8, 0, GIRO_REJECT_FIELD},
        {"checkpoint", 152, 1, 0x1E, GIRO_REJECT_SIGNER},
        {"checkpoint", 168, 1, 3, GIRO_REJECT_FIELD},
        {"checkpoint", 169, 1, 2, GIRO_REJECT_QUORUM},
        {"checkpoint", 169, 1, 200, GIRO_REJECT_COUNT},
        {"manifest", 8, 4, 0, GIRO_REJECT_COUNT},
        {"manifest", 8, 4, 1, GIRO_REJECT_OVERSIZED},
        {"manifest", 8, 4, 3, GIRO_REJECT_TRUNCATED},
        {"manifest", 8, 4, GIRO_IMAGE_CHUNKS_MAX + 1, GIRO_REJECT_COUNT},
        {"manifest", 12, 4, 0, GIRO_REJECT_FIELD},
        {"manifest", 16, 4, 1, GIRO_REJECT_FIELD},
        {"manifest", 20, 4, 1, GIRO_REJECT_FIELD},
        {"manifest", 32 + 120, 8, 0, GIRO_REJECT_HASH}, /* image root */
        {"manifest", 32 + 24, 8, 0, GIRO_REJECT_HASH},  /* block of the checkpoint */
        {"manifest", 32 + 16, 8, 7, GIRO_REJECT_FIELD}, /* its height, not the certificate's */
        {"manifest", 32 + 8, 8, 9, GIRO_REJECT_EPOCH},
        {"manifest", 32 + 176 + 3 * 64 + 64, 8, 0, GIRO_REJECT_HASH},    /* state root */
        {"manifest", 32 + 368 + 344 + 32, 8, 0, GIRO_REJECT_HASH},       /* block of the QC */
        {"manifest", 32 + 368 + 344 + 312 + 32, 8, 0, GIRO_REJECT_HASH}, /* hash of a chunk */
        {"chunk", 40, 4, GIRO_CHUNK_BYTES + 1, GIRO_REJECT_COUNT},
        {"chunk", 40, 4, 39, GIRO_REJECT_OVERSIZED},
        {"chunk", 48 + 39, 1, 0, GIRO_REJECT_FIELD},
    };
    ROWS_HOLD(rows);
}

Test(wire, batches_and_proposals_are_held_to_their_ranges)
{
    static const struct field_row rows[] = {
        {"batch", 32, 4, 63, GIRO_REJECT_OVERSIZED},
        {"batch", 32, 4, GIRO_BATCH_BYTES_MAX + 1, GIRO_REJECT_OVERSIZED},
        {"batch", 32, 4, GIRO_BATCH_BYTES_MAX, GIRO_REJECT_TRUNCATED},
        {"batch", 36, 4, 0, GIRO_REJECT_COUNT},
        {"batch", 36, 4, 2, GIRO_REJECT_OVERSIZED},
        {"batch", 36, 4, 4, GIRO_REJECT_TRUNCATED},
        {"batch", 36, 4, GIRO_BATCH_FRAMES_MAX + 1, GIRO_REJECT_COUNT},
        {"batch", 36, 4, UINT32_MAX, GIRO_REJECT_COUNT},
        {"batch", 40, 4, 1, GIRO_REJECT_FIELD},
        {"batch", 44, 2, GIRO_REPLICAS_MAX, GIRO_REJECT_SIGNER},
        {"batch", 64, 4, 0, GIRO_REJECT_TRUNCATED},
        {"batch", 64, 4, GIRO_FRAME_BYTES_MAX + 1, GIRO_REJECT_OVERSIZED},
        {"batch", 64, 4, UINT32_MAX, GIRO_REJECT_OVERSIZED},
        {"batch", 68, 4, 0, GIRO_REJECT_MAGIC},
        {"batch", 68 + 8, 8, 0, GIRO_REJECT_CHAIN},
        {"batch_ack", 24, 2, 4, GIRO_REJECT_SIGNER},
        {"batch_ack", 26, 2, 0, GIRO_REJECT_COUNT},
        {"batch_ack", 26, 2, 1, GIRO_REJECT_OVERSIZED},
        {"batch_ack", 26, 2, GIRO_ACK_IDS_MAX, GIRO_REJECT_TRUNCATED},
        {"batch_ack", 26, 2, GIRO_ACK_IDS_MAX + 1, GIRO_REJECT_COUNT},
        {"batch_ack", 72, 1, 0x20, GIRO_REJECT_FIELD},  /* the same id twice */
        {"batch_ack", 72, 1, 0x1F, GIRO_REJECT_FIELD},  /* descending */
        {"batch_proof", 8, 1, 0x55, GIRO_REJECT_FIELD}, /* nobody acknowledged that one */
        {"batch_proof", 40, 8, 1, GIRO_REJECT_FIELD},   /* not the smallest expiry */
        {"batch_proof", 48, 4, 64, GIRO_REJECT_FIELD},
        {"batch_proof", 48, 4, GIRO_BATCH_BYTES_MAX + 1, GIRO_REJECT_FIELD},
        {"batch_proof", 52, 4, 0, GIRO_REJECT_COUNT},
        {"batch_proof", 52, 4, GIRO_BATCH_FRAMES_MAX + 1, GIRO_REJECT_COUNT},
        {"batch_proof", 56, 4, 20 * 138 + 1, GIRO_REJECT_COUNT},
        {"batch_proof", 60, 2, 4, GIRO_REJECT_SIGNER},
        {"batch_proof", 72, 1, 0, GIRO_REJECT_FIELD},
        {"batch_proof", 73, 1, 0, GIRO_REJECT_QUORUM},
        {"batch_proof", 73, 1, 2, GIRO_REJECT_QUORUM},
        {"batch_proof", 73, 1, 99, GIRO_REJECT_COUNT},
        {"batch_proof", 80, 1, 0x0F, GIRO_REJECT_SIGNER},
        {"batch_proof", 80, 1, 0x86, GIRO_REJECT_SIGNER},
        {"batch_proof", 104, 2, 0, GIRO_REJECT_COUNT},
        {"batch_proof", 104, 2, 17, GIRO_REJECT_COUNT},
        {"proposal", 8, 4, UINT32_MAX, GIRO_REJECT_OVERSIZED},
        {"proposal", 8, 4, 0, GIRO_REJECT_OVERSIZED},
        {"proposal", 12, 4, UINT32_MAX, GIRO_REJECT_OVERSIZED},
        {"proposal", 16, 4, UINT32_MAX, GIRO_REJECT_OVERSIZED},
        {"proposal", 20, 4, UINT32_MAX, GIRO_REJECT_OVERSIZED},
        {"proposal", 20, 4, 900000, GIRO_REJECT_TRUNCATED},
        {"proposal", 24, 4, 0, GIRO_REJECT_MAGIC},
        {"proposal", 24 + 48, 8, 999, GIRO_REJECT_ROUND},
        {"proposal", 24 + 56, 8, 0, GIRO_REJECT_FIELD},
        {"proposal", 24 + 64, 8, 0, GIRO_REJECT_PARENT},
        {"proposal", 24 + 96, 8, 0, GIRO_REJECT_HASH},
        {"proposal", 24 + 128, 8, 0, GIRO_REJECT_HASH},
        {"proposal", 24 + 160, 8, 0, GIRO_REJECT_HASH},
        {"proposal", 24 + 200, 8, 0, GIRO_REJECT_FIELD},
        {"proposal", 24 + 200, 8, UINT64_MAX, GIRO_REJECT_FIELD},
        {"proposal", 24 + 208, 2, 4, GIRO_REJECT_SIGNER},
        {"proposal", 24 + 210, 2, 1, GIRO_REJECT_OVERSIZED},
        {"proposal", 24 + 210, 2, 33, GIRO_REJECT_COUNT},
        {"proposal", 24 + 210, 2, 0xFFFF, GIRO_REJECT_COUNT},
        {"proposal", 240 + 52, 2, 4, GIRO_REJECT_SIGNER},
        {"proposal", 240 + 56, 8, 1, GIRO_REJECT_PROOF}, /* reference and proof differ */
    };
    ROWS_HOLD(rows);
}

Test(wire, a_proposal_names_no_batch_twice)
{
    const size_t size_bytes = wire_sample_find("proposal")->make(4, NULL, sample_bytes);
    memcpy(sample_bytes + 240 + 64, sample_bytes + 240, 64);
    cr_assert(try_exact(GIRO_KIND_PROPOSAL, sample_bytes, size_bytes, 4) == GIRO_REJECT_DUPLICATE);
}

Test(wire, parts_of_a_proposal_end_where_its_header_says)
{
    /* One byte moved from the QC to the TC, from the TC to the certificate, and so on: the sum stays. */
    static const struct {
        uint32_t from, to;
        enum giro_reject reject;
    } rows[] = {
        {8, 12, GIRO_REJECT_TRUNCATED},  {12, 8, GIRO_REJECT_OVERSIZED},
        {12, 16, GIRO_REJECT_TRUNCATED}, {16, 12, GIRO_REJECT_OVERSIZED},
        {16, 20, GIRO_REJECT_TRUNCATED}, {20, 16, GIRO_REJECT_OVERSIZED},
    };
    for (uint32_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const size_t size_bytes = wire_sample_find("proposal")->make(4, NULL, sample_bytes);
        uint32_t part_bytes;
        memcpy(&part_bytes, sample_bytes + rows[i].from, 4);
        part_bytes--;
        memcpy(sample_bytes + rows[i].from, &part_bytes, 4);
        memcpy(&part_bytes, sample_bytes + rows[i].to, 4);
        part_bytes++;
        memcpy(sample_bytes + rows[i].to, &part_bytes, 4);
        const enum giro_reject reject = try_exact(GIRO_KIND_PROPOSAL, sample_bytes, size_bytes, 4);
        cr_assert(reject == rows[i].reject, "row %u: %s", i, giro_reject_name(reject));
    }
}

/* A frame of record_count records and block_count full blocks of details for its last records; returns its size. */
static size_t detailed_make(uint32_t record_count, uint32_t block_count, uint8_t *bytes)
{
    struct giro_details_header block = {.ciphertext_bytes = 1040, .creditor_key_id = 1};
    const struct giro_frame_header header = {.head = giro_head_make(GIRO_KIND_FRAME),
                                             .chain_prefix = WIRE_TEST_PREFIX,
                                             .record_count = (uint16_t)record_count,
                                             .details_bytes = block_count * GIRO_DETAILS_BLOCK_MAX};
    const size_t size_bytes = 104 + record_count * 64 + header.details_bytes;
    memset(bytes, 0, size_bytes);
    memcpy(bytes, &header, sizeof(header));
    for (uint32_t i = 0; i < block_count; i++) {
        block.record = (uint16_t)(record_count - block_count + i);
        memcpy(bytes + 40 + record_count * 64 + i * GIRO_DETAILS_BLOCK_MAX, &block, sizeof(block));
    }
    return size_bytes;
}

Test(wire, the_largest_datagrams_decode_and_larger_ones_do_not)
{
    static uint8_t bytes[2 * GIRO_FRAME_BYTES_MAX];
    struct giro_frame frame;
    size_t size_bytes = detailed_make(GIRO_FRAME_RECORDS_MAX, 0, bytes);
    cr_assert(giro_frame_decode(bytes, size_bytes, WIRE_TEST_PREFIX, &frame) == GIRO_REJECT_NONE);
    /* All parts are multiples of 16 bytes and 8,972 is not: 8,968 is the most a frame with details takes. */
    size_bytes = detailed_make(99, 2, bytes);
    cr_assert(size_bytes == 8968);
    cr_assert(giro_frame_decode(bytes, size_bytes, WIRE_TEST_PREFIX, &frame) == GIRO_REJECT_NONE);
    cr_assert(frame.size_bytes == size_bytes && frame.details == frame.records + 99 * 64);
    size_bytes = detailed_make(100, 2, bytes);
    cr_assert(giro_frame_bytes(&frame.header) == 8968);
    memcpy(&frame.header, bytes, sizeof(frame.header));
    cr_assert(giro_frame_bytes(&frame.header) == 0);
    cr_assert(giro_frame_decode(bytes, size_bytes, WIRE_TEST_PREFIX, &frame) ==
              GIRO_REJECT_OVERSIZED);
    cr_assert(giro_frame_decode(bytes, GIRO_FRAME_BYTES_MAX, WIRE_TEST_PREFIX, &frame) ==
              GIRO_REJECT_OVERSIZED);
}

Test(wire, details_out_of_form_are_rejected_with_their_reason)
{
    static uint8_t bytes[GIRO_FRAME_BYTES_MAX];
    static const struct {
        const char *what;
        uint32_t block, offset, field_bytes, value;
        enum giro_reject reject;
    } rows[] = {
        {"a record twice", 1, 0, 2, 2, GIRO_REJECT_FIELD},
        {"records that descend", 1, 0, 2, 1, GIRO_REJECT_FIELD},
        {"a record the frame has not", 1, 0, 2, 4, GIRO_REJECT_FIELD},
        {"no ciphertext", 0, 2, 2, 0, GIRO_REJECT_FIELD},
        {"no plaintext", 0, 2, 2, 16, GIRO_REJECT_FIELD},
        {"no whole steps", 0, 2, 2, 1039, GIRO_REJECT_FIELD},
        {"more than eight steps", 0, 2, 2, 1168, GIRO_REJECT_OVERSIZED},
        {"the most a field can say", 0, 2, 2, 0xFF90, GIRO_REJECT_OVERSIZED},
        {"beyond the section", 1, 2, 2, 1040, GIRO_REJECT_TRUNCATED},
        {"something left over", 1, 2, 2, 16 + 128 * 6, GIRO_REJECT_TRUNCATED},
        {"no creditor key", 0, 4, 2, 0, GIRO_REJECT_FIELD},
        {"a box for no supervisor", 0, 223, 1, 1, GIRO_REJECT_RESERVED},
    };
    struct giro_frame frame;
    for (uint32_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        /* Four records, details of the last two; the second block a step shorter where that is asked for. */
        size_t size_bytes = detailed_make(4, 2, bytes);
        const size_t section = 40 + 4 * 64;
        cr_assert(giro_frame_decode(bytes, size_bytes, WIRE_TEST_PREFIX, &frame) ==
                  GIRO_REJECT_NONE);
        if (rows[i].offset == 2 && rows[i].block == 1) {
            const uint32_t shorter = 2 * GIRO_DETAILS_BLOCK_MAX - 128;
            memcpy(bytes + 32, &shorter, 4);
            size_bytes -= 128;
        }
        memcpy(bytes + section + rows[i].block * GIRO_DETAILS_BLOCK_MAX + rows[i].offset,
               &rows[i].value, rows[i].field_bytes);
        const enum giro_reject reject =
            giro_frame_decode(bytes, size_bytes, WIRE_TEST_PREFIX, &frame);
        cr_assert(reject == rows[i].reject, "%s: %s", rows[i].what, giro_reject_name(reject));
    }
}

Test(wire, a_rejected_frame_leaves_the_output_untouched)
{
    struct giro_frame frame;
    struct giro_frame before;
    memset(&frame, 0x5A, sizeof(frame));
    before = frame;
    const size_t size_bytes = wire_sample_find("skip")->make(4, NULL, sample_bytes);
    sample_bytes[40] = 0; /* to < from */
    cr_assert(giro_frame_decode(sample_bytes, size_bytes, WIRE_TEST_PREFIX, &frame) ==
              GIRO_REJECT_FIELD);
    cr_assert(memcmp(&frame, &before, sizeof(frame)) == 0);
}

Test(wire, an_encoder_without_room_says_so)
{
    static struct giro_tc tc;
    struct giro_writer writer;
    sample_tc(&tc, 4, 1000, NULL);
    const size_t needed_bytes = 48 + 3 * 8 + 3 * 64 + 120 + 3 * 64;
    for (size_t room_bytes = 0; room_bytes <= needed_bytes; room_bytes++) {
        giro_writer_init(&writer, sample_bytes, room_bytes);
        cr_assert(giro_tc_encode(&tc, &writer) == (room_bytes == needed_bytes), "%zu", room_bytes);
    }
}

Test(wire, a_proof_needs_room_for_every_acknowledgement)
{
    struct giro_batch_proof_header header;
    struct giro_batch_ack acks[3];
    const size_t size_bytes = wire_sample_find("batch_proof")->make(4, NULL, sample_bytes);
    cr_assert(giro_batch_proof_decode(sample_bytes, size_bytes, 1, 4, &header, acks, 2) ==
              GIRO_REJECT_COUNT);
    cr_assert(giro_batch_proof_decode(sample_bytes, size_bytes, 1, 4, &header, acks, 3) ==
              GIRO_REJECT_NONE);
    for (uint32_t i = 0; i < 3; i++) {
        cr_assert(acks[i].header.voter == i + 1, "ascending signers");
        cr_assert(acks[i].header.epoch == 1 &&
                  giro_head_is(&acks[i].header.head, GIRO_KIND_BATCH_ACK));
    }
}

/* with_u64 overwrites eight bytes of the buffer and says what the decoder makes of it. */
static enum giro_reject with_u64(const char *name, size_t size_bytes, uint32_t offset,
                                 uint64_t value)
{
    memcpy(sample_bytes + offset, &value, sizeof(value));
    return try_exact(wire_sample_find(name)->kind, sample_bytes, size_bytes, 4);
}

Test(wire, rounds_are_above_their_parents_without_a_commit_id_too)
{
    const size_t qc_bytes = wire_sample_find("qc")->make(4, NULL, sample_bytes);
    memset(sample_bytes + 64, 0, 32);
    cr_assert(with_u64("qc", qc_bytes, 24, 998) == GIRO_REJECT_NONE);
    cr_assert(with_u64("qc", qc_bytes, 24, 1000) == GIRO_REJECT_FIELD);
    cr_assert(with_u64("qc", qc_bytes, 24, 1001) == GIRO_REJECT_FIELD);
    cr_assert(with_u64("qc", qc_bytes, 24, UINT64_MAX) == GIRO_REJECT_FIELD);

    static struct giro_timeout timeout;
    struct giro_writer writer;
    sample_timeout(&timeout, 4, false, NULL);
    giro_writer_init(&writer, sample_bytes, sizeof(sample_bytes));
    cr_assert(giro_timeout_encode(&timeout, &writer));
    cr_assert(with_u64("timeout", writer.offset, 16, 998) == GIRO_REJECT_NONE);
    cr_assert(with_u64("timeout", writer.offset, 16, 997) == GIRO_REJECT_FIELD);
}

/* A proposal without references, TC and certificate: what is left of the rules is easy to break one by one. */
static size_t bare_proposal(uint64_t height, uint64_t certified_height)
{
    static struct giro_qc qc;
    struct giro_block_header block = {.head = giro_head_make(GIRO_KIND_BLOCK),
                                      .chain_id = sample_chain(),
                                      .epoch = WIRE_TEST_EPOCH,
                                      .round = 1000,
                                      .height = height};
    const struct giro_signature signature = {{1}};
    struct giro_writer writer;
    struct giro_hash block_id;
    sample_qc(&qc, 4, 999, NULL);
    block.parent_id = qc.header.block_id;
    giro_writer_init(&writer, sample_bytes, sizeof(sample_bytes));
    cr_assert(giro_proposal_encode(&block, NULL, NULL, NULL, &qc, NULL, NULL, &writer, &block_id));
    giro_writer_put(&writer, &signature, sizeof(signature));
    memcpy(sample_bytes + 24 + 200, &certified_height, 8);
    return writer.offset;
}

Test(wire, a_block_certifies_only_heights_below_its_own_and_with_a_certificate)
{
    cr_assert(try_exact(GIRO_KIND_PROPOSAL, sample_bytes, bare_proposal(5, 0), 4) ==
              GIRO_REJECT_NONE);
    cr_assert(try_exact(GIRO_KIND_PROPOSAL, sample_bytes, bare_proposal(0, 0), 4) ==
              GIRO_REJECT_FIELD);
    cr_assert(try_exact(GIRO_KIND_PROPOSAL, sample_bytes, bare_proposal(5, 4), 4) ==
              GIRO_REJECT_FIELD);
    const size_t size_bytes = wire_sample_find("proposal")->make(4, NULL, sample_bytes);
    uint64_t certified_height;
    memcpy(&certified_height, sample_bytes + 24 + 200, 8);
    cr_assert(with_u64("proposal", size_bytes, 24 + 56, certified_height) == GIRO_REJECT_FIELD);
    cr_assert(with_u64("proposal", size_bytes, 24 + 56, certified_height + 1) == GIRO_REJECT_NONE);
}

Test(wire, a_broken_proof_of_availability_breaks_the_proposal)
{
    /* Offsets of the fixed sample: parts behind header 240 and two references of 64. */
    size_t size_bytes = wire_sample_find("proposal")->make(4, NULL, sample_bytes);
    uint32_t part_bytes[3];
    memcpy(part_bytes, sample_bytes + 8, sizeof(part_bytes));
    const size_t proofs_at = 240 + 2 * 64 + part_bytes[0] + part_bytes[1] + part_bytes[2];
    sample_bytes[proofs_at + 73] = 2; /* signer_count */
    cr_assert(try_exact(GIRO_KIND_PROPOSAL, sample_bytes, size_bytes, 4) == GIRO_REJECT_QUORUM);
    sample_bytes[proofs_at + 73] = 3;
    cr_assert(try_exact(GIRO_KIND_PROPOSAL, sample_bytes, size_bytes, 4) == GIRO_REJECT_NONE);

    /* The last proof loses 32 bytes, and the header says so: the proofs end too early. */
    uint32_t proofs_bytes;
    memcpy(&proofs_bytes, sample_bytes + 20, 4);
    proofs_bytes -= 32;
    memcpy(sample_bytes + 20, &proofs_bytes, 4);
    memmove(sample_bytes + size_bytes - 96, sample_bytes + size_bytes - 64, 64);
    size_bytes -= 32;
    cr_assert(try_exact(GIRO_KIND_PROPOSAL, sample_bytes, size_bytes, 4) == GIRO_REJECT_PROOF);
}
