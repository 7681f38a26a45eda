/* Handshakes: cookie first, then budgets, then keys. */
#include <xxhash.h>

#include "sessions.h"

#define HALF_OPEN_NS    (GIRO_SESSION_HALF_OPEN_S * GIRO_NS_PER_S)
#define LIFETIME_NS     (GIRO_SESSION_LIFETIME_S * GIRO_NS_PER_S)
#define REPLACED_NS     (GIRO_SESSION_REPLACED_S * GIRO_NS_PER_S)
#define EPHEMERAL_NS    (2u * GIRO_COOKIE_PERIOD_NS)
#define EPHEMERAL_WAYS  4u
#define COOKIE_BURST_NS (GIRO_NS_PER_S / 10)
#define REKEY_DATAGRAMS (UINT64_C(1) << 30)

/* ---- Ephemeral keys of INITs that were opened: a copy opens nothing -------------------------------------- */

static struct ephemeral *ephemeral_row(struct giro_sessions *sessions, const uint8_t ephemeral[32],
                                       uint64_t *hash)
{
    *hash = XXH3_64bits_withSeed(ephemeral, 32, sessions->options.map_seed);
    return &sessions
                ->ephemerals[*hash & sessions->ephemeral_mask & ~(uint64_t)(EPHEMERAL_WAYS - 1)];
}

static const struct ephemeral *ephemeral_find(struct giro_sessions *sessions, uint64_t now_ns,
                                              const uint8_t ephemeral[32])
{
    uint64_t hash;
    const struct ephemeral *row = ephemeral_row(sessions, ephemeral, &hash);
    for (uint32_t i = 0; i < EPHEMERAL_WAYS; i++)
        if (row[i].at_ns != 0 && row[i].hash == hash && now_ns - row[i].at_ns < EPHEMERAL_NS)
            return &row[i];
    return NULL;
}

static struct ephemeral *ephemeral_note(struct giro_sessions *sessions, uint64_t now_ns,
                                        const uint8_t ephemeral[32])
{
    uint64_t hash;
    struct ephemeral *row = ephemeral_row(sessions, ephemeral, &hash), *oldest = row;
    for (uint32_t i = 1; i < EPHEMERAL_WAYS; i++)
        if (row[i].at_ns < oldest->at_ns)
            oldest = &row[i];
    *oldest = (struct ephemeral){.hash = hash, .at_ns = now_ns + (now_ns == 0), .entry = GIRO_NONE};
    return oldest;
}

/* The half-open session that an INIT seen before led to: its RESPONSE was lost. NULL: there is none any more. */
static struct entry *repeated_of(struct giro_sessions *sessions, uint64_t now_ns,
                                 const struct ephemeral *seen, const uint8_t ephemeral[32])
{
    if (seen->entry == GIRO_NONE)
        return NULL;
    struct entry *entry = &sessions->entries[seen->entry];
    return entry->state == STATE_HALF_OPEN && now_ns < entry->expires_ns &&
                   memcmp(entry->ephemeral, ephemeral, sizeof(entry->ephemeral)) == 0
               ? entry
               : NULL;
}

/* ---- Places ------------------------------------------------------------------------------------------------ */

/* The one of this state that was heard from (or begun) the longest ago; *count: how many there are. */
static struct entry *oldest_of(struct giro_sessions *sessions, uint16_t member, uint32_t state,
                               uint32_t *count)
{
    struct entry *oldest = NULL;
    *count = 0;
    for (uint32_t i = 0; i < PLACES; i++) {
        struct entry *entry = &sessions->entries[member * PLACES + i];
        if (entry->state != state)
            continue;
        (*count)++;
        if (oldest == NULL || entry->heard_ns < oldest->heard_ns)
            oldest = entry;
    }
    return oldest;
}

/* The live session that a handshake follows; NULL: none. */
static struct entry *followed_by(struct giro_sessions *sessions, uint16_t member, uint32_t replaces)
{
    struct entry *before = sessions_find(sessions, replaces);
    return before != NULL && before->member == member && before->state == STATE_LIVE ? before
                                                                                     : NULL;
}

