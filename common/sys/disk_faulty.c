/* The faulty disk keeps files in memory and writes in a bounded list of `flights`. A flight's bytes
 * are copied at submit, reach the file when virtual time passes the due time, and are then reported
 * by poll. Everything random is drawn from one generator in call order, so one seed and one
 * sequence of calls give one behaviour. It allocates freely: it serves tests, never a payment path. One thread uses faulty
 * disks: they share what memory their files leave behind.
 */
#include <stdlib.h>

#include "sys_internal.h"

#define SECTOR_BYTES     512u
#define GENERATION_SHIFT 16
#define INDEX_MASK       0xffffu

struct file {
    char name[GIRO_DISK_NAME_BYTES]; /* "" = removed, the place may be taken again */
    uint8_t *bytes;
    uint64_t size_bytes;
    uint64_t touched_bytes; /* beyond are zeros */
    uint32_t open_count;
    bool prepared; /* and not opened yet: a death may leave it out */
};

enum flight_state {
    FLIGHT_FREE,
    FLIGHT_UNDER_WAY,
    FLIGHT_SILENT, /* submitted after the stop: never reaches the file, never completes */
    FLIGHT_DONE,   /* reached the file, waits for poll */
};

struct flight {
    enum flight_state state;
    enum giro_err err;
    struct giro_disk_write write;
    uint8_t *copy;
    uint64_t land_offset; /* where the bytes go: write.offset, unless misdirected */
    uint64_t due_ns;
    uint64_t order; /* of submission while under way, of completion once done */
};

struct giro_disk_faulty {
    struct giro_disk_faults faults;
    struct giro_prng prng;
    struct giro_prng prepare_prng; /* apart, so that preparing changes no other draw of a seed */
    struct file *files;
    uint32_t file_count;
    uint32_t generation; /* of handles: one more at each power loss or crash */
    struct flight flights[GIRO_DISK_DEPTH];
    uint64_t now_ns;
    uint64_t submitted;
    uint64_t completed;
    uint64_t silent_after; /* value of submitted from which on writes are silent */
};

static void *must_have(void *memory)
{
    GIRO_ASSERT(memory != NULL);
    return memory;
}

static struct file *file_named(const struct giro_disk_faulty *faulty, const char *name)
{
    for (uint32_t i = 0; i < faulty->file_count; i++) {
        if (faulty->files[i].name[0] != '\0' && strcmp(faulty->files[i].name, name) == 0)
            return &faulty->files[i];
    }
    return NULL;
}

static uint32_t file_index(const struct giro_disk_faulty *faulty, uint32_t handle)
{
    const uint32_t index = handle & INDEX_MASK;
    /* A handle from before a power loss is a bug of the caller. */
    GIRO_ASSERT(handle >> GENERATION_SHIFT == (faulty->generation & INDEX_MASK));
    GIRO_ASSERT(index < faulty->file_count);
    GIRO_ASSERT(faulty->files[index].open_count > 0);
    return index;
}

static uint64_t used_bytes(const struct giro_disk_faulty *faulty)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < faulty->file_count; i++) {
        if (faulty->files[i].name[0] != '\0')
            sum += faulty->files[i].size_bytes;
    }
    return sum;
}

static bool fits(const struct giro_disk_faulty *faulty, uint64_t more_bytes)
{
    const uint64_t capacity = faulty->faults.capacity_bytes;
    const uint64_t used = used_bytes(faulty);
    return capacity == 0 || (used <= capacity && more_bytes <= capacity - used);
}

/* Memory of files that are gone, zeroed, for files of the same size: a simulator makes and drops thousands. */
#define SPARES_MAX 256u
static struct {
    uint8_t *bytes;
    uint64_t size_bytes;
} spares[SPARES_MAX];
static uint32_t spare_count;

static uint8_t *zeros_take(uint64_t size_bytes)
{
    for (uint32_t i = spare_count; i > 0; i--) {
        if (spares[i - 1].size_bytes != size_bytes)
            continue;
        uint8_t *bytes = spares[i - 1].bytes;
        spares[i - 1] = spares[--spare_count];
        return bytes;
    }
    return must_have(calloc(1, size_bytes));
}

static void zeros_give(uint8_t *bytes, uint64_t size_bytes, uint64_t touched_bytes)
{
    if (spare_count == SPARES_MAX) {
        free(bytes);
        return;
    }
    memset(bytes, 0, touched_bytes);
    spares[spare_count].bytes = bytes;
    spares[spare_count++].size_bytes = size_bytes;
}

