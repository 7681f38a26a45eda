/* Blocks inside a session datagram: written one after the other, read strictly. */
#include "giro/session.h"

#define REQUIRE(condition, reason)                                                                 \
    do {                                                                                           \
        if (!(condition))                                                                          \
            return GIRO_REJECT_##reason;                                                           \
    } while (0)

enum { UP = GIRO_SESSION_UP, DOWN = GIRO_SESSION_DOWN, BOTH = UP | DOWN };

/* Directions a kind may go, 0 for no kind. */
static uint32_t directions_of(uint8_t kind)
{
    switch (kind) {
#define KIND_CASE(number, name, direction, text)                                                   \
    case (number):                                                                                 \
        return (direction);
        GIRO_SESSION_MAP(KIND_CASE)
#undef KIND_CASE
    default:
        return 0;
    }
}

static size_t padding(size_t size_bytes)
{
    return (4 - size_bytes % 4) % 4;
}

static bool is_zero(const uint8_t *bytes, size_t size_bytes)
{
    uint8_t any = 0;
    for (size_t i = 0; i < size_bytes; i++)
        any |= bytes[i];
    return any == 0;
}

/* ---- Bodies: each check gets the whole body ------------------------------------------------------- */

static enum giro_reject frame_check(const uint8_t *body, uint32_t size_bytes)
{
    (void)body;
    REQUIRE(size_bytes >= GIRO_FRAME_BYTES_MIN, TRUNCATED);
    REQUIRE(size_bytes <= GIRO_FRAME_BYTES_MAX, OVERSIZED);
    return GIRO_REJECT_NONE;
}

static enum giro_reject receipt_check(const uint8_t *body, uint32_t size_bytes)
{
    struct giro_reader reader;
    giro_reader_init(&reader, body, size_bytes);
    REQUIRE(size_bytes > 0, TRUNCATED);
    while (giro_reader_left(&reader) > 0) {
        struct giro_receipt_item item;
        const uint8_t *runs;
        const enum giro_reject reject = giro_receipt_next(&reader, &item, &runs);
        if (reject != GIRO_REJECT_NONE)
            return reject;
    }
    return GIRO_REJECT_NONE;
}

static enum giro_reject ack_check(const uint8_t *body, uint32_t size_bytes)
{
    struct giro_session_ack ack;
    REQUIRE(size_bytes >= sizeof(ack), TRUNCATED);
    memcpy(&ack, body, sizeof(ack));
    REQUIRE(ack.reserved == 0, RESERVED);
    REQUIRE(ack.word_count <= GIRO_ACK_WORDS_MAX, COUNT);
    REQUIRE(size_bytes >= sizeof(ack) + 8u * ack.word_count, TRUNCATED);
    REQUIRE(size_bytes <= sizeof(ack) + 8u * ack.word_count, OVERSIZED);
    REQUIRE(ack.cumulative <= GIRO_SESSION_NUMBER_MAX + 1, FIELD);
    REQUIRE(ack.credit <= GIRO_SESSION_NUMBER_MAX + 1, FIELD);
    if (ack.word_count > 0)
        REQUIRE(!is_zero(body + size_bytes - 8, 8), FIELD);
    return GIRO_REJECT_NONE;
}

static enum giro_reject refuse_check(const uint8_t *body, uint32_t size_bytes)
{
    struct giro_session_refuse refuse;
    (void)size_bytes;
    memcpy(&refuse, body, sizeof(refuse));
    REQUIRE(refuse.channel < GIRO_CHANNELS_MAX, CHANNEL);
    REQUIRE(refuse.reason != GIRO_REJECT_NONE && refuse.reason < GIRO_REJECT_COUNT_OF_REASONS,
            FIELD);
    REQUIRE(refuse.wait_ms == 0 || refuse.reason == GIRO_REJECT_POLICED ||
                refuse.reason == GIRO_REJECT_LIMIT,
            FIELD);
    return GIRO_REJECT_NONE;
}

static enum giro_reject ask_check(const uint8_t *body, uint32_t size_bytes)
{
    struct giro_session_ask ask;
    (void)size_bytes;
    memcpy(&ask, body, sizeof(ask));
    REQUIRE(ask.channel < GIRO_CHANNELS_MAX, CHANNEL);
    REQUIRE(ask.want >= GIRO_WANT_RECEIPT && ask.want <= GIRO_WANT_CHANNEL, FIELD);
    REQUIRE(ask.want != GIRO_WANT_CHANNEL || ask.sequence == 0, FIELD);
    REQUIRE(ask.want == GIRO_WANT_PROOF ? ask.offset < GIRO_SESSION_PROOF_MAX : ask.offset == 0,
            FIELD);
    return GIRO_REJECT_NONE;
}

