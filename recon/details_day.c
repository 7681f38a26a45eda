/* A member's day of details with K: verified, and looked up by where a payment stands in the ledger. */
#include <sodium.h>
#include <stdlib.h>

#include "files.h"

/* Ascending by (height, leaf, record): the order of the file. */
struct reference {
    uint64_t height;
    uint32_t leaf_index;
    uint16_t record;
    uint8_t uetr[GIRO_UETR_BYTES];
    char *texts[2]; /* instruction_id, end_to_end_id; NUL-terminated, "" for none */
};
struct recon_details {
    struct reference *references;
    uint64_t count, max;
};

static int order(const struct reference *a, const struct reference *b)
{
    if (a->height != b->height)
        return a->height < b->height ? -1 : 1;
    if (a->leaf_index != b->leaf_index)
        return a->leaf_index < b->leaf_index ? -1 : 1;
    return (int)a->record - (int)b->record;
}

static bool reference_add(struct recon_details *details, const struct giro_disclosure *disclosure,
                          uint32_t index, const struct giro_details *opened)
{
    const enum giro_details_field fields[2] = {GIRO_DETAILS_INSTRUCTION_ID,
                                               GIRO_DETAILS_END_TO_END_ID};
    if (details->count == details->max) {
        const uint64_t more = details->max == 0 ? 256 : 2 * details->max;
        struct reference *larger = realloc(details->references, more * sizeof(*larger));
        if (larger == NULL)
            return false;
        details->references = larger;
        details->max = more;
    }
    GIRO_ASSERT(details->references != NULL);
    struct reference *reference = &details->references[details->count++];
    *reference = (struct reference){.height = disclosure->header.height,
                                    .leaf_index = disclosure->header.leaf_index,
                                    .record = disclosure->items[index].record_index};
    memcpy(reference->uetr, disclosure->items[index].record.uetr, sizeof(reference->uetr));
    bool good = true;
    for (uint32_t i = 0; i < 2; i++) {
        const struct giro_details_text *text = &opened->fields[fields[i]];
        reference->texts[i] = strndup(text->length == 0 ? "" : text->text, text->length);
        good = good && reference->texts[i] != NULL;
    }
    return good;
}

/* Adds what one frame's disclosure shows. NULL or a sentence. */
static const char *frame_add(struct recon_details *details, const struct giro_genesis *genesis,
                             const struct giro_disclosure *disclosure, uint16_t member)
{
    uint8_t plaintext[GIRO_DETAILS_PLAIN_MAX];
    const char *wrong = NULL;
    const struct reference *last =
        details->count == 0 ? NULL : &details->references[details->count - 1];
    if (disclosure->header.height == 0)
        return "a frame of the day says not where it was executed";
    if (last != NULL && (disclosure->header.height < last->height ||
                         (disclosure->header.height == last->height &&
                          disclosure->header.leaf_index <= last->leaf_index)))
        return "frames are not in ledger order";
    for (uint32_t i = 0; wrong == NULL && i < disclosure->header.item_count; i++) {
        const struct giro_disclosure_item *item = &disclosure->items[i];
        struct giro_details opened;
        if (disclosure->frame.member != member && item->record.creditor != member)
            wrong = "a payment is neither to nor from the day's member";
        else if (item->key == NULL)
            continue;
        else if (giro_disclosure_open(genesis, disclosure, i, item->key, plaintext, &opened) !=
                 GIRO_DETAILS_OPENED)
            wrong = "K does not open a payment's details"; /* verified a moment ago */
        else if (!reference_add(details, disclosure, i, &opened))
            wrong = "out of memory";
    }
    sodium_memzero(plaintext, sizeof(plaintext));
    return wrong;
}