static struct file *file_make(struct giro_disk_faulty *faulty, const char *name,
                              uint64_t size_bytes)
{
    uint32_t index = 0;
    while (index < faulty->file_count && faulty->files[index].name[0] != '\0')
        index++;
    if (index == faulty->file_count) {
        GIRO_ASSERT(faulty->file_count < INDEX_MASK);
        faulty->files =
            must_have(realloc(faulty->files, (index + (size_t)1) * sizeof *faulty->files));
        faulty->file_count++;
    }
    struct file *file = &faulty->files[index];
    memset(file, 0, sizeof *file);
    memcpy(file->name, name, strlen(name));
    file->bytes = zeros_take(size_bytes);
    file->size_bytes = size_bytes;
    return file;
}

static enum giro_err faulty_open(void *self, const char *name, uint64_t create_bytes,
                                 uint32_t *file, uint64_t *size_bytes)
{
    struct giro_disk_faulty *faulty = self;
    if (!giro_disk_name_good(name))
        return GIRO_ERR_ARGUMENT;
    struct file *found = file_named(faulty, name);
    if (found == NULL && create_bytes == 0)
        return GIRO_ERR_NOENT;
    if (found == NULL && !fits(faulty, create_bytes))
        return GIRO_ERR_NOSPACE;
    if (found == NULL)
        found = file_make(faulty, name, create_bytes);
    found->open_count++;
    found->prepared = false;
    *file =
        (faulty->generation & INDEX_MASK) << GENERATION_SHIFT | (uint32_t)(found - faulty->files);
    *size_bytes = found->size_bytes;
    return GIRO_ERR_OK;
}

/* Draws only when the fault is asked for: a plan without it draws as before there was one. */
static bool drawn(struct giro_disk_faulty *faulty, uint32_t per_million)
{
    return per_million > 0 && giro_prng_chance(&faulty->prng, per_million, 1000000);
}

static enum giro_err faulty_read(void *self, uint32_t handle, uint64_t offset, void *bytes,
                                 uint32_t size_bytes)
{
    struct giro_disk_faulty *faulty = self;
    const struct file *file = &faulty->files[file_index(faulty, handle)];
    if (drawn(faulty, faulty->faults.read_error_per_million))
        return GIRO_ERR_IO;
    if (offset > file->size_bytes || size_bytes > file->size_bytes - offset)
        return GIRO_ERR_NOENT;
    memcpy(bytes, file->bytes + offset, size_bytes);
    return GIRO_ERR_OK;
}

static enum giro_err faulty_submit(void *self, const struct giro_disk_write *write)
{
    struct giro_disk_faulty *faulty = self;
    const uint32_t index = file_index(faulty, write->file);
    const struct file *file = &faulty->files[index];
    giro_disk_write_check(write, file->size_bytes);
    struct flight *flight = faulty->flights;
    while (flight < faulty->flights + GIRO_DISK_DEPTH && flight->state != FLIGHT_FREE)
        flight++;
    if (flight == faulty->flights + GIRO_DISK_DEPTH)
        return GIRO_ERR_FULL;
    const struct giro_disk_faults *faults = &faulty->faults;
    const uint64_t latency_ns =
        faults->latency_min_ns +
        giro_prng_below(&faulty->prng, faults->latency_max_ns - faults->latency_min_ns + 1);
    const bool fails = giro_prng_chance(&faulty->prng, faults->io_error_per_million, 1000000);
    *flight = (struct flight){
        .state = faulty->submitted >= faulty->silent_after ? FLIGHT_SILENT : FLIGHT_UNDER_WAY,
        .err = fails ? GIRO_ERR_IO : GIRO_ERR_OK,
        .write = *write,
        .copy = must_have(malloc(write->size_bytes)),
        .land_offset = write->offset,
        .due_ns = faulty->now_ns + latency_ns,
        .order = faulty->submitted,
    };
    memcpy(flight->copy, write->bytes, write->size_bytes);
    if (drawn(faulty, faults->misdirected_per_million)) {
        const uint64_t places = (file->size_bytes - write->size_bytes) / GIRO_DISK_BLOCK_BYTES + 1;
        flight->land_offset = giro_prng_below(&faulty->prng, places) * GIRO_DISK_BLOCK_BYTES;
    }
    faulty->submitted++;
    return GIRO_ERR_OK;
}

static void touch(struct file *file, const struct flight *flight)
{
    const uint64_t end = flight->land_offset + flight->write.size_bytes;
    if (end > file->touched_bytes)
        file->touched_bytes = end;
}

