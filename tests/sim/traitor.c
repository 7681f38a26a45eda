/* A traitor: a real node whose messages pass through here. Some are withheld, late, changed, replaced, doubled with others
 * that say the opposite, all signed with its own keys. One or two nodes may run under one traitor's key (twins). */
#include "sim/node.h"

#define LATE_MAX_NS (400 * SIM_MS)

struct letter {
    struct sim_world *world;
    uint32_t from;
    uint16_t peer;
    struct giro_peer_envelope envelope;
    const uint8_t *body;
    uint32_t body_bytes;
};

static bool addressed(const struct letter *letter, uint32_t to)
{
    const struct sim_world *world = letter->world;
    uint32_t index = world->replicas[to].index;
    return index != world->replicas[letter->from].index &&
           (letter->peer == GIRO_PEER_ALL || letter->peer == index);
}

static void emit(const struct letter *letter, uint32_t to, uint16_t body_kind, const void *body,
                 uint32_t body_bytes, uint64_t extra_ns)
{
    static uint8_t bytes[GIRO_PEER_BYTES_MAX];
    struct giro_peer_envelope envelope = letter->envelope;
    if (body_bytes > sizeof(bytes) - sizeof(envelope))
        return;
    envelope.body_kind = body_kind;
    envelope.size_bytes = (uint32_t)sizeof(envelope) + body_bytes;
    memcpy(bytes, &envelope, sizeof(envelope));
    memcpy(bytes + sizeof(envelope), body, body_bytes);
    sim_send_to(letter->world, letter->from, to, bytes, envelope.size_bytes, extra_ns);
}

/* To about half of those it is addressed to; the kind's generator chooses. */
static void emit_some(const struct letter *letter, enum sim_fault fault, uint16_t body_kind,
                      const void *body, uint32_t body_bytes)
{
    struct sim_world *world = letter->world;
    sim_node_witness(&world->replicas[letter->from], body_kind, body, body_bytes);
    for (uint32_t to = 0; to < world->instance_count; to++) {
        if (addressed(letter, to) && sim_fault_between(world, fault, 0, 1) == 0)
            emit(letter, to, body_kind, body, body_bytes, 0);
    }
}

/* ---- Proposals --------------------------------------------------------------------------------------- */

/* Sends a made-up proposal, and a vote for it, to some. True: the honest one stays away this time. */
static bool forged_proposal(const struct letter *letter, enum sim_fault fault,
                            enum sim_forgery forgery)
{
    static uint8_t out[SIM_FORGE_MAX];
    struct sim_world *world = letter->world;
    uint32_t index = world->replicas[letter->from].index;
    struct giro_vote vote;
    uint32_t size_bytes = sim_forge_proposal(world, index, forgery, fault, letter->body,
                                             letter->body_bytes, out, &vote);
    if (size_bytes == 0)
        return false;
    if (forgery == SIM_FORGE_SECOND) {
        world->nodes->lore->second_id = vote.block_id;
        world->nodes->lore->second_round = vote.round;
    }
    emit_some(letter, fault, GIRO_KIND_PROPOSAL, out, size_bytes);
    emit_some(letter, fault, GIRO_KIND_VOTE, &vote, sizeof(vote));
    return sim_fault_between(world, fault, 0, 2) == 0;
}

static bool proposal_attack(const struct letter *letter)
{
    struct sim_world *world = letter->world;
    bool instead = false;
    if (sim_fault_hit(world, SIM_FAULT_EQUIVOCATE, 500))
        instead |= forged_proposal(letter, SIM_FAULT_EQUIVOCATE, SIM_FORGE_SECOND);
    if (sim_fault_hit(world, SIM_FAULT_STALE, 400))
        instead |=
            forged_proposal(letter, SIM_FAULT_STALE,
                            sim_fault_between(world, SIM_FAULT_STALE, 0, 3) == 0 ? SIM_FORGE_NO_TC
                                                                                 : SIM_FORGE_STALE);
    if (sim_fault_hit(world, SIM_FAULT_BACKDATE, 300))
        instead |= forged_proposal(letter, SIM_FAULT_BACKDATE, SIM_FORGE_TIME);
    if (sim_fault_hit(world, SIM_FAULT_BAD_BATCH, 150))
        instead |= forged_proposal(letter, SIM_FAULT_BAD_BATCH,
                                   sim_fault_between(world, SIM_FAULT_BAD_BATCH, 0, 1) == 0
                                       ? SIM_FORGE_NO_PROOF
                                       : SIM_FORGE_TWICE);
    if (sim_fault_hit(world, SIM_FAULT_FORGE, 300))
        instead |= forged_proposal(letter, SIM_FAULT_FORGE,
                                   sim_fault_between(world, SIM_FAULT_FORGE, 0, 1) == 0
                                       ? SIM_FORGE_LYING_TC
                                       : SIM_FORGE_FALSE_QC);
    return instead;
}

