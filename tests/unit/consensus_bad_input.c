/* What a Byzantine replica may send: one row per (message kind, fault) with the reason it is refused for. Every row starts
 * from a message that node 0 would take, and breaks one thing. Refusals are counted by reason and by peer. */
#include <criterion/criterion.h>

#include "consensus/internal.h"
#include "unit/consensus_forge.h"

#define ANY    UINT32_MAX /* no patch */
#define SENDER 2u

/* ---- Messages that are good but for what a row breaks --------------------------------------------------- */

struct bench {
    struct net *net;
    struct giro_hash block_id; /* of round and height 1, voted for */
    struct giro_qc genesis, qc;
    struct giro_tc tc; /* of round 2 */
};
static uint8_t body[1 << 20];

static struct bench bench_make(void)
{
    struct bench bench = {.net = forge_alone()};
    bench.genesis = forge_genesis_qc(bench.net);
    struct forge_draft first = forge_draft_on(bench.net, &bench.genesis, 1, 1);
    bench.block_id = forge_propose(bench.net, &first);
    bench.qc = forge_qc_for(bench.net, &bench.block_id, 1, &bench.genesis);
    bench.tc = forge_tc_for(bench.net, 2, &bench.qc);
    return bench;
}

static size_t make_vote(struct bench *bench)
{
    struct giro_vote vote = {.head = giro_head_make(GIRO_KIND_VOTE),
                             .epoch = 1,
                             .round = 3,
                             .parent_round = 2,
                             .block_id = bench->block_id,
                             .commit_id = bench->block_id,
                             .voter = SENDER};
    memcpy(body, &vote, sizeof(vote));
    return sizeof(vote);
}

static size_t make_timeout(struct bench *bench)
{
    static struct giro_timeout timeout;
    uint8_t message[GIRO_TIMEOUT_MESSAGE_BYTES];
    timeout.header = (struct giro_timeout_header){.head = giro_head_make(GIRO_KIND_TIMEOUT),
                                                  .epoch = 1,
                                                  .round = 3,
                                                  .high_qc_round = 1,
                                                  .voter = SENDER,
                                                  .has_last_tc = 1};
    timeout.high_qc = bench->qc;
    timeout.last_tc = bench->tc;
    size_t size_bytes = giro_timeout_message(&bench->net->chain_id, 1, 3, 1, message);
    timeout.header.signature = giro_sign(bench->net->nodes[SENDER].vote_key, message, size_bytes);
    struct giro_writer writer;
    giro_writer_init(&writer, body, sizeof(body));
    cr_assert(giro_timeout_encode(&timeout, &writer));
    return writer.offset;
}

static size_t make_tc(struct bench *bench)
{
    struct giro_writer writer;
    giro_writer_init(&writer, body, sizeof(body));
    cr_assert(giro_tc_encode(&bench->tc, &writer));
    return writer.offset;
}

static size_t make_sync(struct bench *bench)
{
    struct giro_sync_header header = {.head = giro_head_make(GIRO_KIND_SYNC)};
    struct giro_writer writer;
    giro_writer_init(&writer, body, sizeof(body));
    giro_writer_reserve(&writer, sizeof(header));
    cr_assert(giro_qc_encode(&bench->qc, &writer));
    header.qc_bytes = (uint32_t)(writer.offset - sizeof(header));
    cr_assert(giro_tc_encode(&bench->tc, &writer));
    header.tc_bytes = (uint32_t)(writer.offset - sizeof(header) - header.qc_bytes);
    memcpy(body, &header, sizeof(header));
    return writer.offset;
}

