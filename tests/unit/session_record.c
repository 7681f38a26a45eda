/* Sealed datagrams and the receive window, the latter against a naive model. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "session_support.h"

static void setup(void)
{
    cr_assert(giro_crypto_init() == GIRO_ERR_OK);
}

TestSuite(session_record, .init = setup);

static uint32_t ping_seal(struct giro_session *session, uint64_t lowest, uint8_t *datagram,
                          uint64_t token)
{
    struct giro_writer writer;
    const struct giro_session_ping ping = {.token = token};
    giro_writer_init(&writer, datagram + GIRO_SESSION_HEADER_BYTES, 1400);
    cr_assert(giro_session_put(&writer, GIRO_SESSION_PING, &ping, sizeof(ping)));
    return giro_session_seal(session, lowest, datagram, (uint32_t)writer.offset);
}

static enum giro_reject opened(struct giro_session *session, const uint8_t *datagram, size_t size,
                               uint64_t token)
{
    uint8_t blocks[1500];
    uint32_t blocks_bytes = 0;
    struct giro_session_header header;
    const enum giro_reject reject =
        giro_session_open(session, datagram, size, blocks, &blocks_bytes, &header);
    if (reject == GIRO_REJECT_NONE) {
        struct giro_session_ping ping;
        memcpy(&ping, blocks + 4, sizeof(ping));
        cr_assert(blocks_bytes == 20 && ping.token == token);
    }
    return reject;
}

Test(session_record, what_one_side_seals_the_other_opens_once)
{
    struct session_pair pair;
    uint8_t datagram[1472];
    session_pair_make(&pair);
    for (uint64_t i = 0; i < 100; i++) {
        const uint32_t size = ping_seal(&pair.member, i, datagram, i);
        cr_assert(size == 60);
        cr_assert(opened(&pair.hub, datagram, size, i) == GIRO_REJECT_NONE);
        cr_assert(opened(&pair.hub, datagram, size, i) == GIRO_REJECT_DUPLICATE);
        cr_assert(opened(&pair.member, datagram, size, i) == GIRO_REJECT_SESSION);
        const uint32_t back = ping_seal(&pair.hub, i, datagram, i + 7);
        cr_assert(opened(&pair.member, datagram, back, i + 7) == GIRO_REJECT_NONE);
    }
    cr_assert(pair.hub.window.cumulative == 100 && pair.hub.window.next == 100);
}

Test(session_record, no_datagram_with_a_bit_changed_or_cut_opens)
{
    struct session_pair pair;
    uint8_t datagram[1472];
    session_pair_make(&pair);
    const uint32_t size = ping_seal(&pair.member, 0, datagram, 9);
    const struct giro_session before = pair.hub;
    for (uint32_t cut = 0; cut < size; cut++)
        cr_assert(opened(&pair.hub, datagram, cut, 9) != GIRO_REJECT_NONE);
    for (uint32_t bit = 0; bit < 8 * size; bit++) {
        datagram[bit / 8] ^= (uint8_t)(1u << bit % 8);
        cr_assert(opened(&pair.hub, datagram, size, 9) != GIRO_REJECT_NONE, "bit %u", bit);
        datagram[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    cr_assert(memcmp(&before, &pair.hub, sizeof(before)) == 0);
    cr_assert(opened(&pair.hub, datagram, size, 9) == GIRO_REJECT_NONE);
}

Test(session_record, an_old_session_opens_nothing_of_a_new_one)
{
    struct session_pair old, fresh;
    uint8_t datagram[1472], ephemeral[32];
    session_pair_make(&old);
    session_begin(&fresh);
    cr_assert(session_respond(&fresh) == GIRO_REJECT_NONE);
    session_fill(ephemeral, sizeof(ephemeral), 0x99); /* the same INIT answered anew */
    struct giro_handshake_init_body body;
    cr_assert(giro_handshake_open(&fresh.hub_side, &fresh.replica_static, &fresh.chain, fresh.init,
                                  &body) == GIRO_REJECT_NONE);
    const struct giro_handshake_response_body said = session_response_body();
    cr_assert(giro_handshake_respond(&fresh.hub_side, ephemeral, &said, fresh.response,
                                     &fresh.hub) == GIRO_REJECT_NONE);
    const uint32_t size = ping_seal(&old.member, 0, datagram, 1);
    cr_assert(opened(&fresh.hub, datagram, size, 1) == GIRO_REJECT_SEAL);
    cr_assert(opened(&old.hub, datagram, size, 1) == GIRO_REJECT_NONE);
}

Test(session_record, numbers_end_before_a_nonce_could_repeat)
{
    struct session_pair pair;
    uint8_t datagram[1472];
    session_pair_make(&pair);
    pair.member.send_number = GIRO_SESSION_NUMBER_MAX;
    uint32_t size = ping_seal(&pair.member, GIRO_SESSION_NUMBER_MAX, datagram, 1);
    cr_assert(opened(&pair.hub, datagram, size, 1) == GIRO_REJECT_NONE); /* a jump is no harm */
    cr_assert(ping_seal(&pair.member, GIRO_SESSION_NUMBER_MAX, datagram, 1) == 0);
    struct giro_session_header header;
    memcpy(&header, datagram, sizeof(header));
    header.number = GIRO_SESSION_NUMBER_MAX + 1;
    memcpy(datagram, &header, sizeof(header));
    cr_assert(giro_session_header_read(datagram, 60, &header) == GIRO_REJECT_FUTURE);
}

