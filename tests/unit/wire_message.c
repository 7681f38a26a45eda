/* Signed strings, put together here a second time by hand, and hashes over encoded parts. */
#include <criterion/criterion.h>

#include "wire_samples.h"

static void setup(void)
{
    cr_assert(giro_crypto_init() == GIRO_ERR_OK);
}

TestSuite(wire_message, .init = setup);

static uint8_t expected[8192];
static size_t expected_bytes;

static void expect_start(const char *tag)
{
    const struct giro_hash chain = sample_chain();
    memcpy(expected, tag, 8);
    memcpy(expected + 8, &chain, 32);
    expected_bytes = 40;
}
static void expect(const void *bytes, size_t size_bytes)
{
    memcpy(expected + expected_bytes, bytes, size_bytes);
    expected_bytes += size_bytes;
}
static void expect_u64(uint64_t value)
{
    for (uint32_t i = 0; i < 8; i++)
        expected[expected_bytes++] = (uint8_t)(value >> 8 * i);
}
static void expect_is(const uint8_t *message, size_t size_bytes, const char *what)
{
    cr_assert(size_bytes == expected_bytes, "%s: %zu bytes, not %zu", what, size_bytes,
              expected_bytes);
    cr_assert(memcmp(message, expected, size_bytes) == 0, "%s", what);
}

Test(wire_message, replicas_sign_exactly_the_documented_bytes)
{
    static struct giro_qc qc;
    struct giro_commit_vote commit;
    struct giro_batch_ack ack;
    struct giro_hello_header hello = {.head = giro_head_make(GIRO_KIND_HELLO),
                                      .epoch = 1,
                                      .incarnation = 9,
                                      .subject = 2,
                                      .answerer = 3,
                                      .answer = 1,
                                      .parts = GIRO_HELLO_VOTE};
    const struct giro_hash chain = sample_chain();
    const struct giro_hash first = {{0x20}};
    uint8_t message[1024];

    sample_qc(&qc, 4, 1000, NULL);
    expect_start("GIRVOTE1");
    expect_u64(1);
    expect_u64(1000);
    expect(&qc.header.block_id, 32);
    expect_u64(999);
    expect(&qc.header.commit_id, 32);
    expect_is(message, giro_vote_message(&chain, &qc.header, message), "vote");

    expect_start("GIRTIME1");
    expect_u64(1);
    expect_u64(1000);
    expect_u64(998);
    expect_is(message, giro_timeout_message(&chain, 1, 1000, 998, message), "timeout");

    sample_commit_vote(&commit, 4, NULL);
    expect_start("GIRCMVT1");
    expect_u64(commit.body.epoch);
    expect_u64(commit.body.height);
    expect_u64(commit.body.time_ns);
    expect(&commit.body.block_id, 32);
    expect(&commit.body.state_root, 32);
    expect(&commit.body.ledger_root, 32);
    expect_is(message, giro_commit_message(&chain, &commit.body, message), "commit vote");

    struct giro_checkpoint_vote checkpoint;
    sample_checkpoint_vote(&checkpoint, 4, NULL);
    expect_start("GIRCHKP1");
    expect_u64(checkpoint.body.epoch);
    expect_u64(checkpoint.body.height);
    expect(&checkpoint.body.block_id, 32);
    expect(&checkpoint.body.state_root, 32);
    expect(&checkpoint.body.ledger_root, 32);
    expect(&checkpoint.body.image_root, 32);
    expect_is(message, giro_checkpoint_message(&chain, &checkpoint.body, message), "checkpoint");

    sample_ack(&ack, 2, 3, &first, NULL);
    expect_start("GIRBACK1");
    expect_u64(1);
    expect_u64(ack.header.expiry_ns);
    expect_u64(3);
    expect(ack.ids, 96);
    expect_is(message, giro_batch_ack_message(&chain, &ack, message), "acknowledgement");

    expect_start("GIRPROP1");
    expect_u64(1);
    expect(&first, 32);
    expect_is(message, giro_proposal_message(&chain, 1, &first, message), "proposal");

    sample_fill(NULL, hello.nonce, 16, 0x77);
    expect_start("GIRHELO1");
    expect_u64(1);
    expect((const uint8_t *)&hello + 8, 64);
    expect_is(message, giro_hello_message(&chain, &hello, message), "hello");
}

