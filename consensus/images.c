/* Images on disk: memory, opening, places of chunks, loading, and reading for peers. Making and fetching: images_write.c. */
#include "consensus/images.h"
#include "consensus/images_internal.h"

#include "giro/sys.h"

/* ---- Memory ---------------------------------------------------------------------------------------- */

enum { PART_SELF, PART_BYTES, PART_FILES, PART_ARRAYS, PART_PLACES, PART_MAP, PART_COUNT };

static struct giro_map_options map_options(uint64_t seed)
{
    return (struct giro_map_options){
        .capacity = GIRO_IMAGES_PLACES_MAX, .key_bytes = GIRO_HASH_BYTES, .seed = seed};
}

static void sizes_of(size_t sizes[PART_COUNT])
{
    struct giro_map_options map = map_options(0);
    sizes[PART_SELF] = sizeof(struct giro_images);
    sizes[PART_BYTES] = (size_t)GIRO_IMAGES_CHUNKS_MAX * GIRO_CHUNK_BYTES + GIRO_DISK_BLOCK_BYTES;
    sizes[PART_FILES] = GIRO_IMAGE_FILES * GIRO_IMAGES_FILE_BYTES + GIRO_DISK_BLOCK_BYTES;
    sizes[PART_ARRAYS] = GIRO_IMAGES_CHUNKS_MAX * (sizeof(struct giro_hash) + sizeof(uint32_t) + 3);
    sizes[PART_PLACES] = GIRO_IMAGES_PLACES_MAX * sizeof(struct giro_images_place);
    sizes[PART_MAP] = giro_map_footprint(&map);
    for (uint32_t i = 0; i < PART_COUNT; i++)
        sizes[i] = giro_align_up(sizes[i], 64);
}

size_t giro_images_footprint(void)
{
    size_t sizes[PART_COUNT], sum = 0;
    sizes_of(sizes);
    for (uint32_t i = 0; i < PART_COUNT; i++)
        sum += sizes[i];
    return sum;
}

struct giro_images *giro_images_init(void *mem, size_t size_bytes,
                                     const struct giro_images_options *options)
{
    size_t sizes[PART_COUNT];
    uint8_t *parts[PART_COUNT];
    if (mem == NULL || size_bytes < giro_images_footprint())
        return NULL;
    sizes_of(sizes);
    parts[0] = mem;
    for (uint32_t i = 1; i < PART_COUNT; i++)
        parts[i] = parts[i - 1] + sizes[i - 1];
    struct giro_images *images = mem;
    struct giro_map_options map = map_options(options->seed);
    images->options = *options;
    images->image.bytes =
        (uint8_t *)giro_align_up((uintptr_t)parts[PART_BYTES], GIRO_DISK_BLOCK_BYTES);
    images->image.capacity_chunks = GIRO_IMAGES_CHUNKS_MAX;
    uint8_t *files = (uint8_t *)giro_align_up((uintptr_t)parts[PART_FILES], GIRO_DISK_BLOCK_BYTES);
    for (uint32_t i = 0; i < GIRO_IMAGE_FILES; i++)
        images->files[i].bytes = files + (size_t)i * GIRO_IMAGES_FILE_BYTES;
    uint8_t *at = parts[PART_ARRAYS];
    images->hashes = (struct giro_hash *)at;
    at += GIRO_IMAGES_CHUNKS_MAX * sizeof(struct giro_hash);
    images->places_of = (uint32_t *)at;
    at += GIRO_IMAGES_CHUNKS_MAX * sizeof(uint32_t);
    images->stale = at;
    images->present = at + GIRO_IMAGES_CHUNKS_MAX;
    images->image.changed = at + 2 * GIRO_IMAGES_CHUNKS_MAX;
    images->places = (struct giro_images_place *)parts[PART_PLACES];
    images->map = giro_map_init(parts[PART_MAP], sizes[PART_MAP], &map);
    images->file = GIRO_NONE;
    return images->map == NULL ? NULL : images;
}

/* ---- Files ------------------------------------------------------------------------------------------ */

void giro_images_chunk_name(uint32_t number, char name[16])
{
    static const char digits[] = "0123456789abcdef";
    memcpy(name, "chunks-", 7);
    for (uint32_t i = 0; i < 4; i++)
        name[7 + i] = digits[number >> (12 - 4 * i) & 15];
    name[11] = '\0';
}

enum giro_err giro_images_chunk_file(struct giro_images *images, uint32_t number, bool make)
{
    struct giro_disk *disk = images->options.disk;
    while (images->handle_count <= number) {
        char name[16];
        uint64_t size_bytes = 0;
        uint64_t create = make ? (uint64_t)GIRO_CHUNKS_PER_FILE * GIRO_CHUNK_BYTES : 0;
        giro_images_chunk_name(images->handle_count, name);
        GIRO_TRY(disk->ops->open(disk->self, name, create, &images->handles[images->handle_count],
                                 &size_bytes));
        if (size_bytes != (uint64_t)GIRO_CHUNKS_PER_FILE * GIRO_CHUNK_BYTES) {
            disk->ops->close(disk->self, images->handles[images->handle_count]);
            return GIRO_ERR_DAMAGED;
        }
        images->handle_count++;
    }
    return GIRO_ERR_OK;
}

