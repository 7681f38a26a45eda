/* Sync info: five numbers ride on every message. A peer that is behind is sent our high QC and TC, one that is ahead is
 * asked for its own; both at most once per interval and peer. The same QC and TC again: each time after twice the wait, for
 * behind a long wire a peer looks behind until what it was told has arrived. A peer that waits, level in rounds, with blocks that
 * are committed here is sent the QC that committed them: where one of a later round took its place before all had it (two blocks
 * on one parent, the second after a TC), it is in no other message, and a quiet chain makes no new one. */
#include "consensus/internal.h"

#define SYNC_INTERVAL_MIN_NS 5000000ull
#define SYNC_INTERVAL_MAX_NS 50000000ull
#define SYNC_SAME_MAX_NS     500000000ull
#define SYNC_BYTES_MAX                                                                             \
    (sizeof(struct giro_sync_header) + GIRO_QC_BYTES_MAX + sizeof(struct giro_tc))

static uint64_t interval_ns(const struct giro_consensus *core)
{
    const uint64_t quarter_ns = core->env.options.round_floor_ns / 4;
    if (quarter_ns < SYNC_INTERVAL_MIN_NS)
        return SYNC_INTERVAL_MIN_NS;
    return quarter_ns < SYNC_INTERVAL_MAX_NS ? quarter_ns : SYNC_INTERVAL_MAX_NS;
}

void giro_sync_envelope(struct giro_consensus *core)
{
    struct giro_peer_envelope *const envelope = &core->env.envelope;
    envelope->head = giro_head_make(GIRO_KIND_PEER);
    envelope->sender = (uint16_t)core->env.options.self;
    envelope->epoch = core->env.options.epoch;
    envelope->round = core->pace.round;
    envelope->high_qc_round = core->high_qc.header.round;
    envelope->high_tc_round = core->high_tc.header.round;
    envelope->committed_height = core->tree.committed_height;
    envelope->certified_height = giro_certify_height(core->certify);
}

