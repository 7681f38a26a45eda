/* The Merkle tree against a recursive model written from giro/wire/member.h "Ledger leaves" alone.
 */
#include <stdlib.h>

#include <criterion/criterion.h>

#include "crypto_support.h"

TestSuite(crypto_merkle, .init = crypto_suite_open, .fini = crypto_suite_close);

#define LEAVES_MAX 70u

static void make_leaves(struct giro_hash *leaves, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        uint8_t preimage[12] = "LEAFTEST";
        memcpy(preimage + 8, &i, 4);
        leaves[i] = giro_leaf_hash(preimage, sizeof(preimage));
    }
}

/* Top of leaves[from..from + count): the left part is the largest power of two below count. Pairing
 * level by level with odd nodes promoted gives this very tree (RFC 6962 section 2.1). */
static struct giro_hash model_top(const struct giro_hash *leaves, uint32_t from, uint32_t count)
{
    if (count == 0)
        return giro_hash_zero;
    if (count == 1)
        return leaves[from];
    uint32_t left_count = 1;
    while (left_count * 2 < count)
        left_count *= 2;
    struct giro_hash left = model_top(leaves, from, left_count);
    struct giro_hash right = model_top(leaves, from + left_count, count - left_count);
    uint8_t preimage[65] = {1};
    memcpy(preimage + 1, left.bytes, 32);
    memcpy(preimage + 33, right.bytes, 32);
    return giro_sha256(preimage, sizeof(preimage));
}

static struct giro_hash model_root(uint64_t height, const struct giro_hash *leaves, uint32_t count)
{
    struct giro_hash top = model_top(leaves, 0, count);
    uint8_t preimage[1 + 8 + 8 + 8 + 32] = {2};
    uint64_t count64 = count;
    memcpy(preimage + 1, "GIRLROO1", 8);
    memcpy(preimage + 9, &height, 8);
    memcpy(preimage + 17, &count64, 8);
    memcpy(preimage + 25, top.bytes, 32);
    return giro_sha256(preimage, sizeof(preimage));
}

Test(crypto_merkle, leaf_hash_is_sha256_after_a_zero_byte)
{
    uint8_t preimage[5] = {0, 'a', 'b', 'c', 'd'};
    struct giro_hash expected = giro_sha256(preimage, sizeof(preimage));
    struct giro_hash found = giro_leaf_hash("abcd", 4);
    cr_assert(giro_hash_equal(&expected, &found));
}

Test(crypto_merkle, root_and_paths_agree_with_the_model)
{
    struct giro_hash leaves[LEAVES_MAX], scratch[LEAVES_MAX], path[GIRO_PROOF_PATH_MAX];
    make_leaves(leaves, LEAVES_MAX);
    for (uint32_t count = 0; count <= LEAVES_MAX; count++) {
        uint64_t height = 1000 + count;
        struct giro_hash expected = model_root(height, leaves, count);
        memcpy(scratch, leaves, sizeof(leaves));
        struct giro_hash root = giro_merkle_root(height, scratch, count);
        cr_assert(giro_hash_equal(&expected, &root), "%u leaves", count);
        for (uint32_t index = 0; index < count; index++) {
            memcpy(scratch, leaves, sizeof(leaves));
            uint32_t path_count = giro_merkle_path(scratch, count, index, path);
            cr_assert(
                giro_merkle_check(height, &leaves[index], index, count, path, path_count, &root),
                "%u leaves, leaf %u", count, index);
        }
    }
}

struct proof {
    uint64_t height;
    struct giro_hash leaf;
    uint32_t index;
    uint32_t count;
    struct giro_hash path[GIRO_PROOF_PATH_MAX];
    uint32_t path_count;
    struct giro_hash root;
};

static bool proof_holds(const struct proof *p)
{
    return giro_merkle_check(p->height, &p->leaf, p->index, p->count, p->path, p->path_count,
                             &p->root);
}

static void flip(void *bytes, uint32_t bit)
{
    ((uint8_t *)bytes)[bit / 8] ^= (uint8_t)(1u << (bit % 8));
}

/* Every single-bit change of any part of the proof must make it fail. */
static void try_flips(const struct proof *good)
{
    const struct {
        const char *what;
        size_t offset;
        uint32_t bits;
    } parts[] = {
        {"height", offsetof(struct proof, height), 64},
        {"leaf", offsetof(struct proof, leaf), 256},
        {"index", offsetof(struct proof, index), 32},
        {"count", offsetof(struct proof, count), 32},
        {"path", offsetof(struct proof, path), good->path_count * 256},
        {"path_count", offsetof(struct proof, path_count), 32},
        {"root", offsetof(struct proof, root), 256},
    };
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        for (uint32_t bit = 0; bit < parts[i].bits; bit++) {
            struct proof bad = *good;
            flip((uint8_t *)&bad + parts[i].offset, bit);
            cr_assert(!proof_holds(&bad), "%u leaves, leaf %u: bit %u of %s", good->count,
                      good->index, bit, parts[i].what);
        }
    }
}

Test(crypto_merkle, a_flipped_bit_anywhere_fails)
{
    static const uint32_t counts[] = {1, 2, 3, 5, 8, 11, 64, 70};
    struct giro_hash leaves[LEAVES_MAX], scratch[LEAVES_MAX];
    make_leaves(leaves, LEAVES_MAX);
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        uint32_t count = counts[i];
        for (uint32_t index = 0; index<count; index += count> 8 ? 23 : 1) {
            struct proof good;
            memset(&good, 0, sizeof(good));
            good.height = 77;
            good.leaf = leaves[index];
            good.index = index;
            good.count = count;
            memcpy(scratch, leaves, sizeof(leaves));
            good.path_count = giro_merkle_path(scratch, count, index, good.path);
            good.root = model_root(good.height, leaves, count);
            cr_assert(proof_holds(&good));
            try_flips(&good);
        }
    }
}

Test(crypto_merkle, check_refuses_impossible_places_without_reading_beyond_the_path)
{
    struct giro_hash leaf = giro_leaf_hash("x", 1);
    struct giro_hash root = model_root(1, &leaf, 1);
    cr_assert(giro_merkle_check(1, &leaf, 0, 1, NULL, 0, &root));
    cr_assert(!giro_merkle_check(1, &leaf, 0, 0, NULL, 0, &root));
    cr_assert(!giro_merkle_check(1, &leaf, 1, 1, NULL, 0, &root));
    cr_assert(!giro_merkle_check(1, &leaf, 0, UINT32_MAX, NULL, 0, &root));
    cr_assert(!giro_merkle_check(1, &leaf, UINT32_MAX - 1, UINT32_MAX, &leaf, 1, &root));
    cr_assert(!giro_merkle_check(1, &leaf, 0, 1, &leaf, GIRO_PROOF_PATH_MAX + 1, &root));
}
