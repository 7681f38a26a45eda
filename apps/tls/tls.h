/* apps/tls/tls.h - TLS 1.3 between enrolled Ed25519 keys; used by girod (links, HTTPS) and giro (HTTPS client). */
#ifndef GIRO_APPS_TLS_H
#define GIRO_APPS_TLS_H

#include "giro/crypto.h"
#include "giro/sys.h"

struct ssl_ctx_st;
struct ssl_st;

/* The TLS context both links and the HTTPS interface use: TLS 1.3 only, own certificate from an Ed25519 key, the peer must show
 * one too. accept(context, public key) says whether the peer's key is enrolled. */
struct giro_tls_options {
    const struct giro_secret_key *key;
    const char *common_name;
    bool server;
    bool (*accept)(void *context, const struct giro_public_key *key);
    void *context;
};
/* giro_tls_context: the caller frees with SSL_CTX_free. */
enum giro_err giro_tls_context(const struct giro_tls_options *options, struct ssl_ctx_st **context,
                               struct giro_diagnosis *diagnosis) GIRO_MUST_USE;
/* giro_tls_peer_key copies the key the peer proved possession of; false before the handshake is done. */
bool giro_tls_peer_key(const struct ssl_st *ssl, struct giro_public_key *key);

#endif
