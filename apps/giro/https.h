/* apps/giro/https.h - asking a replica over HTTPS with an enrolled key. One request at a time, over one
 * connection that is kept while both sides like it. */
#ifndef GIRO_APPS_HTTPS_H
#define GIRO_APPS_HTTPS_H

#include "apps/giro/giro.h"

/* For whoever asks several replicas in turn. */
#define GIRO_HTTPS_ONE_OF_MANY_MS 6000u

struct giro_https;
/* giro_https_open prepares a client that shows `key` and accepts only a replica of the genesis file. */
enum giro_err giro_https_open(const struct giro_genesis *genesis,
                              const struct giro_config_address *address,
                              const struct giro_secret_key *key, struct giro_https **https,
                              struct giro_diagnosis *diagnosis) GIRO_MUST_USE;
/* giro_https_patience: how long the replica may be silent (20 s unless told), and what else ends a wait: stopped, asked after each
 * signal; may be NULL. An answer that comes slower than 64 KiB a second is none, either. */
void giro_https_patience(struct giro_https *https, uint32_t silence_ms, bool (*stopped)(void));
void giro_https_close(struct giro_https *https);
/* giro_https_get fetches path; *bytes is malloc'ed (caller frees), NUL-terminated beyond its size. A status other than 2xx is
 * an error whose diagnosis carries the replica's sentence: NOENT for 404, KEY for 403, else STATE. */
enum giro_err giro_https_get(struct giro_https *https, const char *path, uint8_t **bytes,
                             size_t *size_bytes, struct giro_diagnosis *diagnosis) GIRO_MUST_USE;
/* giro_https_download fetches size_bytes of path, whose owner serves ranges (from=, to=), into a file (0600) in pieces. progress
 * (may be NULL) hears how much there is. Not more than half of what is free on the disk: a replica says how much it is. */
enum giro_err giro_https_download(struct giro_https *https, const char *path, uint64_t size_bytes,
                                  const char *file_path,
                                  void (*progress)(void *context, uint64_t done, uint64_t all),
                                  void *context, struct giro_diagnosis *diagnosis) GIRO_MUST_USE;
enum giro_err giro_https_post(struct giro_https *https, const char *path, const void *body,
                              size_t body_bytes, uint8_t **bytes, size_t *size_bytes,
                              struct giro_diagnosis *diagnosis) GIRO_MUST_USE;

#endif
