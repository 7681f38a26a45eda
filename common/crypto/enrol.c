/* What enrolment asks of a key once, so that verification need not ask again; and what its owner signs for it. */
#include <sodium.h>

#include "internal.h"

static const uint8_t field_prime[GIRO_KEY_BYTES] = {
    0xed, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f};
static const uint8_t identity[GIRO_KEY_BYTES] = {1};

const char *giro_key_fault_text(enum giro_key_fault fault)
{
    switch (fault) {
    case GIRO_KEY_OK:
        return "the key is valid";
    case GIRO_KEY_NOT_CANONICAL:
        return "the key's encoding is not canonical";
    case GIRO_KEY_NOT_ON_CURVE:
        return "the key is not a point of the curve";
    case GIRO_KEY_SMALL_ORDER:
        return "the key is a point of small order";
    case GIRO_KEY_TORSION:
        return "the key has a torsion component";
    case GIRO_KEY_NO_POSSESSION:
        return "the proof of possession is missing or not valid";
    case GIRO_KEY_RING_FULL:
        return "the key ring is full";
    case GIRO_KEY_REPEATED:
        return "the same key is enrolled already, or was before it was retired";
    case GIRO_KEY_MEMORY_FULL:
        return "the key ring has taken as many keys in its life as it can remember";
    case GIRO_KEY_FAULT_COUNT:
        break;
    }
    return "unknown fault";
}

/* ---- The point ---- */

/* True iff a < b, both 32 bytes little-endian. Public data: variable time is fine. */
static bool less_than(const uint8_t *a, const uint8_t *b)
{
    for (size_t i = GIRO_KEY_BYTES; i-- > 0;) {
        if (a[i] != b[i])
            return a[i] < b[i];
    }
    return false;
}

/* Canonical: y < p, and no sign bit where x = 0, that is at y = 1 and y = p - 1. */
static bool encoding_is_canonical(const struct giro_public_key *key)
{
    uint8_t y[GIRO_KEY_BYTES];
    memcpy(y, key->bytes, sizeof(y));
    y[GIRO_KEY_BYTES - 1] &= 0x7f;
    if (!less_than(y, field_prime))
        return false;
    if (key->bytes[GIRO_KEY_BYTES - 1] < 0x80)
        return true;
    uint8_t minus_one[GIRO_KEY_BYTES];
    memcpy(minus_one, field_prime, sizeof(minus_one));
    minus_one[0]--;
    return memcmp(y, identity, sizeof(y)) != 0 && memcmp(y, minus_one, sizeof(y)) != 0;
}

/* Small order: [8]A = O. Three doublings with the complete addition law, so no list of bad points
 * to keep. */
static bool order_is_small(const struct giro_public_key *key)
{
    uint8_t point[GIRO_KEY_BYTES];
    memcpy(point, key->bytes, sizeof(point));
    for (uint32_t i = 0; i < 3; i++) {
        int on_curve = crypto_core_ed25519_add(point, point, point);
        GIRO_ASSERT(on_curve == 0);
    }
    return memcmp(point, identity, sizeof(point)) == 0;
}

enum giro_key_fault giro_key_point_check(const struct giro_public_key *key)
{
    if (!encoding_is_canonical(key))
        return GIRO_KEY_NOT_CANONICAL;
    /* Adding decodes its operands and checks the curve equation, and nothing else. */
    uint8_t sum[GIRO_KEY_BYTES];
    if (crypto_core_ed25519_add(sum, key->bytes, identity) != 0)
        return GIRO_KEY_NOT_ON_CURVE;
    GIRO_ASSERT(memcmp(sum, key->bytes, sizeof(sum)) == 0); /* canonical: A + O encodes as A */
    if (order_is_small(key))
        return GIRO_KEY_SMALL_ORDER;
    /* All of libsodium's other conditions hold by now; what is left of its check is [L]A = O. */
    if (crypto_core_ed25519_is_valid_point(key->bytes) != 1)
        return GIRO_KEY_TORSION;
    return GIRO_KEY_OK;
}

/* ---- Proof of possession ---- */

bool giro_key_possession_holds(const struct giro_public_key *key, const void *message,
                               size_t message_bytes, const struct giro_signature *possession)
{
    if (message == NULL && possession == NULL)
        return true; /* the caller asks for none */
    return message != NULL && possession != NULL &&
           crypto_sign_verify_detached(possession->bytes, message, message_bytes, key->bytes) == 0;
}

static void put_text16(struct giro_writer *writer, const char *text)
{
    size_t length = strlen(text);
    GIRO_ASSERT(length <= 16); /* two names that differ must not be cut to the same field */
    uint8_t *field = giro_writer_reserve(writer, 16);
    GIRO_ASSERT(field != NULL);
    memset(field, 0, 16);
    memcpy(field, text, length);
}

size_t giro_possession_message(const uint8_t nonce[32], const char *role, const char *owner,
                               uint64_t key_id, const struct giro_public_key *key, uint8_t *out)
{
    struct giro_writer writer;
    giro_writer_init(&writer, out, GIRO_POSSESSION_MESSAGE_BYTES);
    giro_writer_put(&writer, GIRO_TAG_POSSESSION, GIRO_TAG_BYTES);
    giro_writer_put(&writer, nonce, 32);
    put_text16(&writer, role);
    put_text16(&writer, owner);
    giro_writer_u64(&writer, key_id);
    giro_writer_put(&writer, key->bytes, GIRO_KEY_BYTES);
    GIRO_ASSERT(!writer.failed);
    GIRO_ASSERT(writer.offset == GIRO_POSSESSION_MESSAGE_BYTES);
    return writer.offset;
}
