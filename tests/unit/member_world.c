#include "member_world.h"

#include <stdlib.h>

#include <criterion/criterion.h>

#include "member/sender.h"

#define FLYING_MAX 65536u
#define WALL_NS    (UINT64_C(1800000000) * GIRO_NS_PER_S)
#define PART_BYTES 1000u

struct world_datagram {
    uint64_t at_ns;
    uint16_t replica;
    bool up;
    uint32_t size_bytes;
    uint8_t *bytes;
};

struct giro_courier_time world_time(const struct world *world)
{
    return (struct giro_courier_time){.mono_ns = world->now_ns, .wall_ns = WALL_NS + world->now_ns};
}

/* ---- The network ------------------------------------------------------------------------------------- */

static void fly(struct world *world, uint16_t replica, bool up, const uint8_t *bytes, uint32_t size)
{
    if (size > world->path_bytes || giro_prng_chance(&world->prng, world->loss_per_mille, 1000))
        return;
    if (!up && world->sent != NULL) {
        world->sent(world->sent_context, replica, bytes, size);
        return;
    }
    uint32_t copies = 1 + giro_prng_chance(&world->prng, world->double_per_mille, 1000);
    for (uint32_t i = 0; i < copies; i++) {
        cr_assert(world->flying_count < FLYING_MAX);
        struct world_datagram *datagram = &world->flying[world->flying_count++];
        uint64_t span = world->delay_max_ns - world->delay_min_ns + 1;
        *datagram = (struct world_datagram){.at_ns = world->now_ns + world->delay_min_ns +
                                                     giro_prng_below(&world->prng, span),
                                            .replica = replica,
                                            .up = up,
                                            .size_bytes = size,
                                            .bytes = malloc(size)};
        memcpy(datagram->bytes, bytes, size);
        world->datagrams++;
    }
}

/* ---- Receipts and proofs -------------------------------------------------------------------------------- */

static struct giro_result result_of(const struct world_frame *frame, uint32_t record)
{
    return (struct giro_result){.status = record % 3 == 2 ? GIRO_STATUS_RJCT : GIRO_STATUS_ACSC,
                                .reason = record % 3 == 2 ? GIRO_REASON_AM04 : 0,
                                .cycle = (uint32_t)frame->sequence};
}

static struct world_frame *frame_find(struct world *world, uint16_t member, uint16_t channel,
                                      uint64_t sequence)
{
    for (uint32_t i = 0; i < world->frame_count; i++)
        if (world->frames[i].member == member && world->frames[i].channel == channel &&
            world->frames[i].sequence == sequence)
            return &world->frames[i];
    return NULL;
}

static bool in_ledger(const struct world *world, const struct world_frame *frame)
{
    return frame != NULL && world->now_ns >= frame->certified_ns &&
           (frame->outcome == GIRO_OUTCOME_EXECUTED || frame->outcome == GIRO_OUTCOME_DUPLICATE);
}

/* asked: from the ledger; else of the copy that came. */
static uint32_t receipt_make(const struct world *world, const struct world_replica *replica,
                             struct world_frame *frame, bool certified, bool asked, uint8_t *out)
{
    uint8_t outcome = world->suspended && !asked ? GIRO_OUTCOME_REFUSED : frame->outcome;
    if (asked && replica->swallows == WORLD_LIE_EXECUTED)
        outcome = GIRO_OUTCOME_EXECUTED;
    struct giro_receipt_item item = {
        .sequence = frame->sequence,
        .frame_hash = frame->hash,
        .height = certified ? frame->height : WALL_NS + world->now_ns + 20000000000u,
        .channel = frame->channel,
        .level = certified ? GIRO_LEVEL_CERTIFIED : GIRO_LEVEL_DURABLE};
    if (certified && replica->denies)
        outcome = GIRO_OUTCOME_REFUSED;
    if (certified && frame->not_consumed < world->not_consumed_first) {
        frame->not_consumed++;
        outcome = GIRO_OUTCOME_NOT_CONSUMED;
    }
    item.outcome = certified ? outcome : 0;
    bool runs =
        certified && (outcome == GIRO_OUTCOME_EXECUTED || outcome == GIRO_OUTCOME_DUPLICATE);
    item.run_count = runs ? frame->record_count : 0;
    memcpy(out, &item, sizeof(item));
    for (uint32_t i = 0; i < item.run_count; i++) {
        struct giro_receipt_run run = {.count = 1, .result = result_of(frame, i)};
        if (replica->lies_results)
            run.result = (struct giro_result){.status = GIRO_STATUS_ACSC, .cycle = 1};
        memcpy(out + sizeof(item) + i * sizeof(run), &run, sizeof(run));
    }
    return (uint32_t)(sizeof(item) + item.run_count * sizeof(struct giro_receipt_run));
}

