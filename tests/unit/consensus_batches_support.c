#include "unit/consensus_batches_support.h"

#include <stdlib.h>

struct bench *bench_new(uint32_t self)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    GIRO_ASSERT(giro_crypto_init() == GIRO_ERR_OK);
    size_t ring_bytes = giro_key_ring_footprint(16);
    bench->ring =
        giro_key_ring_init(aligned_alloc(64, giro_align_up(ring_bytes, 64)), ring_bytes, 16);
    for (uint32_t i = 0; i < BENCH_REPLICAS; i++) {
        uint8_t seed[32] = {1, (uint8_t)i};
        bench->keys[i] = giro_key_from_seed(seed);
        struct giro_public_key key = giro_key_public(bench->keys[i]);
        enum giro_key_fault fault =
            giro_key_ring_enrol(bench->ring, &key, NULL, 0, NULL, &bench->handles[i]);
        GIRO_ASSERT(fault == GIRO_KEY_OK);
    }
    struct giro_consensus_options *options = &bench->env.options;
    options->replica_count = BENCH_REPLICAS;
    options->self = self;
    memset(options->chain_id.bytes, 0x5A, GIRO_HASH_BYTES);
    options->epoch = 1;
    options->batch_ttl_ns = BENCH_TTL_NS;
    options->ring = bench->ring;
    options->batch_keys = bench->handles;
    options->vote_keys = bench->handles;
    options->batch_key = bench->keys[self];
    options->batches_max = 16;
    options->map_seed = 7;
    bench->env.faults = 1;
    bench->env.quorum = 3;
    bench->env.now_ns = GIRO_NS_PER_S;
    bench->env.wall_ns = BENCH_WALL_NS;
    bench->env.next_log_sequence = 1;
    bench->env.actions = &bench->actions;
    bench->actions.scratch_bytes = 4u << 20;
    bench->actions.scratch = malloc(bench->actions.scratch_bytes);
    return bench;
}

static void recovering(struct bench *bench)
{
    free(bench->memory);
    bench->memory = NULL;
    bench->env.recovering = true;
    bench->env.may_sign = false;
    bench->env.counters.halted = false;
    bench_step(bench, 0);
}

void bench_batches(struct bench *bench)
{
    size_t size_bytes = giro_batches_footprint(&bench->env.options);
    recovering(bench);
    bench->memory = aligned_alloc(64, size_bytes);
    bench->batches = giro_batches_init(bench->memory, size_bytes, &bench->env);
    GIRO_ASSERT(bench->batches != NULL);
}

void bench_certify(struct bench *bench)
{
    size_t size_bytes = giro_certify_footprint(&bench->env.options);
    recovering(bench);
    bench->memory = aligned_alloc(64, size_bytes);
    bench->certify = giro_certify_init(bench->memory, size_bytes, &bench->env);
    GIRO_ASSERT(bench->certify != NULL);
}

void bench_start(struct bench *bench)
{
    bench_step(bench, 0);
    bench->env.recovering = false;
    bench->env.may_sign = true;
    if (bench->batches != NULL)
        giro_batches_start(bench->batches, 3);
}

void bench_free(struct bench *bench)
{
    for (uint32_t i = 0; i < BENCH_REPLICAS; i++)
        giro_key_free(bench->keys[i]);
    free(bench->ring);
    free(bench->memory);
    free(bench->actions.scratch);
    free(bench);
}

void bench_step(struct bench *bench, uint64_t after_ns)
{
    bench->actions.count = 0;
    bench->actions.scratch_used = 0;
    bench->env.now_ns += after_ns;
    bench->env.wall_ns += after_ns;
}

void bench_durable(struct bench *bench)
{
    bench->env.watermark = bench->env.next_log_sequence - 1;
    if (bench->batches != NULL)
        giro_batches_on_durable(bench->batches);
    if (bench->certify != NULL)
        giro_certify_on_durable(bench->certify);
}

uint32_t bench_count(const struct bench *bench, enum giro_action_kind kind)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < bench->actions.count; i++)
        count += bench->actions.items[i].kind == kind;
    return count;
}

const struct giro_action *bench_action(const struct bench *bench, enum giro_action_kind kind)
{
    for (uint32_t i = 0; i < bench->actions.count; i++) {
        if (bench->actions.items[i].kind == kind)
            return &bench->actions.items[i];
    }
    return NULL;
}

uint32_t bench_sent(const struct bench *bench, enum giro_kind kind)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < bench->actions.count; i++) {
        const struct giro_action *action = &bench->actions.items[i];
        count += action->kind == GIRO_ACTION_SEND && action->send.envelope.body_kind == kind;
    }
    return count;
}

const struct giro_action *bench_send(const struct bench *bench, enum giro_kind kind)
{
    for (uint32_t i = 0; i < bench->actions.count; i++) {
        const struct giro_action *action = &bench->actions.items[i];
        if (action->kind == GIRO_ACTION_SEND && action->send.envelope.body_kind == kind)
            return action;
    }
    return NULL;
}

/* One frame as it stands in a batch: size, frame. */
static uint32_t frame(const struct bench *bench, uint64_t sequence, uint8_t *out)
{
    struct giro_frame_header header = {.head = giro_head_make(GIRO_KIND_FRAME),
                                       .member = 1,
                                       .record_count = 1,
                                       .sequence = sequence};
    memcpy(&header.chain_prefix, bench->env.options.chain_id.bytes, 8);
    uint32_t size_bytes = 40 + 64 + 64;
    memcpy(out, &size_bytes, 4);
    memset(out + 4, 0, size_bytes);
    memcpy(out + 4, &header, sizeof(header));
    return 4 + size_bytes;
}