/* Room for one more half-open session. Anybody who listens can send an INIT of yesterday, but none that names a session of now:
 * such a one displaces what follows the same session, and nothing else does. Of the others the newest by the member's clock
 * stays, which is not the copy. */
static void half_open_limit(struct giro_sessions *sessions,
                            const struct giro_handshake_init_body *body)
{
    const struct entry *before = followed_by(sessions, body->member, body->replaces);
    struct entry *oldest = NULL;
    uint32_t count = 0;
    for (uint32_t i = 0; i < PLACES; i++) {
        struct entry *entry = &sessions->entries[body->member * PLACES + i];
        if (entry->state != STATE_HALF_OPEN ||
            followed_by(sessions, body->member, entry->replaces) != before)
            continue;
        count++;
        if (oldest == NULL || entry->member_time_ns < oldest->member_time_ns ||
            (entry->member_time_ns == oldest->member_time_ns &&
             entry->started_ns < oldest->started_ns))
            oldest = entry;
    }
    if (oldest != NULL && (before != NULL || count >= HALF_OPEN_MAX))
        sessions_free(sessions, oldest);
}

/* A free place of this member, if need be by ending what is expired, half-open, or replaced. */
static struct entry *place_take(struct giro_sessions *sessions, uint64_t now_ns,
                                const struct giro_handshake_init_body *body)
{
    const uint16_t member = body->member;
    uint32_t count;
    for (uint32_t i = 0; i < PLACES; i++) {
        struct entry *entry = &sessions->entries[member * PLACES + i];
        if (entry->state != STATE_FREE && now_ns >= entry->expires_ns)
            sessions_free(sessions, entry);
    }
    half_open_limit(sessions, body);
    struct entry *free_place = oldest_of(sessions, member, STATE_FREE, &count);
    if (free_place != NULL)
        return free_place;
    struct entry *replaced = oldest_of(sessions, member, STATE_REPLACED, &count);
    /* L live, at most one half-open that follows each, and at most 6 - L others: after this one, too, all have places. */
    GIRO_ASSERT(replaced != NULL);
    sessions_free(sessions, replaced);
    return replaced;
}

void sessions_confirm(struct giro_sessions *sessions, uint64_t now_ns, struct entry *entry)
{
    uint32_t count;
    struct entry *before = followed_by(sessions, entry->member, entry->replaces);
    if (before != NULL) {
        before->state = STATE_REPLACED;
        if (before->expires_ns > now_ns + REPLACED_NS)
            before->expires_ns = now_ns + REPLACED_NS;
    }
    struct entry *silent = oldest_of(sessions, entry->member, STATE_LIVE, &count);
    if (count >= GIRO_SESSIONS_PER_MEMBER) {
        const struct giro_session_close message = {.reason = GIRO_CLOSE_DISPLACED};
        (void)sessions_put(sessions, now_ns, silent, GIRO_SESSION_CLOSE, &message, sizeof(message));
        sessions_flush_entry(sessions, now_ns, silent);
        sessions_free(sessions, silent);
        sessions->counters.displaced++;
    }
    entry->state = STATE_LIVE;
    entry->expires_ns = entry->started_ns + LIFETIME_NS;
    giro_session_wipe(entry->response, sizeof(entry->response));
    sessions->counters.opened++;
}

/* ---- Answers -------------------------------------------------------------------------------------------------- */

static void answer(struct giro_sessions *sessions, const struct giro_datagram *datagram,
                   const uint8_t *bytes, uint32_t size_bytes)
{
    GIRO_ASSERT(size_bytes <= datagram->size_bytes); /* no address is proved here */
    sessions->options.send(sessions->options.context, &datagram->from, bytes, size_bytes);
}

/* By port, too: who forges an address, but does not know the port that its owner will use, does not spend the owner's budget. */
static bool cookie_pay(struct giro_sessions *sessions, uint64_t now_ns,
                       const struct giro_endpoint *from)
{
    const uint64_t source = (uint64_t)from->ipv4 << 16 | from->port;
    const uint64_t hash = XXH3_64bits_withSeed(&source, sizeof(source), sessions->options.map_seed);
    return sessions_pay(&sessions->sources[hash % ADDRESSES], now_ns,
                        GIRO_NS_PER_S / GIRO_COOKIES_PER_SOURCE, GIRO_NS_PER_S) &&
           sessions_pay(&sessions->cookie_ns, now_ns, GIRO_NS_PER_S / GIRO_COOKIES_PER_SECOND,
                        COOKIE_BURST_NS);
}

