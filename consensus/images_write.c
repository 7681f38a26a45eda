/* Making images and fetching them: both put chunks into places, and a file behind them. */
#include "consensus/images_internal.h"

#include "giro/sys.h"

#define HASH_PER_CALL 4u /* about 2.5 ms with sha_ni */
#define WRITES_MAX    4u
#define TAG_FILE      ((UINT64_C(1) << 56) - 1)

/* ---- Places ------------------------------------------------------------------------------------------ */

static void memory_forget(struct giro_images *images)
{
    for (uint32_t i = 0; i < GIRO_IMAGES_PLACES_MAX; i++)
        images->places[i].used &= (uint8_t)~GIRO_IMAGES_IN_MEMORY;
}

/* A place that nothing uses, in the files that are there: one without known content first, so that what is known stays as long
 * as it can. Only then another file. */
static uint32_t place_take(const struct giro_images *images)
{
    uint32_t there = images->handle_count * GIRO_CHUNKS_PER_FILE;
    uint32_t known = GIRO_NONE;
    for (uint32_t i = 0; i < there; i++) {
        if (images->places[i].used != 0)
            continue;
        if (!images->places[i].known)
            return i;
        known = known == GIRO_NONE ? i : known;
    }
    if (known != GIRO_NONE || there == GIRO_IMAGES_PLACES_MAX)
        return known;
    for (uint32_t i = there; i < GIRO_IMAGES_PLACES_MAX; i++) {
        if (images->places[i].used == 0)
            return i;
    }
    return GIRO_NONE;
}

/* Where the chunk with this hash is, or may be written (*write). GIRO_NONE: no room. */
static uint32_t place_for(struct giro_images *images, const struct giro_hash *hash, bool *write)
{
    uint32_t at = giro_map_get(images->map, hash);
    *write = at == GIRO_NONE;
    if (*write)
        at = place_take(images);
    if (at == GIRO_NONE)
        return at;
    struct giro_images_place *place = &images->places[at];
    if (*write) {
        if (place->known)
            giro_map_remove(images->map, &place->hash);
        place->hash = *hash;
        place->known = giro_map_put(images->map, hash, at);
        GIRO_ASSERT(place->known);
    }
    place->used |= GIRO_IMAGES_IN_MEMORY;
    return at;
}

/* What should have been written there was not. */
static void place_forget(struct giro_images *images, uint32_t at)
{
    struct giro_images_place *place = &images->places[at];
    if (place->known)
        giro_map_remove(images->map, &place->hash);
    place->known = false;
}

static enum giro_err chunk_write(struct giro_images *images, uint32_t index)
{
    struct giro_disk *disk = images->options.disk;
    uint32_t place = images->places_of[index];
    GIRO_TRY(giro_images_chunk_file(images, place / GIRO_CHUNKS_PER_FILE, true));
    struct giro_disk_write write = {.file = images->handles[place / GIRO_CHUNKS_PER_FILE],
                                    .size_bytes = GIRO_CHUNK_BYTES,
                                    .offset =
                                        (uint64_t)(place % GIRO_CHUNKS_PER_FILE) * GIRO_CHUNK_BYTES,
                                    .bytes = images->image.bytes + (size_t)index * GIRO_CHUNK_BYTES,
                                    .tag = GIRO_DISK_TAG(GIRO_DISK_OWNER_IMAGE, place)};
    GIRO_TRY(disk->ops->submit(disk->self, &write));
    images->writes++;
    images->bytes_written += GIRO_CHUNK_BYTES;
    images->chunks_written++;
    return GIRO_ERR_OK;
}

/* ---- The file ------------------------------------------------------------------------------------------- */

/* One that is not kept, else none of the two newest: there are four. */
static uint32_t file_take(const struct giro_images *images)
{
    for (uint32_t i = 0; i < GIRO_IMAGE_FILES; i++) {
        if (!images->files[i].valid)
            return i;
    }
    uint32_t newest = giro_images_newest(images, 0), older = giro_images_newest(images, 1);
    for (uint32_t i = 0; i < GIRO_IMAGE_FILES; i++) {
        if (i != newest && i != older)
            return i;
    }
    return GIRO_NONE;
}