static bool file_good(const struct giro_images *images, struct giro_images_file *file)
{
    struct giro_image_file *header = &file->header;
    memcpy(header, file->bytes, sizeof(*header));
    if (!giro_head_is(&header->head, GIRO_KIND_IMAGE_FILE) || header->reserved != 0 ||
        header->size_bytes < sizeof(*header) || header->size_bytes > GIRO_IMAGES_FILE_BYTES ||
        !giro_hash_equal(&header->chain_id, &images->options.chain_id) ||
        header->replica != images->options.replica)
        return false;
    uint8_t checksum[16];
    giro_image_file_checksum(file->bytes, header->size_bytes, checksum);
    if (memcmp(checksum, header->checksum, sizeof(checksum)) != 0)
        return false;
    struct giro_manifest_header manifest;
    if (header->manifest_bytes < sizeof(manifest) ||
        header->manifest_bytes > header->size_bytes - sizeof(*header))
        return false;
    memcpy(&manifest, file->bytes + sizeof(*header), sizeof(manifest));
    uint64_t places = giro_align_up(sizeof(*header) + header->manifest_bytes, 8);
    file->chunk_count = manifest.chunk_count;
    if (manifest.chunk_count > GIRO_IMAGES_CHUNKS_MAX ||
        header->size_bytes != places + manifest.chunk_count * sizeof(uint32_t))
        return false;
    for (uint32_t i = 0; i < file->chunk_count; i++) {
        if (giro_images_file_place(file, i) >= GIRO_IMAGES_PLACES_MAX)
            return false;
    }
    return header->state == GIRO_IMAGE_PARTIAL || header->state == GIRO_IMAGE_WHOLE;
}

uint32_t giro_images_file_place(const struct giro_images_file *file, uint32_t index)
{
    uint32_t place;
    uint64_t at = giro_align_up(sizeof(file->header) + file->header.manifest_bytes, 8);
    memcpy(&place, file->bytes + at + index * sizeof(place), sizeof(place));
    return place;
}

struct giro_hash giro_images_file_hash(const struct giro_images_file *file, uint32_t index)
{
    struct giro_hash hash;
    uint64_t end = sizeof(file->header) + file->header.manifest_bytes;
    memcpy(&hash, file->bytes + end - (size_t)(file->chunk_count - index) * sizeof(hash),
           sizeof(hash));
    return hash;
}

/* What a file says about its places is taken as known: reading a chunk checks it. */
static void file_places(struct giro_images *images, uint32_t number)
{
    const struct giro_images_file *file = &images->files[number];
    for (uint32_t i = 0; i < file->chunk_count; i++) {
        uint32_t at = giro_images_file_place(file, i);
        struct giro_images_place *place = &images->places[at];
        struct giro_hash hash = giro_images_file_hash(file, i);
        place->used |= (uint8_t)(1u << number);
        if (file->header.state != GIRO_IMAGE_WHOLE || place->known ||
            giro_map_get(images->map, &hash) != GIRO_NONE)
            continue;
        place->known = giro_map_put(images->map, &hash, at);
        place->hash = hash;
    }
}

static void note_name(void *context, const char *name)
{
    struct giro_images *images = context;
    if (strncmp(name, "image-", 6) == 0 && name[6] >= '0' &&
        name[6] < (char)('0' + GIRO_IMAGE_FILES) && name[7] == '\0')
        images->files[name[6] - '0'].opened = true; /* it is there; opened below */
}

enum giro_err giro_images_open(struct giro_images *images)
{
    struct giro_disk *disk = images->options.disk;
    GIRO_TRY(disk->ops->list(disk->self, note_name, images));
    for (uint32_t i = 0; i < GIRO_IMAGE_FILES; i++) {
        struct giro_images_file *file = &images->files[i];
        char name[8] = "image-0";
        uint64_t size_bytes = 0;
        name[6] = (char)('0' + i);
        if (!file->opened)
            continue;
        file->opened = false;
        GIRO_TRY(disk->ops->open(disk->self, name, 0, &file->handle, &size_bytes));
        file->opened = true;
        file->valid = size_bytes == GIRO_IMAGES_FILE_BYTES &&
                      disk->ops->read(disk->self, file->handle, 0, file->bytes,
                                      GIRO_IMAGES_FILE_BYTES) == GIRO_ERR_OK &&
                      file_good(images, file);
        if (file->valid && file->header.generation > images->generation)
            images->generation = file->header.generation;
    }
    giro_images_keep(images);
    return GIRO_ERR_OK;
}

/* ---- Which are kept ------------------------------------------------------------------------------------ */

static bool newer(const struct giro_images_file *a, const struct giro_images_file *b)
{
    return a->header.height != b->header.height ? a->header.height > b->header.height
                                                : a->header.generation > b->header.generation;
}

