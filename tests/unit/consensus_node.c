#include <criterion/criterion.h>
#include <stdlib.h>

#include "giro/node.h"
#include "giro/sys.h"

/* Whole nodes over faulty disks: a cluster in memory with a message queue and one clock. */

#define NODES_MAX     4u
#define HEIGHTS_MAX   2048u
#define QUEUE_MAX     8192u
#define STEP_NS       UINT64_C(200000)
#define LARGE_BYTES   (500u * 1024u)
#define WALL_START_NS (UINT64_C(1790000000) * GIRO_NS_PER_S)

struct member {
    struct cluster *cluster;
    uint32_t index;
    struct giro_disk_faulty *faulty;
    struct giro_disk disk;
    struct giro_secret_key *vote_key, *batch_key;
    struct giro_node_options options;
    struct giro_node *node;
    void *mem;
    bool up, apart; /* apart: cut off from the others */
    enum giro_err err;
    uint64_t lives;
    uint64_t wrong_height; /* executed with another root there; 0 = never */
    uint64_t halted_height;
    struct giro_hash root; /* over everything executed */
    uint64_t height, frames, certified;
    struct giro_hash roots[HEIGHTS_MAX];
    uint64_t served[3]; /* BLOCK, BATCH, CERTIFICATE answers */
    struct recording *recording;
};
struct message {
    uint16_t from, to;
    uint32_t size_bytes;
    uint8_t *bytes;
};
struct cluster {
    uint32_t count;
    struct giro_key_ring *ring;
    void *ring_mem;
    struct giro_key_handle vote_keys[NODES_MAX], batch_keys[NODES_MAX];
    struct giro_hash chain_id, genesis_id;
    struct member members[NODES_MAX];
    struct message queue[QUEUE_MAX];
    uint32_t head, tail;
    uint64_t now_ns, sequence;
    struct giro_prng prng;
};

/* ---- Callbacks ------------------------------------------------------------------------------------ */

static void on_send(void *context, uint16_t peer, const struct giro_part *parts,
                    uint32_t part_count)
{
    struct member *from = context;
    struct cluster *cluster = from->cluster;
    struct giro_peer_envelope envelope;
    cr_assert_eq(parts[0].size_bytes, sizeof envelope);
    memcpy(&envelope, parts[0].bytes, sizeof envelope);
    from->served[0] += envelope.body_kind == GIRO_KIND_BLOCK;
    from->served[1] += envelope.body_kind == GIRO_KIND_BATCH;
    from->served[2] += envelope.body_kind == GIRO_KIND_CERTIFICATE;
    for (uint32_t to = 0; to < cluster->count; to++) {
        if (to == from->index || (peer != GIRO_PEER_ALL && peer != to) || from->apart ||
            cluster->members[to].apart || !cluster->members[to].up)
            continue;
        struct message message = {(uint16_t)from->index, (uint16_t)to, envelope.size_bytes,
                                  malloc(envelope.size_bytes)};
        uint32_t at = 0;
        for (uint32_t i = 0; i < part_count; i++) {
            memcpy(message.bytes + at, parts[i].bytes, parts[i].size_bytes);
            at += (uint32_t)parts[i].size_bytes;
        }
        cr_assert_eq(at, envelope.size_bytes);
        cluster->queue[cluster->tail] = message;
        cluster->tail = (cluster->tail + 1) % QUEUE_MAX;
        cr_assert_neq(cluster->tail, cluster->head);
    }
}

static bool on_verify(void *context, const struct giro_action *action)
{
    (void)context;
    return action->verify.size_bytes > 0;
}

/* The state is a hash chain over block ids and batches: equal roots mean equal histories. */
static struct giro_execution on_execute(void *context, const struct giro_action *action)
{
    struct member *self = context;
    cr_assert_eq(action->execute.block->block.height, self->height + 1);
    for (uint32_t i = 0; i < action->execute.batch_count; i++) {
        struct giro_batch_header header;
        memcpy(&header, action->execute.batches[i], sizeof header);
        self->frames += header.frame_count;
        struct giro_part parts[2] = {{&self->root, sizeof self->root},
                                     {action->execute.batches[i], action->execute.batch_bytes[i]}};
        self->root = giro_sha256_parts(parts, 2);
    }
    self->height++;
    if (self->height == self->wrong_height)
        self->root.bytes[0] ^= 1;
    cr_assert_lt(self->height, HEIGHTS_MAX);
    self->roots[self->height] = self->root;
    return (struct giro_execution){
        .state_root = self->root, .ledger_root = self->root, .next_due_ns = UINT64_MAX};
}

