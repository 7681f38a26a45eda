/* The ledger of the block in hand: leaf preimages, their hashes, and the tree with all its levels,
 * so that a path costs no hashing. The shape of the tree is giro/wire/member.h's, as in
 * common/crypto's merkle.c. */
#include "internal.h"

/* Level k has ceil(width of k-1 / 2) nodes: together at most twice the leaves and one for each
 * level. */
#define NODES_MAX (2u * GIRO_LEDGER_LEAVES_MAX + 32u)

#define PREFIX_LEAF    0u
#define LEAVES_AT_ONCE 64u

struct giro_ledger {
    uint64_t height;
    uint32_t count;
    bool ended;
    uint32_t offsets[GIRO_LEDGER_LEAVES_MAX + 1];
    struct giro_hash nodes[NODES_MAX]; /* leaves first, then level by level */
    uint8_t bytes[GIRO_LEDGER_BYTES_MAX + GIRO_LEDGER_LEAVES_MAX]; /* each leaf behind its prefix */
};

size_t giro_ledger_footprint(void)
{
    return giro_align_up(sizeof(struct giro_ledger), GIRO_CACHE_LINE_BYTES);
}

struct giro_ledger *giro_ledger_init(void *mem, size_t size_bytes)
{
    if (mem == NULL || size_bytes < giro_ledger_footprint())
        return NULL;
    struct giro_ledger *ledger = mem;
    giro_ledger_begin(ledger, 0);
    return ledger;
}

void giro_ledger_begin(struct giro_ledger *ledger, uint64_t height)
{
    ledger->height = height;
    ledger->count = 0;
    ledger->ended = false;
    ledger->offsets[0] = 0;
}

uint64_t giro_ledger_height(const struct giro_ledger *ledger)
{
    return ledger->height;
}

uint32_t giro_ledger_count(const struct giro_ledger *ledger)
{
    return ledger->count;
}

uint32_t giro_ledger_add(struct giro_ledger *ledger, const struct giro_part *parts,
                         uint32_t part_count)
{
    GIRO_ASSERT(!ledger->ended);
    GIRO_ASSERT(ledger->count < GIRO_LEDGER_LEAVES_MAX);
    uint32_t index = ledger->count++;
    uint32_t begin = ledger->offsets[index];
    uint32_t at = begin;
    ledger->bytes[at++] = PREFIX_LEAF;
    for (uint32_t i = 0; i < part_count; i++) {
        GIRO_ASSERT(parts[i].size_bytes <= GIRO_LEDGER_BYTES_MAX + index + 1 - at);
        memcpy(ledger->bytes + at, parts[i].bytes, parts[i].size_bytes);
        at += (uint32_t)parts[i].size_bytes;
    }
    GIRO_ASSERT(at - begin > GIRO_TAG_BYTES);
    ledger->offsets[index + 1] = at;
    return index;
}

static struct giro_hash root_hash(uint64_t height, uint64_t count, const struct giro_hash *top)
{
    const uint8_t prefix = 2;
    const struct giro_part parts[] = {{&prefix, 1},
                                      {GIRO_TAG_LEDGER_ROOT, GIRO_TAG_BYTES},
                                      {&height, sizeof(height)},
                                      {&count, sizeof(count)},
                                      {top->bytes, GIRO_HASH_BYTES}};
    return giro_sha256_parts(parts, 5);
}

static void leaves_hash(struct giro_ledger *ledger)
{
    struct giro_part parts[LEAVES_AT_ONCE];
    for (uint32_t first = 0; first < ledger->count; first += LEAVES_AT_ONCE) {
        uint32_t some =
            ledger->count - first < LEAVES_AT_ONCE ? ledger->count - first : LEAVES_AT_ONCE;
        for (uint32_t i = 0; i < some; i++) {
            uint32_t begin = ledger->offsets[first + i];
            parts[i] =
                (struct giro_part){ledger->bytes + begin, ledger->offsets[first + i + 1] - begin};
        }
        giro_sha256_many(parts, some, &ledger->nodes[first]);
    }
}

struct giro_hash giro_ledger_end(struct giro_ledger *ledger)
{
    GIRO_ASSERT(!ledger->ended);
    ledger->ended = true;
    leaves_hash(ledger);
    struct giro_hash *level = ledger->nodes;
    uint32_t width = ledger->count;
    while (width > 1) {
        struct giro_hash *above = level + width;
        width = giro_merkle_fold(level, width, above);
        level = above;
        GIRO_ASSERT(level + width <= ledger->nodes + NODES_MAX);
    }
    return root_hash(ledger->height, ledger->count, ledger->count == 0 ? &giro_hash_zero : level);
}

const uint8_t *giro_ledger_leaf(const struct giro_ledger *ledger, uint32_t index,
                                uint32_t *size_bytes)
{
    GIRO_ASSERT(index < ledger->count);
    *size_bytes = ledger->offsets[index + 1] - ledger->offsets[index] - 1;
    return ledger->bytes + ledger->offsets[index] + 1;
}

uint32_t giro_ledger_path(const struct giro_ledger *ledger, uint32_t index, struct giro_hash *path)
{
    GIRO_ASSERT(ledger->ended);
    GIRO_ASSERT(index < ledger->count);
    const struct giro_hash *level = ledger->nodes;
    uint32_t path_count = 0;
    for (uint32_t width = ledger->count; width > 1; width = (width + 1) / 2) {
        uint32_t sibling = index ^ 1u;
        if (sibling < width)
            path[path_count++] = level[sibling];
        level += width;
        index /= 2;
    }
    GIRO_ASSERT(path_count <= GIRO_PROOF_PATH_MAX);
    return path_count;
}
