/* The key ring: what is checked once at enrolment so that verification need not ask again. */
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
        return "the same key is enrolled already";
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

static enum giro_key_fault point_check(const struct giro_public_key *key)
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

/* ---- The ring ---- */

static struct giro_map_options map_options(uint32_t key_count_max)
{
    /* A fixed seed: keys come from the genesis file or governance, not from strangers at a rate. */
    return (struct giro_map_options){
        .capacity = key_count_max, .key_bytes = GIRO_KEY_BYTES, .seed = GIRO_KEY_RING_MAGIC};
}

static size_t slots_offset(void)
{
    return giro_align_up(sizeof(struct giro_key_ring), GIRO_CACHE_LINE_BYTES);
}

static size_t map_offset(uint32_t key_count_max)
{
    return slots_offset() +
           giro_align_up(key_count_max * sizeof(struct giro_key_slot), GIRO_CACHE_LINE_BYTES);
}

static size_t tables_offset(uint32_t key_count_max)
{
    struct giro_map_options options = map_options(key_count_max);
    size_t map_bytes = giro_map_footprint(&options);
    GIRO_ASSERT(map_bytes != 0);
    return giro_align_up(map_offset(key_count_max) + map_bytes, GIRO_CACHE_LINE_BYTES);
}

static struct giro_key_slot *ring_slots(struct giro_key_ring *ring)
{
    return (struct giro_key_slot *)((uint8_t *)ring + ring->slots_offset);
}

static struct giro_map *ring_map(struct giro_key_ring *ring)
{
    return (struct giro_map *)((uint8_t *)ring + ring->map_offset);
}

const struct giro_comb_entry *giro_key_ring_table(const struct giro_key_ring *ring, uint32_t index)
{
    GIRO_ASSERT(ring->table_width != 0);
    GIRO_ASSERT(index < ring->key_count_max);
    return (const struct giro_comb_entry *)((const uint8_t *)ring + ring->tables_offset +
                                            index * giro_comb_bytes(ring->table_width));
}

/* From the widest. */
static const uint32_t table_widths[] = {8, 6, 4, 0};
#define TABLE_WIDTHS (sizeof(table_widths) / sizeof(table_widths[0]))

size_t giro_key_ring_footprint_for(uint32_t key_count_max, uint32_t table_width)
{
    if (key_count_max == 0 || key_count_max > GIRO_KEY_RING_MAX)
        return 0;
    for (size_t i = 0; i < TABLE_WIDTHS; i++) {
        if (table_widths[i] != table_width)
            continue;
        size_t table_bytes = table_width == 0 ? 0 : giro_comb_bytes(table_width);
        return tables_offset(key_count_max) + key_count_max * table_bytes;
    }
    return 0;
}

size_t giro_key_ring_footprint(uint32_t key_count_max)
{
    uint32_t table_width = key_count_max <= 64 ? 8 : key_count_max <= 256 ? 6 : 4;
    return giro_key_ring_footprint_for(key_count_max, table_width);
}

struct giro_key_ring *giro_key_ring_init(void *mem, size_t size_bytes, uint32_t key_count_max)
{
    size_t footprint_min_bytes = giro_key_ring_footprint_for(key_count_max, 0);
    if (mem == NULL || footprint_min_bytes == 0 || size_bytes < footprint_min_bytes)
        return NULL;
    GIRO_ASSERT((uintptr_t)mem % GIRO_CACHE_LINE_BYTES == 0);
    memset(mem, 0, map_offset(key_count_max));
    struct giro_key_ring *ring = mem;
    ring->magic = GIRO_KEY_RING_MAGIC;
    ring->key_count_max = key_count_max;
    ring->slots_offset = slots_offset();
    ring->map_offset = map_offset(key_count_max);
    ring->tables_offset = tables_offset(key_count_max);
    for (size_t i = 0; i < TABLE_WIDTHS; i++) {
        if (giro_key_ring_footprint_for(key_count_max, table_widths[i]) <= size_bytes) {
            ring->table_width = table_widths[i];
            break;
        }
    }
    struct giro_map_options options = map_options(key_count_max);
    struct giro_map *map = giro_map_init((uint8_t *)mem + ring->map_offset,
                                         ring->tables_offset - ring->map_offset, &options);
    GIRO_ASSERT(map == ring_map(ring));
    return ring;
}

/* ---- Comb tables ---- */

/* [n](-A) from the table is libsodium's [n]A with the other sign, for two scalars that touch two entries of each row.
 * libsodium refuses to multiply a key with torsion: enrolment lets none in, so there is nothing to compare. */
