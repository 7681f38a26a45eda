/* Receive window, sealing and opening of session datagrams. */
#include <sodium.h>

#include "giro/session.h"

static_assert(sizeof(struct giro_session_header) == GIRO_SESSION_HEADER_BYTES, "header");
static_assert((GIRO_SESSION_WINDOW & (GIRO_SESSION_WINDOW - 1)) == 0, "positions wrap by a mask");

#define REQUIRE(condition, reason)                                                                 \
    do {                                                                                           \
        if (!(condition))                                                                          \
            return GIRO_REJECT_##reason;                                                           \
    } while (0)

/* ---- Window -------------------------------------------------------------------------------------- */

static uint64_t *word_of(struct giro_session_window *window, uint64_t number, uint64_t *bit)
{
    *bit = UINT64_C(1) << (number % 64);
    return &window->bits[number % GIRO_SESSION_WINDOW / 64];
}

static bool has(const struct giro_session_window *window, uint64_t number)
{
    return (window->bits[number % GIRO_SESSION_WINDOW / 64] >> (number % 64) & 1) != 0;
}

enum giro_reject giro_session_window_check(const struct giro_session_window *window,
                                           uint64_t number)
{
    REQUIRE(number >= window->cumulative, DUPLICATE);
    REQUIRE(number - window->cumulative >= GIRO_SESSION_WINDOW || !has(window, number), DUPLICATE);
    return GIRO_REJECT_NONE;
}

/* Everything below `low` is done: their bits become those of numbers a window further up, which have not arrived. */
static void slide(struct giro_session_window *window, uint64_t low)
{
    if (low <= window->cumulative)
        return;
    if (low - window->cumulative >= GIRO_SESSION_WINDOW)
        memset(window->bits, 0, sizeof(window->bits));
    else
        for (uint64_t number = window->cumulative; number < low; number++) {
            uint64_t bit;
            uint64_t *word = word_of(window, number, &bit);
            *word &= ~bit;
        }
    window->cumulative = low;
}

void giro_session_window_take(struct giro_session_window *window, uint64_t number, uint32_t floor)
{
    GIRO_ASSERT(giro_session_window_check(window, number) == GIRO_REJECT_NONE);
    GIRO_ASSERT(floor <= number);
    const uint64_t waited = number - floor;
    if (number >= GIRO_SESSION_WINDOW)
        slide(window, number - (GIRO_SESSION_WINDOW - 1));
    slide(window, waited);
    uint64_t bit;
    uint64_t *word = word_of(window, number, &bit);
    *word |= bit;
    if (number >= window->next)
        window->next = number + 1;
    uint64_t low = window->cumulative;
    while (low < window->next && has(window, low))
        low++;
    slide(window, low);
}

uint32_t giro_session_window_words(const struct giro_session_window *window,
                                   uint64_t words[GIRO_ACK_WORDS_MAX])
{
    memset(words, 0, GIRO_ACK_WORDS_MAX * sizeof(words[0]));
    uint32_t count = 0;
    for (uint64_t number = window->cumulative; number < window->next; number++) {
        if (!has(window, number))
            continue;
        const uint64_t at = number - window->cumulative;
        words[at / 64] |= UINT64_C(1) << (at % 64);
        count = (uint32_t)(at / 64) + 1;
    }
    return count;
}

/* ---- Sealing ------------------------------------------------------------------------------------- */

static void nonce_make(uint64_t number, uint8_t nonce[crypto_aead_chacha20poly1305_ietf_NPUBBYTES])
{
    memset(nonce, 0, 4);
    for (uint32_t i = 0; i < 8; i++)
        nonce[4 + i] = (uint8_t)(number >> (8 * i));
}