/* ---- Votes, certificates, batches ---------------------------------------------------------------------- */

/* A second vote in the round: for the other block if there is one, else for a block that does not exist. */
static void second_vote(const struct letter *letter)
{
    struct sim_world *world = letter->world;
    struct giro_vote vote;
    if (letter->body_bytes != sizeof(vote) || !sim_fault_hit(world, SIM_FAULT_DOUBLE_VOTE, 500))
        return;
    memcpy(&vote, letter->body, sizeof(vote));
    if (world->nodes->lore->second_round == vote.round)
        vote.block_id = world->nodes->lore->second_id;
    else
        vote.block_id.bytes[0] ^= 1;
    sim_forge_vote_sign(world, world->replicas[letter->from].index, &vote);
    emit_some(letter, SIM_FAULT_DOUBLE_VOTE, GIRO_KIND_VOTE, &vote, sizeof(vote));
}

/* Whoever leads: the block voted for, under the traitor's name. */
static void usurp(const struct letter *letter)
{
    struct sim_world *world = letter->world;
    struct giro_vote vote;
    if (letter->body_bytes != sizeof(vote))
        return;
    memcpy(&vote, letter->body, sizeof(vote));
    const struct sim_watched_block *block = sim_block_find(world, &vote.block_id);
    if (block == NULL || world->nodes->lore->usurped_round == vote.round ||
        !sim_fault_hit(world, SIM_FAULT_EQUIVOCATE, 200))
        return;
    world->nodes->lore->usurped_round = vote.round;
    struct letter other = *letter;
    other.body = block->bytes;
    other.body_bytes = block->size_bytes;
    other.peer = GIRO_PEER_ALL;
    forged_proposal(&other, SIM_FAULT_EQUIVOCATE, SIM_FORGE_USURP);
}

static bool certificate_attack(const struct letter *letter)
{
    static uint8_t out[SIM_FORGE_MAX];
    struct sim_world *world = letter->world;
    if (!sim_fault_hit(world, SIM_FAULT_FORGE, 250))
        return false;
    uint32_t size_bytes =
        sim_forge_certificate(world, world->replicas[letter->from].index,
                              letter->envelope.body_kind, letter->body, letter->body_bytes, out);
    if (size_bytes == 0)
        return false;
    emit_some(letter, SIM_FAULT_FORGE, letter->envelope.body_kind, out, size_bytes);
    return sim_fault_between(world, SIM_FAULT_FORGE, 0, 1) == 0;
}

/* Another body under the same sequence, a frame whose signature does not hold, or the body for a few only. True: the honest
 * body stays away. */
static bool batch_attack(const struct letter *letter)
{
    static uint8_t out[GIRO_BATCH_BYTES_MAX];
    struct sim_world *world = letter->world;
    if (letter->body_bytes > sizeof(out) || letter->body_bytes < GIRO_BATCH_FIRST + 64 ||
        !sim_fault_hit(world, SIM_FAULT_BAD_BATCH, 400))
        return false;
    memcpy(out, letter->body, letter->body_bytes);
    uint64_t what = sim_fault_between(world, SIM_FAULT_BAD_BATCH, 0, 3);
    if (what == 0)
        out[24] ^= 1; /* created_ns: another id */
    else if (what == 1)
        out[letter->body_bytes - 1] ^= 1; /* the last frame's signature */
    uint32_t copies = what == 2 ? 8 : 1;  /* spam: many bodies that only differ in their time */
    for (uint32_t i = 0; i < copies; i++) {
        if (what == 2)
            out[25] = (uint8_t)i;
        emit_some(letter, SIM_FAULT_BAD_BATCH, GIRO_KIND_BATCH, out, letter->body_bytes);
    }
    return what == 3;
}

