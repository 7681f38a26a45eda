/* Frames under way: where they are, when to send or ask again, and by which replica new ones go. */
#include "member/courier_internal.h"

#include <sodium.h>
#include <stdlib.h>
#include <sys/mman.h>

#define REFUSALS_MAX 4u /* a replica that says "later" again and again is not the only one */
#define HANDLE_AGES  (1u << (32 - HANDLE_BITS))

/* ---- Opening ---------------------------------------------------------------------------------------- */

static bool options_good(const struct giro_courier_options *options)
{
    const struct giro_genesis *genesis = options->genesis;
    return options->flights_max >= 1 && options->flights_max <= 1u << HANDLE_BITS &&
           options->datagram_max >= GIRO_SESSION_DATAGRAM_MIN && options->datagram_max <= 9000 &&
           (uint64_t)genesis->member_count * genesis->replica_count < 1u << HANDLE_BITS;
}

static struct giro_map_options map_options(const struct giro_courier_options *options)
{
    return (struct giro_map_options){.capacity = options->flights_max,
                                     .key_bytes = sizeof(struct flight_key),
                                     .seed = options->seed};
}

static size_t peers_bytes(const struct giro_courier *courier)
{
    size_t pairs = (size_t)courier->options.genesis->member_count * courier->replica_count;
    return pairs * sizeof(*courier->peers);
}

/* They hold the sessions' keys: no core file has them. Pages are touched when they are used: most pairs never are. */
static bool peers_take(struct giro_courier *courier)
{
    void *mem = mmap(NULL, peers_bytes(courier), PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mem == MAP_FAILED)
        return false;
    courier->peers = mem;
    return madvise(mem, peers_bytes(courier), MADV_DONTDUMP) == 0;
}

static bool memory_take(struct giro_courier *courier)
{
    const struct giro_courier_options *options = &courier->options;
    uint32_t members = options->genesis->member_count, flights = options->flights_max;
    size_t pairs = (size_t)members * courier->replica_count;
    struct giro_map_options map = map_options(options);
    size_t map_bytes = giro_align_up(giro_map_footprint(&map), 64);
    courier->replica_keys = calloc(courier->replica_count, sizeof(*courier->replica_keys));
    courier->members = calloc(members, sizeof(*courier->members));
    courier->listed = calloc(pairs, sizeof(*courier->listed));
    courier->flights = calloc(flights, sizeof(*courier->flights));
    courier->free_slots = calloc(flights, sizeof(*courier->free_slots));
    courier->under_way = calloc(flights, sizeof(*courier->under_way));
    courier->proofs = calloc(PROOFS, sizeof(*courier->proofs));
    courier->stands = calloc(QUESTIONS_MAX, sizeof(*courier->stands));
    courier->map_mem = aligned_alloc(64, map_bytes);
    if (!peers_take(courier) || courier->replica_keys == NULL || courier->members == NULL ||
        courier->listed == NULL || courier->flights == NULL || courier->free_slots == NULL ||
        courier->under_way == NULL || courier->proofs == NULL || courier->stands == NULL ||
        courier->map_mem == NULL)
        return false;
    courier->map = giro_map_init(courier->map_mem, map_bytes, &map);
    return courier->map != NULL;
}

enum giro_err giro_courier_open(const struct giro_courier_options *options,
                                struct giro_courier **courier_out)
{
    if (!options_good(options))
        return GIRO_ERR_ARGUMENT;
    struct giro_courier *courier = calloc(1, sizeof(*courier));
    if (courier == NULL)
        return GIRO_ERR_NOMEM;
    courier->options = *options;
    courier->replica_count = options->genesis->replica_count;
    courier->f = (courier->replica_count - 1) / 3;
    enum giro_err err = memory_take(courier) ? GIRO_ERR_OK : GIRO_ERR_NOMEM;
    for (uint32_t r = 0; err == GIRO_ERR_OK && r < courier->replica_count; r++)
        if (!giro_session_public(&options->genesis->replicas[r].transport.key,
                                 courier->replica_keys[r]))
            err = GIRO_ERR_KEY;
    if (err != GIRO_ERR_OK) {
        giro_courier_free(courier);
        return err;
    }
    for (uint32_t i = 0; i < options->flights_max; i++)
        courier->free_slots[i] = options->flights_max - 1 - i;
    courier->free_count = options->flights_max;
    for (uint32_t i = 0; i < PROOFS; i++)
        courier->proofs[i].flight = GIRO_NONE;
    for (uint32_t i = 0; i < QUESTIONS_MAX; i++)
        courier->stands[i].flight = GIRO_NONE;
    *courier_out = courier;
    return GIRO_ERR_OK;
}