uint32_t giro_images_newest(const struct giro_images *images, uint32_t nth)
{
    for (uint32_t i = 0; i < GIRO_IMAGE_FILES; i++) {
        const struct giro_images_file *file = &images->files[i];
        uint32_t above = 0;
        if (!file->valid || file->header.state != GIRO_IMAGE_WHOLE)
            continue;
        for (uint32_t k = 0; k < GIRO_IMAGE_FILES; k++) {
            const struct giro_images_file *other = &images->files[k];
            above += k != i && other->valid && other->header.state == GIRO_IMAGE_WHOLE &&
                     newer(other, file);
        }
        if (above == nth)
            return i;
    }
    return GIRO_NONE;
}

uint32_t giro_images_partial(const struct giro_images *images)
{
    uint32_t found = GIRO_NONE;
    for (uint32_t i = 0; i < GIRO_IMAGE_FILES; i++) {
        const struct giro_images_file *file = &images->files[i];
        if (file->valid && file->header.state == GIRO_IMAGE_PARTIAL &&
            (found == GIRO_NONE || newer(file, &images->files[found])))
            found = i;
    }
    return found;
}

/* The two newest whole ones, and a partial one above them. The others' places may be used again. */
void giro_images_keep(struct giro_images *images)
{
    uint32_t kept[3] = {giro_images_newest(images, 0), giro_images_newest(images, 1),
                        giro_images_partial(images)};
    if (kept[2] != GIRO_NONE && kept[0] != GIRO_NONE &&
        images->files[kept[2]].header.height <= images->files[kept[0]].header.height)
        kept[2] = GIRO_NONE;
    for (uint32_t i = 0; i < GIRO_IMAGES_PLACES_MAX; i++)
        images->places[i].used &= 0x80;
    for (uint32_t i = 0; i < GIRO_IMAGE_FILES; i++) {
        bool keep = i == kept[0] || i == kept[1] || i == kept[2];
        if (images->files[i].valid && keep)
            file_places(images, i);
        images->files[i].valid = images->files[i].valid && keep;
    }
}

uint64_t giro_images_needed(const struct giro_images *images)
{
    uint32_t older = giro_images_newest(images, 1);
    return older == GIRO_NONE ? 1 : images->files[older].header.log_sequence;
}

const uint8_t *giro_images_manifest(const struct giro_images *images, uint32_t file,
                                    uint32_t *size_bytes)
{
    GIRO_ASSERT(file < GIRO_IMAGE_FILES && images->files[file].valid);
    *size_bytes = images->files[file].header.manifest_bytes;
    return images->files[file].bytes + sizeof(struct giro_image_file);
}

/* ---- Reading -------------------------------------------------------------------------------------------- */

enum giro_err giro_images_place_read(struct giro_images *images, uint32_t place,
                                     const struct giro_hash *hash, uint8_t *out)
{
    struct giro_disk *disk = images->options.disk;
    GIRO_ASSERT(place < GIRO_IMAGES_PLACES_MAX);
    GIRO_TRY(giro_images_chunk_file(images, place / GIRO_CHUNKS_PER_FILE, false));
    GIRO_TRY(disk->ops->read(disk->self, images->handles[place / GIRO_CHUNKS_PER_FILE],
                             (uint64_t)(place % GIRO_CHUNKS_PER_FILE) * GIRO_CHUNK_BYTES, out,
                             GIRO_CHUNK_BYTES));
    struct giro_hash found = giro_chunk_hash(out);
    return giro_hash_equal(&found, hash) ? GIRO_ERR_OK : GIRO_ERR_DAMAGED;
}

enum giro_err giro_images_load(struct giro_images *images, uint32_t number)
{
    const struct giro_images_file *file = &images->files[number];
    GIRO_ASSERT(images->state == GIRO_IMAGES_IDLE && file->valid);
    images->image.reuse = false;
    for (uint32_t i = 0; i < file->chunk_count; i++) {
        images->hashes[i] = giro_images_file_hash(file, i);
        GIRO_TRY(giro_images_place_read(images, giro_images_file_place(file, i), &images->hashes[i],
                                        images->image.bytes + (size_t)i * GIRO_CHUNK_BYTES));
        images->stale[i] = 0;
    }
    images->image.chunk_count = file->chunk_count;
    images->image.reuse = true;
    images->height = file->header.height;
    return GIRO_ERR_OK;
}

enum giro_err giro_images_chunk(struct giro_images *images, const struct giro_hash *hash,
                                uint8_t *out)
{
    uint32_t place = giro_map_get(images->map, hash);
    if (place == GIRO_NONE || (images->places[place].used & 0x7F) == 0)
        return GIRO_ERR_NOENT;
    return giro_images_place_read(images, place, hash, out);
}

void giro_images_check(const struct giro_images *images)
{
    uint32_t known = 0;
    for (uint32_t i = 0; i < GIRO_IMAGES_PLACES_MAX; i++) {
        const struct giro_images_place *place = &images->places[i];
        known += place->known;
        GIRO_ASSERT(!place->known || giro_map_get(images->map, &place->hash) == i);
    }
    GIRO_ASSERT(known == giro_map_count(images->map));
    GIRO_ASSERT(images->state == GIRO_IMAGES_FETCHING ||
                images->image.chunk_count <= images->image.capacity_chunks);
}
