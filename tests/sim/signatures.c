/* Signatures that cost next to nothing. The linker puts these two functions in the place of the only signing and the only
 * verifying function of the replicas' code (--wrap): a signature becomes a keyed hash, and one made by another key or over
 * other bytes is as invalid as ever. girod has no such functions: nothing it runs accepts a keyed hash. One seed in a hundred,
 * and --ed25519, run the real ones. */
#include <xxhash.h>

#include "sim/sim.h"

#define KEYS_MAX 512u

struct giro_signature __real_giro_sign(const struct giro_secret_key *key, const void *message,
                                       size_t message_bytes);
uint32_t __real_giro_verify_batch(const struct giro_key_ring *ring,
                                  const struct giro_verify_item *items, uint32_t count,
                                  uint8_t *verdicts);
struct giro_signature __wrap_giro_sign(const struct giro_secret_key *key, const void *message,
                                       size_t message_bytes);
uint32_t __wrap_giro_verify_batch(const struct giro_key_ring *ring,
                                  const struct giro_verify_item *items, uint32_t count,
                                  uint8_t *verdicts);

static bool fast;
static struct {
    bool known;
    struct giro_key_handle handle;
    struct giro_public_key key;
} keys[KEYS_MAX];

static void key_note(const struct giro_genesis_key *key)
{
    GIRO_ASSERT(key->handle.index < KEYS_MAX);
    keys[key->handle.index].known = true;
    keys[key->handle.index].handle = key->handle;
    keys[key->handle.index].key = key->key;
}

void sim_signatures_fast(const struct giro_genesis *genesis)
{
    memset(keys, 0, sizeof(keys));
    for (uint32_t i = 0; i < genesis->replica_count; i++) {
        key_note(&genesis->replicas[i].vote);
        key_note(&genesis->replicas[i].batch);
    }
    for (uint32_t i = 0; i < genesis->member_count; i++)
        key_note(&genesis->members[i].frame_keys[0]);
    fast = true;
}

void sim_signatures_real(void)
{
    fast = false;
}

static struct giro_signature keyed_hash(const struct giro_public_key *key, const void *message,
                                        size_t message_bytes)
{
    struct giro_signature signature;
    uint64_t secret = XXH3_64bits(key, sizeof(*key));
    for (uint64_t i = 0; i < sizeof(signature) / 16; i++) {
        XXH128_canonical_t part;
        XXH128_canonicalFromHash(&part, XXH3_128bits_withSeed(message, message_bytes, secret + i));
        memcpy(signature.bytes + 16 * i, part.digest, 16);
    }
    return signature;
}

struct giro_signature __wrap_giro_sign(const struct giro_secret_key *key, const void *message,
                                       size_t message_bytes)
{
    if (!fast)
        return __real_giro_sign(key, message, message_bytes);
    struct giro_public_key public_key = giro_key_public(key);
    return keyed_hash(&public_key, message, message_bytes);
}

uint32_t __wrap_giro_verify_batch(const struct giro_key_ring *ring,
                                  const struct giro_verify_item *items, uint32_t count,
                                  uint8_t *verdicts)
{
    if (!fast)
        return __real_giro_verify_batch(ring, items, count, verdicts);
    uint32_t valid_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        const struct giro_verify_item *item = &items[i];
        uint32_t index = item->key.index;
        bool valid = index < KEYS_MAX && keys[index].known &&
                     keys[index].handle.generation == item->key.generation;
        if (valid) {
            struct giro_signature made =
                keyed_hash(&keys[index].key, item->message, item->message_bytes);
            valid = memcmp(made.bytes, item->signature, sizeof(made)) == 0;
        }
        verdicts[i] = valid ? GIRO_VALID : GIRO_INVALID;
        valid_count += valid;
    }
    return valid_count;
}