static size_t make_proposal(struct bench *bench)
{
    static uint8_t proof[4096];
    struct forge_draft draft = forge_draft_on(bench->net, &bench->qc, 2, 2);
    forge_payload(bench->net, &draft, 7, forge_wall(bench->net) + 60 * GIRO_NS_PER_S);
    memcpy(proof, draft.proof_bytes[0], sizeof(proof));
    const uint8_t *proofs[1] = {proof};
    struct giro_writer writer;
    struct giro_hash id;
    uint8_t message[GIRO_PROPOSAL_MESSAGE_BYTES];
    giro_writer_init(&writer, body, sizeof(body));
    cr_assert(giro_proposal_encode(&draft.header, draft.references, proofs, draft.proof_sizes,
                                   &draft.qc, NULL, NULL, &writer, &id));
    size_t size_bytes = giro_proposal_message(&bench->net->chain_id, 1, &id, message);
    struct giro_signature signature =
        giro_sign(bench->net->nodes[2].batch_key, message, size_bytes);
    giro_writer_put(&writer, &signature, sizeof(signature));
    return writer.offset;
}

static size_t make_fetch_blocks(struct bench *bench)
{
    struct giro_fetch_blocks request = {.head = giro_head_make(GIRO_KIND_FETCH_BLOCKS),
                                        .block_id = bench->block_id,
                                        .from_height = 1,
                                        .count = 1};
    memcpy(body, &request, sizeof(request));
    return sizeof(request);
}

static size_t make_fetch_batches(struct bench *bench)
{
    struct giro_fetch_batches_header header = {.head = giro_head_make(GIRO_KIND_FETCH_BATCHES),
                                               .count = 2};
    memcpy(body, &header, sizeof(header));
    memset(body + sizeof(header), 3, 64);
    (void)bench;
    return sizeof(header) + 64;
}

static size_t make_not_found(struct bench *bench)
{
    struct giro_not_found answer = {.head = giro_head_make(GIRO_KIND_NOT_FOUND),
                                    .id = bench->block_id,
                                    .wanted_kind = GIRO_KIND_BATCH};
    memcpy(body, &answer, sizeof(answer));
    return sizeof(answer);
}

static size_t make_halted(struct bench *bench)
{
    struct giro_halted said = {.head = giro_head_make(GIRO_KIND_HALTED), .epoch = 1, .height = 7};
    memcpy(body, &said, sizeof(said));
    (void)bench;
    return sizeof(said);
}

static size_t make_hello(struct bench *bench)
{
    struct giro_hello_header hello = {.head = giro_head_make(GIRO_KIND_HELLO),
                                      .epoch = 1,
                                      .incarnation = 5,
                                      .subject = SENDER,
                                      .answerer = SENDER};
    uint8_t message[GIRO_HELLO_MESSAGE_BYTES];
    const size_t message_bytes = giro_hello_message(&bench->net->chain_id, &hello, message);
    hello.signature = giro_sign(bench->net->nodes[SENDER].batch_key, message, message_bytes);
    memcpy(body, &hello, sizeof(hello));
    return sizeof(hello);
}

static size_t make_batch(struct bench *bench)
{
    struct giro_batch_header header = {.head = giro_head_make(GIRO_KIND_BATCH),
                                       .epoch = 1,
                                       .sequence = 1,
                                       .size_bytes = 64 + 4 + 168,
                                       .frame_count = 1,
                                       .record_count = 1,
                                       .author = SENDER};
    struct giro_frame_header frame = {
        .head = giro_head_make(GIRO_KIND_FRAME), .member = 1, .record_count = 1, .sequence = 9};
    uint32_t frame_bytes = 168;
    memset(body, 0, header.size_bytes);
    memcpy(&frame.chain_prefix, bench->net->chain_id.bytes, 8);
    memcpy(body, &header, sizeof(header));
    memcpy(body + 64, &frame_bytes, 4);
    memcpy(body + 68, &frame, sizeof(frame));
    return header.size_bytes;
}

static size_t make_ack(struct bench *bench)
{
    struct giro_batch_ack ack = {
        .header = {.head = giro_head_make(GIRO_KIND_BATCH_ACK),
                   .epoch = 1,
                   .expiry_ns = forge_wall(bench->net) + 60 * GIRO_NS_PER_S,
                   .voter = SENDER,
                   .id_count = 2},
        .ids = {{.bytes = {1}}, {.bytes = {2}}}};
    struct giro_writer writer;
    giro_writer_init(&writer, body, sizeof(body));
    cr_assert(giro_batch_ack_encode(&ack, &writer));
    return writer.offset;
}