static void on_certified(void *context, const struct giro_certificate *certificate, bool recovering)
{
    struct member *self = context;
    (void)recovering;
    if (certificate->header.body.height > self->certified)
        self->certified = certificate->header.body.height;
}

static void on_halted(void *context, const char *reason, uint64_t height)
{
    struct member *self = context;
    self->halted_height = height;
    if (self->wrong_height == 0)
        cr_assert_fail("replica %u halted at %lu: %s", self->index, height, reason);
}

/* ---- The cluster ---------------------------------------------------------------------------------- */

static void wait_disk(void *context)
{
    struct member *self = context;
    uint64_t next_ns = giro_disk_faulty_next_ns(self->faulty);
    /* Virtual time stands still for the others: only this disk goes ahead. */
    if (next_ns != UINT64_MAX)
        giro_disk_faulty_advance(self->faulty,
                                 next_ns > self->cluster->now_ns ? next_ns : self->cluster->now_ns);
}

static enum giro_err member_start(struct member *self)
{
    struct cluster *cluster = self->cluster;
    self->lives++;
    memset(self->options.consensus.nonce, (int)self->lives, 16);
    self->options.log.seed = 1000 * self->index + self->lives;
    self->options.consensus.map_seed = self->options.log.seed;
    self->root = giro_hash_zero;
    self->height = self->frames = self->certified = 0;
    size_t size_bytes = giro_node_footprint(&self->options);
    cr_assert_neq(size_bytes, 0);
    free(self->mem);
    self->mem = aligned_alloc(64, size_bytes);
    self->node = giro_node_init(self->mem, size_bytes, &self->options);
    cr_assert_not_null(self->node);
    self->err = giro_node_start(self->node, cluster->now_ns, WALL_START_NS + cluster->now_ns,
                                wait_disk, self);
    self->up = self->err == GIRO_ERR_OK;
    return self->err;
}

static void member_kill(struct member *self, bool power)
{
    self->up = false;
    giro_disk_faulty_stop_after(self->faulty, UINT64_MAX);
    if (power)
        giro_disk_faulty_power_loss(self->faulty);
    else
        giro_disk_faulty_crash(self->faulty);
}

