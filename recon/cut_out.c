/* One output file: written, or compared byte for byte with what is there; hashed either way. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "files.h"

enum giro_err recon_out_create(struct recon_out *out, const char *dir, const char *name)
{
    *out = (struct recon_out){.name = name, .open = true};
    giro_sha256_begin(&out->all);
    giro_sha256_begin(&out->block);
    char path[RECON_PATH_BYTES];
    if (!recon_path_join(path, dir, name))
        return GIRO_ERR_ARGUMENT;
    out->file = fopen(path, "wxbe");
    if (out->file == NULL)
        return errno == ENOSPC ? GIRO_ERR_NOSPACE : GIRO_ERR_IO;
    return GIRO_ERR_OK;
}

enum giro_err recon_out_compare(struct recon_out *out, const char *dir, const char *name,
                                struct giro_diagnosis *diagnosis)
{
    *out = (struct recon_out){.name = name, .open = true, .comparing = true};
    giro_sha256_begin(&out->all);
    giro_sha256_begin(&out->block);
    char path[RECON_PATH_BYTES];
    if (!recon_path_join(path, dir, name))
        return GIRO_ERR_ARGUMENT;
    return recon_map_open(path, &out->expected, diagnosis);
}

static void block_end(struct recon_out *out)
{
    if (out->block_count == out->blocks_max) {
        uint32_t more = out->blocks_max == 0 ? 16 : out->blocks_max * 2;
        struct giro_hash *larger = realloc(out->blocks, more * sizeof(*larger));
        if (larger == NULL) {
            out->failed = true;
            return;
        }
        out->blocks = larger;
        out->blocks_max = more;
    }
    out->blocks[out->block_count++] = giro_sha256_end(&out->block);
    giro_sha256_begin(&out->block);
    out->block_used = 0;
}

static void hash_put(struct recon_out *out, const uint8_t *bytes, size_t size_bytes)
{
    giro_sha256_update(&out->all, bytes, size_bytes);
    while (size_bytes > 0 && !out->failed) {
        size_t part = RECON_BLOCK_BYTES - out->block_used;
        if (part > size_bytes)
            part = size_bytes;
        giro_sha256_update(&out->block, bytes, part);
        out->block_used += (uint32_t)part;
        bytes += part;
        size_bytes -= part;
        if (out->block_used == RECON_BLOCK_BYTES)
            block_end(out);
    }
}

static void compare(struct recon_out *out, const uint8_t *bytes, size_t size_bytes)
{
    const struct recon_map *expected = &out->expected;
    uint64_t left = expected->size_bytes - out->size_bytes;
    size_t same = 0, both = size_bytes < left ? size_bytes : (size_t)left;
    uint64_t line = out->line + 1;
    if (both == size_bytes &&
        (both == 0 || memcmp(expected->bytes + out->size_bytes, bytes, both) == 0))
        return;
    while (same < both && expected->bytes[out->size_bytes + same] == bytes[same]) {
        line += bytes[same] == '\n';
        same++;
    }
    out->failed = true;
    out->differs_at = out->size_bytes + same;
    out->differs_line = line;
}

void recon_out_put(struct recon_out *out, const void *bytes, size_t size_bytes)
{
    if (out->sink != NULL) {
        out->sink(out->sink_context, bytes, size_bytes);
        return;
    }
    GIRO_ASSERT(out->open);
    if (out->failed || size_bytes == 0)
        return;
    if (out->comparing)
        compare(out, bytes, size_bytes);
    else if (fwrite(bytes, size_bytes, 1, out->file) != 1)
        out->failed = true;
    if (out->failed)
        return;
    hash_put(out, bytes, size_bytes);
    out->size_bytes += size_bytes;
    const uint8_t *at = bytes;
    for (const uint8_t *end = at + size_bytes; (at = memchr(at, '\n', (size_t)(end - at))) != NULL;
         at++)
        out->line++;
}

enum giro_err recon_out_finish(struct recon_out *out)
{
    GIRO_ASSERT(out->open);
    if (!out->failed && out->block_used > 0)
        block_end(out);
    out->sha256 = giro_sha256_end(&out->all);
    if (out->comparing) {
        if (!out->failed && out->size_bytes != out->expected.size_bytes) {
            out->failed = true;
            out->differs_at = out->size_bytes;
            out->differs_line = out->line + 1;
        }
        return out->failed ? GIRO_ERR_CHECKSUM : GIRO_ERR_OK;
    }
    bool good = !out->failed && fflush(out->file) == 0 && fsync(fileno(out->file)) == 0;
    int number = errno;
    if (fclose(out->file) != 0)
        good = false;
    out->file = NULL;
    if (good)
        return GIRO_ERR_OK;
    return number == ENOSPC ? GIRO_ERR_NOSPACE : GIRO_ERR_IO;
}

void recon_out_free(struct recon_out *out)
{
    if (out->file != NULL)
        fclose(out->file);
    recon_map_close(&out->expected);
    free(out->blocks);
    *out = (struct recon_out){.name = NULL};
}