static size_t make_proof(struct bench *bench)
{
    struct forge_draft draft = forge_draft_on(bench->net, &bench->qc, 2, 2);
    forge_payload(bench->net, &draft, 9, forge_wall(bench->net) + 60 * GIRO_NS_PER_S);
    memcpy(body, draft.proof_bytes[0], draft.proof_sizes[0]);
    return draft.proof_sizes[0];
}

static struct giro_commit_body commit_body(const struct bench *bench, enum giro_kind kind)
{
    return (struct giro_commit_body){.head = giro_head_make(kind),
                                     .epoch = 1,
                                     .height = 1,
                                     .time_ns = 5,
                                     .block_id = bench->block_id};
}

static size_t make_commit_vote(struct bench *bench)
{
    struct giro_commit_vote vote = {.body = commit_body(bench, GIRO_KIND_COMMIT_VOTE),
                                    .voter = SENDER};
    memcpy(body, &vote, sizeof(vote));
    return sizeof(vote);
}

static size_t make_certificate(struct bench *bench)
{
    static struct giro_certificate certificate;
    uint8_t message[GIRO_COMMIT_MESSAGE_BYTES];
    memset(&certificate, 0, sizeof(certificate));
    certificate.header.body = commit_body(bench, GIRO_KIND_CERTIFICATE);
    certificate.header.scheme = GIRO_SCHEME_ED25519;
    certificate.header.signer_count = 3;
    size_t size_bytes =
        giro_commit_message(&bench->net->chain_id, &certificate.header.body, message);
    for (uint32_t i = 1; i < 4; i++) {
        giro_bitmap_set(certificate.header.bitmap, i);
        certificate.signatures[i - 1] =
            giro_sign(bench->net->nodes[i].batch_key, message, size_bytes);
    }
    struct giro_writer writer;
    giro_writer_init(&writer, body, sizeof(body));
    cr_assert(giro_certificate_encode(&certificate, &writer));
    return writer.offset;
}

/* ---- Faults ------------------------------------------------------------------------------------------------- */

struct row {
    const char *fault;
    uint32_t offset; /* ANY: nothing is patched; above 2^31: from the end */
    uint32_t width;
    uint64_t value;
    int32_t size_change;
    enum giro_reject reject;
};
#define END(bytes) (0x80000000u + (bytes))
#define FLIP       99u /* as width: one bit of the byte is turned over */
#define CUT                                                                                        \
    {                                                                                              \
        "one byte short", ANY, 0, 0, -1, GIRO_REJECT_TRUNCATED                                     \
    }
#define LONG                                                                                       \
    {                                                                                              \
        "one byte more", ANY, 0, 0, 1, GIRO_REJECT_OVERSIZED                                       \
    }
#define EMPTY                                                                                      \
    {                                                                                              \
        "no body", ANY, 0, 0, -100000, GIRO_REJECT_TRUNCATED                                       \
    }
#define R(reason) GIRO_REJECT_##reason

static const struct row votes[] = {CUT,
                                   LONG,
                                   EMPTY,
                                   {"not a vote", 4, 2, GIRO_KIND_QC, 0, R(KIND)},
                                   {"magic", 0, 4, 1, 0, R(MAGIC)},
                                   {"version", 6, 2, 2, 0, R(VERSION)},
                                   {"epoch", 8, 8, 2, 0, R(EPOCH)},
                                   {"far future", 16, 8, 1u << 20, 0, R(FIELD)},
                                   {"round not above its parent's", 16, 8, 2, 0, R(FIELD)},
                                   {"commit id over a gap", 24, 8, 1, 0, R(FIELD)},
                                   {"another voter", 96, 2, 3, 0, R(SIGNER)},
                                   {"voter that is not", 96, 2, 4, 0, R(SIGNER)},
                                   {"reserved", 98, 1, 1, 0, R(RESERVED)}};