void giro_courier_free(struct giro_courier *courier)
{
    if (courier == NULL)
        return;
    for (uint32_t i = 0; courier->listed != NULL && i < courier->listed_count; i++)
        giro_session_wipe(&courier->peers[courier->listed[i]], sizeof(struct peer));
    for (uint32_t m = 0; courier->members != NULL && m < courier->options.genesis->member_count;
         m++)
        if (courier->members[m].pair != NULL)
            sodium_free(courier->members[m].pair);
    free(courier->replica_keys);
    free(courier->members);
    if (courier->peers != NULL)
        munmap(courier->peers, peers_bytes(courier));
    free(courier->listed);
    free(courier->flights);
    free(courier->free_slots);
    free(courier->under_way);
    free(courier->proofs);
    free(courier->stands);
    free(courier->map_mem);
    free(courier);
}

enum giro_err giro_courier_member(struct giro_courier *courier, uint16_t number,
                                  const struct giro_secret_key *key)
{
    GIRO_ASSERT(number < courier->options.genesis->member_count);
    struct member *member = &courier->members[number];
    if (member->known)
        return GIRO_ERR_OK;
    member->pair = sodium_malloc(sizeof(*member->pair));
    if (member->pair == NULL)
        return GIRO_ERR_NOMEM;
    giro_session_pair(key, member->pair);
    member->known = true;
    member->home = (uint16_t)(number % courier->replica_count);
    member->route = (uint16_t)courier->replica_count;
    member->first = member->last = GIRO_NONE;
    member->state = GIRO_COURIER_CONNECTING;
    return GIRO_ERR_OK;
}

void giro_courier_connect(struct giro_courier *courier, uint16_t number)
{
    GIRO_ASSERT(courier->members[number].known);
    courier->members[number].connect = true;
}

/* ---- Flights ---------------------------------------------------------------------------------------- */

static struct flight_key key_of(uint16_t member, uint16_t channel, uint64_t sequence)
{
    return (struct flight_key){.sequence = sequence, .channel = channel, .member = member};
}

struct flight *giro_flight_find(const struct giro_courier *courier, uint16_t member,
                                uint16_t channel, uint64_t sequence)
{
    struct flight_key key = key_of(member, channel, sequence);
    uint32_t slot = giro_map_get(courier->map, &key);
    return slot == GIRO_NONE ? NULL : &courier->flights[slot];
}

enum giro_err giro_flight_begin(struct giro_courier *courier, uint16_t member, uint16_t channel,
                                uint64_t sequence, struct flight **flight)
{
    if (giro_flight_find(courier, member, channel, sequence) != NULL)
        return GIRO_ERR_EXISTS;
    if (courier->free_count == 0)
        return GIRO_ERR_FULL;
    GIRO_ASSERT(courier->flights != NULL);
    uint32_t slot = courier->free_slots[--courier->free_count];
    uint32_t age = courier->flights[slot].age;
    *flight = &courier->flights[slot];
    **flight = (struct flight){.sequence = sequence,
                               .member = member,
                               .channel = channel,
                               .age = (age + 1) % HANDLE_AGES,
                               .next = GIRO_NONE,
                               .place = courier->count,
                               .proof_slot = GIRO_NONE,
                               .again = NOWHERE,
                               .wait_ns = RESEND_FIRST_NS,
                               .wants_proof = courier->options.ring != NULL};
    courier->under_way[courier->count++] = slot;
    courier->members[member].count++;
    struct flight_key key = key_of(member, channel, sequence);
    bool put = giro_map_put(courier->map, &key, slot);
    GIRO_ASSERT(put);
    return GIRO_ERR_OK;
}