static void land_whole(struct giro_disk_faulty *faulty, const struct flight *flight)
{
    struct file *file = &faulty->files[flight->write.file & INDEX_MASK];
    touch(file, flight);
    GIRO_ASSERT(flight->land_offset + flight->write.size_bytes <= file->size_bytes);
    memcpy(file->bytes + flight->land_offset, flight->copy, flight->write.size_bytes);
}

/* Half of the torn writes stop at a sector, as a disk that lost power while streaming; the others
 * keep any subset of sectors, as a disk that reorders. */
static void land_torn(struct giro_disk_faulty *faulty, const struct flight *flight)
{
    struct file *file = &faulty->files[flight->write.file & INDEX_MASK];
    touch(file, flight);
    const uint32_t sector_count = flight->write.size_bytes / SECTOR_BYTES;
    const bool prefix = giro_prng_chance(&faulty->prng, 1, 2);
    const uint64_t prefix_count = giro_prng_below(&faulty->prng, sector_count + 1u);
    for (uint32_t i = 0; i < sector_count; i++) {
        const bool kept = prefix ? i < prefix_count : giro_prng_chance(&faulty->prng, 1, 2);
        if (kept)
            memcpy(file->bytes + flight->land_offset + (size_t)i * SECTOR_BYTES,
                   flight->copy + (size_t)i * SECTOR_BYTES, SECTOR_BYTES);
    }
}

/* A write that fails leaves its place in any state: the caller may rely on nothing about it. */
static void land(struct giro_disk_faulty *faulty, const struct flight *flight)
{
    if (flight->err == GIRO_ERR_OK)
        land_whole(faulty, flight);
    else
        land_torn(faulty, flight);
}

static void flight_free(struct flight *flight)
{
    free(flight->copy);
    *flight = (struct flight){.state = FLIGHT_FREE};
}

static struct flight *first_in_state(struct giro_disk_faulty *faulty, enum flight_state state)
{
    struct flight *first = NULL;
    for (uint32_t i = 0; i < GIRO_DISK_DEPTH; i++) {
        struct flight *flight = &faulty->flights[i];
        if (flight->state != state)
            continue;
        if (first == NULL || flight->due_ns < first->due_ns ||
            (flight->due_ns == first->due_ns && flight->order < first->order))
            first = flight;
    }
    return first;
}

static uint32_t faulty_poll(void *self, struct giro_disk_completion *out, uint32_t max)
{
    struct giro_disk_faulty *faulty = self;
    uint32_t count = 0;
    while (count < max) {
        struct flight *flight = first_in_state(faulty, FLIGHT_DONE);
        if (flight == NULL)
            break;
        /* The bytes were borrowed until now: a caller that changed them broke the contract. */
        GIRO_ASSERT(memcmp(flight->copy, flight->write.bytes, flight->write.size_bytes) == 0);
        out[count++] = (struct giro_disk_completion){.tag = flight->write.tag, .err = flight->err};
        flight_free(flight);
    }
    return count;
}

static void file_drop(struct file *file)
{
    GIRO_ASSERT(file->open_count == 0);
    if (file->bytes != NULL)
        zeros_give(file->bytes, file->size_bytes, file->touched_bytes);
    memset(file, 0, sizeof *file);
}

static enum giro_err faulty_remove(void *self, const char *name)
{
    struct giro_disk_faulty *faulty = self;
    struct file *file = file_named(faulty, name);
    if (file == NULL)
        return GIRO_ERR_NOENT;
    file_drop(file);
    return GIRO_ERR_OK;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(a, b);
}

static enum giro_err faulty_list(void *self, void (*visit)(void *context, const char *name),
                                 void *context)
{
    struct giro_disk_faulty *faulty = self;
    /* A copy, so that the visitor may open and remove. */
    char(*names)[GIRO_DISK_NAME_BYTES] = must_have(calloc(faulty->file_count + 1u, sizeof *names));
    uint32_t count = 0;
    for (uint32_t i = 0; i < faulty->file_count; i++) {
        if (faulty->files[i].name[0] != '\0')
            memcpy(names[count++], faulty->files[i].name, sizeof *names);
    }
    qsort(names, count, sizeof *names, compare_names);
    for (uint32_t i = 0; i < count; i++)
        visit(context, names[i]);
    free(names);
    return GIRO_ERR_OK;
}