static enum giro_reject proof_check(const uint8_t *body, uint32_t size_bytes)
{
    struct giro_session_proof proof;
    REQUIRE(size_bytes > sizeof(proof), TRUNCATED);
    memcpy(&proof, body, sizeof(proof));
    const uint32_t part_bytes = size_bytes - (uint32_t)sizeof(proof);
    REQUIRE(proof.reserved == 0 && proof.reserved2 == 0, RESERVED);
    REQUIRE(proof.channel < GIRO_CHANNELS_MAX, CHANNEL);
    REQUIRE(proof.total <= GIRO_SESSION_PROOF_MAX, FIELD);
    REQUIRE(proof.offset < proof.total && part_bytes <= proof.total - proof.offset, FIELD);
    return GIRO_REJECT_NONE;
}

static enum giro_reject ping_check(const uint8_t *body, uint32_t size_bytes)
{
    struct giro_session_ping ping;
    (void)size_bytes;
    memcpy(&ping, body, sizeof(ping));
    REQUIRE(ping.reserved == 0, RESERVED);
    REQUIRE(ping.datagram_max == 0 ||
                (ping.datagram_max >= GIRO_SESSION_DATAGRAM_MIN && ping.datagram_max <= UINT16_MAX),
            FIELD);
    return GIRO_REJECT_NONE;
}

static enum giro_reject pong_check(const uint8_t *body, uint32_t size_bytes)
{
    struct giro_session_pong pong;
    (void)size_bytes;
    memcpy(&pong, body, sizeof(pong));
    REQUIRE(pong.reserved == 0, RESERVED);
    REQUIRE(pong.size <= UINT16_MAX, FIELD);
    return GIRO_REJECT_NONE;
}

static enum giro_reject pad_check(const uint8_t *body, uint32_t size_bytes)
{
    REQUIRE(is_zero(body, size_bytes), RESERVED);
    return GIRO_REJECT_NONE;
}

static enum giro_reject close_check(const uint8_t *body, uint32_t size_bytes)
{
    struct giro_session_close message;
    (void)size_bytes;
    memcpy(&message, body, sizeof(message));
    REQUIRE(message.reserved == 0, RESERVED);
    REQUIRE(message.reason >= GIRO_CLOSE_DONE && message.reason <= GIRO_CLOSE_STOPPING, FIELD);
    return GIRO_REJECT_NONE;
}

static enum giro_reject channel_check(const uint8_t *body, uint32_t size_bytes)
{
    struct giro_session_channel channel;
    (void)size_bytes;
    memcpy(&channel, body, sizeof(channel));
    REQUIRE(is_zero(channel.reserved, sizeof(channel.reserved)), RESERVED);
    REQUIRE(channel.channel < GIRO_CHANNELS_MAX, CHANNEL);
    REQUIRE(channel.stopped <= 1 && channel.base <= channel.frontier, FIELD);
    return GIRO_REJECT_NONE;
}

/* fixed_bytes 0: the check looks at the size itself. */
static const struct {
    enum giro_reject (*check)(const uint8_t *body, uint32_t size_bytes);
    uint32_t fixed_bytes;
} kinds[] = {
    [GIRO_SESSION_FRAME] = {frame_check, 0},
    [GIRO_SESSION_RECEIPT] = {receipt_check, 0},
    [GIRO_SESSION_ACK] = {ack_check, 0},
    [GIRO_SESSION_REFUSE] = {refuse_check, sizeof(struct giro_session_refuse)},
    [GIRO_SESSION_ASK] = {ask_check, sizeof(struct giro_session_ask)},
    [GIRO_SESSION_PROOF] = {proof_check, 0},
    [GIRO_SESSION_PING] = {ping_check, sizeof(struct giro_session_ping)},
    [GIRO_SESSION_PONG] = {pong_check, sizeof(struct giro_session_pong)},
    [GIRO_SESSION_PAD] = {pad_check, 0},
    [GIRO_SESSION_CLOSE] = {close_check, sizeof(struct giro_session_close)},
    [GIRO_SESSION_CHANNEL] = {channel_check, sizeof(struct giro_session_channel)},
};

/* ---- Reading -------------------------------------------------------------------------------------- */

