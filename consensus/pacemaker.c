/* Rounds and their timer. A round is entered on a QC or a TC only. The timer runs while there is something to order, so
 * an idle chain is quiet and a leader that ignores what waits is noticed. */
#include "consensus/internal.h"

void giro_pace_init(struct giro_consensus *core, struct giro_arena *arena)
{
    const uint32_t count = core->env.options.replica_count;
    core->pace.leaders = giro_arena_take(arena, count * sizeof(struct giro_leader_times), 64);
    core->pace.sorted = giro_arena_take(arena, count * sizeof(uint64_t), 64);
    core->timeouts.headers = giro_arena_take(arena, count * sizeof(struct giro_timeout_header), 64);
    GIRO_ASSERT(core->pace.leaders != NULL);
    GIRO_ASSERT(core->pace.sorted != NULL);
    GIRO_ASSERT(core->timeouts.headers != NULL);
    core->pace.round = 1;
    core->pace.proposer = GIRO_NONE;
    core->pace.base_ns = core->env.options.round_floor_ns;
    core->pace.commit_base_ns = core->pace.base_ns;
}

/* 4 x the q-th smallest of the leaders' p99 round times: f slow leaders cannot raise it. A leader without a sample
 * counts as fast. */
static void base_compute(struct giro_consensus *core)
{
    struct giro_pace *const pace = &core->pace;
    const uint32_t count = core->env.options.replica_count;
    const uint64_t floor_ns = core->env.options.round_floor_ns;
    for (uint32_t i = 0; i < count; i++) {
        const uint64_t value_ns = pace->leaders[i].p99_ns;
        uint32_t at = i;
        for (; at > 0 && pace->sorted[at - 1] > value_ns; at--)
            pace->sorted[at] = pace->sorted[at - 1];
        pace->sorted[at] = value_ns;
    }
    const uint64_t most_ns = floor_ns * GIRO_BASE_FLOORS_MAX;
    const uint64_t quantile_ns = pace->sorted[core->env.quorum - 1];
    uint64_t base_ns = quantile_ns > most_ns ? most_ns : 4 * quantile_ns;
    if (base_ns < floor_ns)
        base_ns = floor_ns;
    if (base_ns > most_ns)
        base_ns = most_ns;
    pace->base_ns = base_ns;
}

static void sample_add(struct giro_consensus *core, uint32_t leader, uint64_t time_ns)
{
    struct giro_leader_times *const times = &core->pace.leaders[leader];
    times->samples_ns[times->next] = time_ns;
    times->next = (times->next + 1) % GIRO_ROUND_SAMPLES;
    if (times->count < GIRO_ROUND_SAMPLES)
        times->count++;
    /* Nearest rank: with so few samples the 99th percentile is the largest. */
    uint64_t largest_ns = 0;
    for (uint32_t i = 0; i < times->count; i++) {
        if (times->samples_ns[i] > largest_ns)
            largest_ns = times->samples_ns[i];
    }
    if (largest_ns != times->p99_ns) {
        times->p99_ns = largest_ns;
        base_compute(core);
    }
}

/* Whose time it was. Where all see all votes, the round lasted until the block of its leader was certified. Where votes go to
 * two leaders, the others enter a round with the proposal that opens it, and what took so long was its author. */
void giro_pace_enter(struct giro_consensus *core, uint64_t round, uint32_t certified)
{
    struct giro_pace *const pace = &core->pace;
    GIRO_ASSERT(round > pace->round);
    const bool opened = core->env.options.replica_count > GIRO_VOTE_ALL_MAX &&
                        pace->proposer != GIRO_NONE && certified != GIRO_NONE;
    const uint32_t leader = opened ? pace->proposer : certified;
    if (leader != GIRO_NONE && pace->running && round == pace->round + 1)
        sample_add(core, leader, core->env.now_ns - pace->started_ns);
    pace->round = round;
    pace->running = false;
    pace->repeat_ns = 0;
    pace->proposed = false;
    pace->unsent = false;
    pace->announced = false;
    pace->nudged = false;
    if (core->timeouts.count > 0)
        memset(core->timeouts.headers, 0,
               core->env.options.replica_count * sizeof(struct giro_timeout_header));
    core->timeouts.count = 0;
    core->own_timeout_made = false;
    core->own_timeout_signed = false;
    /* A block is put into the tree just before the certificates inside it are taken: its QC and then its TC. */
    if (core->candidate != GIRO_NONE && core->tree.blocks[core->candidate].round < round)
        core->candidate = GIRO_NONE;
    giro_sync_envelope(core);
}