static struct cluster *cluster_new(uint32_t count, uint64_t seed)
{
    struct cluster *cluster = calloc(1, sizeof *cluster);
    cr_assert_eq(giro_crypto_init(), GIRO_ERR_OK);
    cluster->count = count;
    cluster->now_ns = GIRO_NS_PER_S;
    giro_prng_init(&cluster->prng, seed);
    memset(&cluster->chain_id, 0x11, sizeof cluster->chain_id);
    memset(&cluster->genesis_id, 0x22, sizeof cluster->genesis_id);
    size_t ring_bytes = giro_key_ring_footprint(2 * NODES_MAX);
    cluster->ring_mem = aligned_alloc(64, giro_align_up(ring_bytes, 64));
    cluster->ring = giro_key_ring_init(cluster->ring_mem, ring_bytes, 2 * NODES_MAX);
    struct giro_disk_faults faults = {.latency_min_ns = 20000,
                                      .latency_max_ns = 400000,
                                      .torn_per_mille = 400,
                                      .kept_per_mille = 300};
    for (uint32_t i = 0; i < count; i++) {
        struct member *self = &cluster->members[i];
        self->cluster = cluster;
        self->index = i;
        for (uint32_t role = 0; role < 2; role++) {
            uint8_t key_seed[32] = {(uint8_t)(role + 1), (uint8_t)i};
            struct giro_secret_key *key = giro_key_from_seed(key_seed);
            struct giro_public_key public_key = giro_key_public(key);
            cr_assert_eq(
                giro_key_ring_enrol(cluster->ring, &public_key, NULL, 0, NULL,
                                    role == 0 ? &cluster->vote_keys[i] : &cluster->batch_keys[i]),
                GIRO_KEY_OK);
            *(role == 0 ? &self->vote_key : &self->batch_key) = key;
        }
        self->faulty = giro_disk_faulty_new(seed * 10 + i, &faults);
        giro_disk_faulty_advance(self->faulty, cluster->now_ns);
        self->disk = giro_disk_faulty_disk(self->faulty);
        self->options = (struct giro_node_options){
            .consensus = {.replica_count = count,
                          .self = i,
                          .chain_id = cluster->chain_id,
                          .genesis_block_id = cluster->genesis_id,
                          .epoch = 1,
                          .round_floor_ns = 20000000,
                          .clock_bound_ns = 250000000,
                          .batch_ttl_ns = 60 * GIRO_NS_PER_S,
                          .ring = cluster->ring,
                          .vote_keys = cluster->vote_keys,
                          .batch_keys = cluster->batch_keys,
                          .batch_key = self->batch_key,
                          .blocks_max = 128,
                          .batches_max = 16},
            .log = {.segment_bytes = 4u << 20, .buffer_bytes = 4u << 20, .inflight_max = 4},
            .vote_key = self->vote_key,
            .disk = &self->disk,
            .callbacks = {.context = self,
                          .send = on_send,
                          .verify = on_verify,
                          .execute = on_execute,
                          .certified = on_certified,
                          .halted = on_halted},
            .index_max = 4096};
    }
    return cluster;
}

static void cluster_free(struct cluster *cluster)
{
    for (; cluster->head != cluster->tail; cluster->head = (cluster->head + 1) % QUEUE_MAX)
        free(cluster->queue[cluster->head].bytes);
    for (uint32_t i = 0; i < cluster->count; i++) {
        struct member *self = &cluster->members[i];
        giro_disk_faulty_free(self->faulty);
        giro_key_free(self->vote_key);
        giro_key_free(self->batch_key);
        free(self->mem);
    }
    free(cluster->ring_mem);
    free(cluster);
}

static void deliver(struct cluster *cluster)
{
    uint32_t end = cluster->tail;
    for (; cluster->head != end; cluster->head = (cluster->head + 1) % QUEUE_MAX) {
        struct message *message = &cluster->queue[cluster->head];
        struct member *to = &cluster->members[message->to];
        if (to->up && !to->apart)
            giro_node_message(to->node, cluster->now_ns, WALL_START_NS + cluster->now_ns,
                              message->from, message->bytes, message->size_bytes);
        free(message->bytes);
    }
}

static void run(struct cluster *cluster, uint64_t for_ns)
{
    for (uint64_t end_ns = cluster->now_ns + for_ns; cluster->now_ns < end_ns;) {
        cluster->now_ns += STEP_NS;
        deliver(cluster);
        for (uint32_t i = 0; i < cluster->count; i++) {
            struct member *self = &cluster->members[i];
            if (!self->up)
                continue;
            /* An opening may have gone ahead of the common clock. */
            uint64_t next_ns = giro_disk_faulty_next_ns(self->faulty);
            if (next_ns <= cluster->now_ns)
                giro_disk_faulty_advance(self->faulty, cluster->now_ns);
            self->err =
                giro_node_poll(self->node, cluster->now_ns, WALL_START_NS + cluster->now_ns);
            self->up = self->err == GIRO_ERR_OK;
        }
    }
}

static bool submit(struct cluster *cluster, uint32_t index)
{
    struct member *self = &cluster->members[index];
    uint8_t frames[4 + 40 + 64 + 64];
    struct giro_frame_header header = {.head = giro_head_make(GIRO_KIND_FRAME),
                                       .record_count = 1,
                                       .sequence = cluster->sequence++};
    uint32_t size = sizeof frames - 4;
    memcpy(&header.chain_prefix, cluster->chain_id.bytes, 8);
    giro_prng_fill(&cluster->prng, frames, sizeof frames);
    memcpy(frames, &size, 4);
    memcpy(frames + 4, &header, sizeof header);
    enum giro_err err = giro_node_submit(
        self->node, cluster->now_ns, WALL_START_NS + cluster->now_ns, frames, sizeof frames, 1, 1);
    cr_assert(err == GIRO_ERR_OK || err == GIRO_ERR_FULL);
    return err == GIRO_ERR_OK;
}