/* A block of three leaves with the frame in the middle, certified by q replicas. */
static size_t proof_make(const struct world *world, const struct world_frame *frame, bool forged,
                         uint8_t *out, size_t size)
{
    const struct giro_genesis *genesis = &world->hub.genesis;
    uint8_t leaf[8 + sizeof(struct giro_leaf_frame) + 8 * GIRO_FRAME_RECORDS_MAX];
    struct giro_leaf_frame header = {.height = frame->height,
                                     .index = 1,
                                     .member = frame->member,
                                     .channel = frame->channel,
                                     .sequence = frame->sequence,
                                     .frame_hash = frame->hash,
                                     .outcome = GIRO_OUTCOME_EXECUTED,
                                     .record_count = frame->record_count};
    size_t leaf_bytes = 8 + sizeof(header);
    memcpy(leaf, GIRO_TAG_LEAF_FRAME, 8);
    memcpy(leaf + 8, &header, sizeof(header));
    for (uint32_t i = 0; i < frame->record_count; i++, leaf_bytes += sizeof(struct giro_result)) {
        struct giro_result result = result_of(frame, i);
        memcpy(leaf + leaf_bytes, &result, sizeof(result));
    }
    struct giro_hash leaves[3] = {giro_sha256("a", 1), giro_leaf_hash(leaf, leaf_bytes),
                                  giro_sha256("b", 1)};
    struct giro_hash copy[3], path[GIRO_PROOF_PATH_MAX];
    memcpy(copy, leaves, sizeof(copy));
    uint32_t path_count = giro_merkle_path(copy, 3, 1, path);
    struct giro_certificate certificate = {
        .header = {.body = {.head = giro_head_make(GIRO_KIND_CERTIFICATE),
                            .epoch = 1,
                            .height = frame->height,
                            .ledger_root = giro_merkle_root(frame->height, leaves, 3)},
                   .scheme = GIRO_SCHEME_ED25519,
                   .signer_count = (uint8_t)giro_genesis_quorum(genesis)}};
    uint8_t message[GIRO_COMMIT_MESSAGE_BYTES];
    size_t bytes = giro_commit_message(&genesis->chain_id, &certificate.header.body, message);
    for (uint32_t i = 0; i < certificate.header.signer_count; i++) {
        struct giro_secret_key *key = hub_key(genesis->replicas[i].name, "batch", 1);
        giro_bitmap_set(certificate.header.bitmap, i);
        certificate.signatures[i] = giro_sign(key, message, bytes);
        giro_key_free(key);
    }
    if (forged) /* other results, the same root: the path leads elsewhere */
        leaf[8 + sizeof(header)] = GIRO_STATUS_RJCT;
    return giro_proof_encode(frame->height, 1, 3, leaf, (uint32_t)leaf_bytes, path, path_count,
                             &certificate, out, size);
}

/* ---- A replica ------------------------------------------------------------------------------------------ */

