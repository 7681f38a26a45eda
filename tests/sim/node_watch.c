/* The judge: every block on the wire is known here, every honest vote is judged by the rule of voting, every commit by the
 * votes that were cast, every height by who executed it first. None of it uses the code of consensus/. */
#include <stdlib.h>
#include <xxhash.h>

#include "sim/node.h"

#define BLOCKS_MAX        (1u << 17)
#define PLAIN_LEADERS_MAX 128u /* up to this height everybody leads in turn */

void sim_node_watch_open(struct sim_world *world)
{
    struct sim_nodes *nodes = world->nodes;
    struct giro_map_options options = {.capacity = 4096, .key_bytes = GIRO_HASH_BYTES, .seed = 1};
    size_t size_bytes = giro_map_footprint(&options);
    nodes->block_map =
        giro_map_init(sim_memory(aligned_alloc(64, size_bytes)), size_bytes, &options);
    nodes->batch_map =
        giro_map_init(sim_memory(aligned_alloc(64, size_bytes)), size_bytes, &options);
}

void sim_node_watch_close(struct sim_world *world)
{
    struct sim_nodes *nodes = world->nodes;
    for (uint32_t i = 0; i < nodes->block_count; i++)
        free(nodes->blocks[i].bytes);
    free(nodes->blocks);
    free(nodes->heights);
    free(nodes->good_certs);
    free(nodes->block_map);
    free(nodes->batch_map);
}

/* A map twice as large with the same entries. values[i] is the number filed under the i-th key. */
static struct giro_map *map_grow(struct giro_map *old, uint32_t capacity,
                                 const struct sim_watched_block *blocks, uint32_t count)
{
    struct giro_map_options options = {
        .capacity = capacity, .key_bytes = GIRO_HASH_BYTES, .seed = 1};
    size_t size_bytes = giro_map_footprint(&options);
    struct giro_map *map =
        giro_map_init(sim_memory(aligned_alloc(64, size_bytes)), size_bytes, &options);
    for (uint32_t i = 0; i < count; i++) {
        bool stored = giro_map_put(map, &blocks[i].id, i);
        GIRO_ASSERT(stored);
    }
    free(old);
    return map;
}

struct sim_watched_block *sim_block_find(struct sim_world *world, const struct giro_hash *id)
{
    uint32_t at = giro_map_get(world->nodes->block_map, id);
    return at == GIRO_NONE ? NULL : &world->nodes->blocks[at];
}

/* ---- Blocks --------------------------------------------------------------------------------------------- */

static struct sim_watched_block *block_add(struct sim_world *world,
                                           const struct giro_proposal *proposal)
{
    struct sim_nodes *nodes = world->nodes;
    if (nodes->block_count == BLOCKS_MAX) {
        sim_fail(world, "more than %u blocks", BLOCKS_MAX);
        return NULL;
    }
    if (nodes->block_count == nodes->block_room) {
        nodes->block_room = nodes->block_room == 0 ? 256 : 2 * nodes->block_room;
        nodes->blocks =
            sim_memory(realloc(nodes->blocks, nodes->block_room * sizeof(*nodes->blocks)));
        if (nodes->block_room > 4096)
            nodes->block_map =
                map_grow(nodes->block_map, nodes->block_room, nodes->blocks, nodes->block_count);
    }
    uint32_t at = nodes->block_count++;
    struct sim_watched_block *block = &nodes->blocks[at];
    *block = (struct sim_watched_block){.id = proposal->block_id,
                                        .parent_id = proposal->block.parent_id,
                                        .round = proposal->block.round,
                                        .height = proposal->block.height,
                                        .time_ns = proposal->block.time_ns,
                                        .qc_round = proposal->qc.header.round,
                                        .certified_height = proposal->block.certified_height,
                                        .reference_count = proposal->block.reference_count,
                                        .has_tc = proposal->has_tc,
                                        .size_bytes = proposal->size_bytes};
    if (proposal->has_tc) {
        block->tc_round = proposal->tc.header.round;
        block->tc_high_round = proposal->tc.high_qc.header.round;
    }
    block->bytes = sim_memory(malloc(proposal->size_bytes));
    memcpy(block->bytes, proposal->bytes, proposal->size_bytes);
    bool stored = giro_map_put(nodes->block_map, &block->id, at);
    GIRO_ASSERT(stored);
    sim_lore_note(world, &proposal->qc, proposal->has_tc ? &proposal->tc : NULL);
    return block;
}

