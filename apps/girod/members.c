#include "apps/girod/members.h"

#include <sodium.h>
#include <stdlib.h>
#include <sys/mman.h>

/* Five X25519 a handshake, about 0.3 ms, so a sixth of a core at most. A thousand members that come at once are in within 2 s. */
#define HANDSHAKES_PER_SECOND  500u
#define HANDSHAKES_PER_ADDRESS 100u
#define LEAF_BYTES_MAX                                                                             \
    (GIRO_TAG_BYTES + sizeof(struct giro_leaf_frame) +                                             \
     GIRO_FRAME_RECORDS_MAX * sizeof(struct giro_result))

struct giro_members {
    struct giro_members_options options;
    struct giro_session_key_pair *self; /* locked memory */
    void *mem;
    size_t mem_bytes;
    uint64_t now_ns; /* of the call under way */
    struct giro_sessions *sessions;
    const struct giro_replica *replica;
};

/* ---- Questions -------------------------------------------------------------------------------------- */

static void refuse(struct giro_members *members, const struct giro_endpoint *from, uint16_t member,
                   const struct giro_session_ask *ask, enum giro_reject reason)
{
    giro_ingress_count(members->options.ingress, member, reason);
    giro_sessions_refuse(members->sessions, members->now_ns, from, member, ask->sequence,
                         ask->channel, reason);
}

static void answer_channel(struct giro_members *members, const struct giro_endpoint *from,
                           uint16_t member, const struct giro_session_ask *ask)
{
    struct giro_session_channel channel = {.channel = ask->channel};
    bool stopped = false;
    giro_settlement_channel(giro_replica_settlement(members->replica), member, ask->channel,
                            &channel.base, &channel.frontier, &stopped);
    channel.stopped = stopped;
    giro_sessions_channel(members->sessions, members->now_ns, from, member, &channel);
}

/* The receipt of a first execution, from its leaf. */
static void answer_receipt(struct giro_members *members, const struct giro_endpoint *from,
                           uint16_t member, uint64_t height, uint32_t leaf_index,
                           const uint8_t *leaf)
{
    struct giro_leaf_frame frame;
    struct giro_receipt_run runs[GIRO_FRAME_RECORDS_MAX];
    uint16_t run_count = 0;
    memcpy(&frame, leaf + GIRO_TAG_BYTES, sizeof(frame));
    for (uint32_t i = 0; i < frame.record_count; i++) {
        struct giro_result result;
        memcpy(&result, leaf + GIRO_TAG_BYTES + sizeof(frame) + i * sizeof(result), sizeof(result));
        if (run_count > 0 && memcmp(&runs[run_count - 1].result, &result, sizeof(result)) == 0)
            runs[run_count - 1].count++;
        else
            runs[run_count++] = (struct giro_receipt_run){.count = 1, .result = result};
    }
    const struct giro_receipt_item item = {.sequence = frame.sequence,
                                           .frame_hash = frame.frame_hash,
                                           .height = height,
                                           .leaf_index = leaf_index,
                                           .channel = frame.channel,
                                           .level = GIRO_LEVEL_CERTIFIED,
                                           .outcome = frame.outcome,
                                           .run_count = run_count};
    giro_sessions_receipt(members->sessions, members->now_ns, from, member, &item, runs);
}

static void answer_proof(struct giro_members *members, const struct giro_endpoint *from,
                         uint16_t member, const struct giro_session_ask *ask, uint64_t height,
                         uint32_t leaf_index)
{
    uint8_t *proof = NULL;
    size_t size_bytes = 0;
    if (giro_ledger_file_proof(members->options.ledger, height, leaf_index, &proof, &size_bytes) !=
        GIRO_ERR_OK) {
        refuse(members, from, member, ask, GIRO_REJECT_ABSENT);
        return;
    }
    giro_sessions_proof(members->sessions, members->now_ns, from, member, ask, proof,
                        (uint32_t)size_bytes);
    free(proof);
}

static void on_ask(void *context, const struct giro_endpoint *from, uint16_t member,
                   const struct giro_session_ask *ask)
{
    struct giro_members *members = context;
    uint8_t leaf[LEAF_BYTES_MAX];
    uint64_t height = 0;
    uint32_t leaf_index = 0;
    if (ask->want == GIRO_WANT_CHANNEL) {
        if (members->replica != NULL)
            answer_channel(members, from, member, ask);
        else /* not yet: ABSENT would be said of a frame */
            refuse(members, from, member, ask, GIRO_REJECT_LIMIT);
        return;
    }
    const uint32_t size_bytes =
        giro_ledger_file_find(members->options.ledger, member, ask->channel, ask->sequence, &height,
                              &leaf_index, leaf, sizeof(leaf));
    struct giro_leaf_frame frame;
    if (size_bytes >= GIRO_TAG_BYTES + sizeof(frame))
        memcpy(&frame, leaf + GIRO_TAG_BYTES, sizeof(frame));
    if (size_bytes < GIRO_TAG_BYTES + sizeof(frame) ||
        size_bytes !=
            GIRO_TAG_BYTES + sizeof(frame) + frame.record_count * sizeof(struct giro_result) ||
        !giro_ledger_file_certified(members->options.ledger, height))
        refuse(members, from, member, ask, GIRO_REJECT_ABSENT);
    else if (ask->want == GIRO_WANT_RECEIPT)
        answer_receipt(members, from, member, height, leaf_index, leaf);
    else
        answer_proof(members, from, member, ask, height, leaf_index);
}