/* A batch nearly as large as one may be. */
static bool submit_large(struct cluster *cluster, uint32_t index)
{
    const struct giro_node *node = cluster->members[index].node;
    const struct giro_frame_header header = {.head = giro_head_make(GIRO_KIND_FRAME),
                                             .record_count = 1};
    const uint32_t size = 40 + 64 + 64, frame_bytes = 4 + size;
    const uint32_t count = LARGE_BYTES / frame_bytes;
    uint8_t *frames = calloc(count, frame_bytes);
    for (uint32_t i = 0; i < count; i++) {
        struct giro_frame_header each = header;
        each.sequence = cluster->sequence++;
        memcpy(&each.chain_prefix, cluster->chain_id.bytes, 8);
        memcpy(frames + (size_t)i * frame_bytes, &size, 4);
        memcpy(frames + (size_t)i * frame_bytes + 4, &each, sizeof each);
    }
    const bool room = giro_node_room(node) > 0;
    if (room)
        cr_assert_eq(giro_node_submit(cluster->members[index].node, cluster->now_ns,
                                      WALL_START_NS + cluster->now_ns, frames, count * frame_bytes,
                                      count, count),
                     GIRO_ERR_OK);
    free(frames);
    return room;
}

static void roots_agree(const struct cluster *cluster)
{
    for (uint32_t i = 1; i < cluster->count; i++) {
        const struct member *a = &cluster->members[0], *b = &cluster->members[i];
        for (uint64_t h = 1; h <= a->height && h <= b->height; h++)
            cr_assert(giro_hash_equal(&a->roots[h], &b->roots[h]), "replica %u height %lu", i, h);
    }
}

/* ---- Tests ---------------------------------------------------------------------------------------- */

Test(node, one_replica_executes_certifies_and_recovers_the_same_state)
{
    struct cluster *cluster = cluster_new(1, 1);
    struct member *self = &cluster->members[0];
    uint64_t frames = 0, height = 0, certified = 0;
    for (uint32_t life = 0; life < 5; life++) {
        struct giro_hash root = self->root;
        cr_assert_eq(member_start(self), GIRO_ERR_OK);
        cr_assert_eq(self->frames, frames, "life %u: %lu of %lu", life, self->frames, frames);
        cr_assert_eq(self->height, height);
        cr_assert_geq(self->certified, certified);
        cr_assert(giro_hash_equal(&self->root, &root), "life %u", life);
        for (uint32_t i = 0; i < 20; i++) {
            frames += submit(cluster, 0);
            run(cluster, 5000000);
            giro_node_check(self->node);
        }
        run(cluster, 50000000);
        cr_assert_eq(self->frames, frames);
        height = self->height;
        cr_assert_geq(height, 20u * (life + 1));
        /* The certificate of the last height needs no later block. */
        cr_assert_eq(self->certified, height);
        certified = self->certified;
        cr_assert_eq(giro_node_own_in_flight(self->node), 0);
        member_kill(self, life % 2 == 0);
    }
    cr_assert_eq(frames, 100);
    cluster_free(cluster);
}

Test(node, an_idle_replica_writes_nothing)
{
    struct cluster *cluster = cluster_new(1, 2);
    struct member *self = &cluster->members[0];
    cr_assert_eq(member_start(self), GIRO_ERR_OK);
    cr_assert(submit(cluster, 0));
    run(cluster, 100000000);
    uint64_t written = giro_node_log_bytes(self->node);
    run(cluster, 2 * GIRO_NS_PER_S);
    cr_assert_eq(giro_node_log_bytes(self->node), written);
    cr_assert_eq(self->frames, 1);
    cluster_free(cluster);
}