static const struct row timeouts[] = {
    CUT,
    LONG,
    EMPTY,
    {"not a timeout", 4, 2, GIRO_KIND_TC, 0, R(KIND)},
    {"epoch", 8, 8, 2, 0, R(EPOCH)},
    {"far future", 16, 8, 1u << 20, 0, R(FUTURE)},
    {"round that its certificates do not start", 16, 8, 5, 0, R(ROUND)},
    {"claims another high QC", 24, 8, 0, 0, R(FIELD)},
    {"another voter", 32, 2, 3, 0, R(SIGNER)},
    {"TC flag", 34, 1, 2, 0, R(FIELD)},
    {"reserved", 35, 1, 1, 0, R(RESERVED)},
    {"signature", 40 + 9, FLIP, 0, 0, R(SIGNATURE)},
    {"q - 1 signers in the high QC", 104 + 113, 1, 2, 0, R(QUORUM)},
    {"giant signer count", 104 + 113, 1, 255, 0, R(COUNT)},
    {"duplicate signer in the high QC", 104 + 96, 1, 6, 0, R(SIGNER)},
    {"signature in the high QC", 104 + 120 + 70, FLIP, 0, 0, R(SIGNATURE)},
    {"signature in the TC", 104 + 312 + 48 + 24 + 5, FLIP, 0, 0, R(SIGNATURE)}};
static const struct row tcs[] = {
    CUT,
    LONG,
    EMPTY,
    {"epoch", 8, 8, 2, 0, R(EPOCH)},
    {"far future", 16, 8, 1u << 20, 0, R(SIGNATURE)},
    {"q - 1 signers", 41, 1, 2, 0, R(QUORUM)},
    {"giant signer count", 41, 1, 200, 0, R(COUNT)},
    {"duplicate signer", 24, 1, 12, 0, R(SIGNER)},
    {"a signer that is not", 24, 1, 0x86, 0, R(SIGNER)},
    {"no scheme", 40, 1, 7, 0, R(FIELD)},
    {"high-QC round above the high QC", 48, 8, 2, 0, R(FIELD)},
    {"a lower high-QC round than was signed", 56, 8, 0, 0, R(SIGNATURE)},
    {"high QC not below the round", 16, 8, 1, 0, R(FIELD)},
    {"signature", 72 + 11, FLIP, 0, 0, R(SIGNATURE)},
    {"signature in the high QC", END(3), FLIP, 0, 0, R(SIGNATURE)}};
static const struct row syncs[] = {CUT,
                                   LONG,
                                   EMPTY,
                                   {"giant QC length", 8, 4, UINT32_MAX, 0, R(TRUNCATED)},
                                   {"giant TC length", 12, 4, UINT32_MAX, 0, R(TRUNCATED)},
                                   {"reserved", 16, 8, 1, 0, R(RESERVED)},
                                   {"QC of another epoch", 24 + 8, 8, 2, 0, R(EPOCH)},
                                   {"signature in the QC", 24 + 120, FLIP, 0, 0, R(SIGNATURE)}};
static const struct row proposals[] = {
    CUT,
    LONG,
    EMPTY,
    {"giant QC length", 8, 4, UINT32_MAX, 0, R(OVERSIZED)},
    {"giant proofs length", 20, 4, UINT32_MAX, 0, R(OVERSIZED)},
    {"a reference without its proof", 20, 4, 0, 0, R(OVERSIZED)},
    {"giant reference count", 24 + 210, 2, 65535, 0, R(COUNT)},
    {"33 references", 24 + 210, 2, 33, 0, R(COUNT)},
    {"another author than signed", 24 + 208, 2, 1, 0, R(LEADER)},
    {"an author that is not", 24 + 208, 2, 77, 0, R(SIGNER)},
    {"another chain", 24 + 8, 1, 9, 0, R(CHAIN)},
    {"another epoch", 24 + 40, 8, 2, 0, R(EPOCH)},
    {"another parent than the QC's", 24 + 64, 1, 9, 0, R(PARENT)},
    {"a QC that is not the hashed one", 24 + 96, FLIP, 0, 0, R(HASH)},
    {"time changed after signing", 24 + 192, FLIP, 0, 0, R(SIGNATURE)},
    {"author's signature", END(5), FLIP, 0, 0, R(SIGNATURE)},
    {"signature in the proof", END(64 + 5), FLIP, 0, 0, R(PROOF)}};
