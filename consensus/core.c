/* The consensus core: memory, one step, status. See internal.h for how a step is built. */
#include "consensus/evidence.h"
#include "consensus/internal.h"

/* ---- Memory ------------------------------------------------------------------------------------------- */

static bool options_good(const struct giro_consensus_options *options)
{
    return options->replica_count >= 1 && options->replica_count <= GIRO_REPLICAS_MAX &&
           options->self < options->replica_count && options->epoch >= 1 &&
           options->round_floor_ns > 0 && options->round_floor_ns <= GIRO_ROUND_TIMER_MAX_NS &&
           options->batch_ttl_ns / 20 >= options->clock_bound_ns &&
           options->blocks_max >= GIRO_BLOCKS_MIN && options->blocks_max <= GIRO_BLOCKS_MAX &&
           options->batches_max >= 4 * options->replica_count &&
           options->references_max <= GIRO_BLOCK_REFERENCES_MAX;
}

static size_t votes_bytes(const struct giro_consensus_options *options)
{
    return (size_t)GIRO_VOTE_ROUNDS * options->replica_count * sizeof(struct giro_vote_slot);
}

size_t giro_consensus_footprint(const struct giro_consensus_options *options)
{
    if (!options_good(options))
        return 0;
    const size_t count = options->replica_count;
    const size_t batches_bytes = giro_batches_footprint(options);
    const size_t certify_bytes = giro_certify_footprint(options);
    const size_t tree_bytes = giro_tree_footprint(options);
    if (batches_bytes == 0 || certify_bytes == 0 || tree_bytes == 0)
        return 0;
    return giro_align_up(sizeof(struct giro_consensus), 64) + giro_align_up(batches_bytes, 64) +
           giro_checkpoints_footprint(options) + giro_align_up(certify_bytes, 64) + tree_bytes +
           giro_align_up(votes_bytes(options), 64) +
           giro_align_up(count * sizeof(struct giro_leader_times), 64) +
           giro_align_up(count * sizeof(uint64_t), 64) +
           giro_align_up(count * sizeof(struct giro_timeout_header), 64) +
           giro_align_up(count * sizeof(struct giro_peer), 64) +
           giro_align_up(count * GIRO_REJECT_COUNT_OF_REASONS * sizeof(uint64_t), 64) +
           giro_align_up(giro_evidence_footprint(options->replica_count), 64) +
           (size_t)(GIRO_ORPHANS_MAX + 1) * giro_tree_slot_bytes(options->replica_count);
}

static void genesis_init(struct giro_consensus *core)
{
    struct giro_qc_header *const header = &core->genesis_qc.header;
    *header = (struct giro_qc_header){.head = giro_head_make(GIRO_KIND_QC),
                                      .epoch = core->env.options.epoch,
                                      .block_id = core->env.options.genesis_block_id,
                                      .scheme = GIRO_SCHEME_ED25519};
    core->high_qc = core->genesis_qc;
}

