/* giro/member.h - a member's payments to the hub and their outcomes back: nothing lost, nothing twice, whatever dies.
 *
 * Model: payments are submitted in frames. A frame is signed and put into the outbox, a directory on disk, before it leaves the
 * machine; from then on only those bytes are sent, to one replica after another, until a certified outcome has come. After a death
 * at any moment open takes up what was under way. Sequences that were reserved and never came to a frame are closed by skips.
 *   submit -> KEPT (on disk: it will take effect exactly once) -> DURABLE (q replicas hold it) -> CERTIFIED (its outcome)
 *          -> PROVEN (with GIRO_MEMBER_PROVE: the outcome verified against q replicas' signatures)
 * DURABLE and CERTIFIED are the word of one replica, over a session that only that replica can speak in; an outcome without effect
 * is that of f + 1. A replica that lies is found out by PROVE: its word is dropped and counted, and another one is asked.
 * The home replica is number member % n. A frame without DURABLE after 200 ms, or without an outcome by its time, goes as the same
 * bytes to f + 1 others, again after waits that double to 2 s.
 *
 * Life: open; submit and poll for ever; close. Nothing happens outside these calls, but that one helper thread, with all signals
 * blocked, makes the next file of the outbox.
 * giro_member_fd is readable (poll, epoll, an event loop) when poll has something to do, timers included.
 * Threads: one at a time for one object; several objects in several threads are fine.
 * Memory is bounded by the options; nothing is allocated after open. Every number is in the byte order of the machine.
 * Results of functions are 0 or an error number; giro_member_error_text tells what it means.
 * Link giro_member. Source: protocol document, sections 3 to 7; docs/protocol.md. */
#ifndef GIRO_MEMBER_H
#define GIRO_MEMBER_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct giro_member;
struct giro_member_event;

/* ---- Opening -------------------------------------------------------------------------------------------------------------- */

enum giro_member_flag {
    GIRO_MEMBER_PROVE =
        1, /* fetch and verify the proof of every frame: twice the traffic, about 100 us a frame */
};
struct giro_member_options {
    uint32_t size_bytes;      /* of this struct as the caller knows it */
    uint32_t flags;           /* enum giro_member_flag */
    const char *genesis_path; /* the hub's genesis file */
    const char
        *keys_dir; /* holds <bic>/frame.key and <bic>/session.key, and the counters of sequences */
    const char *bic;
    const char *
        outbox_dir; /* made if it is not there; one process at a time; one directory for each outbox */
    const char *
        replicas; /* UDP addresses, one per replica in the genesis file's order: "host:port,host:port,..." */
    uint16_t channel_first; /* frames are spread over these channels in turn */
    uint16_t channel_count; /* 0: 1; first + count <= 64 */
    uint32_t frames_max; /* frames without a final outcome at a time, 1..65,536; 0: 256 a channel */
    uint32_t frames_per_second; /* 0: as many as the hub's credit and the path allow */
    /* event is called from within poll and close; it may call submit and ask, not poll or close. */
    void (*event)(void *context, const struct giro_member_event *event);
    void *context;
};
/* giro_member_open reads genesis, keys and outbox, and sends nothing yet; the first poll begins with a FOUND event for each frame
 * still under way: submit nothing of an earlier run before. message (may be NULL) gets what is wrong and what to do about it. Takes about 20 MiB of disk for an outbox of 1,024 frames. */
int giro_member_open(const struct giro_member_options *options, struct giro_member **member,
                     char *message, size_t message_bytes);
/* giro_member_close waits up to timeout_ms until everything submitted is on disk (not: settled) and gives unused sequences back.
 * Frees the member whatever happens. What has no outcome yet is taken up by the next open. */
int giro_member_close(struct giro_member *member, uint32_t timeout_ms);
const char *giro_member_error_text(int error);

/* ---- Paying --------------------------------------------------------------------------------------------------------------- */

/* What only the debtor, the creditor and the hub's supervisor read. UTF-8 without line breaks; NULL or "": absent. They share an
 * ordinary packet with their frame's payments: one payment with 896 bytes of details, two with 256, or three with 128; a payment
 * has 4 bytes and 4 more with each text, rounded up to 128. */
struct giro_member_details {
    const char *instruction_id, *end_to_end_id;   /* 35 characters at most */
    const char *debtor_name, *debtor_account;     /* 140, 34 */
    const char *creditor_name, *creditor_account; /* 140, 34 */
    const char *remittance;                       /* 140 */
};
struct giro_member_payment {
    uint8_t uetr[16];     /* all zero: a random one is made and written here */
    int64_t amount_minor; /* in the currency's minor unit: 12345 is 123.45 EUR */
    char creditor[12];    /* BIC of the receiving member, with a NUL */
    char currency[4];     /* "EUR" */
    uint8_t service;      /* 1 gross, 2 net */
    uint8_t kind;         /* 0 or 1 credit transfer, 2 return, 3 recall */
    uint8_t priority;     /* 0 normal, 1 high, 2 urgent */
    uint8_t reserved;     /* 0 */
    uint16_t reason;      /* of a return or recall, else 0 */
    uint16_t value_date;  /* days since 1970-01-01; 0: the business date */
    uint32_t earliest_s;  /* seconds since 1970; 0: at once */
    uint32_t latest_s;    /* 0: no limit */
    uint8_t link[16];     /* the original payment's UETR of a return or recall, else zeros */
    const struct giro_member_details *details; /* read during submit; NULL: none */
};
/* Names a frame for ever. */
struct giro_member_ticket {
    uint64_t sequence;
    uint16_t channel;
    uint16_t reserved[3];
};
#define GIRO_MEMBER_PAYMENTS_MAX                                                                   \
    20 /* in one frame, so that it fits an ordinary packet with its session */