void bench_batch(struct bench *bench, struct bench_bytes *out, uint16_t author, uint64_t sequence)
{
    uint32_t frame_bytes = frame(bench, sequence, out->bytes + 64);
    struct giro_batch_header header = {.head = giro_head_make(GIRO_KIND_BATCH),
                                       .epoch = 1,
                                       .sequence = sequence,
                                       .created_ns = bench->env.wall_ns,
                                       .size_bytes = 64 + frame_bytes,
                                       .frame_count = 1,
                                       .record_count = 1,
                                       .author = author};
    memcpy(out->bytes, &header, sizeof(header));
    out->size_bytes = header.size_bytes;
    out->id = giro_batch_id(&bench->env.options.chain_id, out->bytes, out->size_bytes);
}

struct giro_batch_reference bench_reference(const struct bench_bytes *batch, uint64_t expiry_ns)
{
    struct giro_batch_header header;
    memcpy(&header, batch->bytes, sizeof(header));
    return (struct giro_batch_reference){.batch_id = batch->id,
                                         .expiry_ns = expiry_ns,
                                         .size_bytes = header.size_bytes,
                                         .frame_count = header.frame_count,
                                         .record_count = header.record_count,
                                         .author = header.author,
                                         .sequence = header.sequence};
}

static struct giro_batch_ack ack_of(struct bench *bench, uint16_t voter,
                                    const struct giro_hash *ids, uint32_t count, uint64_t expiry_ns)
{
    uint8_t message[GIRO_BATCH_ACK_MESSAGE_BYTES_MAX];
    struct giro_batch_ack ack = {.header = {.head = giro_head_make(GIRO_KIND_BATCH_ACK),
                                            .epoch = 1,
                                            .expiry_ns = expiry_ns,
                                            .voter = voter,
                                            .id_count = (uint16_t)count}};
    memcpy(ack.ids, ids, count * sizeof(*ids));
    size_t size_bytes = giro_batch_ack_message(&bench->env.options.chain_id, &ack, message);
    ack.signature = giro_sign(bench->keys[voter], message, size_bytes);
    return ack;
}

void bench_ack(struct bench *bench, struct bench_bytes *out, uint16_t voter,
               const struct giro_hash *ids, uint32_t count, uint64_t expiry_ns)
{
    struct giro_batch_ack ack = ack_of(bench, voter, ids, count, expiry_ns);
    struct giro_writer writer;
    giro_writer_init(&writer, out->bytes, sizeof(out->bytes));
    GIRO_ASSERT(giro_batch_ack_encode(&ack, &writer));
    out->size_bytes = (uint32_t)writer.offset;
}

void bench_proof(struct bench *bench, struct bench_bytes *out, const struct bench_bytes *batch,
                 uint32_t first, uint64_t expiry_ns)
{
    struct giro_batch_ack acks[BENCH_REPLICAS];
    struct giro_batch_proof_header header = {.head = giro_head_make(GIRO_KIND_BATCH_PROOF),
                                             .reference = bench_reference(batch, expiry_ns),
                                             .scheme = GIRO_SCHEME_ED25519,
                                             .signer_count = 3};
    for (uint32_t i = 0; i < 3; i++) {
        acks[i] = ack_of(bench, (uint16_t)(first + i), &batch->id, 1, expiry_ns);
        giro_bitmap_set(header.bitmap, first + i);
    }
    struct giro_writer writer;
    giro_writer_init(&writer, out->bytes, sizeof(out->bytes));
    GIRO_ASSERT(giro_batch_proof_encode(&header, acks, &writer));
    out->size_bytes = (uint32_t)writer.offset;
}

bool bench_local(struct bench *bench, uint64_t frame_sequence)
{
    uint8_t frames[256];
    uint32_t frames_bytes = frame(bench, frame_sequence, frames);
    struct giro_event event = {
        .kind = GIRO_EVENT_LOCAL_BATCH,
        .now_ns = bench->env.now_ns,
        .wall_ns = bench->env.wall_ns,
        .local_batch = {
            .frames = frames, .frames_bytes = frames_bytes, .frame_count = 1, .record_count = 1}};
    return giro_batches_local(bench->batches, &event);
}

static struct giro_commit_body commit_body(uint64_t height, uint8_t root)
{
    struct giro_commit_body body = {.head = giro_head_make(GIRO_KIND_COMMIT_VOTE),
                                    .epoch = 1,
                                    .height = height,
                                    .time_ns = 1000 + height};
    memset(body.block_id.bytes, (int)(height & 0xFF), GIRO_HASH_BYTES);
    memset(body.state_root.bytes, root, GIRO_HASH_BYTES);
    memset(body.ledger_root.bytes, root + 1, GIRO_HASH_BYTES);
    return body;
}

void bench_commit_vote(struct bench *bench, struct giro_commit_vote *vote, uint16_t voter,
                       uint64_t height, uint8_t root)
{
    uint8_t message[GIRO_COMMIT_MESSAGE_BYTES];
    *vote = (struct giro_commit_vote){.body = commit_body(height, root), .voter = voter};
    size_t size_bytes = giro_commit_message(&bench->env.options.chain_id, &vote->body, message);
    vote->signature = giro_sign(bench->keys[voter], message, size_bytes);
}

void bench_executed(struct bench *bench, uint64_t height, uint8_t root)
{
    static struct giro_proposal block;
    struct giro_commit_body body = commit_body(height, root);
    block.block.epoch = 1;
    block.block.height = height;
    block.block.time_ns = body.time_ns;
    block.block_id = body.block_id;
    struct giro_event event = {.kind = GIRO_EVENT_EXECUTED,
                               .executed = {.height = height,
                                            .state_root = body.state_root,
                                            .ledger_root = body.ledger_root}};
    giro_certify_executed(bench->certify, &block, &event);
}