const char *recon_day_walk(const struct giro_genesis *genesis, const struct giro_key_ring *ring,
                           const struct recon_map *map, struct recon_day *day)
{
    struct giro_reader reader;
    struct giro_hash digest = giro_hash_zero;
    struct giro_disclosure_view *view = malloc(sizeof(*view));
    const char *wrong = view == NULL ? "out of memory" : NULL;
    day->offset = 0;
    giro_reader_init(&reader, map->bytes, map->size_bytes);
    if (wrong == NULL && !giro_reader_copy(&reader, &day->header, sizeof(day->header)))
        wrong = "shorter than a day's header";
    else if (wrong == NULL && !giro_head_is(&day->header.head, GIRO_KIND_DETAILS_DAY))
        wrong = "not a day of details of a version this program knows";
    else if (wrong == NULL && !giro_hash_equal(&day->header.chain_id, &genesis->chain_id))
        wrong = "the header names another hub";
    else if (wrong == NULL && day->header.member >= genesis->member_count)
        wrong = "the header names no member of this hub";
    for (uint32_t i = 0; wrong == NULL && i < sizeof(day->header.reserved); i++)
        wrong = day->header.reserved[i] == 0 ? NULL : "reserved bytes of the header are not zero";
    while (wrong == NULL) {
        const uint8_t *bytes = NULL;
        uint32_t size_bytes = 0;
        day->offset = reader.offset;
        const enum giro_reject reject =
            giro_details_day_next(&reader, &digest, &bytes, &size_bytes);
        day->torn = reject == GIRO_REJECT_TRUNCATED;
        if (day->torn || (reject == GIRO_REJECT_NONE && bytes == NULL))
            break;
        wrong = reject == GIRO_REJECT_NONE
                    ? giro_disclosure_verify(genesis, ring, bytes, size_bytes, view)
                    : giro_reject_text(reject);
        if (wrong == NULL)
            wrong = day->frame(day->context, &view->disclosure, day->header.member);
        day->frames++;
        day->payments += wrong == NULL ? view->disclosure.header.item_count : 0;
        day->opened += wrong == NULL ? view->opened : 0;
    }
    free(view);
    return wrong;
}

/* ---- For a cut ---- */

struct load {
    struct recon_details *details;
    const struct giro_genesis *genesis;
};

static const char *load_frame(void *context, const struct giro_disclosure *disclosure,
                              uint16_t member)
{
    struct load *load = context;
    return frame_add(load->details, load->genesis, disclosure, member);
}

const char *recon_details_load(const struct giro_genesis *genesis, const struct giro_key_ring *ring,
                               const struct recon_map *map, struct recon_day *day,
                               struct recon_details **details_out)
{
    struct recon_details *details = calloc(1, sizeof(*details));
    struct load load = {details, genesis};
    if (details == NULL)
        return "out of memory";
    day->frame = load_frame;
    day->context = &load;
    const char *wrong = recon_day_walk(genesis, ring, map, day);
    day->context = NULL;
    if (wrong == NULL && day->torn)
        wrong = "the file ends within an entry";
    if (wrong != NULL) {
        recon_details_free(details);
        return wrong;
    }
    *details_out = details;
    return NULL;
}

const char *recon_details_find(const struct recon_details *details, const struct recon_place *place,
                               enum recon_reference which)
{
    const struct reference wanted = {
        .height = place->height, .leaf_index = place->leaf_index, .record = place->record};
    uint64_t low = 0, high = details == NULL ? 0 : details->count;
    while (low < high) {
        const uint64_t middle = low + (high - low) / 2;
        const struct reference *reference = &details->references[middle];
        const int sign = order(&wanted, reference);
        if (sign == 0)
            return memcmp(reference->uetr, place->uetr, sizeof(reference->uetr)) == 0
                       ? reference->texts[which]
                       : "";
        low = sign > 0 ? middle + 1 : low;
        high = sign < 0 ? middle : high;
    }
    return "";
}

void recon_details_free(struct recon_details *details)
{
    if (details == NULL)
        return;
    for (uint64_t i = 0; i < details->count; i++) {
        free(details->references[i].texts[0]);
        free(details->references[i].texts[1]);
    }
    free(details->references);
    free(details);
}