void giro_flight_end(struct giro_courier *courier, struct flight *flight)
{
    GIRO_ASSERT(flight->state != FLIGHT_FREE && flight->state != FLIGHT_QUEUED);
    struct flight_key key = key_of(flight->member, flight->channel, flight->sequence);
    bool removed = giro_map_remove(courier->map, &key);
    GIRO_ASSERT(removed && courier->members[flight->member].count > 0);
    giro_proof_drop(courier, flight);
    uint32_t last = courier->under_way[--courier->count];
    courier->under_way[flight->place] = last;
    courier->flights[last].place = flight->place;
    courier->members[flight->member].count--;
    if (flight->bytes == NULL)
        courier->questions--;
    flight->state = FLIGHT_FREE;
    courier->free_slots[courier->free_count++] = slot_of(courier, flight);
}

enum giro_err giro_courier_add(struct giro_courier *courier, const uint8_t *bytes,
                               uint32_t size_bytes, uint64_t tag,
                               const struct giro_courier_time *time)
{
    struct giro_frame frame;
    const struct giro_genesis *genesis = courier->options.genesis;
    if (giro_frame_decode(bytes, size_bytes, genesis->chain_prefix, &frame) != GIRO_REJECT_NONE ||
        frame.header.head.kind == GIRO_KIND_CONTROL ||
        frame.header.member >= genesis->member_count || frame.header.channel >= GIRO_CHANNELS_MAX ||
        !courier->members[frame.header.member].known ||
        size_bytes + sizeof(struct giro_session_block_head) >
            giro_session_room(courier->options.datagram_max))
        return GIRO_ERR_ARGUMENT;
    struct flight *flight;
    courier->now = *time;
    GIRO_TRY(giro_flight_begin(courier, frame.header.member, frame.header.channel,
                               frame.header.sequence, &flight));
    size_t message = giro_frame_message(&frame, &genesis->chain_id, courier->message);
    flight->hash = giro_sha256(courier->message, message);
    flight->bytes = bytes;
    flight->size_bytes = size_bytes;
    flight->tag = tag;
    flight->record_count = frame.header.record_count;
    flight->is_skip = frame.header.head.kind == GIRO_KIND_SKIP;
    flight->state = FLIGHT_QUEUED;
    flight->due_ns = UINT64_MAX;
    struct member *member = &courier->members[flight->member];
    uint32_t slot = slot_of(courier, flight);
    if (member->first == GIRO_NONE)
        member->first = slot;
    else
        courier->flights[member->last].next = slot;
    member->last = slot;
    return GIRO_ERR_OK;
}

void giro_flight_unqueue(struct giro_courier *courier, struct flight *flight)
{
    struct member *member = &courier->members[flight->member];
    GIRO_ASSERT(flight->state == FLIGHT_QUEUED && member->first == slot_of(courier, flight));
    member->first = flight->next;
    if (member->first == GIRO_NONE)
        member->last = GIRO_NONE;
    flight->next = GIRO_NONE;
    flight->state = FLIGHT_SENT;
    flight->first_sent_ns = now_of(courier);
    const struct peer *home = peer_of(courier, flight->member, member->home);
    flight->due_ns = now_of(courier) + flight->wait_ns + home->rtt_ns;
    courier->stats.frames_sent++;
}

enum giro_err giro_courier_ask(struct giro_courier *courier, uint16_t member, uint16_t channel,
                               uint64_t sequence, bool proof, uint64_t tag,
                               const struct giro_courier_time *time)
{
    struct flight *flight;
    if (member >= courier->options.genesis->member_count || !courier->members[member].known ||
        channel >= GIRO_CHANNELS_MAX || (proof && courier->options.ring == NULL))
        return GIRO_ERR_ARGUMENT;
    if (courier->questions >= QUESTIONS_MAX)
        return GIRO_ERR_FULL;
    courier->now = *time;
    GIRO_TRY(giro_flight_begin(courier, member, channel, sequence, &flight));
    courier->questions++;
    courier->stats.questions++;
    flight->tag = tag;
    flight->state = FLIGHT_QUESTION;
    flight->wants_proof = proof;
    flight->due_ns = now_of(courier);
    return GIRO_ERR_OK;
}