static void block_witness(struct sim_replica *replica, const uint8_t *body, uint32_t body_bytes)
{
    struct sim_world *world = replica->world;
    static struct giro_proposal proposal;
    struct giro_proposal_header header;
    struct giro_batch_reference references[GIRO_BLOCK_REFERENCES_MAX];
    /* Cheap first: most proposals on the wire are known. */
    if (body_bytes < sizeof(header))
        return;
    memcpy(&header, body, sizeof(header));
    size_t references_bytes = header.block.reference_count * sizeof(references[0]);
    if (header.block.reference_count > GIRO_BLOCK_REFERENCES_MAX ||
        body_bytes < sizeof(header) + references_bytes)
        return;
    memcpy(references, body + sizeof(header), references_bytes);
    struct giro_hash id = giro_block_id(&header.block, references);
    if (sim_block_find(world, &id) != NULL)
        return;
    if (giro_proposal_decode(body, body_bytes, world->replica_count, &proposal) == GIRO_REJECT_NONE)
        block_add(world, &proposal);
}

/* ---- Votes: the rule, judged once per block ------------------------------------------------------------- */

static const char *block_fault(struct sim_world *world, const struct sim_watched_block *block)
{
    static struct giro_proposal proposal;
    if (giro_proposal_decode(block->bytes, block->size_bytes, world->replica_count, &proposal) !=
        GIRO_REJECT_NONE)
        return "that does not decode";
    const struct sim_watched_block *parent = sim_block_find(world, &block->parent_id);
    /* Above, who leads depends on who was active. */
    if (block->height <= PLAIN_LEADERS_MAX &&
        proposal.block.author != block->round % world->replica_count)
        return "whose author does not lead the round";
    bool genesis = block->qc_round == 0;
    if (!sim_qc_good(world, &proposal.qc))
        return "whose QC is not signed by a quorum";
    if (proposal.has_tc && !sim_tc_good(world, &proposal.tc))
        return "whose TC is not signed by a quorum";
    if (!giro_hash_equal(&proposal.qc.header.block_id, &block->parent_id))
        return "whose QC is not its parent's";
    bool consecutive = block->round == block->qc_round + 1;
    bool after_timeout = block->has_tc && block->round == block->tc_round + 1 &&
                         block->qc_round >= block->tc_high_round;
    if (!consecutive && !after_timeout)
        return "that neither follows its QC nor its TC";
    if (!genesis && parent == NULL)
        return "whose parent nobody sent";
    if (parent != NULL &&
        (block->height != parent->height + 1 || block->time_ns <= parent->time_ns))
        return "that does not fit its parent";
    if (genesis && block->height != 1)
        return "of another height than 1 on genesis";
    if (block->reference_count > 0 &&
        block->height > block->certified_height + GIRO_CERTIFIED_LAG_MAX)
        return "with payload too far above what is certified";
    if (proposal.has_certificate && !sim_certificate_good(world, &proposal.certificate))
        return "whose certificate is not signed by a quorum";
    for (uint32_t i = 0; i < block->reference_count; i++) {
        if (proposal.references[i].expiry_ns < block->time_ns)
            return "with an expired batch";
        if (!sim_proof_good(world, &proposal.references[i], proposal.proofs[i],
                            proposal.proof_bytes[i]))
            return "with a batch that a quorum did not acknowledge";
    }
    return NULL;
}

/* Blocks up to this one are committable: enough honest replicas voted for a block that commits it. */
static void committable_mark(struct sim_world *world, const struct giro_hash *id)
{
    struct sim_watched_block *block = sim_block_find(world, id);
    while (block != NULL && !block->committable) {
        block->committable = true;
        block = sim_block_find(world, &block->parent_id);
    }
}

static void vote_witness(struct sim_replica *replica, const uint8_t *body, uint32_t body_bytes)
{
    struct sim_world *world = replica->world;
    struct giro_reader reader;
    struct giro_vote vote;
    giro_reader_init(&reader, body, body_bytes);
    if (giro_vote_decode(&reader, world->replica_count, &vote) != GIRO_REJECT_NONE)
        return;
    struct sim_watched_block *block = sim_block_find(world, &vote.block_id);
    if (block == NULL) {
        sim_fail(world, "replica %u votes for a block nobody sent", replica->index);
        return;
    }
    uint64_t *word = &block->voters[replica->index / 64], bit = UINT64_C(1) << replica->index % 64;
    if ((*word & bit) != 0)
        return;
    *word |= bit;
    if (!block->judged) {
        block->judged = true;
        world->nodes->judged++;
        const char *fault = block_fault(world, block);
        if (fault != NULL)
            sim_fail(world, "replica %u votes in round %lu for a block %s", replica->index,
                     (unsigned long)vote.round, fault);
    }
    bool commits = block->round == block->qc_round + 1 && block->qc_round > 0;
    if (vote.parent_round != block->qc_round || vote.round != block->round ||
        giro_hash_is_zero(&vote.commit_id) == (block->round == block->qc_round + 1) ||
        (commits && !giro_hash_equal(&vote.commit_id, &block->parent_id)))
        sim_fail(world, "the vote of replica %u in round %lu does not fit its block",
                 replica->index, (unsigned long)vote.round);
    /* A QC has q voters, of whom f may be anybody; above 16 replicas a leader's own vote is not sent. */
    uint32_t needed = world->quorum - world->faulty_max - (world->replica_count > 16 ? 1 : 0);
    uint32_t voters = 0;
    for (uint32_t i = 0; i < SIM_VOTERS_WORDS; i++)
        voters += (uint32_t)__builtin_popcountll(block->voters[i]);
    if (commits && voters >= needed)
        committable_mark(world, &block->parent_id);
}