/* Returns the reason with which the INIT is counted. */
static enum giro_reject cookie_answer(struct giro_sessions *sessions, uint64_t now_ns,
                                      const struct giro_datagram *datagram,
                                      const struct giro_handshake_header *init,
                                      enum giro_reject reason)
{
    if (!cookie_pay(sessions, now_ns, &datagram->from))
        return GIRO_REJECT_POLICED;
    uint8_t cookie[GIRO_SESSION_COOKIE_SIZE], bytes[GIRO_HANDSHAKE_COOKIE_BYTES];
    giro_cookie_make(sessions->options.cookie_secret, now_ns / GIRO_COOKIE_PERIOD_NS,
                     datagram->from.ipv4, datagram->from.port, cookie);
    giro_handshake_cookie_answer(init, cookie, bytes);
    sessions->counters.cookies++;
    answer(sessions, datagram, bytes, sizeof(bytes));
    return reason;
}

static uint32_t id_make(struct giro_sessions *sessions, const struct entry *entry)
{
    const uint32_t index = (uint32_t)(entry - sessions->entries);
    uint32_t id = 0;
    while (id == 0 || id == entry->last_id) {
        sessions->options.random(&id, sizeof(id));
        id = (id << INDEX_BITS) | index;
    }
    return id;
}

static enum giro_reject respond(struct giro_sessions *sessions, uint64_t now_ns,
                                const struct giro_datagram *datagram,
                                struct giro_handshake *handshake,
                                const struct giro_handshake_init_body *body)
{
    struct ephemeral *seen = ephemeral_note(sessions, now_ns, handshake->peer_ephemeral);
    struct entry *entry = place_take(sessions, now_ns, body);
    struct giro_session session;
    uint8_t ephemeral[32], response[GIRO_HANDSHAKE_RESPONSE_BYTES];
    const uint64_t credit = sessions_credit(sessions, now_ns, entry);
    const struct giro_handshake_response_body told = {
        .credit = credit,
        .rekey_datagrams = REKEY_DATAGRAMS,
        .responder_id = id_make(sessions, entry),
        .window = GIRO_CREDIT_MAX,
        .rekey_s = GIRO_SESSION_REKEY_S,
        .lifetime_s = GIRO_SESSION_LIFETIME_S,
        .datagram_max = (uint16_t)(sessions->options.datagram_max < DATAGRAM_BYTES
                                       ? sessions->options.datagram_max
                                       : DATAGRAM_BYTES),
        .keep_alive_s = GIRO_SESSION_KEEP_ALIVE_S,
        .version = giro_handshake_version(&handshake->init)};
    sessions->options.random(ephemeral, sizeof(ephemeral));
    const enum giro_reject reject =
        giro_handshake_respond(handshake, ephemeral, &told, response, &session);
    giro_session_wipe(ephemeral, sizeof(ephemeral));
    if (reject != GIRO_REJECT_NONE)
        return reject;
    entry->session = session;
    entry->state = STATE_HALF_OPEN;
    entry->datagram_max = body->datagram_max;
    entry->replaces = body->replaces;
    entry->member_time_ns = body->time_ns;
    entry->started_ns = entry->heard_ns = now_ns;
    entry->expires_ns = now_ns + HALF_OPEN_NS;
    entry->path = entry->proved = datagram->from;
    entry->credit = credit;
    memcpy(entry->ephemeral, handshake->peer_ephemeral, sizeof(entry->ephemeral));
    memcpy(entry->response, response, sizeof(response));
    seen->entry = (uint32_t)(entry - sessions->entries);
    giro_session_wipe(&session, sizeof(session));
    sessions->counters.handshakes++;
    answer(sessions, datagram, response, sizeof(response));
    return GIRO_REJECT_NONE;
}

