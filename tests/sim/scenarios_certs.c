/* 10: certificates that do not hold, of every kind, put before every replica alike: each is refused by all for the same
 * reason, and changes nothing. Each is a good one, signed by a quorum (the simulator has all keys), with one thing wrong;
 * the good one is taken at the end, so it is that one thing that was refused. */
#include "sim/scenarios.h"

#define BODY_MAX 65536u

/* What replica 0 sends; made from certificates of this history. */
struct forged {
    const char *name;
    uint16_t kind;
    uint8_t body[BODY_MAX];
    uint32_t size_bytes;
};

static void as_sync(struct forged *forged, const struct giro_qc *qc, const struct giro_tc *tc)
{
    struct giro_sync_header header = {.head = giro_head_make(GIRO_KIND_SYNC)};
    struct giro_writer writer;
    giro_writer_init(&writer, forged->body + sizeof(header), BODY_MAX - sizeof(header));
    bool good = true;
    if (qc != NULL)
        good = giro_qc_encode(qc, &writer);
    header.qc_bytes = (uint32_t)writer.offset;
    if (tc != NULL)
        good = good && giro_tc_encode(tc, &writer);
    GIRO_ASSERT(good);
    header.tc_bytes = (uint32_t)writer.offset - header.qc_bytes;
    memcpy(forged->body, &header, sizeof(header));
    forged->kind = GIRO_KIND_SYNC;
    forged->size_bytes = (uint32_t)(sizeof(header) + writer.offset);
}

static uint32_t bit_set(const uint8_t *bitmap, bool value)
{
    uint32_t i = 0;
    while (giro_bitmap_has(bitmap, i) != value)
        i++;
    return i;
}

static void bit_clear(uint8_t *bitmap, uint32_t index)
{
    bitmap[index / 8] &= (uint8_t) ~(1u << index % 8);
}

/* One way each to spoil a QC; false: there is no such way. */
static bool qc_spoil(uint32_t way, struct giro_qc *qc, const char **name)
{
    static const char *const names[] = {
        "one signature too few",  "one too many",        "a signer twice", "another signer named",
        "a bit beyond n",         "a signature changed", "another block",  "another round",
        "another parent round",   "another commit id",   "another epoch",  "another scheme",
        "reserved bytes not zero"};
    if (way >= sizeof(names) / sizeof(names[0]))
        return false;
    struct giro_qc_header *header = &qc->header;
    *name = names[way];
    if (way == 0) {
        bit_clear(header->bitmap, bit_set(header->bitmap, true));
        header->signer_count--;
    } else if (way == 1) {
        giro_bitmap_set(header->bitmap, bit_set(header->bitmap, false));
        qc->signatures[header->signer_count++] = qc->signatures[0];
    } else if (way == 2) {
        qc->signatures[1] = qc->signatures[0];
    } else if (way == 3) {
        uint32_t first = bit_set(header->bitmap, true), other = bit_set(header->bitmap, false);
        bit_clear(header->bitmap, first);
        giro_bitmap_set(header->bitmap, other);
    } else if (way == 4) {
        bit_clear(header->bitmap, bit_set(header->bitmap, true));
        giro_bitmap_set(header->bitmap, 99);
    } else if (way == 5) {
        qc->signatures[2].bytes[17] ^= 1;
    } else if (way == 6) {
        header->block_id.bytes[0] ^= 1;
    } else if (way == 7) {
        header->round += 1;
    } else if (way == 8) {
        header->parent_round -= header->parent_round > 0;
    } else if (way == 9) {
        header->commit_id.bytes[0] ^= 1;
    } else if (way == 10) {
        header->epoch++;
    } else if (way == 11) {
        header->scheme = GIRO_SCHEME_KEYED_HASH;
    } else {
        header->reserved[3] = 1;
    }
    return true;
}

static bool tc_spoil(uint32_t way, struct giro_tc *tc, const char **name)
{
    static const char *const names[] = {
        "one signature too few",  "a signer twice",          "rounds that lie low",
        "a round that lies high", "another round",           "a QC of its own round",
        "another epoch",          "a QC that is not signed", "another scheme"};
    if (way >= sizeof(names) / sizeof(names[0]))
        return false;
    *name = names[way];
    if (way == 0) {
        bit_clear(tc->header.bitmap, bit_set(tc->header.bitmap, true));
        tc->header.signer_count--;
    } else if (way == 1) {
        tc->signatures[1] = tc->signatures[0];
        tc->high_qc_rounds[1] = tc->high_qc_rounds[0];
    } else if (way == 2) {
        for (uint32_t i = 0; i < tc->header.signer_count; i++)
            tc->high_qc_rounds[i] -= tc->high_qc_rounds[i] > 0;
    } else if (way == 3) {
        tc->high_qc_rounds[0] = tc->high_qc.header.round + 1;
    } else if (way == 4) {
        tc->header.round++;
    } else if (way == 5) {
        tc->header.round = tc->high_qc.header.round;
    } else if (way == 6) {
        tc->header.epoch++;
    } else if (way == 7) {
        tc->high_qc.signatures[0].bytes[3] ^= 8;
    } else {
        tc->header.scheme = GIRO_SCHEME_KEYED_HASH;
    }
    return true;
}

