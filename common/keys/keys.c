/* The owner of a ring whose tables lie apart: threads that load or build them, their memory, their scrubbing. */
#include "giro/keys.h"

#include <pthread.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xxhash.h>

#include "table_file.h"

#define THREADS_MAX         16u
#define TABLES_PER_THREAD   4u /* fewer are not worth a thread */
#define LOCK_WAIT_MS        10000u
#define HUGE_PAGE_BYTES     ((size_t)2 << 20)
#define HUGE_PAGES_AT_LEAST (8 * HUGE_PAGE_BYTES) /* below that ordinary pages do */

/* A key with a table. Free: generation 0. */
struct slot {
    struct giro_key_handle handle;
    struct giro_public_key key;
    const void *table;
    uint64_t digest;
    struct table_map map; /* where the table is in a shared file */
    bool retired;         /* its table may still be read */
    /* What a thread found: */
    bool built, refused;
    const char *reason;
    int store_errno;
};

struct giro_keys {
    struct giro_key_ring *ring;
    void *ring_mem;
    uint32_t key_count;
    uint32_t width;
    struct table_dir dir; /* fd -1: private memory only */
    uint8_t check_seed[32];
    struct slot *slots;
    uint32_t slot_count;
    uint8_t *memory,
        *mapping; /* private tables, one a slot, touched when used; and the mapping around them */
    size_t mapping_bytes;
    uint32_t built, refused;
    struct {
        XXH3_state_t *state;
        uint32_t slot;
        size_t offset;
        uint64_t done_bytes;
    } scrub;
};

static size_t table_bytes(const struct giro_keys *keys)
{
    return giro_key_table_bytes(keys->width);
}

/* ---- One table ---- */

/* True if the slot has its table now. */
static bool slot_load(struct giro_keys *keys, struct slot *slot)
{
    const struct table_name name = {&slot->key, keys->width};
    const char *reason = NULL;
    const enum table_found found =
        table_load(&keys->dir, &name, keys->check_seed, &slot->map, &reason);
    if (found == TABLE_REFUSED) {
        slot->refused = true;
        slot->reason = reason;
    }
    if (found != TABLE_GOOD)
        return false;
    slot->table = slot->map.table;
    slot->digest = slot->map.digest;
    return true;
}

/* Gives the pages that lie wholly within private table memory back. */
static void memory_release(const struct giro_keys *keys, uint8_t *table)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uint8_t *begin = table + (page - (uintptr_t)table % page) % page;
    uint8_t *end = table + table_bytes(keys);
    end -= (uintptr_t)end % page;
    if (begin < end)
        (void)madvise(begin, (size_t)(end - begin), MADV_DONTNEED); /* advice */
}

static void slot_build(struct giro_keys *keys, struct slot *slot)
{
    uint8_t *table = keys->memory + (size_t)(slot - keys->slots) * table_bytes(keys);
    const bool built = giro_key_table_build(table, keys->width, &slot->key);
    GIRO_ASSERT(built); /* enrolled */
    slot->built = true;
    if (keys->dir.fd >= 0) {
        const struct table_name name = {&slot->key, keys->width};
        slot->store_errno = table_store(&keys->dir, &name, table, slot->refused);
        if (slot->store_errno == 0 && slot_load(keys, slot)) {
            memory_release(keys, table);
            return;
        }
    }
    slot->table = table;
    slot->digest = table_digest(table, keys->width);
}

/* ---- All tables, on threads ---- */

struct work {
    struct giro_keys *keys;
    bool build; /* what is not there; else only load */
    _Atomic uint32_t next;
};

static void *work_run(void *context)
{
    struct work *work = context;
    struct giro_keys *keys = work->keys;
    for (;;) {
        const uint32_t index = atomic_fetch_add(&work->next, 1);
        if (index >= keys->slot_count)
            return NULL;
        struct slot *slot = &keys->slots[index];
        if (slot->handle.generation == 0 || slot->table != NULL)
            continue;
        if (keys->dir.fd >= 0 && slot_load(keys, slot))
            continue;
        if (work->build)
            slot_build(keys, slot);
    }
}

