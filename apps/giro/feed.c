#include "apps/giro/feed.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "apps/giro/https.h"

#define WAIT_MS                                                                                    \
    4000u /* a replica with nothing new for so long is left: it may be the one that stands still */
#define SILENCE_MS 6000u
#define PAUSE_NS   500000000 /* after a round in which nobody answered */
#define BLOCK_S    60u       /* a block that is not there whole after so long is given up */

struct anchor {
    uint16_t date;
    uint64_t offset;
};

struct giro_feed {
    struct giro_feed_options options;
    struct giro_clock clock;
    const char *bic;
    struct giro_https *https; /* to addresses[at]; NULL: not open */
    uint32_t at;
    uint32_t failures; /* replicas in a row that gave nothing usable */
    uint64_t answered_ns, block_began_ns;
    bool said[GIRO_REPLICAS_MAX]; /* what is wrong with it, since it was good last */
    bool placed;
    uint32_t anchor_count, anchors_done;
    struct anchor anchors[GIRO_CURRENCIES_MAX];
    uint16_t date;
    uint64_t offset; /* of bytes[begin] in the journal */
    uint8_t *bytes;
    size_t begin, got, room; /* bytes[begin..begin + got) are there */
    size_t used;             /* of them: the block handed out last */
    struct giro_journal_chain chains[GIRO_CURRENCIES_MAX];
};

static uint64_t now_ns(const struct giro_feed *feed)
{
    return feed->clock.mono_ns(feed->clock.self);
}

struct giro_feed *giro_feed_open(const struct giro_feed_options *options)
{
    struct giro_feed *feed = calloc(1, sizeof(*feed));
    if (feed == NULL)
        return NULL;
    feed->options = *options;
    feed->clock = giro_clock_system();
    feed->bic = options->view->genesis.members[options->member].bic;
    feed->at = options->member % options->address_count; /* members spread over the replicas */
    feed->answered_ns = now_ns(feed);
    feed->placed = options->from == GIRO_FEED_PLACE;
    feed->date = options->date;
    feed->offset = options->offset;
    return feed;
}

void giro_feed_close(struct giro_feed *feed)
{
    if (feed->https != NULL)
        giro_https_close(feed->https);
    free(feed->bytes);
    free(feed);
}

/* ---- Replicas ----------------------------------------------------------------------------------------- */

static void leave(struct giro_feed *feed)
{
    if (feed->https != NULL)
        giro_https_close(feed->https);
    feed->https = NULL;
    feed->at = (feed->at + 1) % feed->options.address_count;
    feed->got = feed->used = 0; /* another replica's block may carry other signatures */
    if (feed->options.from == GIRO_FEED_NOW && feed->anchors_done < feed->anchor_count)
        feed->placed = false; /* the newest blocks were this replica's word */
}

static void leave_said(struct giro_feed *feed, const struct giro_diagnosis *diagnosis)
{
    char command[64];
    const struct giro_config_address *address = &feed->options.addresses[feed->at];
    if (!feed->said[feed->at] && feed->options.address_count > 1) {
        snprintf(command, sizeof(command), "giro %s", feed->options.command);
        fprintf(stderr, "%s: the replica at %s:%u is passed over:\n", command, address->host,
                address->port);
        giro_diagnosis_print(command, diagnosis);
        feed->said[feed->at] = true;
    }
    feed->failures++;
    leave(feed);
    if (feed->failures % feed->options.address_count == 0 && !giro_stop_requested())
        nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS}, NULL);
}

static enum giro_err ask(struct giro_feed *feed, const char *path, uint8_t **bytes,
                         size_t *size_bytes, struct giro_diagnosis *diagnosis)
{
    *diagnosis = (struct giro_diagnosis){.fact = ""};
    if (feed->https == NULL) {
        GIRO_TRY(giro_https_open(&feed->options.view->genesis, &feed->options.addresses[feed->at],
                                 feed->options.key, &feed->https, diagnosis));
        giro_https_patience(feed->https, SILENCE_MS, giro_stop_requested);
    }
    return giro_https_get(feed->https, path, bytes, size_bytes, diagnosis);
}

static enum giro_err not_usable(struct giro_diagnosis *diagnosis, const char *what)
{
    giro_diagnosis_set(diagnosis, what, "", "the replica's answer is not usable");
    return GIRO_ERR_FORMAT;
}