Test(node, one_replica_survives_death_at_every_write_boundary)
{
    for (uint64_t boundary = 0; boundary < 30; boundary++) {
        struct cluster *cluster = cluster_new(1, 100 + boundary);
        struct member *self = &cluster->members[0];
        cr_assert_eq(member_start(self), GIRO_ERR_OK);
        giro_disk_faulty_stop_after(self->faulty, boundary);
        for (uint32_t i = 0; i < 6; i++) {
            submit(cluster, 0);
            run(cluster, 4000000);
        }
        uint64_t certified = self->certified;
        struct giro_hash root = self->roots[certified];
        member_kill(self, boundary % 3 != 0);
        cr_assert_eq(member_start(self), GIRO_ERR_OK, "boundary %lu: %s", boundary,
                     giro_err_name(self->err));
        cr_assert_geq(self->height, certified, "boundary %lu: what was certified is lost",
                      boundary);
        cr_assert(giro_hash_equal(&self->roots[certified], &root), "boundary %lu", boundary);
        uint64_t frames = self->frames;
        for (uint32_t i = 0; i < 200 && !submit(cluster, 0); i++)
            run(cluster, 10000000);
        run(cluster, 200000000);
        cr_assert_gt(self->frames, frames, "boundary %lu", boundary);
        cr_assert_eq(self->certified, self->height, "boundary %lu", boundary);
        giro_node_check(self->node);
        cluster_free(cluster);
    }
}

Test(node, four_replicas_agree_and_one_left_behind_is_served_from_disk)
{
    struct cluster *cluster = cluster_new(4, 3);
    for (uint32_t i = 0; i < 4; i++)
        cr_assert_eq(member_start(&cluster->members[i]), GIRO_ERR_OK);
    run(cluster, 50000000);
    uint64_t frames = 0;
    cluster->members[3].apart = true;
    for (uint32_t i = 0; i < 200; i++) {
        frames += submit(cluster, i % 3);
        run(cluster, 20000000);
    }
    run(cluster, 300000000);
    for (uint32_t i = 0; i < 3; i++) {
        cr_assert_eq(cluster->members[i].frames, frames, "replica %u: %lu of %lu", i,
                     cluster->members[i].frames, frames);
        giro_node_check(cluster->members[i].node);
    }
    cr_assert_gt(cluster->members[0].height, 150);
    roots_agree(cluster);
    cluster->members[3].apart = false;
    frames += submit(cluster, 0);
    for (uint32_t i = 0; i < 100 && cluster->members[3].frames < frames; i++)
        run(cluster, 100000000);
    cr_assert_eq(cluster->members[3].frames, frames);
    roots_agree(cluster);
    uint64_t blocks = 0, batches = 0;
    for (uint32_t i = 0; i < 3; i++) {
        blocks += cluster->members[i].served[0];
        batches += cluster->members[i].served[1];
    }
    cr_assert_geq(blocks, 150);
    cr_assert_geq(batches, 150);
    cluster_free(cluster);
}

/* It came back with more in its log than one step may log again: peers refuse it as too old, so all of it is cut anew. */
Test(node, a_replica_left_behind_cuts_more_anew_than_a_step_may_log)
{
    struct cluster *cluster = cluster_new(4, 11);
    struct member *late = &cluster->members[3];
    for (uint32_t i = 0; i < 4; i++) {
        cluster->members[i].options.consensus.batches_max = 48;
        cluster->members[i].options.consensus.batch_ttl_ns = 5 * GIRO_NS_PER_S;
        cr_assert_eq(member_start(&cluster->members[i]), GIRO_ERR_OK);
    }
    run(cluster, 50000000);
    late->apart = true;
    uint64_t frames = 0, large = 0;
    for (uint32_t i = 0; i < 100; i++) {
        large += large < 12 && submit_large(cluster, 3);
        run(cluster, 5000000);
    }
    cr_assert_eq(large, 12);
    frames = cluster->sequence;
    cr_assert_gt(large * LARGE_BYTES, late->options.log.buffer_bytes);
    for (uint32_t i = 0; i < 36; i++) {
        frames += submit(cluster, i % 3);
        run(cluster, GIRO_NS_PER_S / 2);
    }
    late->apart = false;
    member_kill(late, false);
    cr_assert_eq(member_start(late), GIRO_ERR_OK);
    for (uint32_t i = 0; i < 40 && late->frames < frames; i++)
        run(cluster, GIRO_NS_PER_S / 2);
    cr_assert_geq(late->frames, frames);
    roots_agree(cluster);
    cluster_free(cluster);
}

