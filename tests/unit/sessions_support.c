#include "sessions_support.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static struct giro_prng *random_prng;

static void random_fill(void *bytes, size_t size_bytes)
{
    giro_prng_fill(random_prng, bytes, size_bytes);
}

struct giro_endpoint endpoint(uint32_t ipv4, uint16_t port)
{
    return (struct giro_endpoint){.ipv4 = ipv4, .port = port};
}

struct traffic *table_traffic(struct table *table, const struct giro_endpoint *at)
{
    for (uint32_t i = 0; i < table->address_count; i++)
        if (table->addresses[i].ipv4 == at->ipv4 && table->addresses[i].port == at->port)
            return &table->addresses[i];
    cr_assert(table->address_count < ADDRESS_MAX);
    struct traffic *traffic = &table->addresses[table->address_count++];
    *traffic = (struct traffic){.ipv4 = at->ipv4, .port = at->port};
    return traffic;
}

static void on_send(void *context, const struct giro_endpoint *to, const void *bytes,
                    uint32_t size_bytes)
{
    struct table *table = context;
    cr_assert(table->sent_count < SENT_MAX && size_bytes <= 1472);
    struct sent *sent = &table->sent[table->sent_count++];
    sent->to = *to;
    sent->size_bytes = size_bytes;
    memcpy(sent->bytes, bytes, size_bytes);
    table_traffic(table, to)->out += size_bytes;
}

static void on_ask(void *context, const struct giro_endpoint *from, uint16_t member,
                   const struct giro_session_ask *ask)
{
    struct table *table = context;
    (void)member;
    table->ask_count++;
    table->asked = *ask;
    table->asked_from = *from;
}

static void on_refused(void *context, const struct giro_ingress_frame *frame)
{
    struct table *table = context;
    giro_sessions_refuse(table->sessions, table->now_ns, &frame->from, frame->frame.header.member,
                         frame->frame.header.sequence, frame->frame.header.channel,
                         GIRO_REJECT_SIGNATURE);
}

static void ingress_open(struct table *table, const struct table_wish *wish)
{
    const struct giro_ingress_options options = {
        .genesis = &table->hub.genesis,
        .frames_max = wish->frames_max != 0 ? wish->frames_max : TABLE_FRAMES,
        .member_frames_per_second = wish->rate,
        .gather_frames = 1,
        .map_seed = 7};
    const size_t size = giro_ingress_footprint(&options);
    table->ingress = giro_ingress_init(aligned_alloc(64, size), size, &options);
    cr_assert(table->ingress != NULL);
    giro_ingress_watch(table->ingress, on_refused, table);
}

void table_open(struct table *table, const struct table_wish *wish)
{
    uint8_t seed[32] = {77};
    memset(table, 0, sizeof(*table));
    hub_open(&table->hub);
    giro_prng_init(&table->prng, dataplane_seed());
    random_prng = &table->prng;
    table->now_ns = 1000 * GIRO_NS_PER_S;
    table->sent = malloc(SENT_MAX * sizeof(*table->sent));
    table->transport = giro_key_from_seed(seed);
    table->transport_public = giro_key_public(table->transport);
    giro_session_pair(table->transport, &table->self);
    ingress_open(table, wish);
    struct giro_sessions_options options = {
        .genesis = &table->hub.genesis,
        .ingress = table->ingress,
        .self = &table->self,
        .replica = REPLICA,
        .datagram_max = 1472,
        .handshakes_per_second =
            wish->handshakes_per_second != 0 ? wish->handshakes_per_second : 10000,
        .handshakes_per_address =
            wish->handshakes_per_address != 0 ? wish->handshakes_per_address : 10000,
        .map_seed = 9,
        .context = table,
        .random = random_fill,
        .send = on_send,
        .ask = on_ask};
    random_fill(options.cookie_secret, sizeof(options.cookie_secret));
    const size_t size = giro_sessions_footprint(&options);
    cr_assert(size > 0);
    void *mem = aligned_alloc(64, size);
    memset(mem, 0xA5, size); /* nothing may depend on what the memory held */
    table->sessions = giro_sessions_init(mem, size, &options);
    cr_assert(table->sessions == mem);
}

void table_close(struct table *table)
{
    giro_sessions_check(table->sessions);
    free(table->sessions);
    free(table->ingress);
    free(table->sent);
    giro_key_free(table->transport);
    hub_close(&table->hub);
}

struct giro_sessions_counters table_counters(const struct table *table)
{
    struct giro_sessions_counters counters;
    giro_sessions_counters(table->sessions, &counters);
    return counters;
}

uint64_t table_rejects(const struct table *table, uint32_t member, enum giro_reject reject)
{
    uint64_t rejects[GIRO_REJECT_COUNT_OF_REASONS];
    giro_ingress_rejects(table->ingress, member, rejects);
    return rejects[reject];
}