struct giro_consensus *giro_consensus_init(void *mem, size_t size_bytes,
                                           const struct giro_consensus_options *options)
{
    const size_t needed_bytes = giro_consensus_footprint(options);
    if (mem == NULL || needed_bytes == 0 || size_bytes < needed_bytes || options->ring == NULL ||
        options->vote_keys == NULL || options->batch_keys == NULL ||
        (options->batch_key == NULL && options->sign == NULL))
        return NULL;
    struct giro_arena arena;
    giro_arena_init(&arena, mem, needed_bytes);
    struct giro_consensus *const core = giro_arena_take(&arena, sizeof(*core), 64);
    GIRO_ASSERT(core != NULL);
    core->env.options = *options;
    core->env.faults = (options->replica_count - 1) / 3;
    core->env.quorum = options->replica_count - core->env.faults;
    if (GIRO_MUTANT_IS(QUORUM_ONE_TOO_SMALL))
        core->env.quorum--;
    core->env.recovering = true;
    core->env.peer = GIRO_PEER_ALL;
    core->env.next_log_sequence = 1;
    core->candidate = GIRO_NONE;
    core->next_due_ns = UINT64_MAX;
    giro_tree_init(&core->tree, &arena, options);
    giro_leader_window_init(&core->leaders, options->replica_count);
    giro_leader_window_init(&core->leaders_executed, options->replica_count);
    const size_t batches_bytes = giro_batches_footprint(options);
    const size_t certify_bytes = giro_certify_footprint(options);
    void *const batches_memory = giro_arena_take_raw(&arena, batches_bytes, 64);
    void *const certify_memory = giro_arena_take_raw(&arena, certify_bytes, 64);
    core->votes = giro_arena_take(&arena, votes_bytes(options), 64);
    core->peers = giro_arena_take(&arena, options->replica_count * sizeof(struct giro_peer), 64);
    core->env.peer_rejects = giro_arena_take(
        &arena, options->replica_count * GIRO_REJECT_COUNT_OF_REASONS * sizeof(uint64_t), 64);
    GIRO_ASSERT(core->env.peer_rejects != NULL);
    const size_t evidence_bytes = giro_evidence_footprint(options->replica_count);
    core->env.evidence = giro_evidence_init(giro_arena_take(&arena, evidence_bytes, 64),
                                            evidence_bytes, options->replica_count);
    GIRO_ASSERT(core->env.evidence != NULL);
    core->orphan_bytes =
        giro_arena_take_raw(&arena, (size_t)GIRO_ORPHANS_MAX * core->tree.slot_bytes, 64);
    core->build = giro_arena_take_raw(&arena, core->tree.slot_bytes, 64);
    giro_pace_init(core, &arena);
    giro_fetch_init(core);
    giro_checkpoints_init(&core->checkpoints, &arena, options);
    GIRO_ASSERT(batches_memory != NULL);
    GIRO_ASSERT(certify_memory != NULL);
    GIRO_ASSERT(core->build != NULL);
    core->batches = giro_batches_init(batches_memory, batches_bytes, &core->env);
    core->certify = giro_certify_init(certify_memory, certify_bytes, &core->env);
    GIRO_ASSERT(core->batches != NULL);
    GIRO_ASSERT(core->certify != NULL);
    for (uint32_t i = 0; i < options->replica_count; i++)
        core->peers[i].serve_tokens = GIRO_SERVE_BURST;
    genesis_init(core);
    giro_sync_envelope(core);
    giro_arena_seal(&arena);
    return core;
}

/* ---- Messages -------------------------------------------------------------------------------------------- */

static void on_not_found(struct giro_consensus *core, uint16_t sender, const uint8_t *body,
                         size_t size_bytes)
{
    struct giro_not_found answer;
    if (size_bytes != sizeof(answer)) {
        giro_env_reject(&core->env, size_bytes < sizeof(answer) ? GIRO_REJECT_TRUNCATED
                                                                : GIRO_REJECT_OVERSIZED);
        return;
    }
    memcpy(&answer, body, sizeof(answer));
    if (!giro_head_is(&answer.head, GIRO_KIND_NOT_FOUND))
        giro_env_reject(&core->env, GIRO_REJECT_KIND);
    else if (answer.wanted_kind == GIRO_KIND_BLOCK)
        giro_fetch_failed(core, sender);
    else if (answer.wanted_kind == GIRO_KIND_BATCH)
        giro_batches_on_not_found(core->batches, sender, &answer.id);
    else if (answer.wanted_kind != GIRO_KIND_CERTIFICATE)
        giro_env_reject(&core->env, GIRO_REJECT_FIELD);
}