/* Puts the body before all others as replica 0's, and demands one more refusal of one reason, the same everywhere. */
static void put_before_all(struct sim_world *world, const struct forged *forged)
{
    static uint8_t bytes[BODY_MAX + sizeof(struct giro_peer_envelope)];
    enum giro_reject first = GIRO_REJECT_NONE;
    for (uint32_t i = 1; i < world->replica_count && !world->failed; i++) {
        struct giro_consensus_status before = sim_status(world, i);
        struct giro_peer_envelope envelope = {.head = giro_head_make(GIRO_KIND_PEER),
                                              .body_kind = forged->kind,
                                              .sender = 0,
                                              .epoch = 1,
                                              .round = before.round,
                                              .high_qc_round = before.high_qc_round,
                                              .committed_height = before.committed_height,
                                              .certified_height = before.certified_height};
        envelope.size_bytes = (uint32_t)sizeof(envelope) + forged->size_bytes;
        memcpy(bytes, &envelope, sizeof(envelope));
        memcpy(bytes + sizeof(envelope), forged->body, forged->size_bytes);
        world->body->message(&world->replicas[i], 0, bytes, envelope.size_bytes);
        struct giro_consensus_status after = sim_status(world, i);
        enum giro_reject reject = GIRO_REJECT_NONE;
        uint64_t refused = 0;
        for (uint32_t r = 0; r < GIRO_REJECT_COUNT_OF_REASONS; r++) {
            if (after.rejects[r] != before.rejects[r])
                reject = (enum giro_reject)r;
            refused += after.rejects[r] - before.rejects[r];
        }
        if (after.round != before.round || after.high_qc_round != before.high_qc_round ||
            after.committed_height != before.committed_height)
            sim_fail(world, "replica %u takes a certificate with %s", i, forged->name);
        else if (refused != 1)
            sim_fail(world, "replica %u counts %lu refusals of a certificate with %s", i,
                     (unsigned long)refused, forged->name);
        if (i == 1)
            first = reject;
        else if (reject != first)
            sim_fail(world, "a certificate with %s is refused as %s and as %s", forged->name,
                     giro_reject_name(first), giro_reject_name(reject));
    }
}

/* ---- Good ones ------------------------------------------------------------------------------------------- */

static void qc_make(struct sim_world *world, uint64_t round, struct giro_qc *qc)
{
    uint8_t message[GIRO_VOTE_MESSAGE_BYTES];
    memset(qc, 0, sizeof(*qc));
    qc->header = (struct giro_qc_header){.head = giro_head_make(GIRO_KIND_QC),
                                         .epoch = 1,
                                         .round = round,
                                         .parent_round = round - 1,
                                         .block_id = {{1}},
                                         .commit_id = {{2}},
                                         .scheme = GIRO_SCHEME_ED25519,
                                         .signer_count = (uint8_t)world->quorum};
    size_t message_bytes = giro_vote_message(&world->hub->genesis.chain_id, &qc->header, message);
    for (uint32_t i = 0; i < world->quorum; i++) {
        giro_bitmap_set(qc->header.bitmap, i);
        qc->signatures[i] = giro_sign(world->hub->vote_keys[i], message, message_bytes);
    }
}

static void tc_make(struct sim_world *world, uint64_t round, const struct giro_qc *high_qc,
                    struct giro_tc *tc)
{
    uint8_t message[GIRO_TIMEOUT_MESSAGE_BYTES];
    memset(tc, 0, sizeof(*tc));
    tc->header = (struct giro_tc_header){.head = giro_head_make(GIRO_KIND_TC),
                                         .epoch = 1,
                                         .round = round,
                                         .scheme = GIRO_SCHEME_ED25519,
                                         .signer_count = (uint8_t)world->quorum};
    tc->high_qc = *high_qc;
    for (uint32_t i = 0; i < world->quorum; i++) {
        uint64_t known = high_qc->header.round - (i > 0 ? 1 : 0);
        size_t message_bytes =
            giro_timeout_message(&world->hub->genesis.chain_id, 1, round, known, message);
        giro_bitmap_set(tc->header.bitmap, i);
        tc->high_qc_rounds[i] = known;
        tc->signatures[i] = giro_sign(world->hub->vote_keys[i], message, message_bytes);
    }
}