static void say(struct world *world, uint16_t number, struct world_session *session,
                struct giro_writer *writer, uint8_t *out)
{
    uint64_t credit = session->session.window.next + world->credit_ahead;
    bool put = giro_session_put_ack(writer, &session->session.window, credit, 0);
    cr_assert(put);
    uint64_t lowest = session->session.send_number > 1024 ? session->session.send_number - 1024 : 0;
    uint32_t size = giro_session_seal(&session->session, lowest, out, (uint32_t)writer->offset);
    cr_assert(size > 0);
    fly(world, number, false, out, size);
}

static void swallow(const struct world *world, enum world_lie lie, const struct giro_frame *frame,
                    const struct giro_hash *hash, struct giro_writer *writer)
{
    const struct giro_session_refuse later = {.sequence = frame->header.sequence,
                                              .channel = frame->header.channel,
                                              .reason = GIRO_REJECT_LIMIT,
                                              .wait_ms = UINT32_MAX};
    if (lie == WORLD_LIE_LATER) {
        cr_assert(giro_session_put(writer, GIRO_SESSION_REFUSE, &later, sizeof(later)));
        return;
    }
    struct {
        struct giro_receipt_item item;
        struct giro_receipt_run run;
    } told = {.item = {.sequence = frame->header.sequence,
                       .frame_hash = *hash,
                       .height = world->height + 1,
                       .channel = frame->header.channel,
                       .level = GIRO_LEVEL_CERTIFIED,
                       .outcome = GIRO_OUTCOME_OLD},
              .run = {.count = frame->header.record_count,
                      .result = {.status = GIRO_STATUS_ACSC, .cycle = 1}}};
    size_t size = sizeof(told.item);
    if (lie == WORLD_LIE_DURABLE) {
        told.item.level = GIRO_LEVEL_DURABLE;
        told.item.outcome = GIRO_OUTCOME_NONE;
        told.item.height = UINT64_MAX / 4; /* ordered in a hundred years */
    } else if (lie == WORLD_LIE_EXECUTED) {
        told.item.outcome = GIRO_OUTCOME_EXECUTED;
        told.item.run_count = 1;
        size = sizeof(told);
    }
    cr_assert(giro_session_put(writer, GIRO_SESSION_RECEIPT, &told, (uint32_t)size));
}

static void on_frame(struct world *world, uint16_t number, struct world_session *session,
                     const struct giro_session_block *block, uint64_t datagram,
                     struct giro_writer *writer)
{
    struct world_replica *replica = &world->replicas[number];
    struct giro_frame frame;
    cr_assert(giro_frame_decode(block->bytes, block->size_bytes, world->hub.genesis.chain_prefix,
                                &frame) == GIRO_REJECT_NONE);
    cr_assert(frame.header.member == session->member);
    struct giro_session_refuse refuse = {.sequence = frame.header.sequence,
                                         .channel = frame.header.channel,
                                         .reason = GIRO_REJECT_POLICED,
                                         .wait_ms = 20};
    bool beyond = datagram >= session->session.window.cumulative + 4096;
    if (beyond || giro_prng_chance(&world->prng, world->police_per_mille, 1000)) {
        bool put = giro_session_put(writer, GIRO_SESSION_REFUSE, &refuse, sizeof(refuse));
        cr_assert(put);
        return;
    }
    struct giro_hash hash = hub_frame_hash(&world->hub, block->bytes, block->size_bytes);
    if (replica->swallows != WORLD_LIE_NONE) {
        swallow(world, replica->swallows, &frame, &hash, writer);
        return;
    }
    struct world_frame *known =
        frame_find(world, frame.header.member, frame.header.channel, frame.header.sequence);
    if (known == NULL) {
        cr_assert(world->frame_count < WORLD_FRAMES);
        known = &world->frames[world->frame_count++];
        *known = (struct world_frame){.hash = hash,
                                      .member = frame.header.member,
                                      .channel = frame.header.channel,
                                      .record_count = frame.header.record_count,
                                      .sequence = frame.header.sequence,
                                      .last = frame.header.head.kind == GIRO_KIND_SKIP
                                                  ? frame.skip_to
                                                  : frame.header.sequence,
                                      .height = ++world->height,
                                      .outcome = world->outcome,
                                      .durable_ns = world->now_ns + world->durable_ns,
                                      .certified_ns = world->now_ns + world->certify_ns};
        if (frame.header.details_bytes > 0) {
            known->detailed = malloc(block->size_bytes);
            known->detailed_bytes = block->size_bytes;
            memcpy(known->detailed, block->bytes, block->size_bytes);
        }
    }
    cr_assert(giro_hash_equal(&known->hash, &hash), "a resend is the same bytes");
    replica->frames++;
    if ((known->asked_by >> number & 1) != 0) {
        replica->duplicates++;
        known->told[number] = 0; /* told again */
    }
    known->asked_by |= (uint8_t)(1u << number);
}