/* ---- Certificates that honest replicas pass on ------------------------------------------------------------- */

static void demand(struct sim_replica *replica, bool good, const char *what)
{
    if (!good)
        sim_fail(replica->world, "replica %u passes on %s that a quorum did not sign",
                 replica->index, what);
}

static void timeout_witness(struct sim_replica *replica, const uint8_t *body, uint32_t body_bytes)
{
    static struct giro_timeout timeout;
    struct giro_reader reader;
    giro_reader_init(&reader, body, body_bytes);
    if (giro_timeout_decode(&reader, replica->world->replica_count, &timeout) != GIRO_REJECT_NONE)
        return;
    demand(replica, sim_qc_good(replica->world, &timeout.high_qc), "a QC");
    sim_lore_note(replica->world, &timeout.high_qc,
                  timeout.header.has_last_tc ? &timeout.last_tc : NULL);
    if (timeout.header.has_last_tc)
        demand(replica, sim_tc_good(replica->world, &timeout.last_tc), "a TC");
}

static void sync_witness(struct sim_replica *replica, const uint8_t *body, uint32_t body_bytes)
{
    static struct giro_qc qc;
    static struct giro_tc tc;
    struct giro_sync_header header;
    struct giro_reader reader;
    uint32_t n = replica->world->replica_count;
    giro_reader_init(&reader, body, body_bytes);
    if (!giro_reader_copy(&reader, &header, sizeof(header)))
        return;
    if (header.qc_bytes > 0 && giro_qc_decode(&reader, n, &qc) == GIRO_REJECT_NONE)
        demand(replica, sim_qc_good(replica->world, &qc), "a QC");
    if (header.tc_bytes > 0 && giro_tc_decode(&reader, n, &tc) == GIRO_REJECT_NONE)
        demand(replica, sim_tc_good(replica->world, &tc), "a TC");
}

static void tc_witness(struct sim_replica *replica, const uint8_t *body, uint32_t body_bytes)
{
    static struct giro_tc tc;
    struct giro_reader reader;
    giro_reader_init(&reader, body, body_bytes);
    if (giro_tc_decode(&reader, replica->world->replica_count, &tc) == GIRO_REJECT_NONE)
        demand(replica, sim_tc_good(replica->world, &tc), "a TC");
    sim_lore_note(replica->world, NULL, &tc);
}

/* An acknowledgement promises that the body is durable, a commit vote that the roots are: I3, now and then. */
static void promise_witness(struct sim_replica *replica, uint16_t kind, const uint8_t *body,
                            uint32_t body_bytes)
{
    struct sim_world *world = replica->world;
    struct giro_reader reader;
    if (sim_between(world, 0, 4 * world->scan_every - 1) != 0)
        return;
    giro_reader_init(&reader, body, body_bytes);
    if (kind == GIRO_KIND_BATCH_ACK) {
        static struct giro_batch_ack ack;
        if (giro_batch_ack_decode(&reader, world->replica_count, &ack) == GIRO_REJECT_NONE)
            sim_watch_log(replica, GIRO_LOG_BATCH_RECORD, &ack.ids[0], "an acknowledgement");
        return;
    }
    struct giro_commit_vote vote;
    if (giro_commit_vote_decode(&reader, world->replica_count, &vote) != GIRO_REJECT_NONE)
        return;
    struct giro_commit_body roots = vote.body;
    roots.head = (struct giro_head){0};
    struct giro_hash id = giro_sha256(&roots, sizeof(roots));
    struct giro_node_images_status images;
    giro_node_images_status(sim_node_of(replica)->node, &images);
    if (roots.height <= images.kept_height)
        return; /* the image stands for it, and the log was cut */
    sim_watch_log(replica, GIRO_LOG_ROOTS_RECORD, &id, "a commit vote");
}