/* giro_member_submit signs 1..GIRO_MEMBER_PAYMENTS_MAX payments into one frame. 0: it is on its way to the disk. FULL (13): as
 * many frames as allowed have no outcome yet, the disk is behind, or a crash left a gap in the channels and the hub has not said yet
 * where they stand; nothing happened, poll and try again. ARGUMENT (2): an unknown BIC or currency, an amount that is not positive,
 * or details that are too long or no text; nothing happened. KEY (12): one cannot seal to the creditor's key or the supervisor's.
 * STATE (14): the channel is not the outbox's.
 * Cost: 20 us, most of it the signature. Details cost 0.3 ms a payment, and their keys, which the next poll writes into keys_dir
 * (<bic>/details-<UTC date>.keys) before the frame goes anywhere, two fsyncs for all payments since the last poll. */
int giro_member_submit(struct giro_member *member, struct giro_member_payment *payments,
                       uint32_t count, struct giro_member_ticket *ticket);

/* ---- Working -------------------------------------------------------------------------------------------------------------- */

/* giro_member_poll sends, receives, writes and calls event. It waits up to timeout_ms (0: not at all, -1: no limit) for something to
 * do, and returns after one round of it. Any error is final: nothing more is promised; close and open again. */
int giro_member_poll(struct giro_member *member, int timeout_ms);
int giro_member_fd(const struct giro_member *member);

enum giro_member_state {
    GIRO_MEMBER_CONNECTING = 1,   /* no session yet; submit works, but see there after a crash */
    GIRO_MEMBER_UP = 2,           /* in session with the home replica */
    GIRO_MEMBER_FAILING_OVER = 3, /* the home replica is silent; others are used */
    GIRO_MEMBER_DOWN = 4,         /* no replica has answered for 5 s; tried again for ever */
    GIRO_MEMBER_FULL = 5,         /* submit refuses until outcomes come */
};
enum giro_member_state giro_member_state(const struct giro_member *member);

enum giro_member_event_kind {
    GIRO_MEMBER_EVENT_STATE = 1, /* state */
    GIRO_MEMBER_EVENT_FOUND = 2, /* first poll: a frame of an earlier run; results hold its UETRs */
    GIRO_MEMBER_EVENT_KEPT = 3,  /* on disk */
    GIRO_MEMBER_EVENT_DURABLE = 4, /* ordered, or dead after `height`, a block time in ns */
    GIRO_MEMBER_EVENT_CERTIFIED =
        5, /* outcome and results; the last word without PROVE, or where the outcome is above 2. The same frame may be told again
              after a restart */
    GIRO_MEMBER_EVENT_PROVEN =
        6, /* outcome and results, verified; proof holds the proof file's bytes */
    GIRO_MEMBER_EVENT_NOTHING =
        7, /* answer to ask: f + 1 ledgers do not have it now. Never of silence */
};
struct giro_member_result {
    uint8_t uetr[16]; /* zeros where the frame is not in the outbox any more (an answer to ask) */
    uint8_t status;   /* giro_member_status_name */
    uint8_t reserved;
    uint16_t reason; /* giro_member_reason_name; 0 none */
    uint32_t cycle;  /* of a netted payment */
};
/* Pointers are good during the call. Members that a kind does not name are 0. */
struct giro_member_event {
    uint32_t kind;
    uint32_t state;
    uint64_t sequence;
    uint16_t channel;
    uint16_t replica; /* who said so */
    uint8_t
        outcome; /* giro_member_outcome_name; 1 executed, 2 executed before: the results are the first ones */
    uint8_t skip;          /* 1: the frame closes a gap, it has no payments */
    uint16_t result_count; /* one per payment */
    const struct giro_member_result *results;
    uint64_t height;
    uint32_t leaf_index;
    uint32_t proof_bytes;
    const uint8_t *proof;
    uint8_t frame_hash[32];
};
const char *giro_member_status_name(uint8_t status);   /* "ACSC" */
const char *giro_member_reason_name(uint16_t reason);  /* "AM04" */
const char *giro_member_outcome_name(uint8_t outcome); /* "EXECUTED" */

/* giro_member_ask has the outcome of a frame told again (CERTIFIED, and PROVEN where `proof` is not 0), as long as the hub keeps
 * its ledger; also of frames that this outbox never held. FULL: 64 questions are open already. */
int giro_member_ask(struct giro_member *member, uint16_t channel, uint64_t sequence, int proof);

/* Counts since open. */
struct giro_member_stats {
    uint64_t frames_submitted, frames_found, frames_kept, frames_durable, frames_certified;
    uint64_t frames_proven, frames_resent; /* to other replicas, for want of an answer */
    uint64_t frames_refused;               /* outcome neither executed nor executed before */
    uint64_t payments_certified;
    uint64_t lies;          /* answers that a proof or another answer shows to be wrong */
    uint64_t answers_wrong; /* malformed, of other bytes, or nobody asked */
    uint64_t datagrams_sent, datagrams_received, datagrams_lost, datagrams_refused;
    uint64_t handshakes, rekeys, fail_overs;
    uint64_t rtt_us;         /* smoothed, of the home replica's session */
    uint64_t datagram_bytes; /* that its path is known to carry */
    uint64_t frames_waiting; /* now, without a final outcome */
};
void giro_member_stats(const struct giro_member *member, struct giro_member_stats *stats);

#ifdef __cplusplus
}
#endif
#endif
