/* SHA-256 against the FIPS 180-2 examples and against itself in pieces; the tags. */
#include <pthread.h>
#include <stdlib.h>

#include <criterion/criterion.h>

#include "crypto_support.h"

TestSuite(crypto_hash, .init = crypto_suite_open, .fini = crypto_suite_close);

static const struct {
    const char *text;
    const char *hash;
} known[] = {
    {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
    {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
    {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
     "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
};

Test(crypto_hash, gives_the_published_examples)
{
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        struct giro_hash hash = giro_sha256(known[i].text, strlen(known[i].text));
        char text[65];
        giro_hex_format(hash.bytes, sizeof(hash.bytes), text);
        cr_assert_str_eq(text, known[i].hash, "row %zu", i);
    }
}

Test(crypto_hash, parts_and_stream_equal_the_whole)
{
    uint64_t seed = crypto_seed();
    struct giro_prng prng;
    giro_prng_init(&prng, seed);
    uint8_t bytes[1000];
    struct giro_sha256_state state;
    for (int round = 0; round < 500; round++) {
        size_t size_bytes = giro_prng_below(&prng, sizeof(bytes) + 1);
        giro_prng_fill(&prng, bytes, size_bytes);
        struct giro_hash whole = giro_sha256(bytes, size_bytes);
        struct giro_part parts[8];
        giro_sha256_begin(&state);
        size_t offset = 0;
        for (int i = 0; i < 8; i++) {
            size_t step =
                i == 7 ? size_bytes - offset : giro_prng_below(&prng, size_bytes - offset + 1);
            parts[i] = (struct giro_part){bytes + offset, step};
            giro_sha256_update(&state, bytes + offset, step);
            offset += step;
        }
        struct giro_hash in_parts = giro_sha256_parts(parts, 8);
        struct giro_hash streamed = giro_sha256_end(&state);
        cr_assert(giro_hash_equal(&whole, &in_parts), "seed %lu round %d", seed, round);
        cr_assert(giro_hash_equal(&whole, &streamed), "seed %lu round %d", seed, round);
    }
}

Test(crypto_hash, streams_of_one_thread_do_not_disturb_each_other)
{
    struct giro_sha256_state states[16];
    for (int i = 0; i < 16; i++)
        giro_sha256_begin(&states[i]);
    for (int i = 0; i < 16; i++) {
        uint8_t byte = (uint8_t)i;
        giro_sha256_update(&states[i], &byte, 1);
        giro_sha256(&byte, 1);
    }
    for (int i = 15; i >= 0; i--) {
        uint8_t byte = (uint8_t)i;
        struct giro_hash expected = giro_sha256(&byte, 1);
        struct giro_hash found = giro_sha256_end(&states[i]);
        cr_assert(giro_hash_equal(&expected, &found), "stream %d", i);
    }
}

static void *hash_many(void *result)
{
    struct giro_hash hash = giro_hash_zero;
    for (int i = 0; i < 1000; i++)
        hash = giro_sha256(hash.bytes, sizeof(hash.bytes));
    memcpy(result, &hash, sizeof(hash));
    return NULL;
}

Test(crypto_hash, each_thread_has_its_own_context_and_frees_it)
{
    struct giro_hash expected;
    hash_many(&expected);
    pthread_t threads[4];
    struct giro_hash found[4];
    for (int i = 0; i < 4; i++)
        cr_assert(pthread_create(&threads[i], NULL, hash_many, &found[i]) == 0);
    for (int i = 0; i < 4; i++) {
        cr_assert(pthread_join(threads[i], NULL) == 0);
        cr_assert(giro_hash_equal(&expected, &found[i]), "thread %d", i);
    }
}

Test(crypto_hash, zero_is_zero_and_nothing_else_is)
{
    cr_assert(giro_hash_is_zero(&giro_hash_zero));
    for (uint32_t bit = 0; bit < 256; bit++) {
        struct giro_hash hash = giro_hash_zero;
        hash.bytes[bit / 8] |= (uint8_t)(1u << (bit % 8));
        cr_assert(!giro_hash_is_zero(&hash), "bit %u", bit);
    }
}

Test(crypto_hash, init_may_be_called_again)
{
    cr_assert(giro_crypto_init() == GIRO_ERR_OK);
    cr_assert(giro_crypto_init() == GIRO_ERR_OK);
}

Test(crypto_hash, no_two_tags_are_equal)
{
    static const struct {
        const char *name;
        const char *tag;
    } tags[] = {
#define ROW(name, text, what) {#name, GIRO_TAG_##name},
        GIRO_TAG_MAP(ROW)
#undef ROW
    };
    size_t count = sizeof(tags) / sizeof(tags[0]);
    for (size_t i = 0; i < count; i++) {
        cr_assert(strlen(tags[i].tag) == GIRO_TAG_BYTES, "%s", tags[i].name);
        for (size_t j = i + 1; j < count; j++)
            cr_assert(strcmp(tags[i].tag, tags[j].tag) != 0, "%s = %s", tags[i].name, tags[j].name);
    }
}