void sim_node_witness(struct sim_replica *replica, uint16_t body_kind, const uint8_t *body,
                      uint32_t body_bytes)
{
    if (body_kind == GIRO_KIND_PROPOSAL || body_kind == GIRO_KIND_BLOCK)
        block_witness(replica, body, body_bytes);
    sim_lore_message(replica->world, body_kind, body, body_bytes);
    if (sim_excused(replica))
        return;
    if (body_kind == GIRO_KIND_VOTE)
        vote_witness(replica, body, body_bytes);
    else if (body_kind == GIRO_KIND_TIMEOUT)
        timeout_witness(replica, body, body_bytes);
    else if (body_kind == GIRO_KIND_SYNC)
        sync_witness(replica, body, body_bytes);
    else if (body_kind == GIRO_KIND_TC)
        tc_witness(replica, body, body_bytes);
    else if (body_kind == GIRO_KIND_BATCH_ACK || body_kind == GIRO_KIND_COMMIT_VOTE)
        promise_witness(replica, body_kind, body, body_bytes);
}

/* ---- Commits and certificates of heights -------------------------------------------------------------------- */

static struct sim_height *height_at(struct sim_world *world, uint64_t height)
{
    struct sim_nodes *nodes = world->nodes;
    if (height >= nodes->height_room) {
        uint64_t room = height * 2 + 256;
        nodes->heights = sim_memory(realloc(nodes->heights, room * sizeof(*nodes->heights)));
        memset(nodes->heights + nodes->height_room, 0,
               (room - nodes->height_room) * sizeof(*nodes->heights));
        nodes->height_room = room;
    }
    return &nodes->heights[height];
}

/* I6 and I8 when a height is executed for the first time. */
static void first_execution(struct sim_world *world, const struct giro_proposal *proposal)
{
    struct sim_watched_block *block = sim_block_find(world, &proposal->block_id);
    if (block == NULL || !block->committable)
        sim_fail(world, "I6: height %lu is committed without a chain of quorums",
                 (unsigned long)proposal->block.height);
    for (uint32_t i = 0; i < proposal->block.reference_count; i++) {
        const struct giro_hash *id = &proposal->references[i].batch_id;
        uint32_t before = giro_map_get(world->nodes->batch_map, id);
        if (before != GIRO_NONE)
            sim_fail(world, "I8: the batch of height %lu was executed at height %u",
                     (unsigned long)proposal->block.height, before);
        else if (!giro_map_put(world->nodes->batch_map, id, (uint32_t)proposal->block.height))
            return; /* the table is full: the frames of the others are still executed once */
    }
}

void sim_node_watch_execute(struct sim_replica *replica, const struct giro_proposal *proposal,
                            const struct giro_hash *root)
{
    struct sim_world *world = replica->world;
    uint64_t height = proposal->block.height, digest;
    struct sim_height *known = height_at(world, height);
    memcpy(&digest, root->bytes, sizeof(digest));
    sim_trace(world, "execute", replica->instance, height, digest);
    if (known->known) {
        if (!giro_hash_equal(&known->block_id, &proposal->block_id))
            sim_fail(world, "I1: replica %u commits another block at height %lu", replica->instance,
                     (unsigned long)height);
        else if (!giro_hash_equal(&known->root, root))
            sim_fail(world, "I8: replica %u has another root at height %lu", replica->instance,
                     (unsigned long)height);
        return;
    }
    known->known = true;
    known->block_id = proposal->block_id;
    known->root = *root;
    if (height > world->top_height)
        world->top_height = height;
    first_execution(world, proposal);
}

void sim_node_watch_certificate(struct sim_replica *replica,
                                const struct giro_certificate *certificate)
{
    struct sim_world *world = replica->world;
    const struct giro_commit_body *body = &certificate->header.body;
    struct sim_height *height = height_at(world, body->height);
    if (!height->known || !giro_hash_equal(&height->block_id, &body->block_id) ||
        !giro_hash_equal(&height->root, &body->state_root))
        sim_fail(world, "I8: replica %u has a certificate of height %lu over other roots",
                 replica->instance, (unsigned long)body->height);
    if (!sim_certificate_good(world, certificate))
        sim_fail(world, "I3: the certificate of height %lu is not signed by a quorum",
                 (unsigned long)body->height);
    if (body->height <= world->nodes->top_certified || sim_excused(replica))
        return;
    world->nodes->top_certified = body->height;
    sim_clients_certified(world, body->height);
}