/* The naive model: everything that ever arrived, and the lowest number still kept account of. */
struct model {
    bool arrived[20000];
    uint64_t low, next;
};

static enum giro_reject model_check(const struct model *model, uint64_t number)
{
    return number < model->low || model->arrived[number] ? GIRO_REJECT_DUPLICATE : GIRO_REJECT_NONE;
}

static void model_take(struct model *model, uint64_t number, uint32_t floor)
{
    model->arrived[number] = true;
    if (number >= model->next)
        model->next = number + 1;
    if (number - floor > model->low)
        model->low = number - floor;
    if (number >= 2048 && number - 2047 > model->low)
        model->low = number - 2047;
    while (model->arrived[model->low])
        model->low++;
}

static void words_check(const struct model *model, const struct giro_session_window *window,
                        uint64_t step)
{
    uint64_t words[GIRO_ACK_WORDS_MAX];
    const uint32_t count = giro_session_window_words(window, words);
    cr_assert(count == 0 || words[count - 1] != 0);
    for (uint32_t i = 0; i < 2048; i++) {
        const bool said = (words[i / 64] >> (i % 64) & 1) != 0;
        cr_assert(said == (model->low + i < 20000 && model->arrived[model->low + i]),
                  "step %lu, number %lu", (unsigned long)step, (unsigned long)(model->low + i));
    }
}

Test(session_record, the_window_does_what_a_naive_model_does)
{
    const char *text = getenv("GIRO_SEED");
    const uint64_t seed = text != NULL ? strtoull(text, NULL, 0) : 20261127;
    static struct model model;
    for (uint64_t round = 0; round < 30; round++) {
        struct giro_prng prng;
        struct giro_session_window window = {0};
        memset(&model, 0, sizeof(model));
        giro_prng_init(&prng, seed + round);
        for (uint64_t step = 0; step < 3000; step++) {
            /* in order mostly; late, repeated and far ahead now and then */
            uint64_t number = model.next;
            if (giro_prng_chance(&prng, 1, 3))
                number = model.next + giro_prng_below(&prng, 8);
            else if (giro_prng_chance(&prng, 1, 4) && model.next > 0)
                number =
                    model.next - 1 - giro_prng_below(&prng, model.next < 3000 ? model.next : 3000);
            else if (giro_prng_chance(&prng, 1, 400))
                number = model.next + giro_prng_below(&prng, 2500);
            if (number >= 19000)
                break;
            uint32_t floor = giro_prng_chance(&prng, 1, 5)
                                 ? (uint32_t)giro_prng_below(&prng, number < 900 ? number + 1 : 900)
                                 : (uint32_t)number;
            const enum giro_reject expected = model_check(&model, number);
            cr_assert(giro_session_window_check(&window, number) == expected,
                      "seed %lu step %lu number %lu", (unsigned long)(seed + round),
                      (unsigned long)step, (unsigned long)number);
            if (expected != GIRO_REJECT_NONE)
                continue;
            giro_session_window_take(&window, number, floor);
            model_take(&model, number, floor);
            cr_assert(window.cumulative == model.low && window.next == model.next,
                      "seed %lu step %lu", (unsigned long)(seed + round), (unsigned long)step);
            if (step % 50 == 0)
                words_check(&model, &window, step);
        }
        words_check(&model, &window, 3000);
    }
}

Test(session_record, a_jump_over_the_whole_window_forgets_it)
{
    struct giro_session_window window = {0};
    giro_session_window_take(&window, 0, 0);
    giro_session_window_take(&window, 5, 5);
    giro_session_window_take(&window, UINT64_C(1) << 30, UINT32_C(1) << 30);
    cr_assert(window.cumulative == (UINT64_C(1) << 30) - 2047);
    cr_assert(giro_session_window_check(&window, 5) == GIRO_REJECT_DUPLICATE);
    cr_assert(giro_session_window_check(&window, (UINT64_C(1) << 30) - 2047) == GIRO_REJECT_NONE);
    cr_assert(giro_session_window_check(&window, UINT64_C(1) << 30) == GIRO_REJECT_DUPLICATE);
}

Test(session_record, a_key_line_has_its_form)
{
    char line[GIRO_SESSION_KEY_LINE_BYTES];
    uint8_t key[32];
    session_fill(key, sizeof(key), 0);
    const size_t length =
        giro_session_key_line(UINT64_C(0xC7C6C5C4C3C2C1C0), 0x50607080, key, line);
    cr_assert_str_eq(line, "GIRO1 c0c1c2c3c4c5c6c7 80706050 "
                           "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n");
    cr_assert(length == strlen(line) && length < GIRO_SESSION_KEY_LINE_BYTES);
}
