/* Disclosures and days of details. */
#include <stdlib.h>

#include "verify.h"

/* "ACSC, final", or what is missing for that: settlement's rule, docs/protocol.md section 5. */
static const char *finality(const struct giro_disclosure_view *view, uint32_t index)
{
    const struct giro_result result = giro_disclosure_result(view, index);
    /* A cycle settles currency by currency: the proof is of one. */
    const bool in_cycle = view->has_cycle && result.cycle == view->cycle.cycle &&
                          view->disclosure.items[index].record.currency == view->cycle.currency;
    if (result.status == GIRO_STATUS_ACSC)
        return "settled, final";
    if (result.status == GIRO_STATUS_ACSP && in_cycle && view->cycle.state == GIRO_CYCLE_SETTLED)
        return "settled with its cycle, final";
    if (result.status == GIRO_STATUS_ACSP && in_cycle)
        return "its cycle was not settled";
    return result.status == GIRO_STATUS_ACSP ? "final when its cycle is settled" : "not settled";
}

static void item_say(struct verify *verify, const char *path,
                     const struct giro_disclosure_view *view, uint32_t index)
{
    const struct giro_genesis *genesis = verify->options->genesis;
    const struct giro_disclosure_item *item = &view->disclosure.items[index];
    const uint32_t currency = giro_genesis_currency_by_number(genesis, item->record.currency);
    char uetr[37], amount[GIRO_MONEY_TEXT_BYTES], time[GIRO_TIME_TEXT_BYTES], proven[120] = "";
    giro_uetr_format(item->record.uetr, uetr);
    giro_money_format(item->record.amount_minor,
                      currency == GIRO_NONE ? 0 : genesis->currencies[currency].digits, amount);
    if (view->has_proof) {
        giro_time_format(view->proof.certificate.header.body.time_ns, time);
        snprintf(proven, sizeof(proven), "; %s at %.19sZ, %s",
                 giro_status_name(giro_disclosure_result(view, index).status), time,
                 finality(view, index));
    }
    verify_say(verify, path, "%s %s %s from %s to %s, signed by the debtor%s%s", uetr, amount,
               currency == GIRO_NONE ? "?" : genesis->currencies[currency].code,
               recon_bic(genesis, view->disclosure.frame.member),
               recon_bic(genesis, item->record.creditor), proven,
               item->key != NULL ? "; details shown (giro open)" : "");
}

enum giro_err verify_disclosure(struct verify *verify, const char *path,
                                const struct recon_map *map)
{
    struct giro_disclosure_view *view = malloc(sizeof(*view));
    if (view == NULL)
        return recon_fail(verify->diagnosis, GIRO_ERR_NOMEM, path, "while reading it");
    const char *wrong = giro_disclosure_verify(verify->options->genesis, verify->options->ring,
                                               map->bytes, map->size_bytes, view);
    enum giro_err err = GIRO_ERR_OK;
    if (wrong != NULL)
        err = recon_fail(verify->diagnosis, GIRO_ERR_SIGNATURE, path, "disclosure: %s", wrong);
    for (uint32_t i = 0; err == GIRO_ERR_OK && i < view->disclosure.header.item_count; i++)
        item_say(verify, path, view, i);
    verify->options->certificates += err == GIRO_ERR_OK && view->has_proof;
    verify->options->certificates += err == GIRO_ERR_OK && view->has_cycle;
    free(view);
    return err;
}

static const char *frame_pass(void *context, const struct giro_disclosure *disclosure,
                              uint16_t member)
{
    uint64_t *last = context;
    const uint64_t height = disclosure->header.height;
    if (height == 0 || height < last[0] ||
        (height == last[0] && disclosure->header.leaf_index <= last[1]))
        return "frames are not in ledger order";
    last[0] = height;
    last[1] = disclosure->header.leaf_index;
    for (uint32_t i = 0; i < disclosure->header.item_count; i++)
        if (disclosure->frame.member != member && disclosure->items[i].record.creditor != member)
            return "a payment is neither to nor from the day's member";
    return NULL;
}

enum giro_err verify_details_day(struct verify *verify, const char *path,
                                 const struct recon_map *map)
{
    uint64_t last[2] = {0, 0};
    struct recon_day day = {.frame = frame_pass, .context = last};
    if (map->size_bytes < sizeof(day.header)) {
        verify_say(verify, path, "day of details, ends torn in its header (normal after a kill)");
        return GIRO_ERR_OK;
    }
    const char *wrong = recon_day_walk(verify->options->genesis, verify->options->ring, map, &day);
    if (wrong != NULL)
        return recon_fail(verify->diagnosis, GIRO_ERR_FORMAT, path, "offset %lu: %s",
                          (unsigned long)day.offset, wrong);
    verify_say(verify, path, "day of details of %s: %lu frames, %lu payments, %lu opened%s",
               recon_bic(verify->options->genesis, day.header.member), (unsigned long)day.frames,
               (unsigned long)day.payments, (unsigned long)day.opened,
               day.torn ? ", then ends torn (normal after a kill)" : "");
    return GIRO_ERR_OK;
}
