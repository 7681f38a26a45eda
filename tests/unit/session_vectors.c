/* tests/vectors/wire/session_*.hex: a handshake and one datagram each way, under fixed keys. GIRO_WRITE_VECTORS=1 writes them.
 * tests/tools/check_session_vectors derives them again in another language and with another library. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "session_samples.h"
#include "session_support.h"
#include "wire_hex.h"

static void setup(void)
{
    cr_assert(giro_crypto_init() == GIRO_ERR_OK);
}

TestSuite(session_vectors, .init = setup);

static void hold(const char *name, const char *what, const uint8_t *bytes, size_t size_bytes)
{
    char path[512], comment[160];
    uint8_t stored[2048];
    size_t stored_bytes = 0;
    snprintf(path, sizeof(path), "%s/tests/vectors/wire/%s.hex", GIRO_SOURCE_DIR, name);
    snprintf(comment, sizeof(comment), "%s: %s, %zu bytes", name, what, size_bytes);
    if (getenv("GIRO_WRITE_VECTORS") != NULL)
        cr_assert(wire_hex_write(path, comment, bytes, size_bytes), "%s", path);
    cr_assert(wire_hex_read(path, stored, sizeof(stored), &stored_bytes), "%s", path);
    cr_assert(stored_bytes == size_bytes && memcmp(stored, bytes, size_bytes) == 0, "%s", name);
}

Test(session_vectors, have_exactly_the_stored_bytes)
{
    struct session_pair pair;
    struct giro_handshake_header header;
    uint8_t cookie[32], answer[GIRO_HANDSHAKE_COOKIE_BYTES], datagram[1472];
    session_pair_make(&pair);
    hold("session_init", "INIT, cookie e0.., seeds 01.. 41.., ephemeral 81..", pair.init,
         sizeof(pair.init));
    memcpy(&header, pair.init, sizeof(header));
    session_fill(cookie, sizeof(cookie), 0xE0);
    giro_handshake_cookie_answer(&header, cookie, answer);
    hold("session_cookie", "COOKIE", answer, sizeof(answer));
    hold("session_response", "RESPONSE, ephemeral a1..", pair.response, sizeof(pair.response));
    for (uint32_t direction = GIRO_SESSION_UP; direction <= GIRO_SESSION_DOWN; direction++) {
        const bool is_up = direction == GIRO_SESSION_UP;
        struct giro_session *sender = is_up ? &pair.member : &pair.hub;
        const uint32_t blocks_bytes =
            session_sample(direction, datagram + GIRO_SESSION_HEADER_BYTES);
        hold(is_up ? "session_blocks_up" : "session_blocks_down", "blocks before they are sealed",
             datagram + GIRO_SESSION_HEADER_BYTES, blocks_bytes);
        sender->send_number = 300;
        const uint32_t size = giro_session_seal(sender, is_up ? 258 : 300, datagram, blocks_bytes);
        hold(is_up ? "session_up" : "session_down", "the same as datagram 300", datagram, size);
    }
}