static enum giro_err ask_json(struct giro_feed *feed, const char *path, json_t **json,
                              struct giro_diagnosis *diagnosis)
{
    uint8_t *bytes = NULL;
    size_t size_bytes = 0;
    GIRO_TRY(ask(feed, path, &bytes, &size_bytes, diagnosis));
    *json = json_loadb((const char *)bytes, size_bytes, 0, NULL);
    free(bytes);
    return *json == NULL ? not_usable(diagnosis, "it is not JSON") : GIRO_ERR_OK;
}

/* ---- Where to begin ------------------------------------------------------------------------------------- */

/* The place of the newest block of each currency, as the list of journals tells; kept in order. */
static void anchors_note(struct giro_feed *feed, uint16_t date, const json_t *last)
{
    const struct giro_genesis *genesis = &feed->options.view->genesis;
    for (uint32_t i = 0; i < genesis->currency_count; i++) {
        const json_t *offset = json_object_get(last, genesis->currencies[i].code);
        if (!json_is_integer(offset) || json_integer_value(offset) < 0 ||
            feed->anchor_count == GIRO_CURRENCIES_MAX)
            continue;
        struct anchor anchor = {date, (uint64_t)json_integer_value(offset)};
        uint32_t at = feed->anchor_count++;
        for (; at > 0 && (feed->anchors[at - 1].date > date ||
                          (feed->anchors[at - 1].date == date &&
                           feed->anchors[at - 1].offset > anchor.offset));
             at--)
            feed->anchors[at] = feed->anchors[at - 1];
        feed->anchors[at] = anchor;
    }
}

static bool journal_date(const struct giro_feed *feed, const json_t *item, uint16_t *date)
{
    const char *bic = json_string_value(json_object_get(item, "bic"));
    const char *text = json_string_value(json_object_get(item, "date"));
    return bic != NULL && text != NULL && strcmp(bic, feed->bic) == 0 &&
           giro_date_parse(text, strlen(text), date);
}

static void anchor_take(struct giro_feed *feed)
{
    feed->date = feed->anchors[feed->anchors_done].date;
    feed->offset = feed->anchors[feed->anchors_done].offset;
    feed->got = feed->used = 0;
}

static enum giro_err place(struct giro_feed *feed, struct giro_diagnosis *diagnosis)
{
    json_t *list = NULL, *status = NULL;
    uint16_t date = 0, first = 0, gap = 0;
    size_t index;
    const json_t *item;
    feed->anchor_count = feed->anchors_done = 0;
    memset(feed->chains, 0, sizeof(feed->chains));
    GIRO_TRY(ask_json(feed, "/v1/journals", &list, diagnosis));
    json_array_foreach(list, index, item)
    {
        if (!journal_date(feed, item, &date))
            continue;
        first = first == 0 || date < first ? date : first;
        gap = json_is_true(json_object_get(item, "gap")) && date > gap ? date : gap;
        if (feed->options.from == GIRO_FEED_NOW)
            anchors_note(feed, date, json_object_get(item, "last"));
    }
    json_decref(list);
    if (feed->options.from == GIRO_FEED_NOW && gap > 0 &&
        (feed->anchor_count == 0 || feed->anchors[feed->anchor_count - 1].date <= gap))
        return not_usable(diagnosis, "it lacks the newest windows");
    if (first == 0) { /* nothing was sealed yet: today's journal will be the first */
        GIRO_TRY(ask_json(feed, "/v1/status", &status, diagnosis));
        const char *text = json_string_value(json_object_get(status, "business_date"));
        bool good = text != NULL && giro_date_parse(text, strlen(text), &first);
        json_decref(status);
        if (!good)
            return not_usable(diagnosis, "it names no business date");
    }
    feed->date = first;
    feed->offset = 0;
    feed->got = feed->used = 0;
    if (feed->anchor_count > 0)
        anchor_take(feed);
    feed->placed = true;
    return GIRO_ERR_OK;
}

/* The member's next journal behind the one in hand; 0: none. */
static enum giro_err later_date(struct giro_feed *feed, uint16_t *later,
                                struct giro_diagnosis *diagnosis)
{
    json_t *list = NULL;
    uint16_t date = 0;
    size_t index;
    const json_t *item;
    *later = 0;
    GIRO_TRY(ask_json(feed, "/v1/journals", &list, diagnosis));
    json_array_foreach(list, index, item)
    {
        if (journal_date(feed, item, &date) && date > feed->date && (*later == 0 || date < *later))
            *later = date;
    }
    json_decref(list);
    return GIRO_ERR_OK;
}

/* ---- Bytes ------------------------------------------------------------------------------------------------ */

