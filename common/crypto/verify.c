/* The one verification path. Each signature is judged alone, so no item can change another's
 * verdict and every replica reaches the same one: libsodium's, by every variant. */
#include <sodium.h>

#include "internal.h"

/* Signatures that share one inversion; their state (half a KiB each) is on the stack. */
#define CHUNK GIRO_COMB_JOBS_MAX

struct chunk {
    uint32_t count;
    uint32_t item_index[CHUNK];
    struct giro_hash_job hashes[CHUNK];
    struct giro_comb_job combs[CHUNK];
};

/* S < L, the check of RFC 8032 section 5.1.7. */
static bool scalar_is_canonical(const uint8_t s[32])
{
    static const uint64_t order[4] = {UINT64_C(0x5812631a5cf5d3ed), UINT64_C(0x14def9dea2f79cd6), 0,
                                      UINT64_C(0x1000000000000000)};
    uint64_t words[4];
    memcpy(words, s, sizeof(words));
    for (int i = 4; i-- > 0;) {
        if (words[i] != order[i])
            return words[i] < order[i];
    }
    return false;
}

/* The encodings that libsodium 1.0.18 refuses as R (ge25519_has_small_order), sign bit apart: y of
 * the points of order 4, 1, 8, 8, 2, and p and p + 1, which stand for 0 and 1. */
static bool encoding_is_refused(const uint8_t r[32])
{
    static const uint8_t refused[7][32] = {
        {0},
        {1},
        {0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4,
         0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6,
         0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05},
        {0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b,
         0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39,
         0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a},
        {0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
         0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
         0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
        {0xed, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
         0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
         0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
        {0xee, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
         0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
         0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}};
    for (int i = 0; i < 7; i++) {
        if (r[0] == refused[i][0] && memcmp(r, refused[i], 31) == 0 &&
            (r[31] & 0x7f) == refused[i][31])
            return true;
    }
    return false;
}

enum giro_signature_fault giro_signature_fault(const struct giro_public_key *key,
                                               const uint8_t *signature)
{
    if (!scalar_is_canonical(signature + 32))
        return GIRO_SIGNATURE_S_NOT_BELOW_L;
    if (encoding_is_refused(signature))
        return GIRO_SIGNATURE_R_SMALL_ORDER;
    struct giro_point point;
    const struct giro_fe y = giro_fe_from_bytes(key->bytes);
    uint8_t canonical[32];
    giro_fe_to_bytes(&y, canonical);
    canonical[31] |= key->bytes[31] & 0x80;
    if (encoding_is_refused(key->bytes) || memcmp(canonical, key->bytes, sizeof(canonical)) != 0 ||
        !giro_point_decode(&point, key->bytes))
        return GIRO_SIGNATURE_KEY_REFUSED;
    return GIRO_SIGNATURE_MISMATCH;
}

const char *giro_signature_fault_text(enum giro_signature_fault fault)
{
    switch (fault) {
    case GIRO_SIGNATURE_MISMATCH:
        return "R is not [S]B - [k]A: another key, another message, or damaged bytes";
    case GIRO_SIGNATURE_S_NOT_BELOW_L:
        return "S is not below the group order";
    case GIRO_SIGNATURE_R_SMALL_ORDER:
        return "R is a point of small order";
    case GIRO_SIGNATURE_KEY_REFUSED:
        return "the key is no point, of small order, or not canonical";
    }
    return "unknown fault";
}

static bool libsodium_accepts(const struct giro_verify_item *item, const uint8_t *key)
{
    return crypto_sign_verify_detached(item->signature, item->message, item->message_bytes, key) ==
           0;
}

/* A sample of the verdicts is libsodium's as well: every 256th that rejects, every 4,096th that accepts. A difference is a
 * fault of ours or of the machine, and stops the process before money moves. By number, not by anything in the signature: who
 * forges frames could look for bytes that are always chosen, and each forgery would cost thirty times what it does. */
static void verdict_sample(const struct chunk *chunk, uint32_t i, uint64_t number,
                           const struct giro_verify_item *item, bool valid)
{
    if (number % (valid ? 4096 : 256) != 0)
        return;
    GIRO_ASSERT(libsodium_accepts(item, chunk->hashes[i].key) == valid);
}

/* Judges the gathered signatures: k, the sums, one inversion, and R' compared with R byte for byte. */
static uint32_t chunk_judge(struct chunk *chunk, const struct giro_key_ring *ring,
                            const struct giro_verify_item *items, uint8_t *verdicts)
{
    const struct giro_variant_ops *ops = giro_variant_ops();
    if (chunk->count == 0)
        return 0;
    ops->hash(chunk->hashes, chunk->count);
    ops->scalars(chunk->combs, chunk->hashes, chunk->count, ring->table_width);
    ops->sum(chunk->combs, chunk->count, ring->table_width);
    ops->encode(chunk->combs, chunk->count);
    const uint64_t first = giro_key_ring_judged(ring, chunk->count);
    uint32_t valid_count = 0;
    for (uint32_t i = 0; i < chunk->count; i++) {
        const bool valid = memcmp(chunk->combs[i].encoded, chunk->hashes[i].r, 32) == 0;
        const struct giro_verify_item *item = &items[chunk->item_index[i]];
        verdict_sample(chunk, i, first + i, item, valid);
        verdicts[chunk->item_index[i]] = valid ? GIRO_VALID : GIRO_INVALID;
        valid_count += valid;
    }
    chunk->count = 0;
    return valid_count;
}

/* Takes one signature into the chunk if its bytes alone do not refuse it. */
static void chunk_take(struct chunk *chunk, const struct giro_verify_item *item,
                       const struct giro_key_slot *slot, const struct giro_comb_entry *table,
                       uint32_t item_index)
{
    if (!scalar_is_canonical(item->signature + 32) || encoding_is_refused(item->signature))
        return;
    const uint32_t i = chunk->count++;
    GIRO_ASSERT(i < CHUNK);
    chunk->item_index[i] = item_index;
    chunk->hashes[i].r = item->signature;
    chunk->hashes[i].key = slot->key.bytes;
    chunk->hashes[i].message = item->message;
    chunk->hashes[i].message_bytes = item->message_bytes;
    chunk->combs[i].table = table;
}

uint32_t giro_verify_batch(const struct giro_key_ring *ring, const struct giro_verify_item *items,
                           uint32_t count, uint8_t *verdicts)
{
    GIRO_ASSERT(ring != NULL);
    GIRO_ASSERT((items != NULL && verdicts != NULL) || count == 0);
    uint32_t valid_count = 0;
    struct chunk chunk;
    chunk.count = 0;
    const uint32_t phase = giro_key_ring_read_begin(ring);
    for (uint32_t i = 0; i < count; i++) {
        const struct giro_verify_item *item = &items[i];
        const struct giro_key_slot *slot = giro_key_ring_slot(ring, item->key);
        verdicts[i] = GIRO_INVALID;
        if (slot == NULL)
            continue;
        const struct giro_comb_entry *table = giro_key_slot_table(slot);
        if (table == NULL || giro_variant_ops() == NULL) {
            verdicts[i] = libsodium_accepts(item, slot->key.bytes) ? GIRO_VALID : GIRO_INVALID;
            valid_count += verdicts[i];
            continue;
        }
        chunk_take(&chunk, item, slot, table, i);
        if (chunk.count == CHUNK)
            valid_count += chunk_judge(&chunk, ring, items, verdicts);
    }
    valid_count += chunk_judge(&chunk, ring, items, verdicts);
    giro_key_ring_read_end(ring, phase);
    GIRO_ASSERT(valid_count <= count);
    return valid_count;
}