/* ---- Datagrams ----------------------------------------------------------------------------------------- */

static void on_send(void *context, const struct giro_endpoint *to, const void *bytes,
                    uint32_t size_bytes)
{
    const struct giro_members *members = context;
    /* A full queue is the port's counter; what was in it is asked for again. */
    const enum giro_err err = giro_port_send(members->options.port, to, bytes, size_bytes);
    (void)err;
}

/* The ingress has found a signature wrong, after its datagram was acknowledged. */
static void on_refused(void *context, const struct giro_ingress_frame *frame)
{
    struct giro_members *members = context;
    if (frame->from.session != 0)
        giro_sessions_refuse(members->sessions, members->now_ns, &frame->from,
                             frame->frame.header.member, frame->frame.header.sequence,
                             frame->frame.header.channel, GIRO_REJECT_SIGNATURE);
}

/* Why a datagram that is no session's is refused. */
static enum giro_reject stranger(const struct giro_datagram *datagram)
{
    struct giro_head head;
    if (datagram->size_bytes < sizeof(head))
        return GIRO_REJECT_TRUNCATED;
    memcpy(&head, datagram->bytes, sizeof(head));
    return head.magic == GIRO_MAGIC ? GIRO_REJECT_KIND : GIRO_REJECT_MAGIC;
}

void giro_members_take(struct giro_members *members, uint64_t now_ns,
                       const struct giro_datagram *datagram)
{
    members->now_ns = now_ns;
    if (giro_sessions_is(datagram))
        (void)giro_sessions_take(members->sessions, now_ns, datagram);
    else
        giro_ingress_count(members->options.ingress, GIRO_NONE, stranger(datagram));
}

void giro_members_answer(struct giro_members *members, uint64_t now_ns,
                         const struct giro_answer *answer)
{
    members->now_ns = now_ns;
    if (answer->to.session != 0) /* zero: it came by HTTPS, whose client asks by proof */
        giro_sessions_receipt(members->sessions, now_ns, &answer->to, answer->member, &answer->item,
                              answer->runs);
}

void giro_members_flush(struct giro_members *members, uint64_t now_ns)
{
    members->now_ns = now_ns;
    giro_sessions_flush(members->sessions, now_ns);
}

uint64_t giro_members_next_ns(const struct giro_members *members)
{
    return giro_sessions_next_ns(members->sessions);
}

void giro_members_stop(struct giro_members *members, uint64_t now_ns)
{
    giro_members_flush(members, now_ns);
    giro_sessions_stop(members->sessions, now_ns);
}

void giro_members_counters(const struct giro_members *members,
                           struct giro_sessions_counters *counters)
{
    giro_sessions_counters(members->sessions, counters);
}

/* ---- Life ------------------------------------------------------------------------------------------------ */

static enum giro_err sessions_open(struct giro_members *members)
{
    const struct giro_members_options *options = &members->options;
    members->self = sodium_malloc(sizeof(*members->self));
    if (members->self == NULL)
        return GIRO_ERR_NOMEM;
    giro_session_pair(options->transport_key, members->self);
    struct giro_sessions_options sessions = {.genesis = options->genesis,
                                             .allow = options->allow,
                                             .ingress = options->ingress,
                                             .self = members->self,
                                             .replica = options->replica,
                                             .datagram_max = options->datagram_max,
                                             .handshakes_per_second = HANDSHAKES_PER_SECOND,
                                             .handshakes_per_address = HANDSHAKES_PER_ADDRESS,
                                             .context = members,
                                             .random = randombytes_buf,
                                             .send = on_send,
                                             .ask = on_ask};
    randombytes_buf(sessions.cookie_secret, sizeof(sessions.cookie_secret));
    randombytes_buf(&sessions.map_seed, sizeof(sessions.map_seed));
    members->mem_bytes = giro_sessions_footprint(&sessions);
    if (members->mem_bytes == 0)
        return GIRO_ERR_ARGUMENT;
    void *mem =
        mmap(NULL, members->mem_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mem == MAP_FAILED)
        return GIRO_ERR_NOMEM;
    members->mem = mem;
    (void)madvise(mem, members->mem_bytes, MADV_DONTDUMP); /* it holds keys */
    members->sessions = giro_sessions_init(mem, members->mem_bytes, &sessions);
    return members->sessions == NULL ? GIRO_ERR_KEY : GIRO_ERR_OK;
}

enum giro_err giro_members_open(const struct giro_members_options *options,
                                struct giro_members **members_out)
{
    struct giro_members *members = calloc(1, sizeof(*members));
    if (members == NULL)
        return GIRO_ERR_NOMEM;
    members->options = *options;
    enum giro_err err = sessions_open(members);
    if (err != GIRO_ERR_OK) {
        giro_members_close(members);
        return err;
    }
    giro_ingress_watch(options->ingress, on_refused, members);
    *members_out = members;
    return GIRO_ERR_OK;
}

void giro_members_serve(struct giro_members *members, const struct giro_replica *replica)
{
    members->replica = replica;
}

void giro_members_close(struct giro_members *members)
{
    if (members == NULL)
        return;
    if (members->mem != NULL) {
        sodium_memzero(members->mem, members->mem_bytes);
        munmap(members->mem, members->mem_bytes);
    }
    sodium_free(members->self);
    free(members);
}