static const struct row fetch_blocks[] = {CUT,
                                          LONG,
                                          EMPTY,
                                          {"not a request", 4, 2, GIRO_KIND_VOTE, 0, R(KIND)},
                                          {"count 0", 48, 4, 0, 0, R(COUNT)},
                                          {"count 65", 48, 4, 65, 0, R(COUNT)},
                                          {"giant count", 48, 4, UINT32_MAX, 0, R(COUNT)},
                                          {"height 0", 40, 8, 0, 0, R(FIELD)},
                                          {"reserved", 52, 4, 1, 0, R(RESERVED)}};
static const struct row fetch_batches[] = {CUT,
                                           LONG,
                                           EMPTY,
                                           {"count 0", 8, 4, 0, 0, R(COUNT)},
                                           {"count 17", 8, 4, 17, 0, R(COUNT)},
                                           {"giant count", 8, 4, UINT32_MAX, 0, R(COUNT)},
                                           {"more than is there", 8, 4, 3, 0, R(TRUNCATED)},
                                           {"reserved", 12, 4, 1, 0, R(RESERVED)}};
static const struct row not_founds[] = {CUT,
                                        LONG,
                                        EMPTY,
                                        {"never asked", ANY, 0, 0, 0, R(STALE)},
                                        {"no such kind", 48, 2, 1, 0, R(FIELD)}};
static const struct row halteds[] = {CUT,
                                     LONG,
                                     EMPTY,
                                     {"not one", 4, 2, GIRO_KIND_HELLO, 0, R(KIND)},
                                     {"epoch", 8, 8, 2, 0, R(EPOCH)},
                                     {"height 0", 16, 8, 0, 0, R(FIELD)}};
static const struct row hellos[] = {CUT,
                                    LONG,
                                    EMPTY,
                                    {"epoch", 24, 8, 2, 0, R(EPOCH)},
                                    {"incarnation 0", 32, 8, 0, 0, R(FIELD)},
                                    {"another incarnation", 32, 8, 6, 0, R(SIGNATURE)},
                                    {"another nonce", 8, FLIP, 0, 0, R(SIGNATURE)},
                                    {"question with an answer in it", 45, 1, 2, 0, R(FIELD)},
                                    {"question about another", 40, 2, 1, 0, R(SIGNER)},
                                    {"about one that is not", 40, 2, 9, 0, R(SIGNER)},
                                    {"in another's name", 42, 2, 1, 0, R(SIGNER)},
                                    {"neither question nor answer", 44, 1, 2, 0, R(FIELD)},
                                    {"answer about itself", 44, 1, 1, 0, R(SIGNER)},
                                    {"reserved", 46, 1, 1, 0, R(RESERVED)},
                                    {"signature", 72, FLIP, 0, 0, R(SIGNATURE)}};
static const struct row batches[] = {CUT,
                                     LONG,
                                     EMPTY,
                                     {"epoch", 8, 8, 2, 0, R(EPOCH)},
                                     {"another's batch, not asked for", 44, 2, 1, 0, R(SIGNER)},
                                     {"an author that is not", 44, 2, 50, 0, R(SIGNER)},
                                     {"giant frame count", 36, 4, UINT32_MAX, 0, R(COUNT)},
                                     {"more frames than there are", 36, 4, 2, 0, R(TRUNCATED)},
                                     {"no frame", 36, 4, 0, 0, R(COUNT)},
                                     {"giant frame", 64, 4, UINT32_MAX, 0, R(OVERSIZED)},
                                     {"a frame of another hub", 68 + 8, FLIP, 0, 0, R(CHAIN)},
                                     {"wrong record sum", 40, 4, 7, 0, R(FIELD)},
                                     {"reserved", 60, 1, 1, 0, R(RESERVED)}};