enum giro_reject giro_session_next(struct giro_reader *reader,
                                   enum giro_session_direction direction,
                                   struct giro_session_block *block)
{
    struct giro_session_block_head head;
    REQUIRE(giro_reader_copy(reader, &head, sizeof(head)), TRUNCATED);
    REQUIRE(head.reserved == 0, RESERVED);
    REQUIRE((directions_of(head.kind) & direction) != 0, KIND);
    const uint8_t *body = giro_reader_take(reader, head.size);
    const uint8_t *zeros = giro_reader_take(reader, padding(head.size));
    REQUIRE(body != NULL && zeros != NULL, TRUNCATED);
    REQUIRE(is_zero(zeros, padding(head.size)), RESERVED);
    if (kinds[head.kind].fixed_bytes != 0) {
        REQUIRE(head.size >= kinds[head.kind].fixed_bytes, TRUNCATED);
        REQUIRE(head.size <= kinds[head.kind].fixed_bytes, OVERSIZED);
    }
    const enum giro_reject reject = kinds[head.kind].check(body, head.size);
    if (reject != GIRO_REJECT_NONE)
        return reject;
    *block = (struct giro_session_block){
        .kind = (enum giro_session_kind)head.kind, .size_bytes = head.size, .bytes = body};
    return GIRO_REJECT_NONE;
}

enum giro_reject giro_session_blocks_check(const uint8_t *bytes, uint32_t size_bytes,
                                           enum giro_session_direction direction)
{
    struct giro_reader reader;
    struct giro_session_block block;
    giro_reader_init(&reader, bytes, size_bytes);
    do {
        const enum giro_reject reject = giro_session_next(&reader, direction, &block);
        if (reject != GIRO_REJECT_NONE)
            return reject;
    } while (giro_reader_left(&reader) > 0);
    return GIRO_REJECT_NONE;
}

bool giro_session_ack_has(const struct giro_session_block *ack, uint64_t number)
{
    struct giro_session_ack head;
    GIRO_ASSERT(ack->kind == GIRO_SESSION_ACK && ack->size_bytes >= sizeof(head));
    memcpy(&head, ack->bytes, sizeof(head));
    if (number < head.cumulative)
        return true;
    const uint64_t at = number - head.cumulative;
    if (at / 64 >= head.word_count)
        return false;
    uint64_t word;
    memcpy(&word, ack->bytes + sizeof(head) + 8 * (at / 64), sizeof(word));
    return (word >> (at % 64) & 1) != 0;
}

/* ---- Writing -------------------------------------------------------------------------------------- */

uint8_t *giro_session_reserve(struct giro_writer *writer, enum giro_session_kind kind,
                              uint32_t size_bytes)
{
    GIRO_ASSERT(size_bytes <= UINT16_MAX);
    const size_t whole = sizeof(struct giro_session_block_head) + size_bytes + padding(size_bytes);
    if (whole > writer->size_bytes - writer->offset)
        return NULL;
    const struct giro_session_block_head head = {.kind = (uint8_t)kind,
                                                 .size = (uint16_t)size_bytes};
    uint8_t *at = giro_writer_reserve(writer, whole);
    if (at == NULL)
        return NULL;
    memcpy(at, &head, sizeof(head));
    memset(at + sizeof(head) + size_bytes, 0, padding(size_bytes));
    return at + sizeof(head);
}

bool giro_session_put(struct giro_writer *writer, enum giro_session_kind kind, const void *body,
                      uint32_t size_bytes)
{
    uint8_t *at = giro_session_reserve(writer, kind, size_bytes);
    if (at == NULL)
        return false;
    if (size_bytes > 0)
        memcpy(at, body, size_bytes);
    return true;
}

bool giro_session_put_ack(struct giro_writer *writer, const struct giro_session_window *window,
                          uint64_t credit, uint32_t delay_us)
{
    uint64_t words[GIRO_ACK_WORDS_MAX];
    struct giro_session_ack ack = {
        .cumulative = window->cumulative, .credit = credit, .delay_us = delay_us};
    const size_t needed = sizeof(struct giro_session_block_head) + sizeof(ack);
    const size_t left = writer->size_bytes - writer->offset;
    if (left < needed)
        return false;
    uint32_t word_count = giro_session_window_words(window, words);
    if (word_count > (left - needed) / 8)
        word_count = (uint32_t)((left - needed) / 8);
    while (word_count > 0 && words[word_count - 1] == 0)
        word_count--;
    ack.word_count = (uint16_t)word_count;
    uint8_t *at =
        giro_session_reserve(writer, GIRO_SESSION_ACK, (uint32_t)sizeof(ack) + 8u * word_count);
    if (at == NULL)
        return false;
    memcpy(at, &ack, sizeof(ack));
    memcpy(at + sizeof(ack), words, 8u * word_count);
    return true;
}