static void table_check(const struct giro_public_key *key, const struct giro_comb_entry *table,
                        uint32_t width)
{
    static const uint8_t zero[32];
    for (uint8_t round = 0; round < 2; round++) {
        uint8_t wide[64], scalar[32], expected[32], found[32];
        crypto_hash_sha512(wide, key->bytes, sizeof(key->bytes));
        wide[0] ^= round;
        wide[40] ^= round;
        crypto_core_ed25519_scalar_reduce(scalar, wide);
        if (crypto_scalarmult_ed25519_noclamp(expected, scalar, key->bytes) != 0)
            return;
        struct giro_comb_job job = {.table = table};
        giro_comb_digits(job.base_digits, GIRO_COMB_BASE_WIDTH, zero);
        giro_comb_digits(job.key_digits, width, scalar);
        giro_comb_sum_portable(&job, 1, width);
        const struct giro_point sum = {.x = job.x, .y = job.y, .z = job.z};
        giro_point_encode(&sum, found);
        found[31] ^= 0x80;
        GIRO_ASSERT(memcmp(found, expected, sizeof(found)) == 0);
    }
}

/* False for bytes that are no point: only vector tests place such a key, and libsodium refuses all its signatures. */
static bool table_build(struct giro_key_ring *ring, uint32_t index,
                        const struct giro_public_key *key)
{
    struct giro_point point;
    if (ring->table_width == 0 || !encoding_is_canonical(key) ||
        !giro_point_decode(&point, key->bytes) || order_is_small(key))
        return false;
    giro_point_negate(&point);
    struct giro_comb_entry *table =
        (struct giro_comb_entry *)((uint8_t *)ring + ring->tables_offset +
                                   index * giro_comb_bytes(ring->table_width));
    giro_comb_build(table, ring->table_width, &point);
    table_check(key, table, ring->table_width);
    return true;
}

enum giro_key_fault giro_key_ring_place(struct giro_key_ring *ring,
                                        const struct giro_public_key *key,
                                        struct giro_key_handle *handle)
{
    GIRO_ASSERT(ring->magic == GIRO_KEY_RING_MAGIC);
    GIRO_ASSERT(ring->key_count <= ring->key_count_max);
    /* Retired keys stay in the map: a key, once enrolled, is never enrolled again. */
    if (giro_map_get(ring_map(ring), key->bytes) != GIRO_NONE)
        return GIRO_KEY_REPEATED;
    if (ring->key_count == ring->key_count_max)
        return GIRO_KEY_RING_FULL;
    uint32_t index = ring->key_count;
    struct giro_key_slot *slot = &ring_slots(ring)[index];
    GIRO_ASSERT(slot->live == 0);
    bool put = giro_map_put(ring_map(ring), key->bytes, index);
    GIRO_ASSERT(put);
    ring->key_count++;
    slot->key = *key;
    slot->generation = 1;
    slot->tabled = table_build(ring, index, key);
    slot->live = 1;
    *handle = (struct giro_key_handle){.index = index, .generation = slot->generation};
    return GIRO_KEY_OK;
}

enum giro_key_fault giro_key_ring_enrol(struct giro_key_ring *ring,
                                        const struct giro_public_key *key,
                                        const void *possession_message, size_t message_bytes,
                                        const struct giro_signature *possession,
                                        struct giro_key_handle *handle)
{
    enum giro_key_fault fault = point_check(key);
    if (fault != GIRO_KEY_OK)
        return fault;
    if (possession_message != NULL || possession != NULL) {
        if (possession_message == NULL || possession == NULL ||
            crypto_sign_verify_detached(possession->bytes, possession_message, message_bytes,
                                        key->bytes) != 0)
            return GIRO_KEY_NO_POSSESSION;
    }
    return giro_key_ring_place(ring, key, handle);
}

const struct giro_key_slot *giro_key_ring_slot(const struct giro_key_ring *ring,
                                               struct giro_key_handle handle)
{
    GIRO_ASSERT(ring->magic == GIRO_KEY_RING_MAGIC);
    if (handle.index >= ring->key_count)
        return NULL;
    const struct giro_key_slot *slots =
        (const struct giro_key_slot *)((const uint8_t *)ring + ring->slots_offset);
    const struct giro_key_slot *slot = &slots[handle.index];
    return slot->live == 1 && slot->generation == handle.generation ? slot : NULL;
}

void giro_key_ring_retire(struct giro_key_ring *ring, struct giro_key_handle handle)
{
    /* Retiring twice, or by a stale handle, changes nothing. */
    if (giro_key_ring_slot(ring, handle) == NULL)
        return;
    struct giro_key_slot *slot = &ring_slots(ring)[handle.index];
    slot->live = 0;
    slot->generation++;
}

/* ---- Proof of possession ---- */

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