static void on_halted(struct giro_consensus *core, uint16_t sender, const uint8_t *body,
                      size_t size_bytes)
{
    struct giro_halted said = {.height = 0};
    enum giro_reject reject = GIRO_REJECT_NONE;
    if (size_bytes != sizeof(said)) {
        reject = size_bytes < sizeof(said) ? GIRO_REJECT_TRUNCATED : GIRO_REJECT_OVERSIZED;
    } else {
        memcpy(&said, body, sizeof(said));
        if (!giro_head_is(&said.head, GIRO_KIND_HALTED))
            reject = GIRO_REJECT_KIND;
        else if (said.epoch != core->env.options.epoch)
            reject = GIRO_REJECT_EPOCH;
        else if (said.height == 0)
            reject = GIRO_REJECT_FIELD;
    }
    if (giro_env_reject(&core->env, reject) == GIRO_REJECT_NONE)
        core->peers[sender].halted_height = said.height;
}

static void body_route(struct giro_consensus *core, const struct giro_peer_envelope *envelope,
                       const uint8_t *body, size_t size_bytes)
{
    const uint16_t sender = envelope->sender;
    switch (envelope->body_kind) {
    case GIRO_KIND_PROPOSAL:
        giro_env_reject(&core->env,
                        giro_block_arrive(core, sender, body, size_bytes, GIRO_FROM_PROPOSAL));
        break;
    case GIRO_KIND_BLOCK:
        giro_env_reject(&core->env,
                        giro_fetch_credited(core, sender)
                            ? giro_block_arrive(core, sender, body, size_bytes, GIRO_FROM_FETCH)
                            : GIRO_REJECT_LIMIT);
        break;
    case GIRO_KIND_VOTE:
        giro_vote_on_message(core, sender, body, size_bytes);
        break;
    case GIRO_KIND_TIMEOUT:
        giro_timeout_on_message(core, sender, body, size_bytes);
        break;
    case GIRO_KIND_TC:
        giro_timeout_on_tc(core, body, size_bytes);
        break;
    case GIRO_KIND_SYNC:
        giro_sync_on_message(core, sender, body, size_bytes);
        break;
    case GIRO_KIND_FETCH_BLOCKS:
        giro_fetch_on_request(core, sender, body, size_bytes);
        break;
    case GIRO_KIND_NOT_FOUND:
        on_not_found(core, sender, body, size_bytes);
        break;
    case GIRO_KIND_HALTED:
        on_halted(core, sender, body, size_bytes);
        break;
    case GIRO_KIND_HELLO:
        giro_hello_on_message(core, envelope, body, size_bytes);
        break;
    case GIRO_KIND_BATCH:
        giro_batches_on_batch(core->batches, sender, body, size_bytes);
        break;
    case GIRO_KIND_BATCH_ACK:
        giro_batches_on_ack(core->batches, sender, body, size_bytes);
        break;
    case GIRO_KIND_BATCH_PROOF:
        giro_batches_on_proof(core->batches, sender, body, size_bytes);
        break;
    case GIRO_KIND_FETCH_BATCHES:
        giro_batches_on_fetch(core->batches, sender, body, size_bytes);
        break;
    case GIRO_KIND_COMMIT_VOTE:
        giro_certify_on_vote(core->certify, sender, body, size_bytes);
        break;
    case GIRO_KIND_CERTIFICATE:
        giro_certify_on_certificate(core->certify, sender, body, size_bytes);
        break;
    case GIRO_KIND_CHECKPOINT_VOTE:
        giro_checkpoint_on_vote(core, sender, body, size_bytes);
        break;
    case GIRO_KIND_CHECKPOINT:
        giro_checkpoint_on_checkpoint(core, sender, body, size_bytes);
        break;
    default:
        giro_env_reject(&core->env, GIRO_REJECT_KIND);
        break;
    }
}