/* The initiator has proved a static key: is it the session key of the member it names? */
static enum giro_reject member_check(const struct giro_sessions *sessions,
                                     const struct giro_datagram *datagram,
                                     const struct giro_handshake *handshake,
                                     const struct giro_handshake_init_body *body)
{
    if (body->member >= sessions->options.genesis->member_count)
        return GIRO_REJECT_MEMBER;
    const struct giro_genesis_member *member = &sessions->options.genesis->members[body->member];
    if (memcmp(sessions->member_keys[body->member], handshake->peer_static, 32) != 0 ||
        member->session.key_id != body->key_id)
        return GIRO_REJECT_KEY;
    if (!giro_allow_member(sessions->options.allow, datagram->from.ipv4, body->member))
        return GIRO_REJECT_ADDRESS;
    return GIRO_REJECT_NONE;
}

static enum giro_reject keys_use(struct giro_sessions *sessions, uint64_t now_ns,
                                 const struct giro_datagram *datagram)
{
    struct giro_handshake handshake;
    struct giro_handshake_init_body body;
    uint32_t row = GIRO_NONE;
    enum giro_reject reject =
        giro_handshake_open(&handshake, sessions->options.self,
                            &sessions->options.genesis->chain_id, datagram->bytes, &body);
    if (reject == GIRO_REJECT_NONE)
        reject = member_check(sessions, datagram, &handshake, &body);
    if (reject == GIRO_REJECT_NONE) {
        row = body.member; /* proved: from here on a refusal is this member's */
        reject = respond(sessions, now_ns, datagram, &handshake, &body);
    }
    giro_session_wipe(&handshake, sizeof(handshake));
    return reject == GIRO_REJECT_NONE ? reject : sessions_count(sessions, row, reject);
}

static bool budget_pay(struct giro_sessions *sessions, uint64_t now_ns, uint32_t ipv4)
{
    const uint64_t hash = XXH3_64bits_withSeed(&ipv4, sizeof(ipv4), sessions->options.map_seed);
    return sessions_pay(&sessions->addresses[hash % ADDRESSES], now_ns,
                        GIRO_NS_PER_S / sessions->options.handshakes_per_address, GIRO_NS_PER_S) &&
           sessions_pay(&sessions->budget_ns, now_ns,
                        GIRO_NS_PER_S / sessions->options.handshakes_per_second, GIRO_NS_PER_S);
}

enum giro_reject sessions_handshake(struct giro_sessions *sessions, uint64_t now_ns,
                                    const struct giro_datagram *datagram)
{
    struct giro_handshake_header header;
    enum giro_reject reject = giro_handshake_check(datagram->bytes, datagram->size_bytes,
                                                   sessions->options.genesis->chain_prefix,
                                                   sessions->options.replica, &header);
    if (reject == GIRO_REJECT_VERSION && header.head.version == GIRO_VERSION)
        reject = cookie_answer(sessions, now_ns, datagram, &header,
                               reject); /* an INIT in order: tells our versions */
    if (reject != GIRO_REJECT_NONE)
        return sessions_count(sessions, GIRO_NONE, reject);
    if (!giro_cookie_good(sessions->options.cookie_secret, now_ns, datagram->from.ipv4,
                          datagram->from.port, datagram->bytes + sizeof(header)))
        return sessions_count(
            sessions, GIRO_NONE,
            cookie_answer(sessions, now_ns, datagram, &header, GIRO_REJECT_COOKIE));
    const uint8_t *ephemeral =
        datagram->bytes + sizeof(header) + GIRO_SESSION_COOKIE_SIZE; /* 32, first of Noise's */
    const struct ephemeral *seen = ephemeral_find(sessions, now_ns, ephemeral);
    if (seen != NULL) {
        const struct entry *entry = repeated_of(sessions, now_ns, seen, ephemeral);
        if (entry == NULL)
            return sessions_count(sessions, GIRO_NONE, GIRO_REJECT_DUPLICATE);
        sessions->counters.repeated++;
        answer(sessions, datagram, entry->response, sizeof(entry->response));
        return GIRO_REJECT_NONE;
    }
    if (!budget_pay(sessions, now_ns, datagram->from.ipv4))
        return sessions_count(sessions, GIRO_NONE, GIRO_REJECT_POLICED);
    return keys_use(sessions, now_ns, datagram);
}