uint32_t giro_session_seal(struct giro_session *session, uint64_t lowest, uint8_t *datagram,
                           uint32_t blocks_bytes)
{
    const uint64_t number = session->send_number;
    if (number > GIRO_SESSION_NUMBER_MAX)
        return 0;
    GIRO_ASSERT(lowest <= number);
    struct giro_session_header header = {.head = giro_head_make(GIRO_KIND_SESSION),
                                         .receiver_id = session->peer_id,
                                         .floor = (uint32_t)(number - lowest),
                                         .number = number};
    header.head.version = session->version;
    memcpy(datagram, &header, sizeof(header));
    uint8_t nonce[crypto_aead_chacha20poly1305_ietf_NPUBBYTES];
    nonce_make(number, nonce);
    uint8_t *blocks = datagram + sizeof(header);
    crypto_aead_chacha20poly1305_ietf_encrypt(blocks, NULL, blocks, blocks_bytes, datagram,
                                              sizeof(header), NULL, nonce, session->send_key);
    session->send_number++;
    return blocks_bytes + GIRO_SESSION_OVERHEAD;
}

enum giro_reject giro_session_header_read(const void *bytes, size_t size_bytes,
                                          struct giro_session_header *header)
{
    REQUIRE(size_bytes >= GIRO_SESSION_OVERHEAD + sizeof(struct giro_session_block_head),
            TRUNCATED);
    REQUIRE(size_bytes <= UINT16_MAX, OVERSIZED);
    memcpy(header, bytes, sizeof(*header));
    REQUIRE(header->head.magic == GIRO_MAGIC, MAGIC);
    REQUIRE(header->head.kind == GIRO_KIND_SESSION, KIND);
    REQUIRE(header->head.version >= GIRO_SESSION_VERSION_MIN &&
                header->head.version <= GIRO_SESSION_VERSION_MAX,
            VERSION);
    REQUIRE(header->receiver_id != 0, SESSION);
    REQUIRE(header->number <= GIRO_SESSION_NUMBER_MAX, FUTURE);
    REQUIRE(header->floor <= header->number, FIELD);
    REQUIRE((size_bytes - GIRO_SESSION_OVERHEAD) % 4 == 0, TRUNCATED);
    return GIRO_REJECT_NONE;
}

enum giro_reject giro_session_open(struct giro_session *session, const void *bytes,
                                   size_t size_bytes, uint8_t *blocks, uint32_t *blocks_bytes,
                                   struct giro_session_header *header)
{
    struct giro_session_header read;
    enum giro_reject reject = giro_session_header_read(bytes, size_bytes, &read);
    if (reject != GIRO_REJECT_NONE)
        return reject;
    REQUIRE(read.receiver_id == session->own_id, SESSION);
    REQUIRE(read.head.version == session->version, VERSION);
    reject = giro_session_window_check(&session->window, read.number);
    if (reject != GIRO_REJECT_NONE)
        return reject;
    uint8_t nonce[crypto_aead_chacha20poly1305_ietf_NPUBBYTES];
    nonce_make(read.number, nonce);
    REQUIRE(crypto_aead_chacha20poly1305_ietf_decrypt(
                blocks, NULL, NULL, (const uint8_t *)bytes + sizeof(read),
                size_bytes - sizeof(read), (const uint8_t *)&read, sizeof(read), nonce,
                session->receive_key) == 0,
            SEAL);
    giro_session_window_take(&session->window, read.number, read.floor);
    *blocks_bytes = (uint32_t)(size_bytes - GIRO_SESSION_OVERHEAD);
    *header = read;
    return GIRO_REJECT_NONE;
}

size_t giro_session_key_line(uint64_t chain_prefix, uint32_t receiver_id, const uint8_t key[32],
                             char text[GIRO_SESSION_KEY_LINE_BYTES])
{
    char *at = text;
    memcpy(at, "GIRO1 ", 6);
    at += 6;
    giro_hex_format(&chain_prefix, sizeof(chain_prefix), at);
    at += 16;
    *at++ = ' ';
    giro_hex_format(&receiver_id, sizeof(receiver_id), at);
    at += 8;
    *at++ = ' ';
    giro_hex_format(key, 32, at);
    at += 64;
    *at++ = '\n';
    *at = '\0';
    return (size_t)(at - text);
}