/* It computes another root than it logged before: it does not start, and has a message that tells the others. */
Test(node, a_halt_at_a_start_can_be_told_to_the_others)
{
    struct cluster *cluster = cluster_new(4, 9);
    for (uint32_t i = 0; i < 4; i++)
        cr_assert_eq(member_start(&cluster->members[i]), GIRO_ERR_OK);
    for (uint32_t i = 0; i < 10; i++) {
        submit(cluster, i % 4);
        run(cluster, 20000000);
    }
    struct member *wrong = &cluster->members[3];
    cr_assert_geq(wrong->certified, 3);
    member_kill(wrong, false);
    wrong->wrong_height = 2;
    cr_assert_eq(member_start(wrong), GIRO_ERR_DIVERGED);
    cr_assert_eq(wrong->halted_height, 2);
    cr_assert_eq(giro_node_halt(wrong->node)->height, 2);
    uint8_t message[GIRO_HALT_MESSAGE_BYTES];
    struct giro_peer_envelope envelope;
    giro_node_halt_message(wrong->node, message);
    cr_assert_eq(giro_peer_envelope_decode(message, sizeof message, &envelope), GIRO_REJECT_NONE);
    for (uint32_t i = 0; i < 3; i++) {
        struct giro_node *node = cluster->members[i].node;
        cr_assert_eq(giro_node_peer_halted(node, 3), 0);
        giro_node_message(node, cluster->now_ns, WALL_START_NS + cluster->now_ns, 3, message,
                          sizeof message);
        cr_assert_eq(giro_node_peer_halted(node, 3), 2, "replica %u", i);
    }
    cluster_free(cluster);
}

Test(node, all_four_lose_power_at_once_and_go_on)
{
    for (uint64_t seed = 1; seed <= 4; seed++) {
        struct cluster *cluster = cluster_new(4, 50 + seed);
        uint64_t certified = 0;
        for (uint32_t life = 0; life < 3; life++) {
            for (uint32_t i = 0; i < 4; i++)
                cr_assert_eq(member_start(&cluster->members[i]), GIRO_ERR_OK, "seed %lu", seed);
            uint64_t before = cluster->members[0].frames;
            for (uint32_t i = 0; i < 40; i++) {
                submit(cluster, i % 4);
                run(cluster, 10000000);
            }
            run(cluster, giro_prng_below(&cluster->prng, 3000000));
            cr_assert_gt(cluster->members[0].frames, before, "seed %lu life %u stands still", seed,
                         life);
            roots_agree(cluster);
            for (uint32_t i = 0; i < 4; i++) {
                struct member *self = &cluster->members[i];
                cr_assert(self->up, "seed %lu: %s", seed, giro_err_name(self->err));
                cr_assert_geq(self->certified + 64, certified);
                giro_node_check(self->node);
                certified = self->certified > certified ? self->certified : certified;
                member_kill(self, true);
            }
        }
        cluster_free(cluster);
    }
}

Test(node, a_disk_error_is_final_and_a_missing_safety_file_refused)
{
    struct cluster *cluster = cluster_new(1, 4);
    struct member *self = &cluster->members[0];
    cr_assert_eq(member_start(self), GIRO_ERR_OK);
    cr_assert(submit(cluster, 0));
    run(cluster, 50000000);
    struct giro_disk_faults faults = {.io_error_per_million = 1000000};
    giro_disk_faulty_set_faults(self->faulty, &faults);
    submit(cluster, 0);
    run(cluster, 50000000);
    cr_assert_eq(self->err, GIRO_ERR_IO);
    cr_assert_eq(giro_node_poll(self->node, cluster->now_ns, WALL_START_NS), GIRO_ERR_IO);
    cr_assert_eq(giro_node_room(self->node), 0);
    faults.io_error_per_million = 0;
    giro_disk_faulty_set_faults(self->faulty, &faults);
    member_kill(self, true);
    cr_assert_eq(self->disk.ops->remove(self->disk.self, "safety"), GIRO_ERR_OK);
    cr_assert_eq(member_start(self), GIRO_ERR_DAMAGED);
    cluster_free(cluster);
}