static uint64_t later(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static uint64_t own_round(const struct giro_consensus *core)
{
    return later(core->high_qc.header.round, core->high_tc.header.round);
}

/* tc: NULL for none. */
static void sync_send(struct giro_consensus *core, uint16_t peer, const struct giro_qc *qc,
                      const struct giro_tc *tc)
{
    uint8_t *const bytes = giro_env_scratch(&core->env, SYNC_BYTES_MAX);
    if (bytes == NULL || giro_env_room(&core->env) < 4)
        return;
    struct giro_sync_header header = {.head = giro_head_make(GIRO_KIND_SYNC)};
    struct giro_writer writer;
    giro_writer_init(&writer, bytes, SYNC_BYTES_MAX);
    giro_writer_reserve(&writer, sizeof(header));
    giro_qc_encode(qc, &writer);
    header.qc_bytes = (uint32_t)(writer.offset - sizeof(header));
    if (tc != NULL)
        giro_tc_encode(tc, &writer);
    header.tc_bytes = (uint32_t)(writer.offset - sizeof(header) - header.qc_bytes);
    GIRO_ASSERT(!writer.failed);
    memcpy(bytes, &header, sizeof(header));
    giro_env_send(&core->env, peer, GIRO_KIND_SYNC, bytes, writer.offset);
}

static void highest_send(struct giro_consensus *core, uint16_t peer)
{
    const bool has_tc = core->high_tc.header.round > core->high_qc.header.round;
    sync_send(core, peer, &core->high_qc, has_tc ? &core->high_tc : NULL);
}

void giro_sync_announce(struct giro_consensus *core)
{
    highest_send(core, GIRO_PEER_ALL);
}

void giro_sync_tell(struct giro_consensus *core, uint16_t peer)
{
    struct giro_peer *const state = &core->peers[peer];
    GIRO_ASSERT(peer != core->env.options.self);
    const uint64_t qc_round = core->high_qc.header.round;
    const uint64_t tc_round = core->high_tc.header.round;
    const bool same = state->told_qc_round == qc_round && state->told_tc_round == tc_round;
    const uint64_t wait_ns = same ? state->tell_wait_ns : interval_ns(core);
    if (core->env.now_ns - state->told_ns < wait_ns)
        return;
    state->told_qc_round = qc_round;
    state->told_tc_round = tc_round;
    state->told_ns = core->env.now_ns;
    state->tell_wait_ns = 2 * wait_ns < SYNC_SAME_MAX_NS ? 2 * wait_ns : SYNC_SAME_MAX_NS;
    highest_send(core, peer);
}

static void commit_tell(struct giro_consensus *core, uint16_t peer)
{
    struct giro_peer *const state = &core->peers[peer];
    if (core->commit_qc.header.round == 0 || core->env.now_ns < state->commit_next_ns)
        return;
    state->commit_next_ns = core->env.now_ns + SYNC_SAME_MAX_NS;
    sync_send(core, peer, &core->commit_qc, NULL);
}

void giro_sync_ask(struct giro_consensus *core, uint16_t peer)
{
    GIRO_ASSERT(peer < core->env.options.replica_count);
    struct giro_peer *const state = &core->peers[peer];
    if (peer == core->env.options.self || core->env.now_ns < state->ask_next_ns)
        return;
    uint8_t *const bytes = giro_env_scratch(&core->env, sizeof(struct giro_sync_header));
    if (bytes == NULL || giro_env_room(&core->env) < 4)
        return;
    const struct giro_sync_header header = {.head = giro_head_make(GIRO_KIND_SYNC)};
    memcpy(bytes, &header, sizeof(header));
    state->ask_next_ns = core->env.now_ns + interval_ns(core);
    giro_env_send(&core->env, peer, GIRO_KIND_SYNC, bytes, sizeof(header));
}

/* giro_sync_note compares a peer's numbers with ours, after its message was handled. One round of difference is the usual
 * case between two votes and not worth a message, unless the peer says it is waiting: a timeout or a question. */
void giro_sync_note(struct giro_consensus *core, const struct giro_peer_envelope *envelope)
{
    struct giro_peer *const peer = &core->peers[envelope->sender];
    GIRO_ASSERT(envelope->sender != core->env.options.self);
    peer->committed_height = envelope->committed_height;
    const uint64_t theirs = later(envelope->high_qc_round, envelope->high_tc_round);
    const uint64_t ours = own_round(core);
    const bool waiting =
        envelope->body_kind == GIRO_KIND_TIMEOUT || envelope->body_kind == GIRO_KIND_SYNC;
    const uint64_t ahead = ours > theirs ? ours - theirs : 0;
    const uint64_t behind = theirs > ours ? theirs - ours : 0;
    if (ahead > (waiting ? 0u : 1u))
        giro_sync_tell(core, envelope->sender);
    else if (envelope->body_kind == GIRO_KIND_TIMEOUT &&
             envelope->committed_height < core->tree.committed_height)
        commit_tell(core, envelope->sender);
    /* The last QC before quiet may be missing here: the peer's commit votes say so. */
    const bool missed = behind == 1 && envelope->body_kind == GIRO_KIND_COMMIT_VOTE &&
                        envelope->committed_height > core->tree.committed_height &&
                        !core->pace.running;
    if (behind > 1 || missed)
        giro_sync_ask(core, envelope->sender);
}

static enum giro_reject sync_decode(struct giro_consensus *core, const uint8_t *body,
                                    size_t size_bytes, struct giro_sync_header *header)
{
    const uint32_t count = core->env.options.replica_count;
    struct giro_reader reader;
    giro_reader_init(&reader, body, size_bytes);
    if (!giro_reader_copy(&reader, header, sizeof(*header)))
        return GIRO_REJECT_TRUNCATED;
    if (!giro_head_is(&header->head, GIRO_KIND_SYNC))
        return GIRO_REJECT_KIND;
    if (header->reserved != 0)
        return GIRO_REJECT_RESERVED;
    const uint64_t said_bytes = (uint64_t)header->qc_bytes + header->tc_bytes;
    if (giro_reader_left(&reader) != said_bytes)
        return giro_reader_left(&reader) < said_bytes ? GIRO_REJECT_TRUNCATED
                                                      : GIRO_REJECT_OVERSIZED;
    enum giro_reject reject = GIRO_REJECT_NONE;
    const size_t start = reader.offset;
    if (header->qc_bytes != 0)
        reject = giro_qc_decode(&reader, count, &core->timeout_in.high_qc);
    if (reject == GIRO_REJECT_NONE && reader.offset - start != header->qc_bytes)
        reject = GIRO_REJECT_OVERSIZED;
    if (reject == GIRO_REJECT_NONE && header->tc_bytes != 0)
        reject = giro_tc_decode(&reader, count, &core->timeout_in.last_tc);
    if (reject == GIRO_REJECT_NONE && giro_reader_left(&reader) != 0)
        reject = GIRO_REJECT_OVERSIZED;
    return reject;
}

static bool commits_more(const struct giro_tree *tree, const struct giro_qc *qc)
{
    const uint32_t slot = giro_tree_find(tree, &qc->header.commit_id);
    return slot != GIRO_NONE && tree->blocks[slot].state == GIRO_BLOCK_PENDING;
}

void giro_sync_on_message(struct giro_consensus *core, uint16_t sender, const uint8_t *body,
                          size_t size_bytes)
{
    GIRO_ASSERT(sender < core->env.options.replica_count);
    struct giro_sync_header header;
    enum giro_reject reject = sync_decode(core, body, size_bytes, &header);
    const struct giro_qc *const qc = &core->timeout_in.high_qc;
    const struct giro_tc *const tc = &core->timeout_in.last_tc;
    /* Only what is newer, or commits what is not committed here, is worth the signatures. */
    if (reject == GIRO_REJECT_NONE && header.qc_bytes != 0 &&
        (qc->header.round > core->high_qc.header.round || commits_more(&core->tree, qc))) {
        reject = GIRO_MUTANT_IS(SYNC_NOT_VERIFIED) ? GIRO_REJECT_NONE : giro_qc_check(core, qc);
        if (reject == GIRO_REJECT_NONE)
            giro_qc_take(core, qc, false);
    }
    if (reject == GIRO_REJECT_NONE && header.tc_bytes != 0 && tc->header.round > own_round(core)) {
        reject = GIRO_MUTANT_IS(SYNC_NOT_VERIFIED) ? GIRO_REJECT_NONE : giro_tc_check(core, tc);
        if (reject == GIRO_REJECT_NONE)
            giro_tc_take(core, tc, false);
    }
    giro_env_reject(&core->env, reject);
}
