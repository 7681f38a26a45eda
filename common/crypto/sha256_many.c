/* Many SHA-256 hashes at once: which compression runs, and what surrounds it (start, padding, order of bytes). */
#include "sha256_many.h"

#if GIRO_CRYPTO_X86
#include <cpuid.h>
#endif

/* FIPS 180-4, sections 5.3.3 and 4.2.2. */
const uint32_t giro_sha256_start[8] = {
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
};
const uint32_t giro_sha256_k[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};
const uint32_t giro_sha256_padded64[64] = {
    0xc28a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf374,
    0x649b69c1, 0xf0fe4786, 0x0fe1edc6, 0x240cf254, 0x4fe9346f, 0x6cc984be, 0x61b9411e, 0x16f988fa,
    0xf2c65152, 0xa88e5a6d, 0xb019fc65, 0xb9d99ec7, 0x9a1231c3, 0xe70eeaa0, 0xfdb1232b, 0xc7353eb0,
    0x3069bad5, 0xcb976d5f, 0x5a0f118f, 0xdc1eeefd, 0x0a35b689, 0xde0b7a04, 0x58f4ca9d, 0xe15d5b16,
    0x007f3e86, 0x37088980, 0xa507ea32, 0x6fab9537, 0x17406110, 0x0d8cd6f1, 0xcdaa3b6d, 0xc0bbbe37,
    0x83613bda, 0xdb48a363, 0x0b02e931, 0x6fd15ca7, 0x521afaca, 0x31338431, 0x6ed41a95, 0x6d437890,
    0xc39c91f2, 0x9eccabbd, 0xb5c9a0e6, 0x532fb63c, 0xd2c741c6, 0x07237ea3, 0xa4954b68, 0x4c191d76,
};

#define CHUNK 64u /* inputs whose tails are held at once */

static giro_sha256_run_fn *run = giro_sha256_run_portable;
static giro_sha256_records_fn *records = giro_sha256_records_portable;

#if GIRO_CRYPTO_X86
bool giro_sha256_ni_there(void)
{
    uint32_t a = 0, b = 0, c = 0, d = 0;
    static int there = -1; /* a virtual machine traps cpuid: ask once */
    if (there < 0)
        there = __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (b & bit_SHA) != 0;
    return there == 1;
}
#endif

/* Two streams of sha_ni are as fast as sixteen AVX-512 lanes and need no inputs of equal length (README.md). */
void giro_sha256_choose(enum giro_crypto_variant variant)
{
    run = giro_sha256_run_portable;
    records = giro_sha256_records_portable;
#if GIRO_CRYPTO_X86
    if (variant < GIRO_VARIANT_AVX2)
        return;
    const bool ni = giro_sha256_ni_there();
    run = ni ? giro_sha256_run_ni : giro_sha256_run_avx2;
    records = ni ? giro_sha256_records_ni : giro_sha256_records_avx2;
#else
    (void)variant;
#endif
}

void giro_sha256_run(struct giro_sha256_job *jobs, uint32_t count)
{
    run(jobs, count);
}

struct giro_hash giro_sha256_words_hash(const uint32_t words[8])
{
    struct giro_hash hash;
    for (uint32_t i = 0; i < 8; i++) {
        const uint32_t word = __builtin_bswap32(words[i]);
        memcpy(hash.bytes + 4 * (size_t)i, &word, sizeof(word));
    }
    return hash;
}

uint32_t giro_sha256_pad(uint8_t tail[2 * GIRO_SHA256_BLOCK], uint32_t used, uint64_t size_bytes)
{
    GIRO_ASSERT(used < GIRO_SHA256_BLOCK);
    const uint32_t blocks = used + 9 <= GIRO_SHA256_BLOCK ? 1 : 2;
    const uint64_t bits = __builtin_bswap64(8 * size_bytes);
    tail[used] = 0x80;
    memset(tail + used + 1, 0, blocks * GIRO_SHA256_BLOCK - used - 9);
    memcpy(tail + blocks * GIRO_SHA256_BLOCK - 8, &bits, sizeof(bits));
    return blocks;
}

static void chunk_hash(const struct giro_part *inputs, uint32_t count, struct giro_hash *out)
{
    struct giro_sha256_job jobs[CHUNK];
    uint32_t states[CHUNK][8];
    uint8_t tails[CHUNK][2 * GIRO_SHA256_BLOCK];
    for (uint32_t i = 0; i < count; i++) {
        memcpy(states[i], giro_sha256_start, sizeof(states[i]));
        jobs[i] = (struct giro_sha256_job){.state = states[i],
                                           .bytes = inputs[i].bytes,
                                           .blocks = inputs[i].size_bytes / GIRO_SHA256_BLOCK};
    }
    run(jobs, count);
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t left = inputs[i].size_bytes % GIRO_SHA256_BLOCK;
        if (left > 0)
            memcpy(tails[i], (const uint8_t *)inputs[i].bytes + inputs[i].size_bytes - left, left);
        jobs[i] = (struct giro_sha256_job){
            .state = states[i],
            .bytes = tails[i],
            .blocks = giro_sha256_pad(tails[i], left, inputs[i].size_bytes)};
    }
    run(jobs, count);
    for (uint32_t i = 0; i < count; i++)
        out[i] = giro_sha256_words_hash(states[i]);
}

void giro_sha256_many(const struct giro_part *inputs, uint32_t count, struct giro_hash *out)
{
    for (uint32_t first = 0; first < count; first += CHUNK) {
        const uint32_t chunk = count - first < CHUNK ? count - first : CHUNK;
        const uint8_t *bytes[CHUNK];
        bool of_64 = true;
        for (uint32_t i = 0; i < chunk; i++) {
            bytes[i] = inputs[first + i].bytes;
            of_64 = of_64 && inputs[first + i].size_bytes == GIRO_SHA256_BLOCK;
        }
        if (of_64)
            records(bytes, chunk, &out[first]);
        else
            chunk_hash(&inputs[first], chunk, &out[first]);
    }
}