static bool hello_read(const struct sim_world *world, const uint8_t *body, uint32_t body_bytes,
                       struct giro_hello *hello)
{
    struct giro_reader reader;
    giro_reader_init(&reader, body, body_bytes);
    return giro_hello_decode(&reader, world->replica_count, hello) == GIRO_REJECT_NONE &&
           giro_reader_left(&reader) == 0;
}

/* An answer to a restarted replica that hides what it signed, or would have it believe that it signed more. True: sent. */
static bool hello_attack(const struct letter *letter)
{
    struct sim_world *world = letter->world;
    struct giro_hello hello;
    uint8_t out[sizeof(hello)];
    if (!hello_read(world, letter->body, letter->body_bytes, &hello) || hello.header.answer != 1 ||
        !sim_fault_hit(world, SIM_FAULT_LIE_HELLO, 800))
        return false;
    const uint32_t index = world->replicas[letter->from].index;
    sim_forge_hello_parts(world, index, &hello);
    const uint32_t size_bytes = sim_forge_hello(world, index, &hello, out);
    for (uint32_t to = 0; to < world->instance_count; to++) {
        if (addressed(letter, to))
            emit(letter, to, GIRO_KIND_HELLO, out, size_bytes, 0);
    }
    return true;
}

static void replay(const struct letter *letter)
{
    struct sim_world *world = letter->world;
    struct sim_lore *lore = world->nodes->lore;
    uint32_t known =
        lore->message_count < SIM_LORE_MESSAGES ? lore->message_count : SIM_LORE_MESSAGES;
    if (known == 0 || !sim_fault_hit(world, SIM_FAULT_REPLAY, 150))
        return;
    uint64_t at = sim_fault_between(world, SIM_FAULT_REPLAY, 0, known - 1);
    if (lore->messages[at].kind == GIRO_KIND_HELLO)
        return; /* a question of another's would only be refused */
    static uint8_t
        copy[SIM_LORE_BYTES_MAX]; /* what is sent is noted again, perhaps in this place */
    uint32_t size_bytes = lore->messages[at].size_bytes;
    memcpy(copy, lore->messages[at].bytes, size_bytes);
    emit_some(letter, SIM_FAULT_REPLAY, lore->messages[at].kind, copy, size_bytes);
}

/* ---- One message ----------------------------------------------------------------------------------------- */

static uint64_t lie(struct sim_world *world, uint64_t value)
{
    uint64_t what = sim_fault_between(world, SIM_FAULT_LIE_SYNC, 0, 4);
    if (what == 0)
        return 0;
    if (what == 1)
        return UINT64_MAX - sim_fault_between(world, SIM_FAULT_LIE_SYNC, 0, 3);
    if (what == 2)
        return value + sim_fault_between(world, SIM_FAULT_LIE_SYNC, 1, 2000);
    return what == 3 ? value / 2 : value;
}

static void envelope_lie(struct letter *letter)
{
    struct giro_peer_envelope *envelope = &letter->envelope;
    if (!sim_fault_hit(letter->world, SIM_FAULT_LIE_SYNC, 300))
        return;
    envelope->round = lie(letter->world, envelope->round);
    envelope->high_qc_round = lie(letter->world, envelope->high_qc_round);
    envelope->high_tc_round = lie(letter->world, envelope->high_tc_round);
    envelope->committed_height = lie(letter->world, envelope->committed_height);
    envelope->certified_height = lie(letter->world, envelope->certified_height);
}

static void garbage(const struct letter *letter, uint32_t to)
{
    uint8_t bytes[512];
    struct giro_prng *prng = &letter->world->fault_prng[SIM_FAULT_GARBAGE];
    uint32_t size_bytes = (uint32_t)sim_draw(prng, 0, sizeof(bytes));
    giro_prng_fill(prng, bytes, size_bytes);
    if (size_bytes >= 8 && giro_prng_chance(prng, 1, 2)) /* behind a head that is right */
        memcpy(bytes, letter->body, letter->body_bytes < 8 ? letter->body_bytes : 8);
    emit(letter, to, letter->envelope.body_kind, bytes, size_bytes, 0);
}

/* How long a slow traitor keeps a proposal: as the seed says, or (0) as long as it may be without a timeout, by the round
 * timers that the others have now. */
