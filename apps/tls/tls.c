#include "apps/tls/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sodium.h>
#include <stdlib.h>

/* What the verify callback needs; owned by the SSL_CTX through its ex_data. */
struct acceptance {
    bool (*accept)(void *context, const struct giro_public_key *key);
    void *context;
};

static int acceptance_index = -1;

static void acceptance_free(void *parent, void *data, CRYPTO_EX_DATA *ad, int index, long number,
                            void *pointer)
{
    (void)parent;
    (void)ad;
    (void)index;
    (void)number;
    (void)pointer;
    free(data);
}

static bool certificate_key(X509 *certificate, struct giro_public_key *key)
{
    EVP_PKEY *pkey = certificate == NULL ? NULL : X509_get0_pubkey(certificate);
    size_t size = sizeof(key->bytes);
    return pkey != NULL && EVP_PKEY_get_base_id(pkey) == EVP_PKEY_ED25519 &&
           EVP_PKEY_get_raw_public_key(pkey, key->bytes, &size) == 1 && size == sizeof(key->bytes);
}

/* Replaces chain building: only the key counts, and that TLS 1.3's CertificateVerify proves it is held. */
static int verify_certificate(X509_STORE_CTX *store, void *arg)
{
    const struct acceptance *acceptance = arg;
    struct giro_public_key key;
    if (certificate_key(X509_STORE_CTX_get0_cert(store), &key) &&
        acceptance->accept(acceptance->context, &key))
        return 1;
    X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_UNTRUSTED);
    return 0;
}

static EVP_PKEY *private_key(const struct giro_secret_key *key)
{
    uint8_t seed[32];
    giro_key_seed(key, seed);
    EVP_PKEY *pkey = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, sizeof(seed));
    sodium_memzero(seed, sizeof(seed));
    return pkey;
}

/* A certificate that says nothing but its key: names and dates are not looked at. */
static X509 *self_signed(EVP_PKEY *pkey, const char *common_name)
{
    X509 *certificate = X509_new();
    X509_NAME *name = certificate == NULL ? NULL : X509_get_subject_name(certificate);
    bool good = name != NULL && X509_set_version(certificate, X509_VERSION_3) == 1 &&
                ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1) == 1 &&
                ASN1_TIME_set_string(X509_getm_notBefore(certificate), "20000101000000Z") == 1 &&
                ASN1_TIME_set_string(X509_getm_notAfter(certificate), "99991231235959Z") == 1 &&
                X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                                           (const unsigned char *)common_name, -1, -1, 0) == 1 &&
                X509_set_issuer_name(certificate, name) == 1 &&
                X509_set_pubkey(certificate, pkey) == 1 && X509_sign(certificate, pkey, NULL) > 0;
    if (!good) {
        X509_free(certificate);
        return NULL;
    }
    return certificate;
}

static bool context_fill(SSL_CTX *context, const struct giro_tls_options *options)
{
    struct acceptance *acceptance = malloc(sizeof(*acceptance));
    if (acceptance == NULL)
        return false;
    *acceptance = (struct acceptance){options->accept, options->context};
    if (acceptance_index < 0)
        acceptance_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, acceptance_free);
    if (acceptance_index < 0 || SSL_CTX_set_ex_data(context, acceptance_index, acceptance) != 1) {
        free(acceptance);
        return false;
    }
    EVP_PKEY *pkey = private_key(options->key);
    X509 *certificate = pkey == NULL ? NULL : self_signed(pkey, options->common_name);
    bool good = certificate != NULL && SSL_CTX_use_certificate(context, certificate) == 1 &&
                SSL_CTX_use_PrivateKey(context, pkey) == 1 &&
                SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) == 1 &&
                SSL_CTX_set1_sigalgs_list(context, "ed25519") == 1 &&
                SSL_CTX_set_num_tickets(context, 0) == 1; /* no resumption past the pinned key */
    X509_free(certificate);
    EVP_PKEY_free(pkey);
    SSL_CTX_set_options(context, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_cert_verify_callback(context, verify_certificate, acceptance);
    return good;
}

enum giro_err giro_tls_context(const struct giro_tls_options *options,
                               struct ssl_ctx_st **context_out, struct giro_diagnosis *diagnosis)
{
    SSL_CTX *context = SSL_CTX_new(options->server ? TLS_server_method() : TLS_client_method());
    if (context != NULL && context_fill(context, options)) {
        *context_out = context;
        return GIRO_ERR_OK;
    }
    char detail[200];
    ERR_error_string_n(ERR_get_error(), detail, sizeof(detail));
    giro_diagnosis_set(diagnosis, detail, giro_err_advice(GIRO_ERR_TLS),
                       "the TLS context of \"%s\" cannot be made", options->common_name);
    SSL_CTX_free(context);
    return GIRO_ERR_TLS;
}

bool giro_tls_peer_key(const struct ssl_st *ssl, struct giro_public_key *key)
{
    return SSL_is_init_finished(ssl) && certificate_key(SSL_get0_peer_certificate(ssl), key);
}
