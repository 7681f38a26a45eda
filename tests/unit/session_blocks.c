/* Blocks: written and read again, and each thing that is wrong refused for its own reason. */
#include <criterion/criterion.h>

#include "session_samples.h"

static void setup(void)
{
    cr_assert(giro_crypto_init() == GIRO_ERR_OK);
}

TestSuite(session_blocks, .init = setup);

Test(session_blocks, every_kind_comes_back_in_its_direction_only)
{
    uint8_t bytes[1400];
    uint32_t seen = 0;
    for (uint32_t direction = GIRO_SESSION_UP; direction <= GIRO_SESSION_DOWN; direction++) {
        const uint32_t size = session_sample(direction, bytes);
        cr_assert(session_blocks_again(bytes, size, direction) == GIRO_REJECT_NONE);
        cr_assert(giro_session_blocks_check(bytes, size,
                                            direction == GIRO_SESSION_UP
                                                ? GIRO_SESSION_DOWN
                                                : GIRO_SESSION_UP) == GIRO_REJECT_KIND);
        struct giro_reader reader;
        struct giro_session_block block;
        giro_reader_init(&reader, bytes, size);
        while (giro_session_next(&reader, direction, &block) == GIRO_REJECT_NONE)
            seen |= 1u << block.kind;
    }
    cr_assert(seen == 0xFFE, "%x", seen); /* kinds 1 to 11 */
}

/* Every cut ends in TRUNCATED, unless it falls between two blocks: what is left then is whole. */
Test(session_blocks, cuts_are_refused)
{
    uint8_t bytes[1400];
    for (uint32_t direction = GIRO_SESSION_UP; direction <= GIRO_SESSION_DOWN; direction++) {
        const uint32_t size = session_sample(direction, bytes);
        struct giro_reader reader;
        struct giro_session_block block;
        giro_reader_init(&reader, bytes, size);
        uint32_t whole = 0, between = 0;
        for (uint32_t cut = 0; cut < size; cut++) {
            const enum giro_reject reject = giro_session_blocks_check(bytes, cut, direction);
            while (reader.offset < cut)
                cr_assert(giro_session_next(&reader, direction, &block) == GIRO_REJECT_NONE);
            whole = reader.offset == cut && cut > 0;
            between += whole;
            cr_assert(reject == (whole ? GIRO_REJECT_NONE : GIRO_REJECT_TRUNCATED), "%u: %s", cut,
                      giro_reject_name(reject));
        }
        cr_assert(between >= 4);
    }
}

static enum giro_reject one(enum giro_session_direction direction, uint8_t kind, const void *body,
                            size_t size_bytes)
{
    uint8_t bytes[70000];
    struct giro_writer writer;
    giro_writer_init(&writer, bytes, sizeof(bytes));
    cr_assert(giro_session_put(&writer, (enum giro_session_kind)kind, body, (uint32_t)size_bytes));
    return session_blocks_again(bytes, (uint32_t)writer.offset, direction);
}