static const struct row acks[] = {CUT,
                                  LONG,
                                  EMPTY,
                                  {"epoch", 8, 8, 2, 0, R(EPOCH)},
                                  {"ends too soon", 16, 8, 5, 0, R(TIME)},
                                  {"another voter", 24, 2, 3, 0, R(SIGNER)},
                                  {"no batch", 26, 2, 0, 0, R(COUNT)},
                                  {"giant count", 26, 2, 65535, 0, R(COUNT)},
                                  {"batches out of order", 40, 1, 9, 0, R(FIELD)},
                                  {"none of ours", ANY, 0, 0, 0, R(DUPLICATE)},
                                  {"reserved", 30, 1, 1, 0, R(RESERVED)}};
static const struct row proofs[] = {CUT,
                                    LONG,
                                    EMPTY,
                                    {"q - 1 signers", 73, 1, 2, 0, R(QUORUM)},
                                    {"giant signer count", 73, 1, 255, 0, R(COUNT)},
                                    {"duplicate signer", 80, 1, 6, 0, R(SIGNER)},
                                    {"a signer that is not", 80, 1, 0x86, 0, R(SIGNER)},
                                    {"an author that is not", 8 + 52, 2, 60, 0, R(SIGNER)},
                                    {"longer life than acknowledged", 8 + 32, FLIP, 0, 0, R(FIELD)},
                                    {"of another batch", 8, 1, 1, 0, R(FIELD)},
                                    {"signature", END(7), FLIP, 0, 0, R(SIGNATURE)}};
static const struct row commit_votes[] = {CUT,
                                          LONG,
                                          EMPTY,
                                          {"epoch", 8, 8, 2, 0, R(EPOCH)},
                                          {"height 0", 16, 8, 0, 0, R(FIELD)},
                                          {"far future", 16, 8, 1u << 20, 0, R(FUTURE)},
                                          {"another voter", 128, 2, 3, 0, R(SIGNER)},
                                          {"reserved", 130, 1, 1, 0, R(RESERVED)}};
static const struct row certificates[] = {CUT,
                                          LONG,
                                          EMPTY,
                                          {"epoch", 8, 8, 2, 0, R(EPOCH)},
                                          {"height 0", 16, 8, 0, 0, R(FIELD)},
                                          {"q - 1 signers", 145, 1, 2, 0, R(QUORUM)},
                                          {"giant signer count", 145, 1, 255, 0, R(COUNT)},
                                          {"duplicate signer", 128, 1, 12, 0, R(SIGNER)},
                                          {"other roots than signed", 64, FLIP, 0, 0, R(SIGNATURE)},
                                          {"signature", END(1), FLIP, 0, 0, R(SIGNATURE)}};

#define TABLE(kind, make, rows)                                                                    \
    {                                                                                              \
        GIRO_KIND_##kind, #kind, make, rows, sizeof(rows) / sizeof((rows)[0])                      \
    }
static const struct {
    enum giro_kind kind;
    const char *name;
    size_t (*make)(struct bench *bench);
    const struct row *rows;
    size_t count;
} tables[] = {TABLE(VOTE, make_vote, votes),
              TABLE(TIMEOUT, make_timeout, timeouts),
              TABLE(TC, make_tc, tcs),
              TABLE(SYNC, make_sync, syncs),
              TABLE(PROPOSAL, make_proposal, proposals),
              TABLE(FETCH_BLOCKS, make_fetch_blocks, fetch_blocks),
              TABLE(FETCH_BATCHES, make_fetch_batches, fetch_batches),
              TABLE(NOT_FOUND, make_not_found, not_founds),
              TABLE(HALTED, make_halted, halteds),
              TABLE(HELLO, make_hello, hellos),
              TABLE(BATCH, make_batch, batches),
              TABLE(BATCH_ACK, make_ack, acks),
              TABLE(BATCH_PROOF, make_proof, proofs),
              TABLE(COMMIT_VOTE, make_commit_vote, commit_votes),
              TABLE(CERTIFICATE, make_certificate, certificates)};

