/* apps/giro/details.h - a member's sealed details: fetched from the replicas and opened with its keys. */
#ifndef GIRO_APPS_DETAILS_H
#define GIRO_APPS_DETAILS_H

#include "apps/giro/giro.h"
#include "giro/recon.h"

/* Who opens: K of an item, by whichever key there is. */
struct giro_opener {
    const struct giro_genesis *genesis;
    uint16_t member;                 /* index; GIRO_MEMBER_OPERATOR: the supervisor */
    struct giro_secret_key *sealing; /* NULL: no sealing key there */
    struct giro_details_keys *kept;  /* K of the payments it sent; NULL: none */
};
/* giro_opener_open reads <keys>/<owner>/sealing.key, and the files of keys if owner is a member. Files that are not there are no
 * error; ones that are not the enrolled key's are. */
enum giro_err giro_opener_open(const struct giro_genesis *genesis, const char *keys_dir,
                               const char *owner, struct giro_opener *opener,
                               struct giro_diagnosis *diagnosis) GIRO_MUST_USE;
void giro_opener_close(struct giro_opener *opener);
/* giro_opener_key finds K of an item with a block; false: it is not for this owner, or there is no key. */
bool giro_opener_key(const struct giro_opener *opener, const struct giro_disclosure *disclosure,
                     uint32_t index, uint8_t key[32]);

/* A member's days of details, from every replica that answers. */
struct giro_details_client;
enum giro_err giro_details_client_open(const struct giro_hub_view *view, const char *keys_dir,
                                       const char *bic, const struct giro_config_address *https,
                                       uint32_t https_count, struct giro_details_client **client,
                                       struct giro_diagnosis *diagnosis) GIRO_MUST_USE;
void giro_details_client_close(struct giro_details_client *client); /* NULL is fine */
/* giro_details_client_day makes the opened day of `date` as a hidden file in dir and writes its path; "" if no replica has details
 * of it. journal_path: of the same day, which knows where frames stand. What shows a break is written to dir/breaks/<uetr>.disclosure with K. Says on stderr what is missing. */
enum giro_err giro_details_client_day(struct giro_details_client *client, const char *date,
                                      const char *dir, const char *journal_path, char *path,
                                      size_t path_bytes, struct giro_details_merge_result *result,
                                      struct giro_diagnosis *diagnosis) GIRO_MUST_USE;

#endif