#define UP(kind, ...)   one(GIRO_SESSION_UP, GIRO_SESSION_##kind, __VA_ARGS__)
#define DOWN(kind, ...) one(GIRO_SESSION_DOWN, GIRO_SESSION_##kind, __VA_ARGS__)
#define REFUSED(reason, expression)                                                                \
    do {                                                                                           \
        const enum giro_reject got_ = (expression);                                                \
        cr_assert(got_ == GIRO_REJECT_##reason, #expression ": %s", giro_reject_name(got_));       \
    } while (0)

Test(session_blocks, heads_and_padding_are_checked)
{
    static const uint8_t zeros[16];
    REFUSED(KIND, one(GIRO_SESSION_UP, 0, zeros, 4));
    REFUSED(KIND, one(GIRO_SESSION_UP, 12, zeros, 4));
    REFUSED(KIND, one(GIRO_SESSION_UP, 255, zeros, 4));
    REFUSED(NONE, UP(PAD, zeros, 0));
    uint8_t bytes[8] = {GIRO_SESSION_PAD, 0, 3, 0, 0, 0, 0, 0};
    REFUSED(NONE, giro_session_blocks_check(bytes, 8, GIRO_SESSION_UP));
    bytes[7] = 1; /* behind the body */
    REFUSED(RESERVED, giro_session_blocks_check(bytes, 8, GIRO_SESSION_UP));
    bytes[7] = 0, bytes[5] = 1; /* in the pad */
    REFUSED(RESERVED, giro_session_blocks_check(bytes, 8, GIRO_SESSION_UP));
    bytes[5] = 0, bytes[1] = 1;
    REFUSED(RESERVED, giro_session_blocks_check(bytes, 8, GIRO_SESSION_UP));
    bytes[1] = 0, bytes[3] = 255;
    REFUSED(TRUNCATED, giro_session_blocks_check(bytes, 8, GIRO_SESSION_UP));
    REFUSED(TRUNCATED, giro_session_blocks_check(bytes, 0, GIRO_SESSION_UP));
}

Test(session_blocks, bodies_are_checked_field_by_field)
{
    static uint8_t big[GIRO_FRAME_BYTES_MAX + 4];
    REFUSED(TRUNCATED, UP(FRAME, big, GIRO_FRAME_BYTES_MIN - 1));
    REFUSED(NONE, UP(FRAME, big, GIRO_FRAME_BYTES_MIN));
    REFUSED(NONE, UP(FRAME, big, GIRO_FRAME_BYTES_MAX));
    REFUSED(OVERSIZED, UP(FRAME, big, GIRO_FRAME_BYTES_MAX + 1));

    struct giro_session_ask ask = {.want = GIRO_WANT_RECEIPT, .channel = 63};
    REFUSED(NONE, UP(ASK, &ask, 16));
    REFUSED(TRUNCATED, UP(ASK, &ask, 12));
    REFUSED(OVERSIZED, UP(ASK, big, 20));
    ask.channel = 64;
    REFUSED(CHANNEL, UP(ASK, &ask, 16));
    ask = (struct giro_session_ask){.want = 4};
    REFUSED(FIELD, UP(ASK, &ask, 16));
    ask = (struct giro_session_ask){.want = GIRO_WANT_CHANNEL, .sequence = 1};
    REFUSED(FIELD, UP(ASK, &ask, 16));
    ask = (struct giro_session_ask){.want = GIRO_WANT_RECEIPT, .offset = 1};
    REFUSED(FIELD, UP(ASK, &ask, 16));
    ask = (struct giro_session_ask){.want = GIRO_WANT_PROOF, .offset = GIRO_SESSION_PROOF_MAX};
    REFUSED(FIELD, UP(ASK, &ask, 16));

    struct giro_session_refuse refuse = {.reason = GIRO_REJECT_SIGNATURE};
    REFUSED(NONE, DOWN(REFUSE, &refuse, 16));
    refuse.wait_ms = 1;
    REFUSED(FIELD, DOWN(REFUSE, &refuse, 16));
    refuse.reason = GIRO_REJECT_LIMIT;
    REFUSED(NONE, DOWN(REFUSE, &refuse, 16));
    refuse.reason = GIRO_REJECT_NONE;
    REFUSED(FIELD, DOWN(REFUSE, &refuse, 16));
    refuse.reason = GIRO_REJECT_COUNT_OF_REASONS;
    REFUSED(FIELD, DOWN(REFUSE, &refuse, 16));
    refuse = (struct giro_session_refuse){.reason = GIRO_REJECT_KEY, .channel = 64};
    REFUSED(CHANNEL, DOWN(REFUSE, &refuse, 16));

    struct giro_session_ping ping = {.datagram_max = 0};
    REFUSED(NONE, UP(PING, &ping, 16));
    ping.datagram_max = GIRO_SESSION_DATAGRAM_MIN - 1;
    REFUSED(FIELD, UP(PING, &ping, 16));
    ping.datagram_max = UINT16_MAX + 1;
    REFUSED(FIELD, UP(PING, &ping, 16));
    ping = (struct giro_session_ping){.reserved = 1};
    REFUSED(RESERVED, UP(PING, &ping, 16));
    struct giro_session_pong pong = {.size = UINT16_MAX + 1};
    REFUSED(FIELD, UP(PONG, &pong, 16));
    pong = (struct giro_session_pong){.reserved = 1};
    REFUSED(RESERVED, UP(PONG, &pong, 16));

    struct giro_session_close message = {.reason = 0};
    REFUSED(FIELD, UP(CLOSE, &message, 4));
    message.reason = GIRO_CLOSE_STOPPING + 1;
    REFUSED(FIELD, DOWN(CLOSE, &message, 4));
    message = (struct giro_session_close){.reason = GIRO_CLOSE_DONE, .reserved = 1};
    REFUSED(RESERVED, DOWN(CLOSE, &message, 4));

    struct giro_session_channel channel = {.base = 5, .frontier = 5};
    REFUSED(NONE, DOWN(CHANNEL, &channel, 24));
    channel.frontier = 4;
    REFUSED(FIELD, DOWN(CHANNEL, &channel, 24));
    channel = (struct giro_session_channel){.stopped = 2};
    REFUSED(FIELD, DOWN(CHANNEL, &channel, 24));
    channel = (struct giro_session_channel){.channel = 64};
    REFUSED(CHANNEL, DOWN(CHANNEL, &channel, 24));
    channel = (struct giro_session_channel){.reserved = {0, 0, 0, 0, 1}};
    REFUSED(RESERVED, DOWN(CHANNEL, &channel, 24));
}

Test(session_blocks, acknowledgements_and_proofs_are_checked)
{
    struct {
        struct giro_session_ack head;
        uint64_t words[GIRO_ACK_WORDS_MAX + 1];
    } ack = {.head = {.cumulative = 9, .word_count = 1}, .words = {4}};
    REFUSED(NONE, UP(ACK, &ack, 32));
    REFUSED(TRUNCATED, UP(ACK, &ack, 24));
    REFUSED(OVERSIZED, UP(ACK, &ack, 40));
    ack.words[0] = 0; /* an empty last word: the same said in two ways */
    REFUSED(FIELD, UP(ACK, &ack, 32));
    ack.head.word_count = GIRO_ACK_WORDS_MAX + 1;
    REFUSED(COUNT, UP(ACK, &ack, sizeof(ack)));
    ack.head = (struct giro_session_ack){.reserved = 1};
    REFUSED(RESERVED, UP(ACK, &ack, 24));
    ack.head = (struct giro_session_ack){.cumulative = GIRO_SESSION_NUMBER_MAX + 2};
    REFUSED(FIELD, UP(ACK, &ack, 24));
    ack.head = (struct giro_session_ack){.credit = GIRO_SESSION_NUMBER_MAX + 2};
    REFUSED(FIELD, DOWN(ACK, &ack, 24));

    struct {
        struct giro_session_proof head;
        uint8_t bytes[40];
    } proof = {.head = {.offset = 60, .total = 100}};
    REFUSED(NONE, DOWN(PROOF, &proof, 64));
    REFUSED(NONE, DOWN(PROOF, &proof, 63));
    REFUSED(TRUNCATED, DOWN(PROOF, &proof, 24));
    proof.head.total = 99;
    REFUSED(FIELD, DOWN(PROOF, &proof, 64));
    proof.head.offset = 99;
    REFUSED(FIELD, DOWN(PROOF, &proof, 64));
    proof.head = (struct giro_session_proof){.total = GIRO_SESSION_PROOF_MAX + 1};
    REFUSED(FIELD, DOWN(PROOF, &proof, 64));
    proof.head = (struct giro_session_proof){.total = 100, .reserved2 = 1};
    REFUSED(RESERVED, DOWN(PROOF, &proof, 64));

    uint8_t receipt[64 + 12] = {0};
    REFUSED(TRUNCATED, DOWN(RECEIPT, receipt, 0));
    REFUSED(FIELD, DOWN(RECEIPT, receipt, 64)); /* level 0 */
    receipt[54] = GIRO_LEVEL_DURABLE;
    REFUSED(NONE, DOWN(RECEIPT, receipt, 64));
    REFUSED(TRUNCATED, DOWN(RECEIPT, receipt, 76));
}

Test(session_blocks, an_ack_says_what_the_window_holds_and_less_where_room_ends)
{
    struct giro_session_window window = {0};
    struct giro_prng prng;
    bool arrived[2048] = {0};
    giro_prng_init(&prng, 5);
    for (uint32_t i = 0; i < 900; i++) {
        const uint64_t number = 1 + giro_prng_below(&prng, 2047); /* 0 never comes */
        if (arrived[number])
            continue;
        arrived[number] = true;
        giro_session_window_take(&window, number, (uint32_t)number);
    }
    for (uint32_t room = 0; room < 320; room += 4) {
        uint8_t bytes[320];
        struct giro_writer writer;
        giro_writer_init(&writer, bytes, room);
        const bool fits = giro_session_put_ack(&writer, &window, 77, 3);
        cr_assert(fits == (room >= 28));
        if (!fits)
            continue;
        struct giro_reader reader;
        struct giro_session_block block;
        giro_reader_init(&reader, bytes, writer.offset);
        cr_assert(giro_session_next(&reader, GIRO_SESSION_DOWN, &block) == GIRO_REJECT_NONE);
        uint32_t told = 0, all = 0;
        for (uint32_t number = 0; number < 2048; number++) {
            const bool said = giro_session_ack_has(&block, number);
            cr_assert(!said || arrived[number]);
            told += said;
            all += arrived[number];
        }
        cr_assert(room < 284 ? told < all : told == all);
        cr_assert(!giro_session_ack_has(&block, 5000));
    }
}

Test(session_blocks, what_does_not_fit_changes_nothing)
{
    uint8_t bytes[24];
    struct giro_writer writer;
    const struct giro_session_ping ping = {.token = 1};
    giro_writer_init(&writer, bytes, 23);
    cr_assert(giro_session_put(&writer, GIRO_SESSION_PING, &ping, 16));
    cr_assert(!giro_session_put(&writer, GIRO_SESSION_PAD, NULL, 0)); /* 3 bytes are left */
    cr_assert(writer.offset == 20 && !writer.failed);
    cr_assert(giro_session_room(1472) == 1432 && giro_session_room(1475) == 1432);
}