enum giro_reject table_take(struct table *table, const struct giro_endpoint *from,
                            const void *bytes, uint32_t size_bytes)
{
    /* exactly as many bytes, so that the sanitizer sees a read behind them */
    uint8_t *copy = malloc(size_bytes == 0 ? 1 : size_bytes);
    memcpy(copy, bytes, size_bytes);
    const struct giro_datagram datagram = {.bytes = copy, .size_bytes = size_bytes, .from = *from};
    table_traffic(table, from)->in += size_bytes;
    const enum giro_reject reject = giro_sessions_take(table->sessions, table->now_ns, &datagram);
    free(copy);
    return reject;
}

void table_flush(struct table *table, uint64_t later_ns)
{
    table->now_ns += later_ns;
    giro_sessions_flush(table->sessions, table->now_ns);
}

uint32_t table_verify(struct table *table)
{
    struct giro_ingress_frame *frames[64];
    uint32_t total = 0;
    while (giro_ingress_waiting(table->ingress) > 0) {
        const uint32_t good = giro_ingress_verify(table->ingress, table->hub.ring, frames, 64);
        for (uint32_t i = 0; i < good; i++)
            giro_ingress_drop(table->ingress, frames[i]);
        total += good;
    }
    return total;
}

/* ---- Members ---------------------------------------------------------------------------------------- */

void peer_make(struct peer *peer, struct table *table, uint16_t member, uint32_t ipv4,
               uint16_t port)
{
    memset(peer, 0, sizeof(*peer));
    peer->table = table;
    peer->member = member;
    peer->at = endpoint(ipv4, port);
    giro_session_pair(table->hub.sessions[member], &peer->self);
}

void peer_init(struct peer *peer, uint32_t replaces)
{
    uint8_t ephemeral[32], replica_public[32];
    struct table *table = peer->table;
    random_fill(ephemeral, sizeof(ephemeral));
    cr_assert(giro_session_public(&table->transport_public, replica_public));
    const struct giro_handshake_options options = {.self = &peer->self,
                                                   .replica_public = replica_public,
                                                   .chain = &table->hub.genesis.chain_id,
                                                   .ephemeral_secret = ephemeral,
                                                   .cookie = peer->has_cookie ? peer->cookie : NULL,
                                                   .initiator_id =
                                                       (uint32_t)giro_prng_next(&table->prng) | 1u,
                                                   .replica = REPLICA,
                                                   .body = {.member = peer->member,
                                                            .key_id = 1,
                                                            .replaces = replaces,
                                                            .datagram_max = 1472,
                                                            .time_ns = table->now_ns}};
    cr_assert(giro_handshake_begin(&peer->handshake, &options, peer->init));
}

/* The last handshake datagram sent to this peer, taken out of the network. */
static bool answer_take(struct peer *peer, struct sent *out)
{
    struct table *table = peer->table;
    for (uint32_t i = table->sent_count; i-- > 0;) {
        struct sent *sent = &table->sent[i];
        if (sent->to.ipv4 != peer->at.ipv4 || sent->to.port != peer->at.port ||
            giro_handshake_step_of(sent->bytes, sent->size_bytes,
                                   table->hub.genesis.chain_prefix) == 0)
            continue;
        *out = *sent;
        memmove(sent, sent + 1, (table->sent_count - i - 1) * sizeof(*sent));
        table->sent_count--;
        return true;
    }
    return false;
}

bool peer_handshake(struct peer *peer)
{
    struct sent answer;
    for (uint32_t attempt = 0; attempt < 2; attempt++) {
        const enum giro_reject reject =
            table_take(peer->table, &peer->at, peer->init, sizeof(peer->init));
        if (!answer_take(peer, &answer))
            return false;
        if (reject == GIRO_REJECT_NONE)
            return giro_handshake_finish(&peer->handshake, &peer->self, answer.bytes,
                                         answer.size_bytes, &peer->told,
                                         &peer->session) == GIRO_REJECT_NONE;
        cr_assert(reject == GIRO_REJECT_COOKIE, "%s", giro_reject_name(reject));
        cr_assert(giro_handshake_cookie(&peer->handshake, answer.bytes, answer.size_bytes,
                                        peer->init) == GIRO_REJECT_NONE);
        memcpy(peer->cookie, answer.bytes + 32, sizeof(peer->cookie));
        peer->has_cookie = true;
    }
    return false;
}

bool peer_connect(struct peer *peer, uint32_t replaces)
{
    peer_clear(peer);
    peer_init(peer, replaces);
    if (!peer_handshake(peer))
        return false;
    peer->credit = peer->told.credit;
    if (peer_ping(peer, 1) != GIRO_REJECT_NONE)
        return false;
    table_flush(peer->table, 0);
    peer_read(peer);
    const bool good = peer->pongs == 1 && peer->pong.token == 1 && peer->pong.size == 60;
    peer_clear(peer);
    return good;
}