/* The first sequence that no frame in the ledger has used. */
static uint64_t frontier_of(const struct world *world, uint16_t member, uint16_t channel)
{
    uint64_t next = 0, before;
    do {
        before = next;
        for (uint32_t i = 0; i < world->frame_count; i++) {
            const struct world_frame *frame = &world->frames[i];
            if (frame->member == member && frame->channel == channel && in_ledger(world, frame) &&
                frame->sequence <= next && frame->last >= next)
                next = frame->last + 1;
        }
    } while (next != before);
    return next;
}

static void on_ask(struct world *world, uint16_t number, struct world_session *session,
                   const struct giro_session_ask *ask, struct giro_writer *writer)
{
    struct world_frame *frame = frame_find(world, session->member, ask->channel, ask->sequence);
    if (ask->want == GIRO_WANT_CHANNEL) {
        const uint64_t lie = world->replicas[number].channel_lie;
        struct giro_session_channel channel = {
            .channel = ask->channel,
            .frontier = lie != 0 ? lie - 1 : frontier_of(world, session->member, ask->channel)};
        cr_assert(giro_session_put(writer, GIRO_SESSION_CHANNEL, &channel, sizeof(channel)));
        return;
    }
    struct giro_session_refuse absent = {
        .sequence = ask->sequence, .channel = ask->channel, .reason = GIRO_REJECT_ABSENT};
    static uint8_t bytes[16384];
    bool lies =
        frame != NULL && ask->want == GIRO_WANT_RECEIPT &&
        (world->replicas[number].denies || world->replicas[number].swallows == WORLD_LIE_EXECUTED);
    if (!in_ledger(world, frame) && !lies) {
        cr_assert(giro_session_put(writer, GIRO_SESSION_REFUSE, &absent, sizeof(absent)));
    } else if (ask->want == GIRO_WANT_RECEIPT) {
        uint32_t size = receipt_make(world, &world->replicas[number], frame, true, true, bytes);
        uint8_t out[2048];
        struct giro_writer own;
        giro_writer_init(&own, out + GIRO_SESSION_HEADER_BYTES, 1400);
        cr_assert(giro_session_put(&own, GIRO_SESSION_RECEIPT, bytes, size));
        say(world, number, session, &own, out);
    } else {
        size_t total =
            proof_make(world, frame, world->replicas[number].lies_proofs, bytes, sizeof(bytes));
        cr_assert(total > 0);
        for (size_t at = ask->offset; at < total; at += PART_BYTES) {
            uint8_t out[2048], part[sizeof(struct giro_session_proof) + PART_BYTES];
            size_t size = total - at < PART_BYTES ? total - at : PART_BYTES;
            struct giro_session_proof header = {.sequence = ask->sequence,
                                                .channel = ask->channel,
                                                .offset = (uint32_t)at,
                                                .total = (uint32_t)total};
            struct giro_writer own;
            memcpy(part, &header, sizeof(header));
            memcpy(part + sizeof(header), bytes + at, size);
            giro_writer_init(&own, out + GIRO_SESSION_HEADER_BYTES, 1400);
            cr_assert(giro_session_put(&own, GIRO_SESSION_PROOF, part,
                                       (uint32_t)(sizeof(header) + size)));
            say(world, number, session, &own, out);
        }
    }
}

