/* manifest.json and SHA256SUMS: both follow from the files' bytes, so verifying is making them again. */
#include <stdlib.h>

#include "files.h"

static void json_string(FILE *text, const char *string)
{
    fputc('"', text);
    for (const unsigned char *at = (const unsigned char *)string; *at != '\0'; at++) {
        if (*at == '"' || *at == '\\')
            fprintf(text, "\\%c", *at);
        else if (*at < 0x20)
            fprintf(text, "\\u%04x", *at);
        else
            fputc(*at, text);
    }
    fputc('"', text);
}

static void hash_text(const struct giro_hash *hash, char text[2 * GIRO_HASH_BYTES + 1])
{
    giro_hex_format(hash->bytes, GIRO_HASH_BYTES, text);
}

static void file_render(FILE *text, const struct recon_out *out, bool first)
{
    char hash[2 * GIRO_HASH_BYTES + 1];
    hash_text(&out->sha256, hash);
    fprintf(text, "%s\n    { \"name\": \"%s\", \"bytes\": %lu, \"sha256\": \"%s\",\n",
            first ? "" : ",", out->name, (unsigned long)out->size_bytes, hash);
    fprintf(text, "      \"blocks\": [");
    for (uint32_t i = 0; i < out->block_count; i++) {
        hash_text(&out->blocks[i], hash);
        fprintf(text, "%s\n        \"%s\"", i == 0 ? "" : ",", hash);
    }
    fprintf(text, " ] }");
}

char *recon_manifest_text(const struct recon_cut *cut, size_t *size_bytes)
{
    char *bytes = NULL;
    FILE *text = open_memstream(&bytes, size_bytes);
    if (text == NULL)
        return NULL;
    char hash[2 * GIRO_HASH_BYTES + 1], date[11];
    hash_text(&cut->genesis->chain_id, hash);
    giro_date_format(cut->business_date, date);
    fprintf(text, "{\n  \"format\": \"giro-cut-1\",\n  \"hub\": ");
    json_string(text, cut->genesis->name);
    fprintf(text, ",\n  \"chain_id\": \"%s\",\n  \"member_bic\": \"%s\",\n", hash,
            recon_bic(cut->genesis, cut->member));
    fprintf(text, "  \"business_dates\": [\"%s\"],\n", date);
    fprintf(text, "  \"first_window\": %lu,\n  \"last_window\": %lu,\n",
            (unsigned long)cut->first_window, (unsigned long)cut->last_window);
    const struct giro_recon_cut_result *result = &cut->result;
    fprintf(text,
            "  \"counts\": { \"windows\": %lu, \"entries\": %lu, \"positions\": %lu, "
            "\"statuses\": %lu },\n",
            (unsigned long)result->windows, (unsigned long)result->entries,
            (unsigned long)result->positions, (unsigned long)result->statuses);
    fprintf(text, "  \"block_bytes\": %u,\n  \"files\": [", RECON_BLOCK_BYTES);
    for (uint32_t i = 0; i < RECON_CUT_MANIFEST; i++)
        if (cut->outs[i].open)
            file_render(text, &cut->outs[i], i == 0);
    fprintf(text, "\n  ]\n}\n");
    if (fclose(text) != 0) {
        free(bytes);
        return NULL;
    }
    return bytes;
}

char *recon_sums_text(const struct recon_cut *cut, size_t *size_bytes)
{
    char *bytes = NULL;
    FILE *text = open_memstream(&bytes, size_bytes);
    if (text == NULL)
        return NULL;
    for (uint32_t i = 0; i <= RECON_CUT_MANIFEST; i++) {
        if (!cut->outs[i].open)
            continue;
        char hash[2 * GIRO_HASH_BYTES + 1];
        hash_text(&cut->outs[i].sha256, hash);
        fprintf(text, "%s  %s\n", hash, cut->outs[i].name);
    }
    if (fclose(text) != 0) {
        free(bytes);
        return NULL;
    }
    return bytes;
}