static void certificate_make(struct sim_world *world, struct giro_certificate *certificate)
{
    uint8_t message[GIRO_COMMIT_MESSAGE_BYTES];
    memset(certificate, 0, sizeof(*certificate));
    struct giro_certificate_header *header = &certificate->header;
    header->body = (struct giro_commit_body){.head = giro_head_make(GIRO_KIND_CERTIFICATE),
                                             .epoch = 1,
                                             .height = world->top_height + 1,
                                             .time_ns = SIM_WALL_START_NS,
                                             .block_id = {{3}}};
    header->scheme = GIRO_SCHEME_ED25519;
    header->signer_count = (uint8_t)world->quorum;
    size_t message_bytes =
        giro_commit_message(&world->hub->genesis.chain_id, &header->body, message);
    for (uint32_t i = 0; i < world->quorum; i++) {
        giro_bitmap_set(header->bitmap, i);
        certificate->signatures[i] = giro_sign(world->hub->batch_keys[i], message, message_bytes);
    }
}

static void try_heights(struct sim_world *world, struct forged *forged)
{
    static const char *const names[] = {"a height's one signature too few", "a height's other root",
                                        "a height's signature changed"};
    for (uint32_t way = 0; way < 3 && !world->failed; way++) {
        static struct giro_certificate bad;
        struct giro_writer writer;
        certificate_make(world, &bad);
        if (way == 0) {
            bit_clear(bad.header.bitmap, bit_set(bad.header.bitmap, true));
            bad.header.signer_count--;
        } else if (way == 1) {
            bad.header.body.state_root.bytes[0] ^= 1;
        } else {
            bad.signatures[0].bytes[0] ^= 1;
        }
        giro_writer_init(&writer, forged->body, BODY_MAX);
        bool encoded = giro_certificate_encode(&bad, &writer);
        GIRO_ASSERT(encoded);
        forged->name = names[way];
        forged->kind = GIRO_KIND_CERTIFICATE;
        forged->size_bytes = (uint32_t)writer.offset;
        put_before_all(world, forged);
    }
}

/* The good ones move whoever gets them; nothing of this history is looked at afterwards. */
static void take_good(struct sim_world *world, struct forged *forged, const struct giro_qc *qc,
                      const struct giro_tc *tc)
{
    static uint8_t bytes[BODY_MAX + sizeof(struct giro_peer_envelope)];
    as_sync(forged, qc, tc);
    struct giro_peer_envelope envelope = {
        .head = giro_head_make(GIRO_KIND_PEER), .body_kind = forged->kind, .epoch = 1};
    envelope.size_bytes = (uint32_t)sizeof(envelope) + forged->size_bytes;
    memcpy(bytes, &envelope, sizeof(envelope));
    memcpy(bytes + sizeof(envelope), forged->body, forged->size_bytes);
    world->body->message(&world->replicas[1], 0, bytes, envelope.size_bytes);
    struct giro_consensus_status status = sim_status(world, 1);
    if (status.high_qc_round != qc->header.round || status.round != tc->header.round + 1)
        sim_fail(world, "the certificates that nothing is wrong with are not taken");
}

void sim_invalid_certificates(struct sim_world *world)
{
    static struct forged forged;
    static struct giro_qc good_qc, qc;
    static struct giro_tc good_tc, tc;
    world->replicas[0].damaged = true; /* it is not waited for: its words are made up */
    sim_start_all(world);
    sim_load_until(world, 50 * SIM_MS, 3 * GIRO_NS_PER_S);
    sim_run(world, 6 * GIRO_NS_PER_S, NULL);
    qc_make(world, world->top_round + 4, &good_qc);
    tc_make(world, world->top_round + 9, &good_qc, &good_tc);
    for (uint32_t way = 0; !world->failed; way++) {
        qc = good_qc;
        if (!qc_spoil(way, &qc, &forged.name))
            break;
        as_sync(&forged, &qc, NULL);
        put_before_all(world, &forged);
    }
    for (uint32_t way = 0; !world->failed; way++) {
        tc = good_tc;
        if (!tc_spoil(way, &tc, &forged.name))
            break;
        as_sync(&forged, NULL, &tc);
        put_before_all(world, &forged);
    }
    if (!world->failed)
        try_heights(world, &forged);
    if (!world->failed)
        take_good(world, &forged, &good_qc, &good_tc);
}
