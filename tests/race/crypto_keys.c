/* Keys enrolled and retired by one thread while others verify under them: a live key's signatures are valid, a retired or
 * unknown handle's are not, and nobody reads a key or a table that is being written. */
#include <criterion/criterion.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "giro/crypto.h"

#define READERS   3u
#define RING_KEYS 8u
#define KEYS      (RING_KEYS * GIRO_KEY_LIFETIMES) /* all that the ring takes in its life */
#define LIVE      3u                               /* enrolled at a time */
#define ITEMS_MAX 20u
#define WIDTH     4u

enum { UNKNOWN, ENROLLED, RETIRING, RETIRED };

static struct {
    struct giro_public_key key;
    struct giro_signature good, bad;
    struct giro_key_handle handle; /* written before state says ENROLLED */
    _Atomic uint32_t state;
} keys[KEYS];
static struct giro_key_ring *ring;
static uint8_t *pool[RING_KEYS]; /* tables of the ring that has them apart */
static bool apart;
static _Atomic bool done;
static _Atomic uint64_t judged_live, judged_dead;

static void keys_make(void)
{
    for (uint32_t i = 0; i < KEYS; i++) {
        uint8_t seed[32] = {(uint8_t)i, 0x72};
        struct giro_secret_key *secret = giro_key_from_seed(seed);
        keys[i].key = giro_key_public(secret);
        keys[i].good = giro_sign(secret, "giro", 4);
        keys[i].bad = keys[i].good;
        keys[i].bad.bytes[40] ^= 1;
        giro_key_free(secret);
    }
}

static void read_once(struct giro_prng *prng)
{
    const uint32_t count = 1 + (uint32_t)giro_prng_below(prng, ITEMS_MAX);
    struct giro_verify_item items[ITEMS_MAX];
    uint8_t verdicts[ITEMS_MAX];
    uint32_t key[ITEMS_MAX], before[ITEMS_MAX];
    bool good[ITEMS_MAX];
    for (uint32_t i = 0; i < count; i++) {
        key[i] = (uint32_t)giro_prng_below(prng, KEYS);
        before[i] = atomic_load(&keys[key[i]].state);
        good[i] = giro_prng_chance(prng, 3, 4);
        items[i] = (struct giro_verify_item){
            .key = before[i] == UNKNOWN ? (struct giro_key_handle){0, 0} : keys[key[i]].handle,
            .message = (const uint8_t *)"giro",
            .message_bytes = 4,
            .signature = good[i] ? keys[key[i]].good.bytes : keys[key[i]].bad.bytes};
    }
    giro_verify_batch(ring, items, count, verdicts);
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t after = atomic_load(&keys[key[i]].state);
        if (before[i] == ENROLLED && after == ENROLLED) {
            cr_assert(verdicts[i] == (good[i] ? GIRO_VALID : GIRO_INVALID), "live key %u", key[i]);
            atomic_fetch_add(&judged_live, 1);
        } else if (before[i] == UNKNOWN || before[i] == RETIRED || !good[i]) {
            cr_assert(verdicts[i] == GIRO_INVALID, "key %u in state %u", key[i], before[i]);
            atomic_fetch_add(&judged_dead, 1);
        }
    }
}

static uint8_t *table_take(void)
{
    for (uint32_t i = 0; i < RING_KEYS; i++) {
        uint8_t *table = pool[i];
        pool[i] = NULL;
        if (table != NULL)
            return table;
    }
    cr_assert(false, "no table left");
    return NULL;
}

/* Tables of retired keys wait until the ring says that nobody reads them, and are overwritten at once. */
static void tables_give(uint8_t **waiting, uint32_t *count)
{
    if (!apart || giro_key_ring_reclaim(ring) != 0)
        return;
    for (uint32_t i = 0; i<RING_KEYS && * count> 0; i++) {
        if (pool[i] == NULL) {
            pool[i] = waiting[--*count];
            memset(pool[i], 0xff, giro_key_table_bytes(WIDTH));
        }
    }
}

