/* dataplane/sessions.h - the table of sessions, shared by sessions.c (table, receiving), sessions_handshake.c and sessions_send.c.
 * Private to this folder. */
#ifndef DATAPLANE_SESSIONS_H
#define DATAPLANE_SESSIONS_H

#include "giro/sessions.h"

#define PLACES         10u        /* a member: live, replaced, half-open */
#define HALF_OPEN_MAX  2u         /* of them, beside one that follows each live one */
#define INDEX_BITS     14u        /* of an id: place in the table; the rest is random */
#define ADDRESSES      4096u      /* budgets of addresses, and of addresses with ports, by hash */
#define OUTBOXES       256u       /* sessions with something to send at a time */
#define OUTBOX_BYTES   1472u      /* largest datagram sent */
#define DATAGRAM_BYTES 9216u      /* largest datagram opened */
#define PERIOD_NS      200000000u /* members that sent a frame within one or the last count as active */

enum state { STATE_FREE, STATE_HALF_OPEN, STATE_LIVE, STATE_REPLACED };

struct entry {
    struct giro_session session;
    uint32_t state; /* enum state */
    uint16_t member;
    uint16_t datagram_max;
    uint32_t replaces;
    uint32_t last_id;        /* of the session that was here before */
    uint64_t member_time_ns; /* of the INIT */
    uint64_t started_ns, heard_ns, expires_ns;
    uint64_t received; /* datagrams that opened */
    /* where it is: path; proved is the last address known to be the member's. Unproved: bytes that came from and went to path */
    struct giro_endpoint path, proved;
    uint64_t path_in, path_out;
    uint64_t ping_token;
    uint64_t ping_ns; /* when it was sent last */
    bool ping_due;
    /* acknowledgements and credit */
    bool ack_now;
    uint32_t unacknowledged; /* datagrams that ask for one */
    uint64_t highest_ns;     /* when the highest number came */
    uint64_t credit;
    uint64_t active_period;
    uint64_t asking_period;
    uint64_t due_ns; /* in the list of due acknowledgements; 0: not in it */
    uint32_t due_next, due_previous;
    uint64_t ask_ns;       /* until when its questions are paid for */
    uint64_t stranger_ns;  /* until when datagrams from elsewhere are paid for */
    uint32_t outbox;       /* GIRO_NONE: nothing gathered */
    uint8_t ephemeral[32]; /* of the INIT, whose RESPONSE may be asked for again */
    uint8_t response[GIRO_HANDSHAKE_RESPONSE_BYTES];
};
struct outbox {
    uint32_t entry;
    uint32_t blocks_bytes;
    uint8_t datagram[OUTBOX_BYTES];
};
struct ephemeral { /* of an INIT that was opened */
    uint64_t hash;
    uint64_t at_ns; /* 0: empty */
    uint32_t entry; /* the session it led to, if that is there still */
};

struct giro_sessions {
    struct giro_sessions_options options;
    uint32_t entry_count;
    uint32_t ephemeral_mask;
    uint32_t due_first, due_last; /* entries, in order of due_ns */
    uint32_t cursor;              /* of expiry */
    uint64_t swept_ns;
    uint64_t budget_ns; /* until when handshakes are paid for */
    uint64_t ask_ns;    /* until when questions are paid for */
    uint64_t cookie_ns; /* until when COOKIEs are paid for */
    uint64_t period;
    uint32_t active, active_before; /* sessions that sent a frame in this period and the last */
    uint32_t asking, asking_before; /* that asked something */
    struct giro_sessions_counters counters;
    uint32_t outbox_count; /* [0, outbox_count) hold something */
    struct outbox outboxes[OUTBOXES];
    uint64_t addresses[ADDRESSES]; /* until when an address's handshakes are paid for */
    uint64_t sources[ADDRESSES];   /* until when COOKIEs to an address and port are paid for */
    uint8_t blocks[DATAGRAM_BYTES];
    uint8_t (*member_keys)[32]; /* X25519 */
    struct ephemeral *ephemerals;
    struct entry *entries; /* PLACES a member */
};

/* sessions.c */
enum giro_reject sessions_count(struct giro_sessions *sessions, uint32_t member,
                                enum giro_reject reject);
struct entry *sessions_find(struct giro_sessions *sessions, uint32_t id);
/* The session that an answer for `member` goes to; NULL: none. */
struct entry *sessions_route(struct giro_sessions *sessions, const struct giro_endpoint *to,
                             uint16_t member);
void sessions_free(struct giro_sessions *sessions, struct entry *entry);
/* sessions_pay: one use that costs cost_ns of a budget that may be burst_ns ahead of now; false: it is spent. */
bool sessions_pay(uint64_t *until_ns, uint64_t now_ns, uint64_t cost_ns, uint64_t burst_ns);
bool sessions_same_address(const struct giro_endpoint *a, const struct giro_endpoint *b);

/* sessions_handshake.c */
enum giro_reject sessions_handshake(struct giro_sessions *sessions, uint64_t now_ns,
                                    const struct giro_datagram *datagram);
/* A half-open session's first datagram has opened. */
void sessions_confirm(struct giro_sessions *sessions, uint64_t now_ns, struct entry *entry);

/* sessions_send.c */
/* sessions_put appends a block to what gathers for this session. */
bool sessions_put(struct giro_sessions *sessions, uint64_t now_ns, struct entry *entry,
                  enum giro_session_kind kind, const void *body, uint32_t size_bytes);
void sessions_ack_soon(struct giro_sessions *sessions, uint64_t now_ns, struct entry *entry);
void sessions_ack_now(struct giro_sessions *sessions, uint64_t now_ns, struct entry *entry);
void sessions_flush_entry(struct giro_sessions *sessions, uint64_t now_ns, struct entry *entry);
void sessions_due_remove(struct giro_sessions *sessions, struct entry *entry);
/* sessions_credit lets the credit grow by what is free now, and returns it. */
uint64_t sessions_credit(struct giro_sessions *sessions, uint64_t now_ns, struct entry *entry);
/* sessions_asking notes a question; returns how many sessions ask, 1..: each has that share of the questions' budget. */
uint32_t sessions_asking(struct giro_sessions *sessions, uint64_t now_ns, struct entry *entry);
void sessions_active(struct giro_sessions *sessions, uint64_t now_ns, struct entry *entry);

#endif
