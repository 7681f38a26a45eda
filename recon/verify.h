/* recon/verify.h - what the sources of giro_verify_path share. Private to this folder. */
#ifndef GIRO_RECON_VERIFY_H
#define GIRO_RECON_VERIFY_H

#include "files.h"
#include "giro/store.h"

#define VERIFY_DEPTH_MAX 16u
#define VERIFY_SEEN_MAX  256u

/* Growing array: items of one size, appended. */
struct verify_list {
    uint8_t *items;
    uint64_t count, max;
    size_t item_bytes;
};
bool verify_list_add(struct verify_list *list, const void *item) GIRO_MUST_USE;
void verify_list_free(struct verify_list *list);
void *verify_list_at(const struct verify_list *list, uint64_t index);

struct verify {
    struct giro_verify_options *options;
    struct giro_diagnosis *diagnosis;
    struct recon_netting netting; /* rows of every journal met */
    struct verify_list reports;   /* paths (malloc'ed) of netting reports met, looked at last */
    uint32_t replica; /* whose folder this is, as its first file said; GIRO_NONE = not known yet */
    uint32_t depth;
    char certificates_path[RECON_PATH_BYTES]; /* the file `certificates` holds: verified */
    struct verify_list certificates;          /* struct giro_commit_body, ascending by height */
    struct giro_hash
        seen[VERIFY_SEEN_MAX]; /* hashes of certificates of any kind found valid lately */
    uint32_t seen_next;
};

void verify_say(struct verify *verify, const char *path, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The file's replica must be that of its neighbours. */
enum giro_err verify_replica(struct verify *verify, const char *path, uint64_t offset,
                             uint32_t replica) GIRO_MUST_USE;
bool verify_is_zero(const uint8_t *bytes, uint64_t size_bytes);
/* Sentences about signatures; NULL: valid. Valid ones are remembered by hash. */
const char *verify_certificate(struct verify *verify, const struct giro_certificate *certificate);
const char *verify_qc(struct verify *verify, const struct giro_qc *qc);
const char *verify_checkpoint(struct verify *verify, const struct giro_checkpoint *checkpoint);
const char *verify_tc(struct verify *verify, const struct giro_tc *tc);
const char *verify_batch_proof(struct verify *verify, const uint8_t *bytes, uint32_t size_bytes,
                               uint64_t epoch);
bool verify_signature(struct verify *verify, struct giro_key_handle key, const void *message,
                      size_t message_bytes, const void *signature);

/* One kind of file each; path is for messages. */
enum giro_err verify_genesis(struct verify *verify, const char *path, const struct recon_map *map);
enum giro_err verify_journal(struct verify *verify, const char *path, const struct recon_map *map);
enum giro_err verify_proof(struct verify *verify, const char *path, const struct recon_map *map);
enum giro_err verify_disclosure(struct verify *verify, const char *path,
                                const struct recon_map *map);
enum giro_err verify_details_day(struct verify *verify, const char *path,
                                 const struct recon_map *map);
enum giro_err verify_spool(struct verify *verify, const char *path, const struct recon_map *map);
enum giro_err verify_ledger(struct verify *verify, const char *path, const struct recon_map *map);
enum giro_err verify_certificates(struct verify *verify, const char *path,
                                  const struct recon_map *map);
enum giro_err verify_safety(struct verify *verify, const char *path, const struct recon_map *map);
enum giro_err verify_report(struct verify *verify, const char *path);
/* Folders. */
enum giro_err verify_cut_folder(struct verify *verify, const char *path);
enum giro_err verify_log_folder(struct verify *verify, const char *path);

/* A folder as a disk that is never written and not locked (disk_readonly.c). */
#define READONLY_FILES_MAX 16u
struct readonly_disk {
    char path[RECON_PATH_BYTES];
    int fds[READONLY_FILES_MAX]; /* -1 = free */
};
struct giro_disk readonly_disk_open(struct readonly_disk *disk, const char *path);

#endif
