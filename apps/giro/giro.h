/* apps/giro/giro.h - what the subcommands of giro share. */
#ifndef GIRO_APPS_GIRO_H
#define GIRO_APPS_GIRO_H

#include <argp.h>

#include "giro/config.h"
#include "giro/keys.h"

/* Exit codes of every subcommand. */
enum { GIRO_EXIT_OK = 0, GIRO_EXIT_FAILURE = 1, GIRO_EXIT_USAGE = 2, GIRO_EXIT_BREAKS = 3 };

struct giro_command {
    const char *name;    /* "recon pull" */
    const char *summary; /* one line for giro --help */
    int (*run)(int argc, char **argv);
};
int giro_cmd_keygen(int argc, char **argv);
int giro_cmd_genesis(int argc, char **argv);
int giro_cmd_load(int argc, char **argv);
int giro_cmd_send(int argc, char **argv);
int giro_cmd_follow(int argc, char **argv);
int giro_cmd_position(int argc, char **argv);
int giro_cmd_status(int argc, char **argv);
int giro_cmd_recon_pull(int argc, char **argv);
int giro_cmd_recon_netting(int argc, char **argv);
int giro_cmd_verify(int argc, char **argv);
int giro_cmd_open(int argc, char **argv);
int giro_cmd_disclose(int argc, char **argv);
int giro_cmd_replay(int argc, char **argv);
int giro_cmd_admin(int argc, char **argv);
int giro_cmd_hub(int argc, char **argv);
int giro_cmd_hub_mend(int argc, char **argv);
int giro_cmd_hub_capture(int argc, char **argv);
int giro_cmd_summary(int argc, char **argv);
int giro_cmd_crypto_check(int argc, char **argv);

/* giro_fail prints the diagnosis (or the error's own sentence when it is empty) and returns GIRO_EXIT_FAILURE. */
int giro_fail(const char *command, enum giro_err err, const struct giro_diagnosis *diagnosis);

/* What giro_fail said last, for whoever reports it elsewhere, too. giro_failure_note sets it; NULL: none. */
struct giro_failure {
    enum giro_err err;
    struct giro_diagnosis diagnosis;
};
const struct giro_failure *giro_last_failure(void);
void giro_failure_note(enum giro_err err, const struct giro_diagnosis *diagnosis);

/* Genesis with its key ring. tables_bytes: limit of the keys' tables, which are worth their milliseconds where thousands of
 * signatures are verified; 0 for a few. */
struct giro_hub_view {
    struct giro_genesis genesis;
    struct giro_keys *keys;
    const struct giro_key_ring *ring; /* its */
};
enum giro_err giro_hub_view_open(const char *genesis_path, uint64_t tables_bytes,
                                 struct giro_hub_view *view,
                                 struct giro_diagnosis *diagnosis) GIRO_MUST_USE;
void giro_hub_view_close(struct giro_hub_view *view);

/* A list of BICs, sorted and without repeats. */
struct giro_bics {
    uint32_t count;
    char bics[GIRO_MEMBERS_MAX][GIRO_BIC_BYTES];
};
/* giro_bics_add adds one; false if it is no BIC or the list is full. */
bool giro_bics_add(struct giro_bics *bics, const char *text, size_t length);
/* giro_bics_add_list reads "BIC,BIC,..."; false names the wrong one through *bad. */
bool giro_bics_add_list(struct giro_bics *bics, const char *text, const char **bad);
/* giro_bics_from_payments takes the debtor_bic and creditor_bic columns of a payments CSV; currency codes into
 * currencies (4 bytes each, at most max), their number into *currency_count. */
enum giro_err giro_bics_from_payments(struct giro_bics *bics, const char *path,
                                      char currencies[][4], uint32_t max, uint32_t *currency_count,
                                      struct giro_diagnosis *diagnosis) GIRO_MUST_USE;
/* giro_bics_invent makes `count` BICs of a fictitious hub: BKAACZPP, BKABCZPP, ... */
void giro_bics_invent(struct giro_bics *bics, uint32_t count);

/* A progress line on a terminal, rewritten in place; on a file, a line now and then. */
struct giro_progress {
    bool terminal;
    uint64_t begun_ns, last_ns;
};
void giro_progress_begin(struct giro_progress *progress);
void giro_progress_show(struct giro_progress *progress, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* giro_progress_bar shows how far long work is: what [#####.....]  45 %  12 s left, and more. all > 0. */
void giro_progress_bar(struct giro_progress *progress, const char *what, uint64_t done,
                       uint64_t all, const char *more);
void giro_progress_end(struct giro_progress *progress);
/* giro_stop_requested: SIGINT or SIGTERM came after giro_catch_signals. */
void giro_catch_signals(void);
bool giro_stop_requested(void);

/* giro_count_format writes 1234567 as 1,234,567 (text >= 32 bytes) and returns text. */
const char *giro_count_format(uint64_t value, char *text);

#endif
