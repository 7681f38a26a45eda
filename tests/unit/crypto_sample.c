/* How many verdicts libsodium gives as well: a few, whatever the signatures are. */
#include <stdlib.h>

#include <criterion/criterion.h>
#include <sodium.h>

#include "common/crypto/internal.h"
#include "crypto_support.h"

TestSuite(crypto_sample, .init = crypto_suite_open, .fini = crypto_suite_close);

static uint64_t asked;

/* In place of libsodium's, which does nothing but call the other. */
int crypto_sign_verify_detached(const unsigned char *signature, const unsigned char *message,
                                unsigned long long message_bytes, const unsigned char *key)
{
    asked++;
    return crypto_sign_ed25519_verify_detached(signature, message, message_bytes, key);
}

#define ITEMS 64u

struct sample {
    struct giro_key_handle handle;
    uint8_t message[8];
    uint8_t signatures[ITEMS][64];
    bool valid;
    struct giro_public_key key;
};

/* In batches of 1 to 64, until 8,192 are judged. */
static void sample_count(void *context, const char *variant)
{
    struct sample *sample = context;
    if (giro_variant_ops() == NULL)
        return;
    struct giro_key_ring *ring = crypto_ring_new_for(1, 4);
    cr_assert(giro_key_ring_enrol(ring, &sample->key, NULL, 0, NULL, &sample->handle) ==
              GIRO_KEY_OK);
    struct giro_verify_item items[ITEMS];
    uint8_t verdicts[ITEMS];
    for (uint32_t i = 0; i < ITEMS; i++)
        items[i] = (struct giro_verify_item){sample->handle, sample->message,
                                             sizeof(sample->message), sample->signatures[i]};
    asked = 0;
    for (uint32_t done = 0, count = 1; done < 8192; done += count, count = count * 3 % ITEMS) {
        count = count < 8192 - done ? count : 8192 - done;
        cr_assert(giro_verify_batch(ring, items, count, verdicts) == (sample->valid ? count : 0));
    }
    cr_assert(asked == 8192 / (sample->valid ? 4096 : 256), "variant %s: %lu", variant, asked);
    free(ring);
}

/* SHA-512(R | A | M) begins with zeros: the first byte, or twelve bits. */
static bool hash_is_small(const struct sample *sample)
{
    struct giro_hash_job job = {.r = sample->signatures[0],
                                .key = sample->key.bytes,
                                .message = sample->message,
                                .message_bytes = sizeof(sample->message)};
    giro_hash_portable(&job, 1);
    return job.digest[0] == 0 && (!sample->valid || (job.digest[1] & 0x0f) == 0);
}

/* Nor does it help to search for a hash that stands out, and to vary S, which the hash does not cover. */
Test(crypto_sample, no_search_for_signatures_makes_libsodium_judge_more_of_them)
{
    static struct sample sample;
    static const uint8_t seed[32] = {11};
    struct giro_secret_key *secret = giro_key_from_seed(seed);
    sample.key = giro_key_public(secret);
    for (int valid = 0; valid < 2; valid++) {
        sample.valid = valid == 1;
        uint64_t number = 0;
        do {
            number++;
            memcpy(sample.message, &number, sizeof(number));
            const struct giro_signature signature = giro_sign(secret, &number, sizeof(number));
            for (uint32_t i = 0; i < ITEMS; i++)
                memcpy(sample.signatures[i], signature.bytes, 64);
        } while (!hash_is_small(&sample));
        for (uint32_t i = 0; i < ITEMS && !sample.valid; i++)
            sample.signatures[i][32 + i % 16] ^= (uint8_t)(1 + i / 16);
        crypto_each_variant(sample_count, &sample);
    }
    giro_key_free(secret);
}