/* Neither an error nor a completion: nothing is signed, and the operator hears of it. */
Test(node, a_disk_that_never_completes_and_a_bad_safety_copy_are_alarms)
{
    struct cluster *cluster = cluster_new(1, 5);
    struct member *self = &cluster->members[0];
    struct giro_node_alarms alarms;
    cr_assert_eq(member_start(self), GIRO_ERR_OK);
    cr_assert(submit(cluster, 0));
    run(cluster, 50000000);
    giro_node_alarms(self->node, &alarms);
    cr_assert(alarms.disk_silent_ns < 10000000 && alarms.safety_repaired == 0 &&
              alarms.log_cut == NULL);
    uint64_t height = self->height;
    giro_disk_faulty_stop_after(self->faulty, 0);
    submit(cluster, 0);
    run(cluster, 500000000);
    giro_node_alarms(self->node, &alarms);
    cr_assert(alarms.disk_silent_ns > 400000000, "%lu", alarms.disk_silent_ns);
    cr_assert_eq(self->err, GIRO_ERR_OK);
    cr_assert_eq(self->height, height);
    giro_disk_faulty_stop_after(self->faulty, UINT64_MAX);
    member_kill(self, true);
    for (uint32_t place = 0; place < 32; place++) /* one of the two copies of each place */
        (void)giro_disk_faulty_flip(self->faulty, "safety", place * 4096u + 60, 1);
    cr_assert_eq(member_start(self), GIRO_ERR_OK);
    giro_node_alarms(self->node, &alarms);
    cr_assert(alarms.safety_repaired > 0);
    cluster_free(cluster);
}

/* ---- Recording and running again -------------------------------------------------------------------- */

#define RECORDING_BYTES (16u << 20)
struct recording {
    struct giro_event_log_header header;
    uint8_t *bytes;
    size_t size_bytes;
    uint64_t sequence;
    struct giro_signature signatures[64];
    uint32_t signature_count;
};

static void on_begin(void *context, const struct giro_event_log_header *header)
{
    struct recording *recording = context;
    recording->header = *header;
    recording->size_bytes = 0;
    recording->sequence = 0;
}

static void on_event(void *context, const struct giro_event *event)
{
    struct recording *recording = context;
    size_t size = giro_event_record_bytes(event);
    cr_assert_lt(recording->size_bytes + size + (1u << 16), RECORDING_BYTES);
    giro_event_record_put(recording->bytes + recording->size_bytes, ++recording->sequence, event);
    recording->size_bytes += size;
    recording->signature_count = 0;
}

static void on_signature(void *context, const struct giro_signature *signature)
{
    struct recording *recording = context;
    cr_assert_lt(recording->signature_count, 64u);
    recording->signatures[recording->signature_count++] = *signature;
}

static void on_outcome(void *context, const struct giro_actions *actions)
{
    struct recording *recording = context;
    giro_outcome_record_put(recording->bytes + recording->size_bytes, recording->sequence,
                            recording->signatures, recording->signature_count, actions);
    recording->size_bytes += giro_outcome_record_bytes(recording->signature_count, actions->count);
}

/* The header of the outcome of the middle event that has some of what is asked for; its body is at *body. */
static struct giro_event_record_header *outcome_with(struct recording *recording, bool signatures,
                                                     uint8_t **body)
{
    struct giro_event_record record;
    struct giro_event_record_header *found = NULL;
    size_t at = 0, next = 0;
    for (; giro_event_record_next(recording->bytes, recording->size_bytes, &next, &record) ==
           GIRO_REJECT_NONE;
         at = next) {
        struct giro_event_outcome outcome;
        if (record.kind != GIRO_EVENT_RECORD_OUTCOME || record.sequence > recording->sequence / 2)
            continue;
        memcpy(&outcome, record.body, sizeof outcome);
        if ((signatures ? outcome.signature_count : outcome.action_count) == 0)
            continue;
        found = (struct giro_event_record_header *)(recording->bytes + at);
        *body = recording->bytes + at + sizeof *found;
    }
    cr_assert_not_null(found);
    return found;
}