static enum giro_err file_submit(struct giro_images *images, uint32_t number)
{
    struct giro_disk *disk = images->options.disk;
    struct giro_images_file *file = &images->files[number];
    if (!file->opened) {
        char name[8] = "image-0";
        uint64_t size_bytes = 0;
        name[6] = (char)('0' + number);
        GIRO_TRY(
            disk->ops->open(disk->self, name, GIRO_IMAGES_FILE_BYTES, &file->handle, &size_bytes));
        if (size_bytes != GIRO_IMAGES_FILE_BYTES)
            return GIRO_ERR_DAMAGED;
        file->opened = true;
    }
    struct giro_disk_write write = {.file = file->handle,
                                    .size_bytes = GIRO_IMAGES_FILE_BYTES,
                                    .bytes = file->bytes,
                                    .tag = GIRO_DISK_TAG(GIRO_DISK_OWNER_IMAGE, TAG_FILE)};
    GIRO_TRY(disk->ops->submit(disk->self, &write));
    images->file = number;
    images->file_writing = true;
    return GIRO_ERR_OK;
}

/* Completes a file whose manifest is encoded behind its header. */
static void file_finish(struct giro_images *images, uint32_t number, uint32_t manifest_bytes,
                        enum giro_image_state state, uint64_t log_sequence)
{
    struct giro_images_file *file = &images->files[number];
    uint64_t places = giro_align_up(sizeof(file->header) + manifest_bytes, 8);
    uint64_t end = places + (uint64_t)images->image.chunk_count * sizeof(uint32_t);
    GIRO_ASSERT(end <= GIRO_IMAGES_FILE_BYTES);
    memset(file->bytes + sizeof(file->header) + manifest_bytes, 0,
           GIRO_IMAGES_FILE_BYTES - sizeof(file->header) - manifest_bytes);
    memcpy(file->bytes + places, images->places_of, images->image.chunk_count * sizeof(uint32_t));
    file->chunk_count = images->image.chunk_count;
    file->header = (struct giro_image_file){.head = giro_head_make(GIRO_KIND_IMAGE_FILE),
                                            .chain_id = images->options.chain_id,
                                            .size_bytes = end,
                                            .log_sequence = log_sequence,
                                            .manifest_bytes = manifest_bytes,
                                            .replica = images->options.replica,
                                            .state = (uint8_t)state,
                                            .height = images->height,
                                            .generation = ++images->generation};
    memcpy(file->bytes, &file->header, sizeof(file->header));
    giro_image_file_checksum(file->bytes, end, file->header.checksum);
    memcpy(file->bytes, &file->header, sizeof(file->header));
}

/* ---- Making ----------------------------------------------------------------------------------------------- */

struct giro_image *giro_images_begin(struct giro_images *images)
{
    if (images->file_writing || images->writes > 0 ||
        (images->state != GIRO_IMAGES_IDLE && images->state != GIRO_IMAGES_READY))
        return NULL;
    images->state = GIRO_IMAGES_IDLE;
    memory_forget(images);
    return &images->image;
}

void giro_images_encoded(struct giro_images *images, bool fits, uint64_t height)
{
    GIRO_ASSERT(images->state == GIRO_IMAGES_IDLE);
    for (uint32_t i = 0; i < images->image.capacity_chunks; i++)
        images->stale[i] |= images->image.changed[i];
    images->image.reuse = true;
    if (!fits)
        return;
    images->height = height;
    images->next = 0;
    images->state = GIRO_IMAGES_HASHING;
}

static enum giro_err hash_some(struct giro_images *images)
{
    uint32_t hashed = 0;
    while (images->next < images->image.chunk_count && images->writes < WRITES_MAX &&
           hashed < HASH_PER_CALL) {
        uint32_t index = images->next;
        bool write = false;
        if (images->stale[index]) {
            images->hashes[index] =
                giro_chunk_hash(images->image.bytes + (size_t)index * GIRO_CHUNK_BYTES);
            images->stale[index] = 0;
            hashed++;
        }
        images->places_of[index] = place_for(images, &images->hashes[index], &write);
        if (images->places_of[index] == GIRO_NONE) {
            images->state = GIRO_IMAGES_IDLE; /* no room for another image: none is made */
            return GIRO_ERR_OK;
        }
        const enum giro_err err = write ? chunk_write(images, index) : GIRO_ERR_OK;
        if (err == GIRO_ERR_NOSPACE) {
            place_forget(images, images->places_of[index]);
            images->state = GIRO_IMAGES_IDLE; /* no image now; the log goes on where it has room */
            return GIRO_ERR_OK;
        }
        GIRO_TRY(err);
        images->chunks_kept += !write;
        images->next++;
    }
    return GIRO_ERR_OK;
}