static enum giro_err keep(struct giro_feed *feed, const uint8_t *bytes, size_t size_bytes,
                          struct giro_diagnosis *diagnosis)
{
    size_t want = feed->got + size_bytes;
    if (want > 2u * GIRO_FEED_BLOCK_MAX)
        return not_usable(diagnosis, "it sends more than a block");
    if (feed->got > 0) /* less than a block: what came before it is used up */
        memmove(feed->bytes, feed->bytes + feed->begin, feed->got);
    feed->begin = 0;
    if (want > feed->room) {
        size_t room = want < 65536 ? 65536 : want + want / 2;
        uint8_t *larger = realloc(feed->bytes, room);
        if (larger == NULL)
            return GIRO_ERR_NOMEM;
        feed->bytes = larger;
        feed->room = room;
    }
    memcpy(feed->bytes + feed->got, bytes, size_bytes);
    if (feed->got == 0)
        feed->block_began_ns = now_ns(feed);
    feed->got = want;
    return GIRO_ERR_OK;
}

/* More bytes of the journal in hand. *got = 0: there are none now. NOENT: there is no such journal. */
static enum giro_err fetch(struct giro_feed *feed, uint32_t wait_ms, size_t *got,
                           struct giro_diagnosis *diagnosis)
{
    char path[160], date[11];
    uint8_t *bytes = NULL;
    giro_date_format(feed->date, date);
    snprintf(path, sizeof(path), "/v1/journal/%s/%s?from=%lu&wait=%u", feed->bic, date,
             (unsigned long)(feed->offset + feed->got), wait_ms);
    *got = 0;
    GIRO_TRY(ask(feed, path, &bytes, got, diagnosis));
    enum giro_err err = *got == 0 ? GIRO_ERR_OK : keep(feed, bytes, *got, diagnosis);
    free(bytes);
    if (err == GIRO_ERR_OK && feed->got > 0 &&
        now_ns(feed) - feed->block_began_ns > BLOCK_S * GIRO_NS_PER_S)
        return not_usable(diagnosis, "a block does not become whole");
    return err;
}

/* Nothing more, as it seems: is there a later journal? Its blocks come only when this one is complete. */
static enum giro_err move_on(struct giro_feed *feed, bool *moved, struct giro_diagnosis *diagnosis)
{
    uint16_t later = 0;
    size_t got = 0;
    *moved = false;
    GIRO_TRY(later_date(feed, &later, diagnosis));
    if (later == 0)
        return GIRO_ERR_OK;
    GIRO_TRY(fetch(feed, 0, &got, diagnosis));
    *moved = true;
    if (got == 0) {
        feed->date = later;
        feed->offset = 0;
        feed->got = 0;
    }
    return GIRO_ERR_OK;
}

/* ---- Blocks ----------------------------------------------------------------------------------------------- */

static enum giro_err header_take(struct giro_feed *feed, struct giro_diagnosis *diagnosis)
{
    const struct giro_genesis *genesis = &feed->options.view->genesis;
    struct giro_journal_header header;
    if (feed->offset > 0 || feed->got < sizeof(header))
        return GIRO_ERR_OK;
    memcpy(&header, feed->bytes + feed->begin, sizeof(header));
    if (!giro_head_is(&header.head, GIRO_KIND_JOURNAL) ||
        !giro_hash_equal(&header.chain_id, &genesis->chain_id) ||
        header.member != feed->options.member || header.business_date != feed->date)
        return not_usable(diagnosis, "it is no journal of this hub, member and date");
    feed->used = sizeof(header);
    return GIRO_ERR_OK;
}

/* Takes what was used off the front. */
static void advance(struct giro_feed *feed)
{
    feed->begin += feed->used;
    feed->offset += feed->used;
    feed->got -= feed->used;
    feed->used = 0;
    feed->block_began_ns = now_ns(feed);
}

static enum giro_err block_check(struct giro_feed *feed, struct giro_feed_block *block,
                                 struct giro_diagnosis *diagnosis)
{
    const struct giro_genesis *genesis = &feed->options.view->genesis;
    enum giro_reject reject = giro_journal_decode(feed->bytes + feed->begin, feed->got,
                                                  genesis->replica_count, &block->view);
    if (reject != GIRO_REJECT_NONE)
        return not_usable(diagnosis, giro_reject_text(reject));
    const struct giro_window_record *record = &block->view.record;
    block->currency = giro_genesis_currency_by_number(genesis, record->currency);
    if (record->member != feed->options.member || record->business_date != feed->date ||
        block->currency == GIRO_NONE)
        return not_usable(diagnosis, "a block of another member, business date or currency");
    const char *wrong = giro_journal_verify(genesis, feed->options.view->ring, &block->view,
                                            &feed->chains[block->currency]);
    return wrong == NULL ? GIRO_ERR_OK : not_usable(diagnosis, wrong);
}