/* Certified blocks above the last commit: only what q replicas voted for can make this grow. */
static uint64_t chain_length(const struct giro_consensus *core)
{
    const uint32_t slot = giro_tree_find(&core->tree, &core->high_qc.header.block_id);
    if (slot == GIRO_NONE || core->tree.blocks[slot].height <= core->tree.committed_height)
        return 0;
    return core->tree.blocks[slot].height - core->tree.committed_height;
}

void giro_pace_committed(struct giro_consensus *core)
{
    core->pace.commit_round = core->pace.round;
    core->pace.commit_base_ns = core->pace.base_ns;
}

/* How often the back-off may multiply. Eight times; then once more for each turn of all leaders without a commit, which says
 * that the timer, not they, is at fault. Blocks that are certified in rounds that do not follow one another commit nothing and
 * fill the pool, which cannot let go of them: timers that are below the round trip would fill it. So the back-off goes on with
 * the length of that chain, too. */
static uint64_t steps_max(const struct giro_consensus *core, uint64_t rounds)
{
    const uint64_t length = chain_length(core);
    const uint64_t turns = rounds > GIRO_BACKOFF_MAX
                               ? (rounds - GIRO_BACKOFF_MAX) / core->env.options.replica_count
                               : 0;
    return GIRO_BACKOFF_MAX + turns +
           (length > GIRO_CHAIN_USUAL ? (length - GIRO_CHAIN_USUAL) / GIRO_CHAIN_STEP : 0);
}

/* The back-off multiplies what T_base was at the last commit. A T_base that rose since then was measured in rounds that this very
 * back-off made long enough: multiplied again, one silent leader would cost ten seconds. */
uint64_t giro_pace_timer_ns(const struct giro_consensus *core)
{
    const struct giro_pace *const pace = &core->pace;
    GIRO_ASSERT(pace->round >= pace->commit_round);
    const uint64_t rounds = pace->round - pace->commit_round;
    const uint64_t steps = steps_max(core, rounds);
    uint64_t timer_ns = pace->commit_base_ns;
    for (uint64_t i = 0; i < rounds && i < steps; i++) {
        if (timer_ns >= GIRO_ROUND_TIMER_MAX_NS)
            break;
        timer_ns += timer_ns / 2;
    }
    timer_ns = timer_ns > pace->base_ns ? timer_ns : pace->base_ns;
    return timer_ns < GIRO_ROUND_TIMER_MAX_NS ? timer_ns : GIRO_ROUND_TIMER_MAX_NS;
}

static bool work_waits(struct giro_consensus *core)
{
    if (core->tree.pending_payload_count > 0)
        return true;
    return giro_propose_due(core, core->tree.tip) || giro_propose_proof_waits(core);
}

static uint64_t nudge_at(const struct giro_consensus *core)
{
    const struct giro_pace *const pace = &core->pace;
    return pace->running && !pace->nudged ? pace->started_ns + giro_pace_timer_ns(core) / 2
                                          : UINT64_MAX;
}

/* Half of the timer is gone. No proposal here, though a QC started the round: perhaps faulty voters kept it from the leader,
 * and who has it sends it before the round is lost. Or what ended the round passed this replica by, and a peer that says it
 * committed more is asked. */