enum giro_err giro_images_work(struct giro_images *images)
{
    if (images->state == GIRO_IMAGES_HASHING) {
        GIRO_TRY(hash_some(images));
        if (images->state == GIRO_IMAGES_HASHING && images->next == images->image.chunk_count &&
            images->writes == 0) {
            images->root = giro_image_root(&images->options.chain_id, images->height,
                                           images->hashes, images->image.chunk_count);
            images->state = GIRO_IMAGES_READY;
        }
    }
    if (images->state == GIRO_IMAGES_FETCHING && !images->file_writing && images->writes == 0 &&
        !images->fetched && giro_images_fetch_missing(images, 0) == GIRO_NONE) {
        struct giro_images_file *file = &images->files[images->file];
        file_finish(images, images->file, file->header.manifest_bytes, GIRO_IMAGE_WHOLE,
                    file->header.log_sequence);
        GIRO_TRY(file_submit(images, images->file));
        images->fetched = true;
    }
    return GIRO_ERR_OK;
}

bool giro_images_busy(const struct giro_images *images)
{
    return images->state == GIRO_IMAGES_HASHING && images->writes < WRITES_MAX &&
           (images->next < images->image.chunk_count || images->writes == 0);
}

enum giro_err giro_images_completed(struct giro_images *images, uint64_t tag, enum giro_err err)
{
    GIRO_TRY(err);
    if ((tag & TAG_FILE) != TAG_FILE) {
        GIRO_ASSERT(images->writes > 0);
        images->writes--;
        return GIRO_ERR_OK;
    }
    GIRO_ASSERT(images->file_writing);
    images->file_writing = false;
    if (images->state != GIRO_IMAGES_SEALING)
        return GIRO_ERR_OK;
    images->files[images->file].valid = true;
    images->sealed = true;
    images->state = GIRO_IMAGES_IDLE;
    giro_images_keep(images);
    return GIRO_ERR_OK;
}

enum giro_err giro_images_seal(struct giro_images *images, struct giro_manifest *manifest,
                               uint64_t log_sequence)
{
    GIRO_ASSERT(images->state == GIRO_IMAGES_READY && !images->file_writing);
    uint32_t number = file_take(images);
    GIRO_ASSERT(number != GIRO_NONE);
    struct giro_images_file *file = &images->files[number];
    struct giro_writer writer;
    file->valid = false;
    manifest->chunk_count = images->image.chunk_count;
    manifest->chunk_hashes = images->hashes[0].bytes;
    giro_writer_init(&writer, file->bytes + sizeof(file->header),
                     GIRO_IMAGES_FILE_BYTES - sizeof(file->header));
    bool encoded = giro_manifest_encode(manifest, &writer);
    GIRO_ASSERT(encoded);
    file_finish(images, number, (uint32_t)writer.offset, GIRO_IMAGE_WHOLE, log_sequence);
    images->state = GIRO_IMAGES_SEALING;
    return file_submit(images, number);
}

bool giro_images_sealed(struct giro_images *images)
{
    bool sealed = images->sealed;
    images->sealed = false;
    return sealed;
}

/* ---- Fetching ----------------------------------------------------------------------------------------------- */

static bool fetch_may_begin(const struct giro_images *images)
{
    return !images->file_writing && images->writes == 0 &&
           (images->state == GIRO_IMAGES_IDLE || images->state == GIRO_IMAGES_READY);
}

/* The places of all chunks are decided at once: what is here already is found by its hash. */
static bool fetch_places(struct giro_images *images)
{
    for (uint32_t i = 0; i < images->image.chunk_count; i++) {
        bool write = false;
        images->places_of[i] = place_for(images, &images->hashes[i], &write);
        if (images->places_of[i] == GIRO_NONE)
            return false;
        images->present[i] = !write;
    }
    return true;
}

/* Of the places decided above, those that were not written hold nothing known. */
static void fetch_forget(struct giro_images *images)
{
    for (uint32_t i = 0; i < images->image.chunk_count; i++) {
        struct giro_images_place *place = &images->places[images->places_of[i]];
        if (images->places_of[i] == GIRO_NONE || images->present[i] || !place->known)
            continue;
        if (giro_hash_equal(&place->hash, &images->hashes[i])) {
            giro_map_remove(images->map, &place->hash);
            place->known = false;
        }
    }
}