static void on_blocks(struct world *world, uint16_t number, struct world_session *session,
                      const uint8_t *blocks, uint32_t blocks_bytes, uint32_t datagram_bytes,
                      uint64_t datagram)
{
    uint8_t out[2048];
    struct giro_writer writer;
    struct giro_reader reader;
    struct giro_session_block block;
    giro_writer_init(&writer, out + GIRO_SESSION_HEADER_BYTES, 1400);
    giro_reader_init(&reader, blocks, blocks_bytes);
    while (giro_reader_left(&reader) > 0) {
        cr_assert(giro_session_next(&reader, GIRO_SESSION_UP, &block) == GIRO_REJECT_NONE);
        if (block.kind == GIRO_SESSION_FRAME) {
            on_frame(world, number, session, &block, datagram, &writer);
        } else if (block.kind == GIRO_SESSION_ASK) {
            struct giro_session_ask ask;
            memcpy(&ask, block.bytes, sizeof(ask));
            on_ask(world, number, session, &ask, &writer);
        } else if (block.kind == GIRO_SESSION_PING) {
            struct giro_session_ping ping;
            memcpy(&ping, block.bytes, sizeof(ping));
            struct giro_session_pong pong = {.token = ping.token, .size = datagram_bytes};
            cr_assert(giro_session_put(&writer, GIRO_SESSION_PONG, &pong, sizeof(pong)));
        } else if (block.kind == GIRO_SESSION_CLOSE) {
            world->replicas[number].closes++;
            session->closed = true;
            return;
        }
    }
    say(world, number, session, &writer, out);
}

static void respond(struct world *world, uint16_t number, const uint8_t *bytes)
{
    struct world_replica *replica = &world->replicas[number];
    struct giro_handshake handshake;
    struct giro_handshake_init_body body;
    uint8_t ephemeral[32], member_public[32];
    for (uint32_t i = 0; i < WORLD_SESSIONS; i++)
        if (replica->sessions[i].used &&
            memcmp(replica->sessions[i].init, bytes, GIRO_HANDSHAKE_INIT_BYTES) == 0) {
            fly(world, number, false, replica->sessions[i].response, GIRO_HANDSHAKE_RESPONSE_BYTES);
            return;
        }
    cr_assert(giro_handshake_open(&handshake, &replica->pair, &world->hub.genesis.chain_id, bytes,
                                  &body) == GIRO_REJECT_NONE);
    cr_assert(body.member < WORLD_MEMBERS);
    cr_assert(
        giro_session_public(&world->hub.genesis.members[body.member].session.key, member_public));
    cr_assert(memcmp(member_public, handshake.peer_static, 32) == 0);
    uint32_t slot = replica->next_session++ % WORLD_SESSIONS;
    struct world_session *session = &replica->sessions[slot];
    struct giro_handshake_response_body told = {.credit = world->credit_ahead,
                                                .rekey_datagrams = 1u << 30,
                                                .responder_id =
                                                    100 + slot + (replica->next_session << 8),
                                                .window = 1024,
                                                .rekey_s = (uint32_t)world->rekey_s,
                                                .lifetime_s = (uint32_t)world->lifetime_s,
                                                .datagram_max = 1472,
                                                .keep_alive_s = 25,
                                                .version = 1};
    giro_prng_fill(&world->prng, ephemeral, sizeof(ephemeral));
    memset(session, 0, sizeof(*session));
    cr_assert(giro_handshake_respond(&handshake, ephemeral, &told, session->response,
                                     &session->session) == GIRO_REJECT_NONE);
    memcpy(session->init, bytes, sizeof(session->init));
    session->used = true;
    session->member = body.member;
    session->began_ns = world->now_ns;
    replica->newest[body.member] = slot + 1;
    replica->handshakes++;
    replica->rekeys += body.replaces != 0;
    fly(world, number, false, session->response, GIRO_HANDSHAKE_RESPONSE_BYTES);
}