static size_t broken(const struct row *row, size_t size_bytes)
{
    if (row->offset != ANY) {
        size_t at =
            row->offset > 0x80000000u ? size_bytes - (row->offset - 0x80000000u) : row->offset;
        cr_assert(at < size_bytes, "%s", row->fault);
        if (row->width == FLIP)
            body[at] ^= 1;
        else
            memcpy(body + at, &row->value, row->width);
    }
    if (row->size_change < 0)
        return size_bytes > (size_t)-row->size_change ? size_bytes + (size_t)row->size_change : 0;
    memset(body + size_bytes, 0, (size_t)row->size_change);
    return size_bytes + (size_t)row->size_change;
}

static uint64_t total(const uint64_t rejects[GIRO_REJECT_COUNT_OF_REASONS])
{
    uint64_t sum = 0;
    for (uint32_t i = 1; i < GIRO_REJECT_COUNT_OF_REASONS; i++)
        sum += rejects[i];
    return sum;
}

Test(consensus_bad_input, each_fault_of_each_kind_is_refused_with_its_reason_and_peer)
{
    struct bench bench = bench_make();
    const struct giro_consensus *core = bench.net->nodes[0].core;
    uint32_t wrong = 0;
    for (uint32_t t = 0; t < sizeof(tables) / sizeof(tables[0]); t++) {
        for (size_t r = 0; r < tables[t].count; r++) {
            const struct row *row = &tables[t].rows[r];
            uint64_t before[GIRO_REJECT_COUNT_OF_REASONS], after[GIRO_REJECT_COUNT_OF_REASONS];
            bench.net->now_ns += MS; /* so that requests are not refused for their number */
            size_t size_bytes = broken(row, tables[t].make(&bench));
            struct giro_consensus_status status = net_status(bench.net, 0);
            uint64_t round = status.round;
            giro_consensus_peer_rejects(core, SENDER, before);
            forge_hand_in(bench.net, SENDER, tables[t].kind, body, size_bytes);
            giro_consensus_peer_rejects(core, SENDER, after);
            uint64_t all = total(status.rejects);
            status = net_status(bench.net, 0);
            /* A good QC is taken from a block whose payload is not. */
            bool good = after[row->reject] == before[row->reject] + 1 &&
                        total(after) == total(before) + 1 && total(status.rejects) == all + 1 &&
                        (status.round == round || row->reject == GIRO_REJECT_PROOF);
            if (good)
                continue;
            wrong++;
            const char *said = "nothing";
            for (uint32_t i = 1; i < GIRO_REJECT_COUNT_OF_REASONS; i++)
                said = after[i] > before[i] ? giro_reject_name((enum giro_reject)i) : said;
            cr_log_error("%s, %s: %s, not %s", tables[t].name, row->fault, said,
                         giro_reject_name(row->reject));
        }
    }
    cr_assert(wrong == 0, "%u rows", wrong);
    cr_assert(bench.net->nodes[0].safety.last_voted_round == 1, "nothing moved it");
    cr_assert(bench.net->nodes[0].evidence == 0, "a malformed message is no evidence");
    forge_finish(bench.net);
}

/* Each message unbroken is taken, so that the rows above fail for their own reason. */
Test(consensus_bad_input, the_same_messages_unbroken_are_taken)
{
    for (uint32_t t = 0; t < sizeof(tables) / sizeof(tables[0]); t++) {
        if (tables[t].kind == GIRO_KIND_NOT_FOUND || tables[t].kind == GIRO_KIND_BATCH_ACK)
            continue; /* answers to what node 0 never asked */
        struct bench bench = bench_make();
        size_t size_bytes = tables[t].make(&bench);
        uint64_t before = total(net_status(bench.net, 0).rejects);
        forge_hand_in(bench.net, SENDER, tables[t].kind, body, size_bytes);
        cr_assert(total(net_status(bench.net, 0).rejects) == before, "%s", tables[t].name);
        forge_finish(bench.net);
    }
}