uint32_t peer_seal(struct peer *peer, enum giro_session_kind kind, const void *body,
                   uint32_t size_bytes, uint8_t out[1472])
{
    struct giro_writer writer;
    giro_writer_init(&writer, out + GIRO_SESSION_HEADER_BYTES, giro_session_room(1472u));
    cr_assert(giro_session_put(&writer, kind, body, size_bytes));
    return giro_session_seal(&peer->session, peer->session.send_number, out,
                             (uint32_t)writer.offset);
}

enum giro_reject peer_block(struct peer *peer, enum giro_session_kind kind, const void *body,
                            uint32_t size_bytes)
{
    uint8_t datagram[1472];
    const uint32_t size = peer_seal(peer, kind, body, size_bytes, datagram);
    return table_take(peer->table, &peer->at, datagram, size);
}

enum giro_reject peer_frame(struct peer *peer, uint16_t channel, uint64_t sequence)
{
    uint8_t frame[GIRO_FRAME_BYTES_MAX];
    const struct frame_wish wish = {
        .member = peer->member, .channel = channel, .sequence = sequence};
    const size_t size = frame_make(&peer->table->hub, &wish, frame);
    return peer_block(peer, GIRO_SESSION_FRAME, frame, (uint32_t)size);
}

enum giro_reject peer_ping(struct peer *peer, uint64_t token)
{
    const struct giro_session_ping ping = {.token = token};
    return peer_block(peer, GIRO_SESSION_PING, &ping, sizeof(ping));
}

enum giro_reject peer_ask(struct peer *peer, enum giro_want want, uint16_t channel,
                          uint64_t sequence, uint32_t offset)
{
    const struct giro_session_ask ask = {
        .sequence = sequence, .channel = channel, .want = (uint16_t)want, .offset = offset};
    return peer_block(peer, GIRO_SESSION_ASK, &ask, sizeof(ask));
}

#define KEEP(field)                                                                                \
    do {                                                                                           \
        cr_assert(block->size_bytes >= sizeof(peer->field));                                       \
        memcpy(&peer->field, block->bytes, sizeof(peer->field));                                   \
    } while (0)

static void block_read(struct peer *peer, const struct giro_session_block *block)
{
    struct giro_session_proof proof;
    switch (block->kind) {
    case GIRO_SESSION_RECEIPT:
        peer->receipts++;
        break;
    case GIRO_SESSION_ACK:
        peer->acks++;
        KEEP(ack);
        cr_assert(peer->ack.credit >= peer->credit, "credit never shrinks");
        peer->credit = peer->ack.credit;
        break;
    case GIRO_SESSION_REFUSE:
        peer->refusals++;
        KEEP(refusal);
        break;
    case GIRO_SESSION_PROOF:
        memcpy(&proof, block->bytes, sizeof(proof));
        memcpy(peer->proof + proof.offset, block->bytes + sizeof(proof),
               block->size_bytes - sizeof(proof));
        peer->proof_bytes += block->size_bytes - (uint32_t)sizeof(proof);
        peer->proofs++;
        break;
    case GIRO_SESSION_PING:
        peer->pings++;
        KEEP(ping);
        break;
    case GIRO_SESSION_PONG:
        peer->pongs++;
        KEEP(pong);
        break;
    case GIRO_SESSION_CLOSE:
        peer->closes++;
        KEEP(close);
        break;
    case GIRO_SESSION_CHANNEL:
        peer->channels++;
        KEEP(channel);
        break;
    default:
        cr_assert_fail("a block of kind %d", block->kind);
    }
}

void peer_read(struct peer *peer)
{
    struct table *table = peer->table;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < table->sent_count; i++) {
        struct sent *sent = &table->sent[i];
        struct giro_session_header header;
        struct giro_session_block block;
        struct giro_reader reader;
        uint8_t blocks[1472];
        uint32_t blocks_bytes;
        if (sent->to.ipv4 != peer->at.ipv4 || sent->to.port != peer->at.port ||
            giro_session_open(&peer->session, sent->bytes, sent->size_bytes, blocks, &blocks_bytes,
                              &header) != GIRO_REJECT_NONE) {
            if (kept != i)
                table->sent[kept] = *sent;
            kept++;
            continue;
        }
        peer->datagrams++;
        giro_reader_init(&reader, blocks, blocks_bytes);
        while (giro_reader_left(&reader) > 0) {
            cr_assert(giro_session_next(&reader, GIRO_SESSION_DOWN, &block) == GIRO_REJECT_NONE);
            block_read(peer, &block);
        }
    }
    table->sent_count = kept;
}

void peer_clear(struct peer *peer)
{
    peer->datagrams = peer->receipts = peer->refusals = peer->proofs = peer->channels = 0;
    peer->pings = peer->pongs = peer->closes = peer->acks = peer->proof_bytes = 0;
}