static void write_all(void)
{
    uint8_t *tables[KEYS] = {NULL}, *waiting[KEYS];
    uint32_t waiting_count = 0;
    for (uint32_t i = 0; i < KEYS + LIVE; i++) {
        if (i >= LIVE) {
            atomic_store(&keys[i - LIVE].state, RETIRING);
            giro_key_ring_retire(ring, keys[i - LIVE].handle);
            atomic_store(&keys[i - LIVE].state, RETIRED);
            waiting[waiting_count++] = tables[i - LIVE];
            tables_give(waiting, &waiting_count);
        }
        if (i >= KEYS)
            continue;
        enum giro_key_fault fault;
        while ((fault = giro_key_ring_enrol(ring, &keys[i].key, NULL, 0, NULL, &keys[i].handle)) ==
               GIRO_KEY_RING_FULL)
            tables_give(waiting, &waiting_count); /* its grace period runs */
        cr_assert(fault == GIRO_KEY_OK, "key %u: %s", i, giro_key_fault_text(fault));
        atomic_store(&keys[i].state, ENROLLED);
        while (apart && giro_key_ring_reclaim(ring) != 0)
            continue;
        tables_give(waiting, &waiting_count);
        tables[i] = apart ? table_take() : NULL;
        if (apart) {
            cr_assert(giro_key_table_build(tables[i], WIDTH, &keys[i].key));
            cr_assert(giro_key_ring_attach(ring, keys[i].handle, tables[i]));
        }
    }
    while (giro_key_ring_reclaim(ring) != 0)
        continue;
    tables_give(waiting, &waiting_count);
    for (uint32_t i = 0; i < RING_KEYS; i++)
        cr_assert(!apart || pool[i] != NULL, "table %u is lost", i);
    atomic_store(&done, true);
}

static void work(void *context, uint32_t thread)
{
    const uint64_t *seed = context;
    if (thread == 0) {
        write_all();
        return;
    }
    struct giro_prng prng;
    giro_prng_init(&prng, *seed + thread);
    while (!atomic_load(&done))
        read_once(&prng);
}

static void round_run(uint64_t seed)
{
    const size_t size_bytes = giro_key_ring_footprint_for(RING_KEYS, apart ? 0 : WIDTH);
    void *mem = aligned_alloc(64, size_bytes);
    cr_assert(mem != NULL);
    ring = apart ? giro_key_ring_init_apart(mem, size_bytes, RING_KEYS, WIDTH)
                 : giro_key_ring_init(mem, size_bytes, RING_KEYS);
    cr_assert(ring != NULL);
    for (uint32_t i = 0; i < KEYS; i++)
        atomic_store(&keys[i].state, UNKNOWN);
    for (uint32_t i = 0; i < RING_KEYS && apart; i++)
        pool[i] = aligned_alloc(64, giro_key_table_bytes(WIDTH));
    atomic_store(&done, false);
    race_run(1 + READERS, work, &seed);
    for (uint32_t i = 0; i < RING_KEYS && apart; i++)
        free(pool[i]);
    free(mem);
}

int main(void)
{
    const uint64_t seed = race_number("GIRO_SEED", 20261127);
    const uint32_t rounds = 2 * (uint32_t)race_number("GIRO_EFFORT", 1);
    fprintf(stderr, "GIRO_SEED=%lu\n", seed);
    cr_assert(giro_crypto_init() == GIRO_ERR_OK);
    keys_make();
    for (uint32_t variant = 0; variant < GIRO_VARIANT_COUNT; variant++) {
        if (!giro_crypto_variant_set((enum giro_crypto_variant)variant)) {
            fprintf(stderr, "SKIPPED: this processor cannot run the variant %s\n",
                    giro_crypto_variant_name((enum giro_crypto_variant)variant));
            continue;
        }
        for (uint32_t i = 0; i < rounds; i++) {
            apart = i % 2 == 0;
            round_run(seed + i);
        }
    }
    fprintf(stderr, "%lu signatures under live keys, %lu others\n", atomic_load(&judged_live),
            atomic_load(&judged_dead));
    cr_assert(atomic_load(&judged_live) > 0 && atomic_load(&judged_dead) > 0);
    return 0;
}