static void on_message(struct giro_consensus *core, const struct giro_event *event)
{
    GIRO_ASSERT(core->started);
    struct giro_peer_envelope envelope;
    const uint8_t *const bytes = event->message.bytes;
    core->env.peer = event->message.sender;
    enum giro_reject reject =
        giro_peer_envelope_decode(bytes, event->message.size_bytes, &envelope);
    if (reject == GIRO_REJECT_NONE && event->message.size_bytes != envelope.size_bytes)
        reject = event->message.size_bytes < envelope.size_bytes ? GIRO_REJECT_TRUNCATED
                                                                 : GIRO_REJECT_OVERSIZED;
    if (reject == GIRO_REJECT_NONE && (envelope.sender != event->message.sender ||
                                       envelope.sender >= core->env.options.replica_count ||
                                       envelope.sender == core->env.options.self))
        reject = GIRO_REJECT_SIGNER;
    if (reject == GIRO_REJECT_NONE && envelope.epoch != core->env.options.epoch)
        reject = GIRO_REJECT_EPOCH;
    if (giro_env_reject(&core->env, reject) != GIRO_REJECT_NONE)
        return;
    body_route(core, &envelope, bytes + sizeof(envelope),
               event->message.size_bytes - sizeof(envelope));
    giro_sync_note(core, &envelope);
}

/* ---- The step -------------------------------------------------------------------------------------------- */

static void on_tick(struct giro_consensus *core)
{
    const uint64_t now_ns = core->env.now_ns;
    if (!core->started)
        return;
    giro_hello_tick(core);
    if (giro_batches_next_ns(core->batches) <= now_ns)
        giro_batches_on_tick(core->batches);
    if (giro_certify_next_ns(core->certify) <= now_ns)
        giro_certify_on_tick(core->certify);
    giro_checkpoint_tick(core);
}

static void on_durable(struct giro_consensus *core, uint64_t watermark)
{
    if (watermark <= core->env.watermark)
        return;
    GIRO_ASSERT(watermark < core->env.next_log_sequence);
    core->env.watermark = watermark;
    giro_batches_on_durable(core->batches);
    giro_certify_on_durable(core->certify);
}

static void route(struct giro_consensus *core, const struct giro_event *event)
{
    switch (event->kind) {
    case GIRO_EVENT_RECOVER_SAFETY:
        giro_recover_safety(core, event);
        break;
    case GIRO_EVENT_RECOVER_IMAGE:
        giro_checkpoint_recover(core, event);
        break;
    case GIRO_EVENT_RECOVER_RECORD:
        giro_recover_record(core, event);
        break;
    case GIRO_EVENT_START:
        giro_recover_start(core, event);
        break;
    case GIRO_EVENT_TICK:
        on_tick(core);
        break;
    case GIRO_EVENT_MESSAGE:
        on_message(core, event);
        break;
    case GIRO_EVENT_LOG_DURABLE:
        on_durable(core, event->log_durable.watermark);
        break;
    case GIRO_EVENT_SIGNED:
        giro_sign_on_signed(core, event);
        break;
    case GIRO_EVENT_LOCAL_BATCH:
        GIRO_ASSERT(core->started);
        if (!giro_batches_local(core->batches, event))
            giro_env_reject(&core->env, GIRO_REJECT_LIMIT);
        break;
    case GIRO_EVENT_VERDICT:
        giro_batches_on_verdict(core->batches, event);
        break;
    case GIRO_EVENT_EXECUTED:
        giro_execute_done(core, event);
        break;
    case GIRO_EVENT_CHECKPOINTED:
        giro_checkpoint_imaged(core, event);
        giro_evidence_again(core->env.evidence);
        break;
    }
}

/* Evidence outlives the part of the log it stands in: a few records a step are written anew after a checkpoint. */
#define EVIDENCE_A_STEP 4u
static void evidence_settle(struct giro_consensus *core)
{
    for (uint32_t i = 0; i < EVIDENCE_A_STEP && giro_env_room(&core->env) >= 8; i++) {
        uint32_t record_bytes = 0;
        const uint8_t *const record = giro_evidence_next(core->env.evidence, &record_bytes);
        if (record == NULL)
            return;
        giro_env_log(&core->env, GIRO_LOG_EVIDENCE_RECORD, &giro_hash_zero, 0, record,
                     record_bytes);
    }
}