/* ---- Time -------------------------------------------------------------------------------------------- */

void giro_flight_send(struct giro_courier *courier, const struct flight *flight, uint32_t replica,
                      enum errand_kind kind)
{
    struct peer *peer = peer_of(courier, flight->member, replica);
    giro_peer_want(courier, peer);
    giro_peer_errand(courier, peer, kind, flight, 0);
}

/* The same bytes to f + 1 others, walking on with every turn. */
static void resend(struct giro_courier *courier, struct flight *flight)
{
    const struct member *member = &courier->members[flight->member];
    uint32_t from = member->home + 1u + flight->turns++;
    if (member->route < courier->replica_count)
        giro_peer_shun(courier, peer_of(courier, flight->member, member->route));
    for (uint32_t i = 0; i <= courier->f; i++)
        giro_flight_send(courier, flight, (from + i) % courier->replica_count, ERRAND_FRAME);
    courier->stats.frames_resent++;
}

static void ask(struct giro_courier *courier, struct flight *flight)
{
    uint32_t from = courier->members[flight->member].home + flight->turns++;
    giro_flight_send(courier, flight, from % courier->replica_count, ERRAND_RECEIPT);
}

static void tell_nothing(struct giro_courier *courier, struct flight *flight)
{
    struct giro_courier_told told = {
        .kind = GIRO_TOLD_NOTHING,
        .final = true,
        .tag = flight->tag,
        .member = flight->member,
        .item = {.channel = flight->channel, .sequence = flight->sequence}};
    courier->options.told(courier->options.context, &told);
    giro_flight_end(courier, flight);
}

/* f + 1 ledgers without it, and every replica asked often enough; silence says nothing. */
static bool nobody_knows(const struct giro_courier *courier, const struct flight *flight,
                         uint32_t turns)
{
    return turns > 2 * courier->replica_count + 4 && replicas_in(flight->absent_by) > courier->f;
}

/* Told as executed, and not proved yet. Who told it may have kept the frame to itself. */
static void prove_again(struct giro_courier *courier, struct flight *flight)
{
    if (flight->bytes == NULL && nobody_knows(courier, flight, flight->proof_turns)) {
        tell_nothing(courier, flight);
        return;
    }
    if (flight->bytes != NULL && flight->proof_turns >= 2 * courier->replica_count) {
        flight->proof_turns = 0;
        flight->unproven = true;
        resend(courier, flight);
    }
    giro_flight_prove(courier, flight, (flight->witness + 1u) % courier->replica_count);
}

static void overdue(struct giro_courier *courier, struct flight *flight)
{
    flight->due_ns = now_of(courier) + flight->wait_ns;
    flight->wait_ns = flight->wait_ns * 2 > RESEND_LAST_NS ? RESEND_LAST_NS : flight->wait_ns * 2;
    switch ((enum flight_state)flight->state) {
    case FLIGHT_SENT:
        if (flight->again != NOWHERE && flight->refusals++ < REFUSALS_MAX) {
            giro_flight_send(courier, flight, flight->again, ERRAND_FRAME);
        } else {
            flight->refusals = 0;
            resend(courier, flight);
        }
        flight->again = NOWHERE;
        break;
    case FLIGHT_DURABLE:
        if (courier->now.wall_ns <= flight->expiry_wall_ns + GIRO_NS_PER_S) {
            ask(courier, flight);
        } else { /* dead, or executed and not heard of: the same bytes tell */
            flight->state = FLIGHT_SENT;
            resend(courier, flight);
        }
        break;
    case FLIGHT_PROVING:
        prove_again(courier, flight);
        break;
    case FLIGHT_QUESTION:
        if (nobody_knows(courier, flight, flight->turns))
            tell_nothing(courier, flight);
        else
            ask(courier, flight);
        break;
    case FLIGHT_CHANNEL:
        giro_flight_stand_ask(courier, flight);
        break;
    case FLIGHT_FREE:
    case FLIGHT_QUEUED:
        break;
    }
}

/* New frames go to the home replica, or to the first one after it that answers. Each gets a moment to answer. If all were silent at
 * once, that is no reason to wait until it is forgotten: then to the one that gave a receipt last. */