Test(consensus_bad_input, the_envelope_is_checked_first)
{
    static const struct row rows[] = {
        {"truncated", ANY, 0, 0, -200, R(TRUNCATED)},
        {"shorter than it says", ANY, 0, 0, -1, R(TRUNCATED)},
        {"longer than it says", ANY, 0, 0, 1, R(OVERSIZED)},
        {"magic", 0, 4, 5, 0, R(MAGIC)},
        {"kind", 4, 2, GIRO_KIND_VOTE, 0, R(KIND)},
        {"version", 6, 2, 2, 0, R(VERSION)},
        {"giant size", 8, 4, UINT32_MAX, 0, R(OVERSIZED)},
        {"no such body", 12, 2, 0x0999, 0, R(KIND)},
        {"a body that is no message", 12, 2, GIRO_KIND_EPOCH_END, 0, R(KIND)},
        {"another sender than the link's", 14, 2, 3, 0, R(SIGNER)},
        {"our own number", 14, 2, 0, 0, R(SIGNER)},
        {"epoch", 16, 8, 2, 0, R(EPOCH)},
    };
    struct bench bench = bench_make();
    struct net *net = bench.net;
    for (uint32_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
        struct giro_vote vote;
        size_t size_bytes = make_vote(&bench);
        memcpy(&vote, body, size_bytes);
        size_bytes = net_wrap(net, SENDER, GIRO_KIND_VOTE, &vote, sizeof(vote), body);
        size_bytes = broken(&rows[r], size_bytes);
        uint64_t before = net_status(net, 0).rejects[rows[r].reject];
        net->filter = NULL;
        net_message(net, SENDER, 0, body, (uint32_t)size_bytes);
        net->filter = forge_silent;
        net_deliver(net);
        cr_expect(net_status(net, 0).rejects[rows[r].reject] == before + 1, "%s", rows[r].fault);
    }
    forge_finish(net);
}

/* Floods: what is kept stays within its bound, and what was good before still is. */
Test(consensus_bad_input, floods_are_bounded)
{
    struct bench bench = bench_make();
    struct net *net = bench.net;
    uint32_t records = net->nodes[0].record_count;
    /* Blocks nobody asked for. */
    for (uint32_t i = 0; i < 300; i++) {
        size_t size_bytes = make_proposal(&bench);
        forge_hand_in(net, 3, GIRO_KIND_BLOCK, body, size_bytes);
    }
    cr_assert(net_status(net, 0).rejects[GIRO_REJECT_LIMIT] == 300);
    cr_assert(net->nodes[0].record_count == records, "nothing is logged");
    /* Unknown parents: a few are kept, the rest push one another out. */
    for (uint8_t i = 1; i <= 100; i++) {
        struct giro_hash unknown = {.bytes = {0xAB, i}};
        struct giro_qc qc = forge_qc_for(net, &unknown, 1, &bench.genesis);
        struct forge_draft draft = forge_draft_on(net, &qc, 2, 2);
        forge_propose(net, &draft);
    }
    uint32_t orphans = 0;
    for (uint32_t i = 0; i < GIRO_ORPHANS_MAX; i++)
        orphans += net->nodes[0].core->orphans[i].used;
    cr_assert(orphans == GIRO_ORPHANS_MAX);
    cr_assert(net->nodes[0].record_count == records, "nothing is logged");
    /* Batches of one author: its quota, and the others keep theirs. */
    for (uint64_t i = 1; i <= 100; i++) {
        size_t size_bytes = make_batch(&bench);
        memcpy(body + 16, &i, 8);
        forge_hand_in(net, SENDER, GIRO_KIND_BATCH, body, size_bytes);
    }
    cr_assert(net_status(net, 0).rejects[GIRO_REJECT_LIMIT] > 380);
    cr_assert(giro_consensus_batch_room(net->nodes[0].core) >= 2, "own quota is untouched");
    forge_finish(net);
}