static void on_handshake(struct world *world, uint16_t number, const uint8_t *bytes, size_t size)
{
    struct world_replica *replica = &world->replicas[number];
    struct giro_handshake_header header;
    uint8_t cookie[32], out[GIRO_HANDSHAKE_COOKIE_BYTES];
    cr_assert(giro_handshake_check(bytes, size, world->hub.genesis.chain_prefix, number, &header) ==
              GIRO_REJECT_NONE);
    if (giro_cookie_good(replica->cookie_secret, world->now_ns, 1, 1,
                         bytes + sizeof(struct giro_handshake_header))) {
        respond(world, number, bytes);
        return;
    }
    giro_cookie_make(replica->cookie_secret, world->now_ns / GIRO_COOKIE_PERIOD_NS, 1, 1, cookie);
    giro_handshake_cookie_answer(&header, cookie, out);
    fly(world, number, false, out, sizeof(out));
}

void world_hub_receive(struct world *world, uint16_t number, uint8_t *bytes, uint32_t size)
{
    struct world_replica *replica = &world->replicas[number];
    struct giro_head head;
    struct giro_session_header header;
    uint32_t blocks_bytes;
    memcpy(&head, bytes, sizeof(head));
    if (replica->dead)
        return;
    if (head.kind == GIRO_KIND_HANDSHAKE) {
        on_handshake(world, number, bytes, size);
        return;
    }
    cr_assert(giro_session_header_read(bytes, size, &header) == GIRO_REJECT_NONE);
    for (uint32_t i = 0; i < WORLD_SESSIONS; i++) {
        struct world_session *session = &replica->sessions[i];
        if (!session->used || session->closed || session->session.own_id != header.receiver_id ||
            world->now_ns - session->began_ns > world->lifetime_s * GIRO_NS_PER_S)
            continue;
        if (giro_session_open(&session->session, bytes, size, bytes + GIRO_SESSION_HEADER_BYTES,
                              &blocks_bytes, &header) != GIRO_REJECT_NONE)
            return; /* a copy */
        cr_assert(giro_session_blocks_check(bytes + GIRO_SESSION_HEADER_BYTES, blocks_bytes,
                                            GIRO_SESSION_UP) == GIRO_REJECT_NONE);
        on_blocks(world, number, session, bytes + GIRO_SESSION_HEADER_BYTES, blocks_bytes, size,
                  header.number);
    }
}

/* Tells each replica's member what has become due; returns when the next thing does. */
uint64_t world_hub_turn(struct world *world)
{
    uint64_t next = UINT64_MAX;
    for (uint32_t i = 0; i < world->frame_count; i++) {
        struct world_frame *frame = &world->frames[i];
        for (uint16_t r = 0; r < WORLD_REPLICAS; r++) {
            struct world_replica *replica = &world->replicas[r];
            uint32_t slot = replica->newest[frame->member];
            if ((frame->asked_by >> r & 1) == 0 || frame->told[r] == 2 || replica->dead ||
                replica->mute || slot == 0)
                continue;
            uint64_t at = frame->told[r] == 0 ? frame->durable_ns : frame->certified_ns;
            if (at > world->now_ns) {
                next = at < next ? at : next;
                continue;
            }
            uint8_t out[2048], bytes[1400];
            struct giro_writer writer;
            bool certified = world->now_ns >= frame->certified_ns;
            uint32_t size = receipt_make(world, replica, frame, certified, false, bytes);
            giro_writer_init(&writer, out + GIRO_SESSION_HEADER_BYTES, 1400);
            cr_assert(giro_session_put(&writer, GIRO_SESSION_RECEIPT, bytes, size));
            say(world, r, &replica->sessions[slot - 1], &writer, out);
            frame->told[r] = certified ? 2 : 1;
            if (!certified)
                next = frame->certified_ns < next ? frame->certified_ns : next;
        }
    }
    return next;
}