bool giro_images_fetch_begin(struct giro_images *images, const void *manifest, uint32_t size_bytes,
                             uint64_t log_sequence)
{
    struct giro_manifest_header header;
    struct giro_checkpoint_body body;
    if (!fetch_may_begin(images) ||
        size_bytes + sizeof(struct giro_image_file) + 8u > GIRO_IMAGES_FILE_BYTES)
        return false;
    memcpy(&header, manifest, sizeof(header));
    memcpy(&body, (const uint8_t *)manifest + sizeof(header), sizeof(body));
    if (header.chunk_count > GIRO_IMAGES_CHUNKS_MAX)
        return false;
    uint32_t number = file_take(images);
    struct giro_images_file *file = &images->files[number];
    file->valid = false;
    memory_forget(images);
    giro_images_keep(images);
    memcpy(file->bytes + sizeof(file->header), manifest, size_bytes);
    images->image.chunk_count = header.chunk_count;
    images->image.reuse = false;
    images->height = body.height;
    const uint8_t *hashes =
        (const uint8_t *)manifest + size_bytes - header.chunk_count * sizeof(struct giro_hash);
    memcpy(images->hashes, hashes, header.chunk_count * sizeof(struct giro_hash));
    memset(images->present, 0, GIRO_IMAGES_CHUNKS_MAX);
    memset(images->stale, 1, GIRO_IMAGES_CHUNKS_MAX);
    memset(images->places_of, 0xFF, GIRO_IMAGES_CHUNKS_MAX * sizeof(uint32_t));
    images->state = GIRO_IMAGES_FETCHING;
    images->fetched = false;
    images->file = number;
    if (!fetch_places(images)) {
        giro_images_fetch_drop(images);
        return false;
    }
    file_finish(images, number, size_bytes, GIRO_IMAGE_PARTIAL, log_sequence);
    if (file_submit(images, number) != GIRO_ERR_OK) {
        giro_images_fetch_drop(images);
        return false;
    }
    return true;
}

/* Goes on with a partial image found at start: each chunk that is whole at its place is here. */
bool giro_images_fetch_resume(struct giro_images *images)
{
    uint32_t number = giro_images_partial(images);
    if (number == GIRO_NONE || !fetch_may_begin(images))
        return false;
    const struct giro_images_file *file = &images->files[number];
    memory_forget(images);
    images->image.chunk_count = file->chunk_count;
    images->image.reuse = false;
    images->height = file->header.height;
    memset(images->stale, 1, GIRO_IMAGES_CHUNKS_MAX);
    for (uint32_t i = 0; i < file->chunk_count; i++) {
        uint32_t at = giro_images_file_place(file, i);
        struct giro_images_place *place = &images->places[at];
        images->hashes[i] = giro_images_file_hash(file, i);
        images->places_of[i] = at;
        place->used |= GIRO_IMAGES_IN_MEMORY;
        images->present[i] = giro_images_place_read(
                                 images, at, &images->hashes[i],
                                 images->image.bytes + (size_t)i * GIRO_CHUNK_BYTES) == GIRO_ERR_OK;
        if (!place->known && giro_map_get(images->map, &images->hashes[i]) == GIRO_NONE) {
            place->hash = images->hashes[i];
            place->known = giro_map_put(images->map, &place->hash, at);
        }
    }
    images->state = GIRO_IMAGES_FETCHING;
    images->fetched = false;
    images->file = number;
    return true;
}

void giro_images_fetch_drop(struct giro_images *images)
{
    GIRO_ASSERT(images->state == GIRO_IMAGES_FETCHING);
    if (images->writes > 0 || images->file_writing)
        return; /* the caller asks again */
    fetch_forget(images);
    images->files[images->file].valid = false;
    images->state = GIRO_IMAGES_IDLE;
    memory_forget(images);
    giro_images_keep(images);
}

uint32_t giro_images_fetch_missing(const struct giro_images *images, uint32_t from)
{
    GIRO_ASSERT(images->state == GIRO_IMAGES_FETCHING);
    for (uint32_t i = from; i < images->image.chunk_count; i++) {
        if (!images->present[i])
            return i;
    }
    return GIRO_NONE;
}

bool giro_images_fetch_put(struct giro_images *images, uint32_t index, const void *bytes,
                           uint32_t size_bytes)
{
    GIRO_ASSERT(images->state == GIRO_IMAGES_FETCHING && index < images->image.chunk_count);
    GIRO_ASSERT(size_bytes <= GIRO_CHUNK_BYTES);
    if (images->present[index])
        return true;
    uint8_t *chunk = images->image.bytes + (size_t)index * GIRO_CHUNK_BYTES;
    memcpy(chunk, bytes, size_bytes);
    memset(chunk + size_bytes, 0, GIRO_CHUNK_BYTES - size_bytes);
    struct giro_hash hash = giro_chunk_hash(chunk);
    if (!giro_hash_equal(&hash, &images->hashes[index]))
        return false;
    /* The same chunk may stand twice in an image, in one place. A full queue of writes: it is asked for again. */
    bool twice = false;
    for (uint32_t i = 0; i < index; i++)
        twice = twice || (images->present[i] && images->places_of[i] == images->places_of[index]);
    if (twice || chunk_write(images, index) == GIRO_ERR_OK)
        images->present[index] = 1;
    return true;
}

bool giro_images_fetch_done(const struct giro_images *images)
{
    return images->state == GIRO_IMAGES_FETCHING && images->fetched && !images->file_writing;
}