static enum giro_err faulty_prepare(void *self, const char *name, uint64_t create_bytes)
{
    struct giro_disk_faulty *faulty = self;
    if (!giro_disk_name_good(name) || create_bytes == 0)
        return GIRO_ERR_ARGUMENT;
    const bool fails = giro_prng_chance(&faulty->prepare_prng, 1, 4) ||
                       faulty->submitted >= faulty->silent_after || !fits(faulty, create_bytes);
    if (!fails && file_named(faulty, name) == NULL)
        file_make(faulty, name, create_bytes)->prepared = true;
    return GIRO_ERR_OK;
}

static void faulty_close(void *self, uint32_t handle)
{
    struct giro_disk_faulty *faulty = self;
    const uint32_t index = file_index(faulty, handle);
    for (uint32_t i = 0; i < GIRO_DISK_DEPTH; i++) {
        const struct flight *flight = &faulty->flights[i];
        /* A watcher may read a file beside its writer: handles of one file are equal. */
        GIRO_ASSERT(flight->state != FLIGHT_UNDER_WAY || flight->write.file != handle ||
                    faulty->files[index].open_count > 1);
    }
    faulty->files[index].open_count--;
}

static const struct giro_disk_ops faulty_ops = {
    .open = faulty_open,
    .read = faulty_read,
    .submit = faulty_submit,
    .poll = faulty_poll,
    .remove = faulty_remove,
    .list = faulty_list,
    .close = faulty_close,
    .prepare = faulty_prepare,
};

void giro_disk_faulty_set_faults(struct giro_disk_faulty *faulty,
                                 const struct giro_disk_faults *faults)
{
    GIRO_ASSERT(faults->latency_min_ns <= faults->latency_max_ns);
    GIRO_ASSERT(faults->latency_max_ns < UINT64_MAX / 2);
    GIRO_ASSERT(faults->torn_per_mille + faults->kept_per_mille <= 1000);
    GIRO_ASSERT(faults->io_error_per_million <= 1000000);
    GIRO_ASSERT(faults->read_error_per_million <= 1000000);
    GIRO_ASSERT(faults->misdirected_per_million <= 1000000);
    faulty->faults = *faults;
}

struct giro_disk_faulty *giro_disk_faulty_new(uint64_t seed, const struct giro_disk_faults *faults)
{
    struct giro_disk_faulty *faulty = must_have(calloc(1, sizeof *faulty));
    giro_prng_init(&faulty->prng, seed);
    giro_prng_init(&faulty->prepare_prng, ~seed);
    giro_disk_faulty_set_faults(faulty, faults);
    faulty->silent_after = UINT64_MAX;
    return faulty;
}

void giro_disk_faulty_free(struct giro_disk_faulty *faulty)
{
    if (faulty == NULL)
        return;
    for (uint32_t i = 0; i < GIRO_DISK_DEPTH; i++)
        flight_free(&faulty->flights[i]);
    for (uint32_t i = 0; i < faulty->file_count; i++) {
        faulty->files[i].open_count = 0;
        file_drop(&faulty->files[i]);
    }
    free(faulty->files);
    free(faulty);
}

struct giro_disk giro_disk_faulty_disk(struct giro_disk_faulty *faulty)
{
    return (struct giro_disk){.ops = &faulty_ops, .self = faulty};
}

void giro_disk_faulty_advance(struct giro_disk_faulty *faulty, uint64_t now_ns)
{
    GIRO_ASSERT(now_ns >= faulty->now_ns);
    faulty->now_ns = now_ns;
    for (;;) {
        struct flight *flight = first_in_state(faulty, FLIGHT_UNDER_WAY);
        if (flight == NULL || flight->due_ns > now_ns)
            return;
        land(faulty, flight);
        flight->state = FLIGHT_DONE;
        flight->order = faulty->completed++;
    }
}

uint64_t giro_disk_faulty_next_ns(const struct giro_disk_faulty *faulty)
{
    uint64_t next_ns = UINT64_MAX;
    for (uint32_t i = 0; i < GIRO_DISK_DEPTH; i++) {
        const struct flight *flight = &faulty->flights[i];
        if (flight->state == FLIGHT_UNDER_WAY && flight->due_ns < next_ns)
            next_ns = flight->due_ns;
    }
    return next_ns;
}

static void forget_handles(struct giro_disk_faulty *faulty)
{
    for (uint32_t i = 0; i < GIRO_DISK_DEPTH; i++)
        flight_free(&faulty->flights[i]);
    for (uint32_t i = 0; i < faulty->file_count; i++) {
        struct file *file = &faulty->files[i];
        file->open_count = 0;
        if (file->prepared && giro_prng_chance(&faulty->prepare_prng, 1, 2))
            file_drop(file);
        file->prepared = false;
    }
    faulty->generation++;
}