/* ---- The member's side ------------------------------------------------------------------------------------ */

static void on_told(void *context, const struct giro_courier_told *told)
{
    struct world *world = context;
    if (told->kind == GIRO_TOLD_CHANNEL) {
        world->channels_told++;
        world->channel_next = told->item.sequence;
        return;
    }
    if (told->kind == GIRO_TOLD_STATE) {
        world->state_changes++;
        world->last_state = told->state;
        return;
    }
    struct world_told *mine = &world->told[told->tag];
    mine->durable += told->kind == GIRO_TOLD_DURABLE;
    mine->certified += told->kind == GIRO_TOLD_CERTIFIED;
    mine->proven += told->kind == GIRO_TOLD_PROVEN;
    mine->nothing += told->kind == GIRO_TOLD_NOTHING;
    mine->outcome = told->item.outcome;
    if (told->result_count > 0) {
        struct world_frame *frame =
            frame_find(world, told->member, told->item.channel, told->item.sequence);
        cr_assert(frame != NULL);
        mine->right = told->result_count == frame->record_count;
        for (uint32_t i = 0; i < told->result_count; i++) {
            struct giro_result result = result_of(frame, i);
            mine->right = mine->right && memcmp(&result, &told->results[i], sizeof(result)) == 0;
        }
    }
    if (told->kind == GIRO_TOLD_PROVEN) {
        struct giro_proof_view view;
        cr_assert(giro_proof_verify(&world->hub.genesis, world->hub.ring, told->proof,
                                    told->proof_bytes, &view) == NULL);
    }
    mine->final += told->final;
    world->final += told->final;
    world->final_ns = world->now_ns;
}

static void on_random(void *context, void *bytes, size_t size_bytes)
{
    giro_prng_fill(&((struct world *)context)->prng, bytes, size_bytes);
}

static void on_key_line(void *context, const char *line, size_t length)
{
    struct world *world = context;
    world->key_lines++;
    cr_assert(length < sizeof(world->key_line) && line[length - 1] == '\n');
    memcpy(world->key_line, line, length + 1);
}

void world_hub_open(struct world *world, uint64_t seed)
{
    memset(world, 0, sizeof(*world));
    hub_make(&world->hub, WORLD_REPLICAS, WORLD_MEMBERS);
    giro_prng_init(&world->prng, seed);
    world->now_ns = GIRO_NS_PER_S;
    world->delay_min_ns = world->delay_max_ns = WORLD_MS / 2;
    world->path_bytes = 1472;
    world->durable_ns = 10 * WORLD_MS;
    world->certify_ns = 60 * WORLD_MS;
    world->lifetime_s = 180;
    world->rekey_s = 120;
    world->credit_ahead = 256;
    world->outcome = GIRO_OUTCOME_EXECUTED;
    world->flying = calloc(FLYING_MAX, sizeof(*world->flying));
    for (uint32_t r = 0; r < WORLD_REPLICAS; r++) {
        struct giro_secret_key *key = hub_key(world->hub.genesis.replicas[r].name, "transport", 1);
        giro_session_pair(key, &world->replicas[r].pair);
        giro_key_free(key);
        giro_prng_fill(&world->prng, world->replicas[r].cookie_secret, GIRO_COOKIE_SECRET_BYTES);
    }
}

void world_open(struct world *world, bool prove, uint64_t seed)
{
    world_hub_open(world, seed);
    struct giro_courier_options options = {.genesis = &world->hub.genesis,
                                           .ring = prove ? world->hub.ring : NULL,
                                           .flights_max = WORLD_FRAMES,
                                           .datagram_max = 1472,
                                           .seed = seed,
                                           .random = on_random,
                                           .told = on_told,
                                           .key_log = on_key_line,
                                           .context = world};
    cr_assert(giro_courier_open(&options, &world->courier) == GIRO_ERR_OK);
    for (uint16_t m = 0; m < WORLD_MEMBERS; m++) {
        struct giro_secret_key *key = hub_key(world->hub.genesis.members[m].bic, "session", 1);
        cr_assert(giro_courier_member(world->courier, m, key) == GIRO_ERR_OK);
        giro_key_free(key);
    }
}