/* The block at the front, if it is there whole. */
static enum giro_err block_take(struct giro_feed *feed, struct giro_feed_block *block, bool *taken,
                                struct giro_diagnosis *diagnosis)
{
    struct giro_journal_block header;
    *taken = false;
    GIRO_TRY(header_take(feed, diagnosis));
    if (feed->used > 0)
        advance(feed);
    if (feed->offset == 0 || feed->got < sizeof(header))
        return GIRO_ERR_OK;
    memcpy(&header, feed->bytes + feed->begin, sizeof(header));
    if (header.magic != GIRO_MAGIC || header.size_bytes < sizeof(header) ||
        header.size_bytes > GIRO_FEED_BLOCK_MAX)
        return not_usable(diagnosis, "no block where one must begin");
    if (header.size_bytes > feed->got)
        return GIRO_ERR_OK;
    GIRO_TRY(block_check(feed, block, diagnosis));
    block->date = feed->date;
    block->offset = feed->offset;
    block->before = feed->anchors_done < feed->anchor_count;
    feed->used = header.size_bytes;
    feed->said[feed->at] = false;
    *taken = true;
    return GIRO_ERR_OK;
}

/* ---- The next one ------------------------------------------------------------------------------------------- */

/* One try at the replica in hand. OK: taken, or idle, or neither: try again. */
static enum giro_err attempt(struct giro_feed *feed, bool wait, struct giro_feed_block *block,
                             bool *taken, bool *idle, struct giro_diagnosis *diagnosis)
{
    size_t got = 0;
    bool moved = false;
    *idle = *taken = false;
    if (!feed->placed)
        GIRO_TRY(place(feed, diagnosis));
    GIRO_TRY(block_take(feed, block, taken, diagnosis));
    if (*taken)
        return GIRO_ERR_OK;
    enum giro_err err = fetch(feed, wait ? WAIT_MS : 0, &got, diagnosis);
    if (err == GIRO_ERR_OK && got > 0)
        return GIRO_ERR_OK;
    if (err != GIRO_ERR_OK && err != GIRO_ERR_NOENT)
        return err;
    struct giro_diagnosis missing = *diagnosis;
    uint16_t later = 0;
    if (err == GIRO_ERR_NOENT) { /* either nothing was sealed today yet, or this replica lost it */
        GIRO_TRY(later_date(feed, &later, diagnosis));
        *diagnosis = missing;
        *idle = later == 0;
        return later == 0 ? GIRO_ERR_OK : GIRO_ERR_NOENT;
    }
    GIRO_TRY(move_on(feed, &moved, diagnosis));
    *idle = !moved;
    return GIRO_ERR_OK;
}

static bool give_up(const struct giro_feed *feed, enum giro_err err)
{
    if (feed->failures < feed->options.address_count)
        return false;
    return err == GIRO_ERR_KEY || /* all say so */
           (feed->options.give_up_s > 0 &&
            now_ns(feed) - feed->answered_ns > feed->options.give_up_s * GIRO_NS_PER_S);
}

enum giro_feed_step giro_feed_next(struct giro_feed *feed, bool wait, struct giro_feed_block *block,
                                   struct giro_diagnosis *diagnosis)
{
    bool taken, idle;
    uint32_t asked = 0,
             idle_count = 0; /* replicas in a row without a block, and those that answered */
    if (feed->used > 0) {
        advance(feed);
        if (feed->anchors_done < feed->anchor_count && ++feed->anchors_done < feed->anchor_count)
            anchor_take(feed);
    }
    while (!giro_stop_requested()) {
        enum giro_err err = attempt(feed, wait, block, &taken, &idle, diagnosis);
        if (giro_stop_requested())
            break;
        if (err == GIRO_ERR_OK && !taken && !idle)
            continue;
        if (err != GIRO_ERR_OK) {
            leave_said(feed, diagnosis);
            if (give_up(feed, err))
                return GIRO_FEED_FAILED;
        } else {
            feed->answered_ns = now_ns(feed);
            feed->failures = 0;
        }
        if (err == GIRO_ERR_OK && taken)
            return GIRO_FEED_BLOCK;
        if (err == GIRO_ERR_OK) {
            leave(feed);
            idle_count++;
        }
        asked++;
        if (idle_count > 0 && (wait || asked >= feed->options.address_count))
            return GIRO_FEED_IDLE;
    }
    return GIRO_FEED_STOPPED;
}