static uint64_t slow_by(const struct sim_world *world)
{
    uint64_t least_ns = UINT64_MAX;
    if (world->nodes->lore->slow_ns > 0)
        return world->nodes->lore->slow_ns;
    for (uint32_t i = 0; i < world->replica_count; i++) {
        struct giro_consensus_status status;
        if (!world->replicas[i].up || sim_excused(&world->replicas[i]))
            continue;
        world->body->status(&world->replicas[i], &status);
        least_ns = status.round_base_ns < least_ns ? status.round_base_ns : least_ns;
    }
    return least_ns == UINT64_MAX ? 0 : least_ns * 7 / 10;
}

static void deliver_own(const struct letter *letter)
{
    struct sim_world *world = letter->world;
    uint16_t kind = letter->envelope.body_kind;
    bool vote = kind == GIRO_KIND_VOTE || kind == GIRO_KIND_TIMEOUT;
    uint32_t only = GIRO_NONE;
    const bool votes_kept = world->nodes->lore != NULL && world->nodes->lore->votes_kept;
    if (vote && votes_kept && sim_fault_hit(world, SIM_FAULT_WITHHOLD, 1000))
        return;
    if (vote && sim_fault_hit(world, SIM_FAULT_ONE_SIDED, 500))
        only = sim_victim(world, SIM_FAULT_ONE_SIDED);
    for (uint32_t to = 0; to < world->instance_count; to++) {
        uint64_t extra_ns = 0;
        if (!addressed(letter, to) || (only != GIRO_NONE && world->replicas[to].index != only) ||
            (!votes_kept && sim_fault_hit(world, SIM_FAULT_WITHHOLD, 200)))
            continue;
        if (sim_fault_hit(world, SIM_FAULT_LATE, 200))
            extra_ns = sim_fault_between(world, SIM_FAULT_LATE, 1, LATE_MAX_NS);
        if (kind == GIRO_KIND_PROPOSAL && sim_fault_hit(world, SIM_FAULT_SLOW_LEADER, 1000))
            extra_ns += slow_by(world);
        if (sim_fault_hit(world, SIM_FAULT_GARBAGE, 60))
            garbage(letter, to);
        emit(letter, to, kind, letter->body, letter->body_bytes, extra_ns);
    }
}

void sim_traitor_send(struct sim_world *world, uint32_t from, uint16_t peer, const uint8_t *bytes,
                      uint32_t size_bytes)
{
    static uint8_t body[GIRO_PEER_BYTES_MAX]; /* bytes are reused by what is sent meanwhile */
    struct letter letter = {.world = world,
                            .from = from,
                            .peer = peer,
                            .body = body,
                            .body_bytes = size_bytes - (uint32_t)sizeof(letter.envelope)};
    memcpy(&letter.envelope, bytes, sizeof(letter.envelope));
    memcpy(body, bytes + sizeof(letter.envelope), letter.body_bytes);
    uint16_t kind = letter.envelope.body_kind;
    bool instead = false;
    if (world->nodes->lore == NULL) {
        deliver_own(&letter);
        return;
    }
    envelope_lie(&letter);
    if (kind == GIRO_KIND_PROPOSAL)
        instead = proposal_attack(&letter);
    else if (kind == GIRO_KIND_VOTE) {
        second_vote(&letter);
        usurp(&letter);
    } else if (kind == GIRO_KIND_SYNC || kind == GIRO_KIND_TIMEOUT || kind == GIRO_KIND_TC)
        instead = certificate_attack(&letter);
    else if (kind == GIRO_KIND_BATCH)
        instead = batch_attack(&letter);
    else if (kind == GIRO_KIND_HELLO)
        instead = hello_attack(&letter);
    replay(&letter);
    if (!instead)
        deliver_own(&letter);
}

/* A traitor does not ask whether it may sign: answers to its question bring nothing it signed. */
uint32_t sim_traitor_hear(struct sim_world *world, uint32_t to, uint8_t *bytes, uint32_t size_bytes)
{
    struct giro_peer_envelope envelope;
    struct giro_hello hello;
    if (!hello_read(world, bytes + sizeof(envelope), size_bytes - (uint32_t)sizeof(envelope),
                    &hello) ||
        hello.header.answer != 1 || hello.header.subject != world->replicas[to].index)
        return size_bytes;
    memcpy(&envelope, bytes, sizeof(envelope));
    hello.header.parts = 0;
    envelope.size_bytes =
        (uint32_t)sizeof(envelope) +
        sim_forge_hello(world, hello.header.answerer, &hello, bytes + sizeof(envelope));
    memcpy(bytes, &envelope, sizeof(envelope));
    return envelope.size_bytes;
}
