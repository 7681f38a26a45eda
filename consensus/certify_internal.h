/* consensus/certify_internal.h - what certify.c and certify_ring.c share: the ring of heights, and checking signatures. */
#ifndef GIRO_CONSENSUS_CERTIFY_INTERNAL_H
#define GIRO_CONSENSUS_CERTIFY_INTERNAL_H

#include "consensus/certify.h"

#define GIRO_CERTIFY_HEIGHTS       256u
#define GIRO_CERTIFY_AHEAD         64u
#define GIRO_CERTIFY_LATE          4u /* so far below the highest certificate a vote is answered at once */
#define GIRO_CERTIFY_RESEND_NS     (200u * 1000000ull)
#define GIRO_CERTIFY_RESEND_MAX_NS (2000u * 1000000ull)
#define GIRO_CERTIFY_RESEND_COUNT  32u /* heights per round of resending */

struct giro_certify_height {
    uint64_t height; /* 0 = never used */
    bool executed;   /* own is what this replica computed */
    bool recorded;   /* logged is what its log says it computed before a restart */
    bool has_vote;   /* own vote signed, in votes[self] */
    bool certified;  /* certificate is valid */
    bool reported;   /* CERTIFIED was said */
    bool logged_certificate;
    uint64_t log_sequence; /* of the ROOTS record; 0 = recovered */
    struct giro_commit_body own;
    struct giro_commit_body logged;
    uint8_t voted[GIRO_BITMAP_BYTES];   /* votes[i] is there */
    uint8_t checked[GIRO_BITMAP_BYTES]; /* its signature is valid */
    uint8_t accused[GIRO_BITMAP_BYTES]; /* evidence against i at this height was given */
    struct giro_certificate certificate;
};

struct giro_certify {
    struct giro_env *env;
    uint64_t executed_height;
    uint64_t voted_height;      /* own votes are signed up to here */
    uint64_t unlogged_height;   /* first executed height without a ROOTS record, 0 = none */
    uint32_t uncertified_count; /* executed heights in the ring without a certificate */
    uint64_t resend_ns, resend_delay_ns;
    uint64_t no_quorum_height; /* no root of it can reach q; 0 = none */
    struct giro_halt halt;
    bool halted;
    bool missed; /* a CERTIFIED or a CERTIFICATE record found no room in the action list */
    bool has_highest;
    struct giro_certificate highest;
    struct giro_certify_height *heights; /* ring by height % GIRO_CERTIFY_HEIGHTS */
    struct giro_commit_vote *votes;      /* GIRO_CERTIFY_HEIGHTS x replica_count */
    struct giro_verify_item *items;      /* scratch, replica_count each */
    uint8_t *messages;
    uint8_t *verdicts;
    uint16_t *voters;
};

/* certify_ring.c */
uint64_t giro_certify_window_top(const struct giro_certify *certify);
uint64_t giro_certify_window_low(const struct giro_certify *certify);
struct giro_certify_height *giro_certify_peek(const struct giro_certify *certify, uint64_t height);
struct giro_certify_height *giro_certify_at(struct giro_certify *certify, uint64_t height);
struct giro_commit_vote *giro_certify_vote_at(const struct giro_certify *certify, uint64_t height,
                                              uint32_t voter);
bool giro_certify_body_equal(const struct giro_commit_body *a, const struct giro_commit_body *b);
void giro_certify_item_set(struct giro_certify *certify, uint32_t index, uint32_t voter,
                           const struct giro_commit_body *body,
                           const struct giro_signature *signature);
uint32_t giro_certify_items_verify(struct giro_certify *certify, uint32_t count);
void giro_certify_bitmap_clear(uint8_t bitmap[GIRO_BITMAP_BYTES], uint32_t index);
bool giro_certify_vote_check(struct giro_certify *certify, struct giro_certify_height *h,
                             uint32_t voter);
enum giro_reject giro_certify_certificate_verify(struct giro_certify *certify,
                                                 const struct giro_certificate *certificate);

#endif