/* Runs the recording again with another hash seed and without the key; where it stops. */
static enum giro_replay_result replay(const struct member *self, uint64_t *sequence,
                                      struct giro_replay_difference *difference)
{
    const struct recording *recording = self->recording;
    struct giro_consensus_options options = self->options.consensus;
    options.batch_key = NULL;
    options.map_seed ^= 0x5555;
    memset(options.nonce, 0, sizeof options.nonce);
    size_t size = giro_replay_footprint(&options, &recording->header), offset = 0;
    void *mem = aligned_alloc(64, giro_align_up(size, 64));
    struct giro_replay *replay = giro_replay_init(mem, size, &options, &recording->header);
    enum giro_replay_result result = GIRO_REPLAY_EQUAL;
    cr_assert_not_null(replay);
    while (offset < recording->size_bytes && result == GIRO_REPLAY_EQUAL) {
        struct giro_event_record event, outcome;
        cr_assert_eq(
            giro_event_record_next(recording->bytes, recording->size_bytes, &offset, &event),
            GIRO_REJECT_NONE);
        cr_assert_eq(
            giro_event_record_next(recording->bytes, recording->size_bytes, &offset, &outcome),
            GIRO_REJECT_NONE);
        *sequence = event.sequence;
        result = giro_replay_step(replay, &event, &outcome, difference);
    }
    free(mem);
    return result;
}

Test(node, a_recorded_life_runs_again_equal_and_a_changed_one_stops_where_it_was_changed)
{
    struct cluster *cluster = cluster_new(4, 77);
    struct member *self = &cluster->members[1];
    struct recording recording = {.bytes = calloc(1, RECORDING_BYTES)};
    struct giro_replay_difference difference;
    uint64_t sequence = 0;
    self->recording = &recording;
    self->options.recorder =
        (struct giro_recorder){&recording, on_begin, on_event, on_signature, on_outcome};
    for (uint32_t i = 0; i < 4; i++)
        cr_assert_eq(member_start(&cluster->members[i]), GIRO_ERR_OK);
    for (uint32_t life = 0; life < 2; life++) {
        for (uint32_t i = 0; i < 60; i++) {
            (void)submit(cluster, i % 4);
            run(cluster, 3000000);
        }
        cr_assert_gt(recording.sequence, 300u, "life %u", life);
        cr_assert_eq(replay(self, &sequence, &difference), GIRO_REPLAY_EQUAL,
                     "life %u event %lu action %u", life, sequence, difference.index);
        cr_assert_eq(sequence, recording.sequence);
        member_kill(self, false);
        if (life == 0)
            cr_assert_eq(member_start(self), GIRO_ERR_OK);
    }
    uint8_t *body = NULL;
    for (uint32_t row = 0; row < 2;
         row++) { /* an action that was another one; a signature of somebody else */
        struct giro_event_record_header *header = outcome_with(&recording, row == 1, &body);
        uint8_t *byte = row == 0 ? body + header->body_bytes - sizeof(struct giro_event_action)
                                 : body + sizeof(struct giro_event_outcome) + 40;
        *byte ^= 1;
        size_t offset = (size_t)((uint8_t *)header - recording.bytes);
        struct giro_event_record record;
        cr_assert_eq(
            giro_event_record_next(recording.bytes, recording.size_bytes, &offset, &record),
            GIRO_REJECT_CHECKSUM);
        header->checksum = giro_event_record_checksum(header, body);
        cr_assert_eq(replay(self, &sequence, &difference),
                     row == 0 ? GIRO_REPLAY_ACTION : GIRO_REPLAY_SIGNATURE, "row %u", row);
        cr_assert_eq(sequence, header->sequence, "row %u", row);
        *byte ^= 1;
        header->checksum = giro_event_record_checksum(header, body);
    }
    cr_assert_eq(replay(self, &sequence, &difference), GIRO_REPLAY_EQUAL);
    free(recording.bytes);
    cluster_free(cluster);
}
