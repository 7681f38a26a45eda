/* tests/unit/recon_files_support.h - a small day at the rig's hub, with the files a replica keeps of it. */
#ifndef TESTS_UNIT_RECON_FILES_SUPPORT_H
#define TESTS_UNIT_RECON_FILES_SUPPORT_H

#include "recon_window_support.h"

#define FILES_PATH_BYTES 512u

struct files_day {
    struct rig *rig;
    char dir[FILES_PATH_BYTES]; /* fresh, removed by files_day_free */
    uint8_t *ledger;            /* blocks of the ledger file, without its header */
    size_t ledger_bytes, ledger_room;
    struct giro_diagnosis diagnosis;
};
/* chain_byte fills the chain id. The day: gross and net payments in three seconds, a cycle settled, an idle second, one
 * more payment. All heights are certified. */
struct files_day *files_day_new(uint8_t chain_byte);
void files_day_free(struct files_day *day);

void files_path(const struct files_day *day, const char *name, char path[FILES_PATH_BYTES]);
/* Writes a member's journal to DIR/<name>. */
void files_journal(const struct files_day *day, uint16_t member, const char *name);
/* DIR/data/{ledger,certificates,log/...}, as replica 2 keeps them. Returns the bytes of the log that are used. */
uint64_t files_replica(struct files_day *day);
void files_spool(const struct files_day *day, const char *name);

enum giro_err files_cut(struct files_day *day, const char *journal, const char *out, uint64_t from,
                        uint64_t to, struct giro_recon_cut_result *result);
enum giro_err files_verify(struct files_day *day, const char *name);
char *files_read(const struct files_day *day, const char *name, size_t *size_bytes);
void files_write(const struct files_day *day, const char *name, const void *bytes,
                 size_t size_bytes);
int files_shell(const struct files_day *day, const char *command); /* run in DIR */
/* Flips a bit of every stride-th byte of DIR/<name> below end_bytes and demands that DIR/<what> no longer verifies; bytes for
 * which excused says yes are left out. */
void files_flip(struct files_day *day, const char *name, const char *what, uint64_t end_bytes,
                uint64_t stride, bool (*excused)(uint64_t offset));

#endif
