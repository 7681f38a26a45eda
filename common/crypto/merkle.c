/* The Merkle tree over a block's leaves; layout in giro/wire/member.h, "Ledger leaves". The first
 * byte of every preimage (0 leaf, 1 inner, 2 root) keeps the three kinds apart, and the root covers
 * height and leaf count, so no tree can be read as another. */
#include "giro/crypto.h"

enum { PREFIX_LEAF = 0, PREFIX_INNER = 1, PREFIX_ROOT = 2 };

struct giro_hash giro_leaf_hash(const void *preimage_from_tag, size_t size_bytes)
{
    const uint8_t prefix = PREFIX_LEAF;
    const struct giro_part parts[2] = {{&prefix, 1}, {preimage_from_tag, size_bytes}};
    return giro_sha256_parts(parts, 2);
}

static struct giro_hash inner_hash(const struct giro_hash *left, const struct giro_hash *right)
{
    uint8_t preimage[1 + 2 * GIRO_HASH_BYTES];
    preimage[0] = PREFIX_INNER;
    memcpy(preimage + 1, left->bytes, GIRO_HASH_BYTES);
    memcpy(preimage + 1 + GIRO_HASH_BYTES, right->bytes, GIRO_HASH_BYTES);
    return giro_sha256(preimage, sizeof(preimage));
}

static struct giro_hash root_hash(uint64_t height, uint64_t count, const struct giro_hash *top)
{
    uint8_t preimage[1 + GIRO_TAG_BYTES + 8 + 8 + GIRO_HASH_BYTES];
    struct giro_writer writer;
    giro_writer_init(&writer, preimage, sizeof(preimage));
    giro_writer_u8(&writer, PREFIX_ROOT);
    giro_writer_put(&writer, GIRO_TAG_LEDGER_ROOT, GIRO_TAG_BYTES);
    giro_writer_u64(&writer, height);
    giro_writer_u64(&writer, count);
    giro_writer_put(&writer, top->bytes, GIRO_HASH_BYTES);
    GIRO_ASSERT(!writer.failed);
    GIRO_ASSERT(writer.offset == sizeof(preimage));
    return giro_sha256(preimage, sizeof(preimage));
}

#define FOLD_PAIRS 32u /* hashed at once */

uint32_t giro_merkle_fold(const struct giro_hash *nodes, uint32_t count, struct giro_hash *above)
{
    uint8_t preimages[FOLD_PAIRS][1 + 2 * GIRO_HASH_BYTES];
    struct giro_part parts[FOLD_PAIRS];
    const uint32_t pair_count = count / 2;
    const struct giro_hash last = count == 0 ? giro_hash_zero : nodes[count - 1];
    for (uint32_t first = 0; first < pair_count; first += FOLD_PAIRS) {
        const uint32_t some = pair_count - first < FOLD_PAIRS ? pair_count - first : FOLD_PAIRS;
        for (uint32_t i = 0; i < some; i++) {
            preimages[i][0] = PREFIX_INNER;
            memcpy(preimages[i] + 1, &nodes[2 * (size_t)(first + i)], 2 * GIRO_HASH_BYTES);
            parts[i] = (struct giro_part){preimages[i], sizeof(preimages[i])};
        }
        giro_sha256_many(parts, some, &above[first]);
    }
    if (count % 2 == 1)
        above[pair_count] = last;
    return pair_count + count % 2;
}

struct giro_hash giro_merkle_root(uint64_t height, struct giro_hash *leaves, uint32_t count)
{
    GIRO_ASSERT(leaves != NULL || count == 0);
    uint32_t width = count;
    while (width > 1)
        width = giro_merkle_fold(leaves, width, leaves);
    return root_hash(height, count, count == 0 ? &giro_hash_zero : &leaves[0]);
}

uint32_t giro_merkle_path(struct giro_hash *leaves, uint32_t count, uint32_t index,
                          struct giro_hash *path)
{
    GIRO_ASSERT(leaves != NULL);
    GIRO_ASSERT(index < count);
    uint32_t path_count = 0;
    uint32_t width = count;
    while (width > 1) {
        uint32_t sibling = index ^ 1u;
        if (sibling < width) {
            GIRO_ASSERT(path_count < GIRO_PROOF_PATH_MAX);
            path[path_count++] = leaves[sibling];
        }
        width = giro_merkle_fold(leaves, width, leaves);
        index /= 2;
    }
    GIRO_ASSERT(index == 0);
    return path_count;
}

bool giro_merkle_check(uint64_t height, const struct giro_hash *leaf, uint32_t index,
                       uint32_t count, const struct giro_hash *path, uint32_t path_count,
                       const struct giro_hash *root)
{
    if (index >= count || path_count > GIRO_PROOF_PATH_MAX)
        return false;
    struct giro_hash node = *leaf;
    uint32_t used = 0;
    uint32_t position = index;
    /* count / 2 + count % 2 and not (count + 1) / 2: the sum must not wrap at UINT32_MAX. */
    for (uint32_t width = count; width > 1; width = width / 2 + width % 2) {
        if ((position ^ 1u) < width) {
            if (used == path_count)
                return false;
            const struct giro_hash *sibling = &path[used++];
            node = position % 2 == 0 ? inner_hash(&node, sibling) : inner_hash(sibling, &node);
        }
        position /= 2;
    }
    if (used != path_count)
        return false;
    struct giro_hash found = root_hash(height, count, &node);
    return giro_hash_equal(&found, root);
}