/* What the event made possible, in a fixed order. */
static void settle(struct giro_consensus *core)
{
    if (core->started) {
        giro_orphans_settle(core);
        giro_vote_settle(core);
        giro_propose_settle(core);
        giro_vote_settle(core); /* for the block just proposed */
        giro_pace_settle(core);
        giro_sign_settle(core);
    }
    giro_execute_settle(core);
    if (core->started) {
        giro_fetch_settle(core);
        giro_checkpoint_settle(core);
        evidence_settle(core);
    }
    giro_sync_envelope(core);
}

struct giro_halted giro_halted_make(uint64_t epoch, const struct giro_halt *halt)
{
    struct giro_halted said = {
        .head = giro_head_make(GIRO_KIND_HALTED), .epoch = epoch, .height = halt->height};
    if (halt->has_own) {
        said.state_root = halt->own.state_root;
        said.ledger_root = halt->own.ledger_root;
    }
    return said;
}

/* certify.c gives the verdict: it stops the core, too, which keeps what is needed to find out why and tells the others. */
static void halt_notice(struct giro_consensus *core)
{
    const struct giro_halt *const verdict = giro_certify_halt(core->certify);
    if (verdict == NULL || core->halted)
        return;
    core->halted = true;
    core->env.may_sign = false;
    core->halt = *verdict;
    const uint32_t slot = giro_tree_committed_at(&core->tree, verdict->height);
    if (slot != GIRO_NONE && core->tree.proposals[slot].size_bytes > 0)
        core->halt.block = &core->tree.proposals[slot];
    struct giro_halted *const said =
        (struct giro_halted *)giro_env_scratch(&core->env, sizeof(struct giro_halted));
    if (said == NULL || giro_env_room(&core->env) == 0)
        return;
    *said = giro_halted_make(core->env.options.epoch, verdict);
    giro_env_send(&core->env, GIRO_PEER_ALL, GIRO_KIND_HALTED, said, sizeof(*said));
}

void giro_consensus_step(struct giro_consensus *core, const struct giro_event *event,
                         struct giro_actions *actions)
{
    GIRO_ASSERT(actions->scratch != NULL);
    GIRO_ASSERT(actions->scratch_bytes >= 4u * 1024u * 1024u);
    actions->count = 0;
    actions->scratch_used = 0;
    if (core->halted)
        return;
    core->env.actions = actions;
    core->env.peer = GIRO_PEER_ALL;
    core->env.now_ns = event->now_ns > core->env.now_ns ? event->now_ns : core->env.now_ns;
    core->env.wall_ns = event->wall_ns;
    core->tree.step++;
    route(core, event);
    core->env.peer = GIRO_PEER_ALL;
    halt_notice(core);
    if (!core->halted)
        settle(core);
    halt_notice(core);
    core->env.actions = NULL;
}

/* ---- Questions -------------------------------------------------------------------------------------------- */

uint64_t giro_consensus_next_ns(const struct giro_consensus *core)
{
    if (!core->started || core->halted)
        return UINT64_MAX;
    uint64_t next_ns = giro_pace_next_ns(core);
    const uint64_t others_ns[] = {
        giro_batches_next_ns(core->batches),
        giro_certify_next_ns(core->certify),
        core->hello.done ? UINT64_MAX : core->hello.repeat_ns,
        giro_checkpoint_next_ns(core),
        core->fetch.active ? core->fetch.deadline_ns : UINT64_MAX,
    };
    for (uint32_t i = 0; i < sizeof(others_ns) / sizeof(others_ns[0]); i++)
        next_ns = others_ns[i] < next_ns ? others_ns[i] : next_ns;
    return next_ns;
}

uint32_t giro_consensus_batch_room(const struct giro_consensus *core)
{
    return core->env.may_sign ? giro_batches_room(core->batches) : 0;
}

bool giro_consensus_ordering(const struct giro_consensus *core)
{
    return core->tree.pending_payload_count > 0;
}