Test(wire_message, members_sign_exactly_the_documented_bytes)
{
    static uint8_t bytes[WIRE_TEST_BYTES_MAX];
    static const char *const names[] = {"frame", "frame_details", "skip", "control"};
    const struct giro_hash chain = sample_chain();
    for (uint32_t i = 0; i < 4; i++) {
        struct giro_frame frame;
        uint8_t message[GIRO_FRAME_MESSAGE_BYTES_MAX];
        const struct wire_sample *const sample = wire_sample_find(names[i]);
        const size_t size_bytes = sample->make(4, NULL, bytes);
        cr_assert(giro_frame_decode(bytes, size_bytes, WIRE_TEST_PREFIX, &frame) ==
                  GIRO_REJECT_NONE);
        if (sample->kind == GIRO_KIND_SKIP) {
            expect_start("GIRSKIP1");
            expect(bytes, 48); /* header and `to` */
        } else if (sample->kind == GIRO_KIND_CONTROL) {
            expect_start("GIRCTRL1");
            expect(bytes, 40 + 64);
            cr_assert(frame.signature == bytes + 104 && frame.checker_signature == bytes + 168);
        } else {
            expect_start("GIRFRAM1");
            expect(bytes, 40);
            for (uint32_t j = 0; j < frame.header.record_count; j++) {
                const struct giro_hash hash = giro_sha256(bytes + 40 + 64 * j, 64);
                expect(&hash, 32);
            }
            uint8_t hashed[8 + 32] = "GIRDETR1";
            const struct giro_hash block = giro_sha256(frame.details, frame.header.details_bytes);
            memcpy(hashed + 8, &block, 32);
            const struct giro_hash root = frame.header.details_bytes != 0
                                              ? giro_sha256(hashed, sizeof(hashed))
                                              : giro_hash_zero;
            expect(&root, 32);
            cr_assert(frame.checker_signature == NULL);
        }
        expect_is(message, giro_frame_message(&frame, &chain, message), names[i]);
    }
}

Test(wire_message, hashes_of_parts_are_over_their_encoded_bytes)
{
    static uint8_t bytes[8 + WIRE_TEST_BYTES_MAX];
    static struct giro_qc qc;
    static struct giro_tc tc;
    static struct giro_certificate certificate;
    struct giro_writer writer;

    sample_qc(&qc, 7, 1000, NULL);
    giro_writer_init(&writer, bytes, sizeof(bytes));
    giro_writer_put(&writer, "GIRQCHA1", 8);
    giro_qc_encode(&qc, &writer);
    struct giro_hash hash = giro_sha256(bytes, writer.offset);
    struct giro_hash again = giro_qc_hash(&qc);
    cr_assert(giro_hash_equal(&hash, &again), "QC");

    sample_tc(&tc, 7, 1000, NULL);
    giro_writer_init(&writer, bytes, sizeof(bytes));
    giro_writer_put(&writer, "GIRTCHA1", 8);
    giro_tc_encode(&tc, &writer);
    hash = giro_sha256(bytes, writer.offset);
    again = giro_tc_hash(&tc);
    cr_assert(giro_hash_equal(&hash, &again), "TC");

    sample_certificate(&certificate, 7, NULL);
    giro_writer_init(&writer, bytes, sizeof(bytes));
    giro_writer_put(&writer, "GIRCEHA1", 8);
    giro_certificate_encode(&certificate, &writer);
    hash = giro_sha256(bytes, writer.offset);
    again = giro_certificate_hash(&certificate);
    cr_assert(giro_hash_equal(&hash, &again), "certificate");

    /* Block id: tag, block header (at 24 of a proposal), its references (at 240). */
    static struct giro_proposal proposal;
    uint8_t block[8 + 216 + 2 * 64] = "GIRBLCK1";
    const size_t size_bytes = wire_sample_find("proposal")->make(4, NULL, bytes);
    cr_assert(giro_proposal_decode(bytes, size_bytes, 4, &proposal) == GIRO_REJECT_NONE);
    memcpy(block + 8, bytes + 24, 216 + 2 * 64);
    hash = giro_sha256(block, sizeof(block));
    cr_assert(giro_hash_equal(&hash, &proposal.block_id), "block");

    const struct giro_hash chain = sample_chain();
    expect_start("GIRBTCH1");
    expect(bytes, 100);
    hash = giro_sha256(expected, expected_bytes);
    again = giro_batch_id(&chain, bytes, 100);
    cr_assert(giro_hash_equal(&hash, &again), "batch");
}