static void nudge(struct giro_consensus *core)
{
    const uint32_t self = core->env.options.self;
    core->pace.nudged = true;
    if (core->candidate == GIRO_NONE && core->high_qc.header.round + 1 == core->pace.round &&
        core->high_qc.header.round != 0) {
        const uint32_t leader = giro_leader_now(core);
        if (leader != GIRO_NONE && leader != self)
            giro_sync_tell(core, (uint16_t)leader);
    }
    for (uint32_t i = 1; i < core->env.options.replica_count; i++) {
        const uint32_t peer = (self + i) % core->env.options.replica_count;
        if (core->peers[peer].committed_height <= core->tree.committed_height)
            continue;
        giro_sync_ask(core, (uint16_t)peer);
        return;
    }
}

/* When the timeout is sent again: after the timer, then after twice as long each time. */
static uint64_t repeat_ns(struct giro_pace *pace, uint64_t timer_ns)
{
    const uint64_t most_ns = timer_ns > GIRO_REPEAT_MAX_NS ? timer_ns : GIRO_REPEAT_MAX_NS;
    const uint64_t twice_ns = 2 * pace->repeat_ns;
    pace->repeat_ns = twice_ns < timer_ns ? timer_ns : twice_ns;
    pace->repeat_ns = pace->repeat_ns < most_ns ? pace->repeat_ns : most_ns;
    return pace->repeat_ns;
}

void giro_pace_settle(struct giro_consensus *core)
{
    struct giro_pace *const pace = &core->pace;
    if (!work_waits(core)) {
        pace->running = false;
        return;
    }
    if (!pace->running) {
        pace->running = true;
        pace->started_ns = core->env.now_ns;
        pace->deadline_ns = core->env.now_ns + giro_pace_timer_ns(core);
        return;
    }
    if (core->env.now_ns >= nudge_at(core))
        nudge(core);
    if (core->env.now_ns < pace->deadline_ns)
        return;
    pace->deadline_ns = core->env.now_ns + repeat_ns(pace, giro_pace_timer_ns(core));
    if (core->env.may_sign) {
        giro_timeout_make(core);
    } else if (core->env.options.replica_count > 1) {
        /* Nobody answers a timeout this replica may not sign: it asks instead. */
        const uint32_t step = (uint32_t)(core->env.now_ns % (core->env.options.replica_count - 1));
        giro_sync_ask(core, (uint16_t)((core->env.options.self + 1 + step) %
                                       core->env.options.replica_count));
    }
}

/* The monotonic time at which the wall clock will show wall_ns, by what both showed at the last event. */
static uint64_t monotonic_of(const struct giro_env *env, uint64_t wall_ns)
{
    GIRO_ASSERT(wall_ns > env->wall_ns);
    const uint64_t wait_ns = wall_ns - env->wall_ns;
    return wait_ns < UINT64_MAX - env->now_ns ? env->now_ns + wait_ns : UINT64_MAX;
}

uint64_t giro_pace_next_ns(const struct giro_consensus *core)
{
    const struct giro_env *const env = &core->env;
    uint64_t next_ns = core->pace.running ? core->pace.deadline_ns : UINT64_MAX;
    const uint64_t nudge_ns = nudge_at(core);
    next_ns = nudge_ns < next_ns ? nudge_ns : next_ns;
    if (core->next_due_ns != UINT64_MAX && core->next_due_ns > env->wall_ns) {
        const uint64_t due_ns = monotonic_of(env, core->next_due_ns);
        next_ns = due_ns < next_ns ? due_ns : next_ns;
    }
    if (core->candidate != GIRO_NONE && core->candidate_open && env->may_sign) {
        /* A block from a clock ahead of ours can be voted for when it is inside the window. */
        const uint64_t time_ns = core->tree.blocks[core->candidate].time_ns;
        const uint64_t bound_ns = env->options.clock_bound_ns;
        if (time_ns > bound_ns && time_ns - bound_ns > env->wall_ns) {
            const uint64_t vote_ns = monotonic_of(env, time_ns - bound_ns);
            next_ns = vote_ns < next_ns ? vote_ns : next_ns;
        }
    }
    return next_ns;
}