uint32_t giro_consensus_own_in_flight(const struct giro_consensus *core)
{
    return giro_batches_own_in_flight(core->batches);
}

void giro_consensus_status(const struct giro_consensus *core, struct giro_consensus_status *status)
{
    const struct giro_tree *const tree = &core->tree;
    *status = core->env.counters;
    status->epoch = core->env.options.epoch;
    status->round = core->pace.round;
    status->high_qc_round = core->high_qc.header.round;
    status->committed_height = tree->committed_height;
    status->executed_height = tree->executed_height;
    status->certified_height = giro_certify_height(core->certify);
    status->no_quorum_height = giro_certify_no_quorum(core->certify);
    status->round_base_ns = core->pace.base_ns;
    status->checkpoint_height = core->checkpoints.newest.header.body.height;
    status->committed_time_ns = tree->blocks[tree->tip].time_ns;
    status->incarnation = core->safety.incarnation;
    status->starting = !core->started || !core->hello.done;
    status->observer = core->observer;
    status->halted = core->halted;
    memcpy(status->rejects, core->env.rejects, sizeof(status->rejects));
}

void giro_consensus_peer_rejects(const struct giro_consensus *core, uint32_t peer,
                                 uint64_t rejects[GIRO_REJECT_COUNT_OF_REASONS])
{
    GIRO_ASSERT(peer < core->env.options.replica_count);
    memcpy(rejects, core->env.peer_rejects + (size_t)peer * GIRO_REJECT_COUNT_OF_REASONS,
           GIRO_REJECT_COUNT_OF_REASONS * sizeof(uint64_t));
}

const struct giro_halt *giro_consensus_halt(const struct giro_consensus *core)
{
    return core->halted ? &core->halt : NULL;
}

uint64_t giro_consensus_peer_halted(const struct giro_consensus *core, uint32_t peer)
{
    GIRO_ASSERT(peer < core->env.options.replica_count);
    return core->peers[peer].halted_height;
}

uint32_t giro_consensus_evidence(const struct giro_consensus *core, uint32_t offender,
                                 struct giro_part records[GIRO_EVIDENCE_PER_REPLICA])
{
    const uint32_t count = giro_evidence_count(core->env.evidence, offender);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t record_bytes = 0;
        records[i].bytes = giro_evidence_at(core->env.evidence, offender, i, &record_bytes);
        records[i].size_bytes = record_bytes;
    }
    return count;
}

void giro_consensus_check(const struct giro_consensus *core)
{
    const struct giro_safety_state *const safety = &core->safety;
    giro_tree_check(&core->tree);
    giro_batches_check(core->batches);
    giro_certify_check_state(core->certify);
    GIRO_ASSERT(core->pace.round > core->high_qc.header.round);
    GIRO_ASSERT(core->pace.round > core->high_tc.header.round);
    GIRO_ASSERT(core->pace.round == core->high_qc.header.round + 1 ||
                core->pace.round == core->high_tc.header.round + 1);
    GIRO_ASSERT(core->timeouts.count < core->env.quorum || core->env.quorum == 1);
    GIRO_ASSERT(safety->last_timeout_round <= safety->last_voted_round);
    GIRO_ASSERT(safety->lock_round < safety->last_voted_round || safety->lock_round == 0);
    GIRO_ASSERT(core->own_vote.round <= safety->last_voted_round);
    GIRO_ASSERT(!core->env.may_sign || (core->started && core->hello.done));
    GIRO_ASSERT(!core->env.may_sign || (!core->observer && !core->halted));
    GIRO_ASSERT(giro_certify_height(core->certify) < UINT64_MAX);
    GIRO_ASSERT(core->leaders.height == core->tree.committed_height);
    GIRO_ASSERT(core->leaders_executed.height == core->tree.executed_height);
    for (uint32_t i = 0; i < GIRO_ORPHANS_MAX; i++)
        GIRO_ASSERT(!core->orphans[i].used || core->orphans[i].size_bytes <= core->tree.slot_bytes);
}