void giro_disk_faulty_power_loss(struct giro_disk_faulty *faulty)
{
    /* Any order among uncompleted writes: a Fisher-Yates shuffle of their places. */
    uint32_t places[GIRO_DISK_DEPTH];
    for (uint32_t i = 0; i < GIRO_DISK_DEPTH; i++) {
        const uint32_t j = (uint32_t)giro_prng_below(&faulty->prng, i + 1u);
        places[i] = places[j];
        places[j] = i;
    }
    for (uint32_t i = 0; i < GIRO_DISK_DEPTH; i++) {
        const struct flight *flight = &faulty->flights[places[i]];
        if (flight->state != FLIGHT_UNDER_WAY)
            continue;
        const uint64_t draw = giro_prng_below(&faulty->prng, 1000);
        if (draw < faulty->faults.torn_per_mille)
            land_torn(faulty, flight);
        else if (draw < faulty->faults.torn_per_mille + faulty->faults.kept_per_mille)
            land(faulty, flight);
    }
    forget_handles(faulty);
}

void giro_disk_faulty_crash(struct giro_disk_faulty *faulty)
{
    for (;;) {
        struct flight *flight = first_in_state(faulty, FLIGHT_UNDER_WAY);
        if (flight == NULL)
            break;
        land(faulty, flight);
        flight_free(flight);
    }
    forget_handles(faulty);
}

void giro_disk_faulty_stop_after(struct giro_disk_faulty *faulty, uint64_t writes)
{
    const uint64_t left = UINT64_MAX - faulty->submitted;
    faulty->silent_after = writes > left ? UINT64_MAX : faulty->submitted + writes;
}

uint64_t giro_disk_faulty_submitted(const struct giro_disk_faulty *faulty)
{
    return faulty->submitted;
}

enum giro_err giro_disk_faulty_flip(struct giro_disk_faulty *faulty, const char *name,
                                    uint64_t offset, uint32_t bit)
{
    GIRO_ASSERT(bit < 8);
    struct file *file = file_named(faulty, name);
    if (file == NULL || offset >= file->size_bytes)
        return GIRO_ERR_NOENT;
    file->bytes[offset] ^= (uint8_t)(1u << bit);
    if (offset >= file->touched_bytes)
        file->touched_bytes = offset + 1;
    return GIRO_ERR_OK;
}

/* ---- Images ------------------------------------------------------------------------------------- */

/* count, then per file: this head and the bytes that were touched. */
struct image_file {
    char name[GIRO_DISK_NAME_BYTES];
    uint64_t size_bytes, touched_bytes;
};

void *giro_disk_faulty_image(const struct giro_disk_faulty *faulty)
{
    size_t size_bytes = sizeof(uint64_t);
    uint64_t count = 0;
    for (uint32_t i = 0; i < faulty->file_count; i++) {
        if (faulty->files[i].name[0] == '\0')
            continue;
        size_bytes += sizeof(struct image_file) + faulty->files[i].touched_bytes;
        count++;
    }
    uint8_t *image = must_have(malloc(size_bytes)), *at = image;
    memcpy(at, &count, sizeof count);
    at += sizeof count;
    for (uint32_t i = 0; i < faulty->file_count; i++) {
        const struct file *file = &faulty->files[i];
        struct image_file head = {.size_bytes = file->size_bytes};
        if (file->name[0] == '\0')
            continue;
        memcpy(head.name, file->name, sizeof head.name);
        head.touched_bytes = file->touched_bytes;
        memcpy(at, &head, sizeof head);
        memcpy(at + sizeof head, file->bytes, head.touched_bytes);
        at += sizeof head + head.touched_bytes;
    }
    return image;
}

void giro_disk_faulty_restore(struct giro_disk_faulty *faulty, const void *image)
{
    const uint8_t *at = image;
    uint64_t count;
    for (uint32_t i = 0; i < faulty->file_count; i++)
        file_drop(&faulty->files[i]);
    for (uint32_t i = 0; i < GIRO_DISK_DEPTH; i++)
        GIRO_ASSERT(faulty->flights[i].state == FLIGHT_FREE);
    memcpy(&count, at, sizeof count);
    at += sizeof count;
    for (; count > 0; count--) {
        struct image_file head;
        memcpy(&head, at, sizeof head);
        struct file *file = file_make(faulty, head.name, head.size_bytes);
        memcpy(file->bytes, at + sizeof head, head.touched_bytes);
        file->touched_bytes = head.touched_bytes;
        at += sizeof head + head.touched_bytes;
    }
}