void world_close(struct world *world)
{
    if (world->courier != NULL)
        giro_courier_free(world->courier);
    for (uint32_t i = 0; i < world->added; i++)
        free(world->bytes[i]);
    for (uint32_t i = 0; i < world->flying_count; i++)
        free(world->flying[i].bytes);
    free(world->flying);
    for (uint32_t i = 0; i < world->frame_count; i++)
        free(world->frames[i].detailed);
    hub_free(&world->hub);
}

void world_add(struct world *world, uint16_t member, uint16_t channel, uint64_t first,
               uint32_t count, uint32_t records)
{
    struct giro_courier_time time = world_time(world);
    struct giro_secret_key *key = hub_key(world->hub.genesis.members[member].bic, "frame", 1);
    struct giro_record list[GIRO_FRAME_RECORDS_MAX];
    memset(list, 0, sizeof(list));
    for (uint32_t i = 0; i < count; i++) {
        uint32_t tag = world->added++;
        uint8_t *bytes = malloc(GIRO_FRAME_BYTES_MAX);
        for (uint32_t k = 0; k < records; k++)
            list[k] = (struct giro_record){.amount_minor = 1 + k, .creditor = 1};
        world->bytes[tag] = bytes;
        world->sizes[tag] = (uint32_t)giro_frame_make(&world->hub.genesis, key, member, 1, channel,
                                                      first + i, list, records, bytes);
        cr_assert(giro_courier_add(world->courier, bytes, world->sizes[tag], tag, &time) ==
                  GIRO_ERR_OK);
    }
    giro_key_free(key);
}

/* ---- Time ---------------------------------------------------------------------------------------------------- */

static uint64_t deliver(struct world *world)
{
    uint64_t next = UINT64_MAX;
    for (uint32_t i = 0; i < world->flying_count;) {
        struct world_datagram datagram = world->flying[i];
        if (datagram.at_ns > world->now_ns) {
            next = datagram.at_ns < next ? datagram.at_ns : next;
            i++;
            continue;
        }
        world->flying[i] = world->flying[--world->flying_count];
        if (datagram.up) {
            world_hub_receive(world, datagram.replica, datagram.bytes, datagram.size_bytes);
        } else {
            struct giro_courier_time time = world_time(world);
            giro_courier_receive(world->courier, datagram.bytes, datagram.size_bytes, &time);
        }
        free(datagram.bytes);
    }
    return next;
}

/* One instant: deliver, send, move on to the next thing that happens. */
static void turn(struct world *world, uint64_t end_ns)
{
    uint8_t out[1472];
    uint16_t replica;
    uint32_t size;
    struct giro_courier_time time = world_time(world);
    uint64_t next = deliver(world);
    uint64_t hub_next = world_hub_turn(world);
    while ((size = giro_courier_send(world->courier, &time, out, &replica)) > 0)
        fly(world, replica, true, out, size);
    giro_courier_check(world->courier);
    for (uint32_t i = 0; i < world->flying_count; i++)
        next = world->flying[i].at_ns < next ? world->flying[i].at_ns : next;
    uint64_t due = giro_courier_due(world->courier);
    next = hub_next < next ? hub_next : next;
    next = due < next ? due : next;
    next = end_ns < next ? end_ns : next;
    world->now_ns = next > world->now_ns ? next : world->now_ns + 1000;
}

bool world_run(struct world *world, uint64_t limit_ns)
{
    uint64_t end = world->now_ns + limit_ns;
    while (world->final < world->added && world->now_ns < end)
        turn(world, end);
    return world->final == world->added;
}

void world_idle(struct world *world, uint64_t ns)
{
    uint64_t end = world->now_ns + ns;
    while (world->now_ns < end)
        turn(world, end);
}