static uint16_t route_find(struct giro_courier *courier, uint16_t number)
{
    const struct member *member = &courier->members[number];
    const struct peer *last = NULL;
    for (uint32_t k = 0; k < courier->replica_count; k++) {
        uint32_t replica = (member->home + k) % courier->replica_count;
        struct peer *peer = peer_of(courier, number, replica);
        giro_peer_want(courier, peer);
        if (giro_peer_alive(courier, peer))
            return (uint16_t)replica;
        if (peer->live && (last == NULL || peer->receipt_ns > last->receipt_ns))
            last = peer;
        if (!peer->live && now_of(courier) - peer->want_began_ns < SILENT_NS)
            return (uint16_t)courier->replica_count;
    }
    return last != NULL ? last->replica : (uint16_t)courier->replica_count;
}

static enum giro_courier_state state_find(const struct giro_courier *courier,
                                          const struct member *member)
{
    uint64_t since = member->heard_ns > member->began_ns ? member->heard_ns : member->began_ns;
    if (member->route < courier->replica_count &&
        giro_peer_alive(courier,
                        peer_of(courier, (uint32_t)(member - courier->members), member->route)))
        return member->route == member->home ? GIRO_COURIER_UP : GIRO_COURIER_FAILING_OVER;
    if (now_of(courier) - since > DOWN_NS)
        return GIRO_COURIER_DOWN;
    return member->heard_ns == 0 ? GIRO_COURIER_CONNECTING : GIRO_COURIER_FAILING_OVER;
}

static void member_scan(struct giro_courier *courier, uint16_t number)
{
    struct member *member = &courier->members[number];
    if (!member->known || courier->closing || (!member->connect && member->count == 0))
        return;
    if (member->began_ns == 0)
        member->began_ns = now_of(courier);
    uint16_t route = route_find(courier, number);
    if (route != member->route && route < courier->replica_count) {
        courier->stats.fail_overs += route != member->home;
        peer_of(courier, number, route)->receipt_ns = now_of(courier);
    }
    member->route = route;
    enum giro_courier_state state = state_find(courier, member);
    if (state == member->state)
        return;
    member->state = (uint8_t)state;
    struct giro_courier_told told = {.kind = GIRO_TOLD_STATE, .state = state, .member = number};
    courier->options.told(courier->options.context, &told);
}

/* Peers that nobody wants any more leave the list. */
static void peers_scan(struct giro_courier *courier)
{
    for (uint32_t i = 0; i < courier->listed_count;) {
        struct peer *peer = &courier->peers[courier->listed[i]];
        const struct member *member = &courier->members[peer->member];
        bool home = peer->replica == member->home && (member->connect || member->count > 0);
        if (peer->wanted && !home && peer->errand_count == 0 &&
            now_of(courier) - peer->used_ns > IDLE_NS) {
            peer->wanted = false;
            peer->shaking = false;
            peer->close_wanted = peer->live;
        }
        if (peer->has_previous && now_of(courier) >= peer->previous_end_ns) {
            peer->has_previous = false;
            giro_session_wipe(&peer->previous, sizeof(peer->previous));
        }
        if (peer->wanted || peer->live || peer->has_previous) {
            i++;
            continue;
        }
        peer->listed = false;
        courier->listed[i] = courier->listed[--courier->listed_count];
    }
}

static void scan(struct giro_courier *courier)
{
    courier->last_scan_ns = now_of(courier);
    for (uint32_t i = courier->count; i > 0;
         i--) { /* downwards: a flight that ends swaps with the last */
        struct flight *flight = &courier->flights[courier->under_way[i - 1]];
        if (now_of(courier) >= flight->due_ns && !courier->closing)
            overdue(courier, flight);
    }
    for (uint32_t m = 0; m < courier->options.genesis->member_count; m++)
        member_scan(courier, (uint16_t)m);
    peers_scan(courier);
}

