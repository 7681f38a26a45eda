/* Everything of the session protocol that looks at bytes before or behind a key: handshake headers, datagram headers, blocks of
 * both directions, and both secret-keyed openings, which must refuse whatever was not made for them. */
#include <stdlib.h>

#include "fuzz.h"
#include "unit/session_samples.h"

static void blocks_hold(const uint8_t *data, size_t size)
{
    if (size > UINT16_MAX)
        return;
    (void)session_blocks_again(data, (uint32_t)size, GIRO_SESSION_UP);
    (void)session_blocks_again(data, (uint32_t)size, GIRO_SESSION_DOWN);
}

/* Seals the input as blocks, then opens it as it is, and once with a byte of the datagram changed. */
static void seal_hold(const uint8_t *data, size_t size)
{
    static uint8_t datagram[4096], blocks[4096];
    struct giro_session from = {.own_id = 1, .peer_id = 2, .version = 1};
    struct giro_session to = {.own_id = 2, .peer_id = 1, .version = 1};
    struct giro_session_header header;
    uint32_t blocks_bytes;
    const uint32_t plain_bytes = (uint32_t)(size < 4000 ? size : 4000) & ~3u;
    if (plain_bytes == 0)
        return;
    memcpy(datagram + GIRO_SESSION_HEADER_BYTES, data, plain_bytes);
    from.send_number = data[0] * UINT64_C(1000);
    const uint32_t sealed = giro_session_seal(&from, from.send_number, datagram, plain_bytes);
    const size_t at = (data[1] | (size_t)data[2] << 8) % sealed;
    const uint8_t kept = datagram[at];
    datagram[at] ^= (uint8_t)(1u << data[3] % 8);
    if (giro_session_open(&to, datagram, sealed, blocks, &blocks_bytes, &header) ==
        GIRO_REJECT_NONE)
        abort();
    datagram[at] = kept;
    if (giro_session_open(&to, datagram, sealed, blocks, &blocks_bytes, &header) !=
            GIRO_REJECT_NONE ||
        blocks_bytes != plain_bytes || memcmp(blocks, data, plain_bytes) != 0)
        abort();
}

static void handshake_hold(const uint8_t *data, size_t size)
{
    const uint64_t prefix = UINT64_C(0xC7C6C5C4C3C2C1C0);
    struct giro_handshake_header header;
    struct giro_session_header session_header;
    if (giro_session_header_read(data, size, &session_header) == GIRO_REJECT_NONE &&
        (session_header.floor > session_header.number || session_header.receiver_id == 0))
        abort();
    const enum giro_handshake_step step = giro_handshake_step_of(data, size, prefix);
    if (giro_handshake_check(data, size, prefix, 2, &header) != GIRO_REJECT_NONE)
        return;
    if (step != GIRO_HANDSHAKE_INIT || size != GIRO_HANDSHAKE_INIT_BYTES || header.reserved != 0)
        abort();
    static const struct giro_session_key_pair self = {{9}, {8}};
    static const struct giro_hash chain = {{1}};
    struct giro_handshake handshake;
    struct giro_handshake_init_body body;
    if (giro_handshake_open(&handshake, &self, &chain, data, &body) == GIRO_REJECT_NONE)
        abort(); /* nothing is made for this key */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    blocks_hold(data, size);
    if (size >= 4)
        seal_hold(data, size);
    handshake_hold(data, size);
    return 0;
}
