/* apps/giro/feed.h - one member's sealed windows as they come, from whichever replica answers.
 *
 * A feed reads the member's journals over HTTPS, asking each time for what is not there yet (the replica holds the request until
 * there is more). Every block is verified as giro_journal_verify does: rows, record, path, a quorum's signatures, and that it follows
 * on the block of its currency before. So no replica is believed: one that is silent, has nothing new for a while, or sends what does
 * not hold is left for the next one, and said so on standard error once.
 *
 * A place in the feed is a business date and an offset in that date's journal, the same at every replica: blocks have the same sizes
 * everywhere, whoever signed them. A feed that begins anywhere but at the start takes the first block of each currency as a
 * beginning; from then on nothing can be left out unseen.
 * Threads: one feed, one thread. */
#ifndef GIRO_APPS_FEED_H
#define GIRO_APPS_FEED_H

#include "apps/giro/giro.h"
#include "giro/recon.h"

#define GIRO_FEED_BLOCK_MAX (512u * 1024u * 1024u) /* a larger block is no block */

enum giro_feed_from {
    GIRO_FEED_NOW,   /* the newest block of each currency first (before is set), then what comes */
    GIRO_FEED_START, /* the oldest journal there is */
    GIRO_FEED_PLACE, /* date and offset */
};
struct giro_feed_options {
    const char *command; /* for messages */
    const struct giro_hub_view *view;
    const struct giro_secret_key *key; /* the member's session key */
    uint16_t member;
    const struct giro_config_address *addresses;
    uint32_t address_count;
    enum giro_feed_from from;
    uint16_t date;
    uint64_t offset;
    uint32_t give_up_s; /* without an answer from any replica; 0 = never */
};
struct giro_feed_block {
    struct giro_journal_view view; /* verified; lives until the next call */
    uint32_t currency;             /* genesis index */
    uint16_t date;
    uint64_t offset; /* where it begins */
    bool before;
};
enum giro_feed_step {
    GIRO_FEED_BLOCK,
    GIRO_FEED_IDLE,    /* no more now */
    GIRO_FEED_STOPPED, /* a signal came */
    GIRO_FEED_FAILED,  /* diagnosis tells */
};

struct giro_feed;
struct giro_feed *giro_feed_open(const struct giro_feed_options *options); /* NULL: no memory */
void giro_feed_close(struct giro_feed *feed);
/* giro_feed_next takes the next block. IDLE comes with wait when a replica had none for some seconds (the next call asks the next
 * replica), without it when all replicas that answer have no more now. */
enum giro_feed_step giro_feed_next(struct giro_feed *feed, bool wait, struct giro_feed_block *block,
                                   struct giro_diagnosis *diagnosis);

#endif