uint32_t giro_courier_send(struct giro_courier *courier, const struct giro_courier_time *time,
                           uint8_t *out, uint16_t *replica)
{
    courier->now = *time;
    if (now_of(courier) - courier->last_scan_ns >= SCAN_NS)
        scan(courier);
    for (uint32_t i = 0; i < courier->listed_count; i++) {
        courier->cursor = courier->cursor + 1 < courier->listed_count ? courier->cursor + 1 : 0;
        struct peer *peer = &courier->peers[courier->listed[courier->cursor]];
        uint32_t size = giro_peer_turn(courier, peer, out);
        if (size > 0) {
            *replica = peer->replica;
            courier->stats.datagrams_sent++;
            return size;
        }
    }
    return 0;
}

uint64_t giro_courier_due(const struct giro_courier *courier)
{
    uint64_t due = UINT64_MAX, scan_ns = courier->last_scan_ns + SCAN_NS;
    bool scanning = courier->count > 0;
    for (uint32_t m = 0; !scanning && m < courier->options.genesis->member_count; m++)
        scanning =
            courier->members[m].connect && courier->members[m].route != courier->members[m].home;
    for (uint32_t i = 0; i < courier->listed_count; i++) {
        const struct peer *peer = &courier->peers[courier->listed[i]];
        uint64_t at = giro_peer_due(courier, peer);
        due = at < due ? at : due;
        scanning = scanning || peer->unanswered_ns != 0 || peer->shaking;
    }
    return scanning && scan_ns < due ? scan_ns : due;
}

/* ---- Looking ----------------------------------------------------------------------------------------- */

void giro_courier_close_sessions(struct giro_courier *courier)
{
    courier->closing = true;
    for (uint32_t i = 0; i < courier->listed_count; i++) {
        struct peer *peer = &courier->peers[courier->listed[i]];
        peer->wanted = peer->shaking = false;
        peer->close_wanted = peer->live;
    }
}

uint32_t giro_courier_count(const struct giro_courier *courier)
{
    return courier->count;
}

const struct giro_courier_stats *giro_courier_stats(const struct giro_courier *courier)
{
    return &courier->stats;
}

enum giro_courier_state giro_courier_state(const struct giro_courier *courier, uint16_t member)
{
    return (enum giro_courier_state)courier->members[member].state;
}

uint64_t giro_courier_rtt_ns(const struct giro_courier *courier, uint16_t member)
{
    return peer_of(courier, member, courier->members[member].home)->rtt_ns;
}

uint32_t giro_courier_path_bytes(const struct giro_courier *courier, uint16_t member)
{
    const struct peer *peer = peer_of(courier, member, courier->members[member].home);
    return peer->live ? peer->path_bytes : 0;
}

void giro_courier_check(const struct giro_courier *courier)
{
    uint32_t queued = 0, questions = 0;
    GIRO_ASSERT(courier->count + courier->free_count == courier->options.flights_max);
    GIRO_ASSERT(giro_map_count(courier->map) == courier->count);
    for (uint32_t i = 0; i < courier->count; i++) {
        const struct flight *flight = &courier->flights[courier->under_way[i]];
        GIRO_ASSERT(flight->state != FLIGHT_FREE && flight->place == i);
        GIRO_ASSERT(giro_flight_find(courier, flight->member, flight->channel, flight->sequence) ==
                    flight);
        GIRO_ASSERT(flight->proof_slot == GIRO_NONE || flight->state == FLIGHT_PROVING);
        questions += flight->bytes == NULL;
        queued += flight->state == FLIGHT_QUEUED;
    }
    GIRO_ASSERT(questions == courier->questions);
    for (uint32_t m = 0; m < courier->options.genesis->member_count; m++)
        for (uint32_t slot = courier->members[m].known ? courier->members[m].first : GIRO_NONE;
             slot != GIRO_NONE; slot = courier->flights[slot].next)
            queued--;
    GIRO_ASSERT(queued == 0);
    for (uint32_t i = 0; i < courier->listed_count; i++) {
        const struct peer *peer = &courier->peers[courier->listed[i]];
        uint32_t out = 0;
        for (uint64_t n = peer->lowest; peer->live && n < peer->session.send_number; n++)
            out += peer->numbers[n % NUMBERS].out;
        GIRO_ASSERT(!peer->live || out == peer->out_count);
        GIRO_ASSERT(!peer->live || peer->session.send_number - peer->lowest <= NUMBERS);
    }
}