static void work_share(struct giro_keys *keys, bool build, uint32_t thread_count)
{
    struct work work = {.keys = keys, .build = build, .next = 0};
    pthread_t threads[THREADS_MAX];
    uint32_t started = 0;
    while (started + 1 < thread_count &&
           pthread_create(&threads[started], NULL, work_run, &work) == 0)
        started++;
    work_run(&work); /* no thread is a reason not to start, only to start later */
    for (uint32_t i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
}

/* Counts and tells what the threads found, and lets the ring use it. */
static void slot_settle(struct giro_keys *keys, struct slot *slot)
{
    if (slot->refused) {
        char name[TABLE_NAME_BYTES];
        table_name_text(&(struct table_name){&slot->key, keys->width}, name);
        GIRO_LOG(WARN, "keys", "the shared table \"%s/%s\" %s; it is built again", keys->dir.path,
                 name, slot->reason);
    }
    if (slot->store_errno != 0)
        GIRO_LOG(WARN, "keys", "a table cannot be shared in \"%s\": %s; it lies in private memory",
                 keys->dir.path, strerror(slot->store_errno));
    keys->built += slot->built;
    keys->refused += slot->refused;
    const bool attached = giro_key_ring_attach(keys->ring, slot->handle, slot->table);
    GIRO_ASSERT(attached);
}

static uint32_t threads_for(uint32_t asked, uint32_t tables)
{
    const long processors = sysconf(_SC_NPROCESSORS_ONLN);
    uint32_t count = asked != 0 ? asked : processors < 1 ? 1 : (uint32_t)processors;
    const uint32_t useful = 1 + tables / TABLES_PER_THREAD;
    count = count < useful ? count : useful;
    return count < THREADS_MAX ? count : THREADS_MAX;
}

static void tables_make(struct giro_keys *keys, uint32_t count, uint32_t thread_count)
{
    thread_count = threads_for(thread_count, count);
    uint32_t missing = count;
    if (keys->dir.fd >= 0) {
        work_share(keys, false, thread_count);
        for (uint32_t i = 0; i < count; i++)
            missing -= keys->slots[i].table != NULL;
    }
    if (missing > 0) {
        /* Replicas that start together build each table once. */
        const bool locked = keys->dir.fd >= 0 && table_dir_lock(&keys->dir, LOCK_WAIT_MS);
        work_share(keys, true, thread_count);
        if (locked)
            table_dir_unlock(&keys->dir);
    }
    for (uint32_t i = 0; i < count; i++)
        slot_settle(keys, &keys->slots[i]);
}

/* ---- Opening ---- */

static enum giro_err memory_open(struct giro_keys *keys)
{
    const size_t all_bytes = keys->slot_count * table_bytes(keys);
    keys->slots = calloc(keys->slot_count, sizeof(*keys->slots));
    keys->scrub.state = XXH3_createState();
    if (keys->slots == NULL || keys->scrub.state == NULL)
        return GIRO_ERR_NOMEM;
    (void)XXH3_64bits_reset(keys->scrub.state);
    /* Address space; pages come when a table is built there. Large tables want large pages: a lookup would else miss the
     * translation cache, too. */
    keys->mapping_bytes = all_bytes + HUGE_PAGE_BYTES;
    void *mapping = mmap(NULL, keys->mapping_bytes, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapping == MAP_FAILED)
        return GIRO_ERR_NOMEM;
    keys->mapping = mapping;
    keys->memory =
        keys->mapping + (HUGE_PAGE_BYTES - (uintptr_t)mapping % HUGE_PAGE_BYTES) % HUGE_PAGE_BYTES;
    if (all_bytes >= HUGE_PAGES_AT_LEAST && keys->dir.fd < 0)
        (void)madvise(keys->memory, all_bytes, MADV_HUGEPAGE); /* advice */
    return GIRO_ERR_OK;
}

static enum giro_err keys_open(struct giro_keys *keys, const struct giro_keys_options *options,
                               struct giro_diagnosis *diagnosis)
{
    const uint32_t signing_count = giro_genesis_signing_keys(options->genesis, NULL);
    const uint32_t key_count_max = giro_genesis_key_count(options->genesis) + options->spare_count;
    keys->slot_count = signing_count + options->spare_count;
    keys->width = giro_key_table_width(keys->slot_count, options->tables_bytes);
    const size_t ring_bytes = giro_key_ring_footprint_for(key_count_max, 0);
    if (ring_bytes == 0)
        return GIRO_ERR_ARGUMENT;
    keys->ring_mem = aligned_alloc(GIRO_CACHE_LINE_BYTES, ring_bytes);
    if (keys->ring_mem == NULL)
        return GIRO_ERR_NOMEM;
    keys->ring = keys->width == 0 ? giro_key_ring_init(keys->ring_mem, ring_bytes, key_count_max)
                                  : giro_key_ring_init_apart(keys->ring_mem, ring_bytes,
                                                             key_count_max, keys->width);
    GIRO_ASSERT(keys->ring != NULL);
    GIRO_TRY(giro_genesis_enrol(options->genesis, keys->ring, diagnosis));
    keys->key_count = giro_genesis_key_count(options->genesis);
    if (keys->width == 0)
        return GIRO_ERR_OK;
    if (options->tables_path != NULL && options->tables_path[0] != '\0')
        GIRO_TRY(table_dir_open(options->tables_path, &keys->dir, diagnosis));
    GIRO_TRY(memory_open(keys));
    randombytes_buf(keys->check_seed, sizeof(keys->check_seed));
    const struct giro_genesis_key **signing = calloc(signing_count + 1, sizeof(*signing));
    if (signing == NULL)
        return GIRO_ERR_NOMEM;
    (void)giro_genesis_signing_keys(options->genesis, signing);
    for (uint32_t i = 0; i < signing_count; i++) {
        keys->slots[i].handle = signing[i]->handle;
        keys->slots[i].key = signing[i]->key;
    }
    free(signing);
    tables_make(keys, signing_count, options->thread_count);
    return GIRO_ERR_OK;
}

enum giro_err giro_keys_open(const struct giro_keys_options *options, struct giro_keys **keys_out,
                             struct giro_diagnosis *diagnosis)
{
    struct giro_keys *keys = calloc(1, sizeof(*keys));
    if (keys == NULL)
        return GIRO_ERR_NOMEM;
    keys->dir.fd = -1;
    const enum giro_err err = keys_open(keys, options, diagnosis);
    if (err != GIRO_ERR_OK) {
        giro_keys_close(keys);
        return err;
    }
    *keys_out = keys;
    return GIRO_ERR_OK;
}

void giro_keys_close(struct giro_keys *keys)
{
    if (keys == NULL)
        return;
    for (uint32_t i = 0; keys->slots != NULL && i < keys->slot_count; i++)
        table_unmap(&keys->slots[i].map, keys->width);
    if (keys->mapping != NULL)
        munmap(keys->mapping, keys->mapping_bytes);
    table_dir_close(&keys->dir);
    XXH3_freeState(keys->scrub.state);
    free(keys->slots);
    free(keys->ring_mem);
    free(keys);
}

const struct giro_key_ring *giro_keys_ring(const struct giro_keys *keys)
{
    return keys->ring;
}

struct giro_keys_report giro_keys_report(const struct giro_keys *keys)
{
    struct giro_keys_report report = {.key_count = keys->key_count,
                                      .table_width = keys->width,
                                      .built = keys->built,
                                      .refused = keys->refused,
                                      .scrubbed_bytes = keys->scrub.done_bytes};
    for (uint32_t i = 0; keys->slots != NULL && i < keys->slot_count; i++) {
        const struct slot *slot = &keys->slots[i];
        report.table_count += slot->table != NULL && !slot->retired;
        report.mapped += slot->map.mapping != NULL;
    }
    report.tables_bytes = report.table_count * (uint64_t)table_bytes(keys);
    return report;
}

/* ---- At run time ---- */

/* Takes the tables back that no batch reads any more. */
static void retired_release(struct giro_keys *keys)
{
    if (giro_key_ring_reclaim(keys->ring) != 0 || keys->width == 0)
        return;
    for (uint32_t i = 0; i < keys->slot_count; i++) {
        struct slot *slot = &keys->slots[i];
        if (!slot->retired)
            continue;
        if (slot->map.mapping != NULL)
            table_unmap(&slot->map, keys->width);
        else
            memory_release(keys, keys->memory + i * table_bytes(keys));
        *slot = (struct slot){.table = NULL};
    }
}

static struct slot *slot_find(struct giro_keys *keys, struct giro_key_handle handle)
{
    for (uint32_t i = 0; keys->slots != NULL && i < keys->slot_count; i++) {
        if (keys->slots[i].handle.index == handle.index &&
            keys->slots[i].handle.generation == handle.generation)
            return &keys->slots[i];
    }
    return NULL;
}

enum giro_key_fault giro_keys_enrol(struct giro_keys *keys, const struct giro_public_key *key,
                                    const void *possession_message, size_t message_bytes,
                                    const struct giro_signature *possession,
                                    struct giro_key_handle *handle)
{
    retired_release(keys);
    const enum giro_key_fault fault =
        giro_key_ring_enrol(keys->ring, key, possession_message, message_bytes, possession, handle);
    if (fault != GIRO_KEY_OK)
        return fault;
    keys->key_count++;
    /* None free: others' tables are still being read, and libsodium judges the key. */
    struct slot *slot = slot_find(keys, (struct giro_key_handle){0, 0});
    if (slot == NULL)
        return GIRO_KEY_OK;
    slot->handle = *handle;
    slot->key = *key;
    if (keys->dir.fd < 0 || !slot_load(keys, slot))
        slot_build(keys, slot);
    slot_settle(keys, slot);
    return GIRO_KEY_OK;
}

void giro_keys_retire(struct giro_keys *keys, struct giro_key_handle handle)
{
    if (!giro_key_ring_retire(keys->ring, handle))
        return;
    keys->key_count--;
    struct slot *slot = slot_find(keys, handle);
    if (slot != NULL) {
        slot->retired = true;
        if (&keys->slots[keys->scrub.slot] == slot) {
            (void)XXH3_64bits_reset(keys->scrub.state);
            keys->scrub.offset = 0;
        }
    }
    retired_release(keys);
}

/* ---- Scrubbing ---- */

/* The table under the brush is read to its end. */
static enum giro_err scrub_compare(struct giro_keys *keys, const struct slot *slot,
                                   struct giro_diagnosis *diagnosis)
{
    const uint64_t digest = XXH3_64bits_digest(keys->scrub.state);
    (void)XXH3_64bits_reset(keys->scrub.state);
    keys->scrub.offset = 0;
    if (digest == slot->digest)
        return GIRO_ERR_OK;
    char name[TABLE_NAME_BYTES];
    table_name_text(&(struct table_name){&slot->key, keys->width}, name);
    giro_diagnosis_set(
        diagnosis,
        slot->map.mapping != NULL ? "it lies in a file; the disk, the memory or somebody changed it"
                                  : "it lies in private memory, as the books do",
        giro_err_advice(GIRO_ERR_MEMORY), "the table \"%s\" of an enrolled key has changed", name);
    return GIRO_ERR_MEMORY;
}

enum giro_err giro_keys_scrub(struct giro_keys *keys, size_t bytes_max,
                              struct giro_diagnosis *diagnosis)
{
    if (keys->width == 0)
        return GIRO_ERR_OK;
    retired_release(keys);
    bytes_max = giro_align_up(bytes_max, GIRO_CACHE_LINE_BYTES);
    for (uint32_t without = 0; bytes_max > 0 && without < keys->slot_count;) {
        const struct slot *slot = &keys->slots[keys->scrub.slot];
        if (slot->table == NULL || slot->retired) {
            without++;
        } else {
            without = 0;
            const size_t left = table_bytes(keys) - keys->scrub.offset;
            const size_t part = left < bytes_max ? left : bytes_max;
            (void)XXH3_64bits_update(keys->scrub.state,
                                     (const uint8_t *)slot->table + keys->scrub.offset, part);
            keys->scrub.offset += part;
            keys->scrub.done_bytes += part;
            bytes_max -= part;
            if (part < left)
                return GIRO_ERR_OK;
            GIRO_TRY(scrub_compare(keys, slot, diagnosis));
        }
        keys->scrub.slot = (keys->scrub.slot + 1) % keys->slot_count;
    }
    return GIRO_ERR_OK;
}
