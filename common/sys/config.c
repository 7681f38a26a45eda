/* Three steps: libcyaml checks the shape (keys, kinds of values, required ones) and copies the
 * values into struct raw; this file then checks ranges and fills struct giro_config; every failure
 * becomes one diagnosis with file, line, column and what was expected. Optional values are pointers
 * in struct raw, so that "left out" and "0" stay two things; numbers are signed, so that -1 is
 * reported as -1. */
#include <arpa/inet.h>
#include <cyaml/cyaml.h>
#include <stdio.h>
#include <stdlib.h>

#include "giro/config.h"
#include "sys_internal.h"

#define FILE_BYTES_MAX (1u << 20)
#define PEERS_MAX      100
#define CPUS_EXPECTED  "CPUs such as 2, 0-3 or 0-1,4, at most 63 bytes"

struct raw {
    char *genesis, *keys, *key_tables, *data, *files, *event_log, *log_level, *verifier, *https;
    int64_t *replica, *files_interval_s, *event_log_mb;
    struct raw_port {
        char *driver, *device, *address, *telemetry;
        int64_t *udp_port, *mtu, *queues, *memory_mb;
        char **allow;
        uint32_t allow_count;
    } port;
    struct raw_cpus {
        char *hub, *verify, *publish, *store;
    } * cpus;
    struct raw_limits {
        int64_t *segment_mb, *frames_pending, *batches, *member_frames_per_second, *key_tables_mb;
        int64_t *verify_frames, *verify_wait_us, *verify_threads;
    } * limits;
    char **peers;
    uint32_t peer_count;
};

/* Everything a person needs to know about each key, and the range of the numeric ones. */
struct key {
    const char *section; /* "" = top */
    const char *name;
    const char *expected;
    int64_t min, max, unset; /* numbers only; unset is the value when left out */
};
enum key_index {
    KEY_GENESIS,
    KEY_REPLICA,
    KEY_KEYS,
    KEY_KEY_TABLES,
    KEY_DATA,
    KEY_FILES,
    KEY_FILES_INTERVAL_S,
    KEY_EVENT_LOG,
    KEY_EVENT_LOG_MB,
    KEY_LOG_LEVEL,
    KEY_VERIFIER,
    KEY_PORT,
    KEY_DRIVER,
    KEY_DEVICE,
    KEY_ADDRESS,
    KEY_UDP_PORT,
    KEY_MTU,
    KEY_QUEUES,
    KEY_MEMORY_MB,
    KEY_TELEMETRY,
    KEY_ALLOW,
    KEY_CPUS,
    KEY_CPUS_HUB,
    KEY_CPUS_VERIFY,
    KEY_CPUS_PUBLISH,
    KEY_CPUS_STORE,
    KEY_PEERS,
    KEY_HTTPS,
    KEY_LIMITS,
    KEY_SEGMENT_MB,
    KEY_FRAMES_PENDING,
    KEY_BATCHES,
    KEY_MEMBER_FRAMES_PER_SECOND,
    KEY_KEY_TABLES_MB,
    KEY_VERIFY_FRAMES,
    KEY_VERIFY_WAIT_US,
    KEY_VERIFY_THREADS,
    KEY_COUNT,
};
static const struct key keys[KEY_COUNT] = {
    [KEY_GENESIS] = {"", "genesis", "the path of the genesis file, at most 511 bytes", 0, 0, 0},
    [KEY_REPLICA] = {"", "replica", "a number from 0 to 99", 0, PEERS_MAX - 1, 0},
    [KEY_KEYS] = {"", "keys", "the path of the key directory, at most 511 bytes", 0, 0, 0},
    [KEY_KEY_TABLES] = {"", "key_tables", "the path of a directory, at most 511 bytes", 0, 0, 0},
    [KEY_DATA] = {"", "data", "the path of the data directory, at most 511 bytes", 0, 0, 0},
    [KEY_FILES] = {"", "files", "the path of a directory, at most 511 bytes", 0, 0, 0},
    [KEY_FILES_INTERVAL_S] = {"", "files_interval_s", "seconds from 1 to 86400", 1, 86400, 900},
    [KEY_EVENT_LOG] = {"", "event_log", "the path of a directory, at most 511 bytes", 0, 0, 0},
    [KEY_EVENT_LOG_MB] = {"", "event_log_mb", "mebibytes from 1 to 1048576", 1, 1 << 20, 256},
    [KEY_LOG_LEVEL] = {"", "log_level", "error, warn, info or debug", 0, 0, 0},
    [KEY_VERIFIER] = {"", "verifier", "avx512, avx2, portable or libsodium", 0, 0, 0},
    [KEY_PORT] = {"", "port",
                  "a section with driver, device, address, udp_port, mtu, queues, memory_mb, "
                  "telemetry, allow",
                  0, 0, 0},
    [KEY_DRIVER] = {"port", "driver", "af_packet, udp or a DPDK driver, at most 31 bytes", 0, 0, 0},
    [KEY_DEVICE] = {"port", "device", "an interface, vdev or PCI address, at most 127 bytes", 0, 0,
                    0},
    [KEY_ADDRESS] = {"port", "address", "an IPv4 address such as 10.77.0.2", 0, 0, 0},
    [KEY_UDP_PORT] = {"port", "udp_port", "a port number from 1 to 65535", 1, 65535, 7400},
    [KEY_MTU] = {"port", "mtu", "bytes from 1500 to 9216", 1500, 9216, 1500},
    [KEY_QUEUES] = {"port", "queues", "a number from 1 to 16", 1, 16, 1},
    [KEY_MEMORY_MB] = {"port", "memory_mb", "mebibytes from 1 to 65536", 1, 65536, 64},
    [KEY_TELEMETRY] = {"port", "telemetry",
                       "the path of a directory, at most 255 bytes; not for udp", 0, 0, 0},
    [KEY_ALLOW] = {"port", "allow",
                   "a list of 1 to 1024 prefixes such as 10.1.0.0/16, each alone or followed by "
                   "BICs, at most 127 bytes",
                   0, 0, 0},
    [KEY_CPUS] = {"", "cpus", "a section with hub, verify, publish, store", 0, 0, 0},
    [KEY_CPUS_HUB] = {"cpus", "hub", CPUS_EXPECTED, 0, 0, 0},
    [KEY_CPUS_VERIFY] = {"cpus", "verify", CPUS_EXPECTED, 0, 0, 0},
    [KEY_CPUS_PUBLISH] = {"cpus", "publish", CPUS_EXPECTED, 0, 0, 0},
    [KEY_CPUS_STORE] = {"cpus", "store", CPUS_EXPECTED, 0, 0, 0},
    [KEY_PEERS] = {"", "peers", "a list of 1 to 100 entries host:port, one per replica", 0, 0, 0},
    [KEY_HTTPS] = {"", "https", "host:port such as 127.0.0.1:7600", 0, 0, 0},
    [KEY_LIMITS] =
        {"", "limits",
         "a section with segment_mb, frames_pending, batches, "
         "member_frames_per_second, key_tables_mb, verify_frames, verify_wait_us, verify_threads",
         0, 0, 0},
    [KEY_SEGMENT_MB] = {"limits", "segment_mb", "mebibytes from 1 to 4096", 1, 4096, 64},
    [KEY_FRAMES_PENDING] = {"limits", "frames_pending", "frames from 1 to 16777216", 1, 1u << 24,
                            65536},
    [KEY_BATCHES] = {"limits", "batches", "batches from 1 to 65536", 1, 65536, 256},
    [KEY_MEMBER_FRAMES_PER_SECOND] = {"limits", "member_frames_per_second",
                                      "frames a second from 0 (unlimited) to 4294967295", 0,
                                      UINT32_MAX, 0},
    [KEY_KEY_TABLES_MB] = {"limits", "key_tables_mb", "mebibytes from 0 (no tables) to 65536", 0,
                           65536, 320},
    [KEY_VERIFY_FRAMES] = {"limits", "verify_frames", "frames from 1 to 64", 1, 64, 16},
    [KEY_VERIFY_WAIT_US] = {"limits", "verify_wait_us", "microseconds from 0 to 10000", 0, 10000,
                            50},
    [KEY_VERIFY_THREADS] = {"limits", "verify_threads", "threads from 0 to 32", 0, 32, 0},
};

/* ---- The shape, for libcyaml ----------------------------------------------------------------- */

#define MUST                        CYAML_FLAG_POINTER
#define MAY                         (CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL)
#define TEXT(key, flags, type, max) CYAML_FIELD_STRING_PTR(#key, flags, type, key, 1, max)
#define NUMBER(key, flags, type)    CYAML_FIELD_INT_PTR(#key, flags, type, key)

static const cyaml_schema_value_t allow_value = {
    CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 1, 127),
};
static const cyaml_schema_field_t port_fields[] = {
    TEXT(driver, MUST, struct raw_port, 31),
    TEXT(device, MAY, struct raw_port, 127),
    TEXT(address, MUST, struct raw_port, 31),
    NUMBER(udp_port, MAY, struct raw_port),
    NUMBER(mtu, MAY, struct raw_port),
    NUMBER(queues, MAY, struct raw_port),
    NUMBER(memory_mb, MAY, struct raw_port),
    TEXT(telemetry, MAY, struct raw_port, 255),
    CYAML_FIELD_SEQUENCE_COUNT("allow", MAY, struct raw_port, allow, allow_count, &allow_value, 1,
                               GIRO_CONFIG_ALLOW_MAX),
    CYAML_FIELD_END,
};
static const cyaml_schema_field_t cpus_fields[] = {
    TEXT(hub, MAY, struct raw_cpus, 63),
    TEXT(verify, MAY, struct raw_cpus, 63),
    TEXT(publish, MAY, struct raw_cpus, 63),
    TEXT(store, MAY, struct raw_cpus, 63),
    CYAML_FIELD_END,
};
static const cyaml_schema_field_t limits_fields[] = {
    NUMBER(segment_mb, MAY, struct raw_limits),
    NUMBER(frames_pending, MAY, struct raw_limits),
    NUMBER(batches, MAY, struct raw_limits),
    NUMBER(member_frames_per_second, MAY, struct raw_limits),
    NUMBER(key_tables_mb, MAY, struct raw_limits),
    NUMBER(verify_frames, MAY, struct raw_limits),
    NUMBER(verify_wait_us, MAY, struct raw_limits),
    NUMBER(verify_threads, MAY, struct raw_limits),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t peer_value = {
    CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 1, 127),
};
static const cyaml_schema_field_t top_fields[] = {
    TEXT(genesis, MUST, struct raw, 511),
    NUMBER(replica, MUST, struct raw),
    TEXT(keys, MUST, struct raw, 511),
    TEXT(key_tables, MAY, struct raw, 511),
    TEXT(data, MUST, struct raw, 511),
    TEXT(files, MAY, struct raw, 511),
    NUMBER(files_interval_s, MAY, struct raw),
    TEXT(event_log, MAY, struct raw, 511),
    NUMBER(event_log_mb, MAY, struct raw),
    TEXT(log_level, MAY, struct raw, 31),
    TEXT(verifier, MAY, struct raw, 31),
    CYAML_FIELD_MAPPING("port", CYAML_FLAG_DEFAULT, struct raw, port, port_fields),
    CYAML_FIELD_SEQUENCE_COUNT("peers", CYAML_FLAG_POINTER, struct raw, peers, peer_count,
                               &peer_value, 1, PEERS_MAX),
    TEXT(https, MUST, struct raw, 127),
    CYAML_FIELD_MAPPING_PTR("cpus", MAY, struct raw, cpus, cpus_fields),
    CYAML_FIELD_MAPPING_PTR("limits", MAY, struct raw, limits, limits_fields),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t top_value = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct raw, top_fields),
};

/* ---- Diagnoses ------------------------------------------------------------------------------- */

/* libcyaml reports by log lines: first the fact, then a backtrace from the inside out. The first
 * fact and the first place are the ones to show. */
struct report {
    char fact[256];
    char field[64];
    uint32_t line, column;
};

/* Reads "(line: 3, column: 7)"; leaves line 0 if it is not that. */
static void place_read(struct report *report, const char *place)
{
    static const char before_line[] = "(line: ", before_column[] = ", column: ";
    char *end;
    const unsigned long line = strtoul(place + sizeof before_line - 1, &end, 10);
    if (strncmp(end, before_column, sizeof before_column - 1) != 0)
        return;
    report->line = (uint32_t)line;
    report->column = (uint32_t)strtoul(end + sizeof before_column - 1, &end, 10);
}

static void on_cyaml_log(cyaml_log_t level, void *context, const char *format, va_list arguments)
{
    struct report *report = context;
    char text[256];
    if (level < CYAML_LOG_ERROR)
        return;
    vsnprintf(text, sizeof text, format, arguments);
    text[strcspn(text, "\n")] = '\0';
    static const char prefix[] = "Load: ";
    const char *fact =
        strncmp(text, prefix, sizeof prefix - 1) == 0 ? text + sizeof prefix - 1 : text;
    const char *place = strstr(text, "(line: ");
    if (place == NULL) {
        if (report->fact[0] == '\0' && strcmp(fact, "Backtrace:") != 0)
            snprintf(report->fact, sizeof report->fact, "%s", fact);
        return;
    }
    if (report->line == 0)
        place_read(report, place);
    const char *field = strstr(text, "in mapping field '");
    if (report->field[0] == '\0' && field != NULL) {
        field += strlen("in mapping field '");
        snprintf(report->field, sizeof report->field, "%.*s", (int)strcspn(field, "'"), field);
    }
}

/* A key's place in the text, and the section it stands in. line 0 = not found. */
struct spot {
    uint32_t line, column;
    char section[32]; /* "" = top */
};

/* find_key looks for the first key `name` at or after line:column from, in `section` (NULL = in
 * any). libcyaml gives the place of the last value it took, not of a key it refused, and none for
 * values that only this file refuses. It finds nothing where the file is not laid out in block
 * style. */
static struct spot find_key(const char *text, const char *section, const char *name,
                            const struct report *from)
{
    struct spot spot = {.line = 1};
    for (const char *at = text; *at != '\0'; spot.line++) {
        const size_t indent = strspn(at, " ");
        const char *word = at + indent;
        const size_t length = strcspn(word, " :\r\n");
        const bool is_key = length > 0 && word[length] == ':' && word[0] != '#';
        spot.column = (uint32_t)indent + 1;
        if (indent == 0 && is_key)
            spot.section[0] = '\0';
        const bool is_late =
            spot.line > from->line || (spot.line == from->line && spot.column >= from->column);
        if (is_key && is_late && length == strlen(name) && strncmp(word, name, length) == 0 &&
            (section == NULL || strcmp(section, spot.section) == 0))
            return spot;
        if (indent == 0 && is_key)
            snprintf(spot.section, sizeof spot.section, "%.*s", (int)length, word);
        at += strcspn(at, "\n");
        at += *at == '\n';
    }
    return (struct spot){.line = 0};
}

/* place_text writes ":line:column", or nothing if the place is not known. */
static void place_text(uint32_t line, uint32_t column, char text[32])
{
    text[0] = '\0';
    if (line != 0)
        snprintf(text, 32, ":%u:%u", line, column);
}

struct loading {
    const char *path;
    const char *text;
    const struct raw *raw;
    struct giro_config *config;
    struct giro_diagnosis *diagnosis;
};

static enum giro_err refuse(const struct loading *loading, enum key_index index, const char *found)
{
    const struct key *key = &keys[index];
    char detail[256];
    snprintf(detail, sizeof detail, "found '%s'; expected %s", found, key->expected);
    static const struct report start = {.line = 0};
    const struct spot spot = find_key(loading->text, key->section, key->name, &start);
    char place[32];
    place_text(spot.line, spot.column, place);
    giro_diagnosis_set(loading->diagnosis, detail, giro_err_advice(GIRO_ERR_CONFIG),
                       "'%s'%s: '%s%s%s' is not valid", loading->path, place, key->section,
                       key->section[0] != '\0' ? "." : "", key->name);
    return GIRO_ERR_CONFIG;
}

static const struct key *key_named(const char *name)
{
    for (size_t i = 0; i < KEY_COUNT; i++) {
        if (strcmp(keys[i].name, name) == 0)
            return &keys[i];
    }
    return NULL;
}

static void list_keys(const char *section, char text[256])
{
    size_t used = (size_t)snprintf(text, 256, "expected one of");
    for (size_t i = 0; i < KEY_COUNT; i++) {
        if (strcmp(keys[i].section, section) == 0 && used < 256)
            used += (size_t)snprintf(text + used, 256 - used, " %s", keys[i].name);
    }
}

/* after gives what follows `prefix` in the fact, NULL if the fact is another one. */
static const char *after(const char *fact, const char *prefix)
{
    const size_t length = strlen(prefix);
    return strncmp(fact, prefix, length) == 0 ? fact + length : NULL;
}

/* explain_key explains the three facts that are about a key and not about its value. */
static bool explain_key(const char *path, const char *text, const struct report *report,
                        struct giro_diagnosis *diagnosis)
{
    static const struct report start = {.line = 0};
    const char *unknown = after(report->fact, "Unexpected key: ");
    const char *twice = after(report->fact, "Mapping field already seen: ");
    const char *missing = after(report->fact, "Missing required mapping field: ");
    const char *advice = giro_err_advice(GIRO_ERR_CONFIG);
    char place[32];
    if (missing != NULL) {
        const struct key *key = key_named(missing);
        GIRO_ASSERT(key != NULL);
        const struct spot section = find_key(text, "", key->section, &start);
        place_text(section.line, section.column, place);
        char detail[256];
        snprintf(detail, sizeof detail, "expected %s", key->expected);
        giro_diagnosis_set(diagnosis, detail, advice, "'%s'%s: '%s%s%s' is missing", path, place,
                           key->section, key->section[0] != '\0' ? "." : "", key->name);
        return true;
    }
    const char *name = unknown != NULL ? unknown : twice;
    if (name == NULL)
        return false;
    const struct spot spot = find_key(text, NULL, name, report);
    const bool found = spot.line != 0;
    place_text(found ? spot.line : report->line, found ? spot.column : report->column, place);
    char detail[256] = "expected each key once";
    if (unknown != NULL)
        list_keys(found && key_named(spot.section) != NULL ? spot.section : "", detail);
    giro_diagnosis_set(diagnosis, detail, advice, "'%s'%s: '%s' is %s", path, place, name,
                       unknown != NULL ? "not a known key" : "there twice");
    return true;
}

static enum giro_err explain(const char *path, const char *text, cyaml_err_t err,
                             const struct report *report, struct giro_diagnosis *diagnosis)
{
    if (err == CYAML_ERR_OOM) {
        giro_diagnosis_set(diagnosis, NULL, giro_err_advice(GIRO_ERR_NOMEM),
                           "'%s': no memory to read it", path);
        return GIRO_ERR_NOMEM;
    }
    if (explain_key(path, text, report, diagnosis))
        return GIRO_ERR_CONFIG;
    char place[32];
    place_text(report->line, report->column, place);
    char detail[256] = "expected YAML that libyaml can read";
    const struct key *key = key_named(report->field);
    if (key != NULL && err != CYAML_ERR_LIBYAML_PARSER)
        snprintf(detail, sizeof detail, "in '%s'; expected %s", key->name, key->expected);
    else if (err != CYAML_ERR_LIBYAML_PARSER)
        list_keys("", detail);
    giro_diagnosis_set(diagnosis, detail, giro_err_advice(GIRO_ERR_CONFIG), "'%s'%s: %s", path,
                       place, report->fact[0] != '\0' ? report->fact : cyaml_strerror(err));
    return GIRO_ERR_CONFIG;
}

/* ---- Values ---------------------------------------------------------------------------------- */

static enum giro_err take_number(const struct loading *loading, enum key_index index,
                                 const int64_t *value, uint32_t *out)
{
    const int64_t number = value != NULL ? *value : keys[index].unset;
    if (number < keys[index].min || number > keys[index].max) {
        char found[24];
        snprintf(found, sizeof found, "%lld", (long long)number);
        return refuse(loading, index, found);
    }
    *out = (uint32_t)number;
    return GIRO_ERR_OK;
}

static enum giro_err take_path(const struct loading *loading, enum key_index index,
                               const char *value, char out[512])
{
    out[0] = '\0';
    if (value == NULL)
        return GIRO_ERR_OK;
    const char *slash = strrchr(loading->path, '/');
    const size_t folder =
        value[0] == '/' || slash == NULL ? 0 : (size_t)(slash - loading->path) + 1;
    const size_t length = strlen(value);
    if (folder + length >= 512)
        return refuse(loading, index, value);
    memcpy(out, loading->path, folder);
    memcpy(out + folder, value, length + 1);
    return GIRO_ERR_OK;
}

static bool is_ipv4(const char *text)
{
    struct in_addr address;
    return inet_pton(AF_INET, text, &address) == 1;
}

/* A host of digits and points only must be an IPv4 address; anything else may be a name (RFC 1123).
 */
static bool is_host(const char *host)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    static const char others[] = "0123456789.-";
    if (strspn(host, "0123456789.") == strlen(host))
        return is_ipv4(host);
    if (host[0] == '-' || host[0] == '.')
        return false;
    for (const char *at = host; *at != '\0'; at++) {
        if (strchr(letters, *at) == NULL && strchr(others, *at) == NULL)
            return false;
    }
    return true;
}

static enum giro_err take_address(const struct loading *loading, enum key_index index,
                                  const char *value, struct giro_config_address *out)
{
    const char *colon = strrchr(value, ':');
    if (colon == NULL || colon == value || (size_t)(colon - value) >= sizeof out->host)
        return refuse(loading, index, value);
    memcpy(out->host, value, (size_t)(colon - value));
    out->host[colon - value] = '\0';
    const char *digits = colon + 1;
    const size_t digit_count = strlen(digits);
    if (digit_count < 1 || digit_count > 5 || strspn(digits, "0123456789") != digit_count)
        return refuse(loading, index, value);
    const unsigned long port = strtoul(digits, NULL, 10);
    if (port < 1 || port > UINT16_MAX || !is_host(out->host))
        return refuse(loading, index, value);
    out->port = (uint16_t)port;
    return GIRO_ERR_OK;
}

static enum giro_err take_log_level(const struct loading *loading, const char *value,
                                    enum giro_log_level *out)
{
    static const char *const names[] = {"error", "warn", "info", "debug"};
    *out = GIRO_LOG_INFO;
    if (value == NULL)
        return GIRO_ERR_OK;
    for (uint32_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(value, names[i]) == 0) {
            *out = (enum giro_log_level)i;
            return GIRO_ERR_OK;
        }
    }
    return refuse(loading, KEY_LOG_LEVEL, value);
}

static enum giro_err take_port(const struct loading *loading)
{
    const struct raw_port *port = &loading->raw->port;
    struct giro_config *config = loading->config;
    /* The lengths were checked by libcyaml; the format bounds keep that visible here. */
    snprintf(config->port_driver, sizeof config->port_driver, "%s", port->driver);
    snprintf(config->port_device, sizeof config->port_device, "%s",
             port->device != NULL ? port->device : "");
    if (port->device == NULL && strcmp(port->driver, "udp") != 0)
        return refuse(loading, KEY_DEVICE, "");
    if (!is_ipv4(port->address))
        return refuse(loading, KEY_ADDRESS, port->address);
    snprintf(config->port_address, sizeof config->port_address, "%s", port->address);
    uint32_t udp_port = 0;
    GIRO_TRY(take_number(loading, KEY_UDP_PORT, port->udp_port, &udp_port));
    config->port_udp_port = (uint16_t)udp_port;
    GIRO_TRY(take_number(loading, KEY_MTU, port->mtu, &config->port_mtu));
    GIRO_TRY(take_number(loading, KEY_QUEUES, port->queues, &config->port_queues));
    if (port->telemetry != NULL && strcmp(port->driver, "udp") == 0)
        return refuse(loading, KEY_TELEMETRY, port->telemetry);
    GIRO_TRY(take_path(loading, KEY_TELEMETRY, port->telemetry, config->port_telemetry_path));
    config->port_allow_count = port->allow_count;
    for (uint32_t i = 0; i < port->allow_count; i++)
        snprintf(config->port_allow[i], sizeof config->port_allow[i], "%s", port->allow[i]);
    return take_number(loading, KEY_MEMORY_MB, port->memory_mb, &config->port_memory_mb);
}

static enum giro_err take_peers(const struct loading *loading)
{
    const struct raw *raw = loading->raw;
    struct giro_config *config = loading->config;
    GIRO_ASSERT(raw->peer_count <= PEERS_MAX);
    config->peer_count = raw->peer_count;
    for (uint32_t i = 0; i < raw->peer_count; i++) {
        GIRO_TRY(take_address(loading, KEY_PEERS, raw->peers[i], &config->peers[i]));
        for (uint32_t j = 0; j < i; j++) {
            if (strcmp(raw->peers[i], raw->peers[j]) == 0)
                return refuse(loading, KEY_PEERS, raw->peers[i]);
        }
    }
    if (config->replica < config->peer_count)
        return GIRO_ERR_OK;
    char found[64];
    snprintf(found, sizeof found, "%u with %u peers", config->replica, config->peer_count);
    return refuse(loading, KEY_REPLICA, found);
}

static enum giro_err take_verifier(const struct loading *loading, const char *value, char out[16])
{
    static const char *const names[] = {"avx512", "avx2", "portable", "libsodium"};
    for (uint32_t i = 0; value != NULL && i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(value, names[i]) == 0) {
            snprintf(out, 16, "%s", value);
            return GIRO_ERR_OK;
        }
    }
    return value == NULL ? GIRO_ERR_OK : refuse(loading, KEY_VERIFIER, value);
}

/* Whether the machine has them is for whoever places threads to find out. */
static void take_cpus(const struct loading *loading)
{
    static const struct raw_cpus none;
    const struct raw_cpus *cpus = loading->raw->cpus != NULL ? loading->raw->cpus : &none;
    const char *const lists[GIRO_CPUS_COUNT] = {[GIRO_CPUS_HUB] = cpus->hub,
                                                [GIRO_CPUS_VERIFY] = cpus->verify,
                                                [GIRO_CPUS_PUBLISH] = cpus->publish,
                                                [GIRO_CPUS_STORE] = cpus->store};
    for (uint32_t i = 0; i < GIRO_CPUS_COUNT; i++)
        snprintf(loading->config->cpus[i], sizeof loading->config->cpus[i], "%s",
                 lists[i] != NULL ? lists[i] : "");
}

static enum giro_err take_limits(const struct loading *loading)
{
    static const struct raw_limits none;
    const struct raw_limits *limits = loading->raw->limits != NULL ? loading->raw->limits : &none;
    struct giro_config *config = loading->config;
    GIRO_TRY(take_number(loading, KEY_SEGMENT_MB, limits->segment_mb, &config->segment_mb));
    GIRO_TRY(
        take_number(loading, KEY_FRAMES_PENDING, limits->frames_pending, &config->frames_pending));
    GIRO_TRY(take_number(loading, KEY_BATCHES, limits->batches, &config->batches));
    GIRO_TRY(take_number(loading, KEY_MEMBER_FRAMES_PER_SECOND, limits->member_frames_per_second,
                         &config->member_frames_per_second));
    GIRO_TRY(
        take_number(loading, KEY_KEY_TABLES_MB, limits->key_tables_mb, &config->key_tables_mb));
    GIRO_TRY(
        take_number(loading, KEY_VERIFY_FRAMES, limits->verify_frames, &config->verify_frames));
    GIRO_TRY(
        take_number(loading, KEY_VERIFY_WAIT_US, limits->verify_wait_us, &config->verify_wait_us));
    return take_number(loading, KEY_VERIFY_THREADS, limits->verify_threads,
                       &config->verify_threads);
}

static enum giro_err take_all(const struct loading *loading)
{
    const struct raw *raw = loading->raw;
    struct giro_config *config = loading->config;
    GIRO_TRY(take_path(loading, KEY_GENESIS, raw->genesis, config->genesis_path));
    GIRO_TRY(take_number(loading, KEY_REPLICA, raw->replica, &config->replica));
    GIRO_TRY(take_path(loading, KEY_KEYS, raw->keys, config->keys_path));
    GIRO_TRY(take_path(loading, KEY_KEY_TABLES, raw->key_tables, config->key_tables_path));
    GIRO_TRY(take_path(loading, KEY_DATA, raw->data, config->data_path));
    GIRO_TRY(take_path(loading, KEY_FILES, raw->files, config->files_path));
    GIRO_TRY(take_number(loading, KEY_FILES_INTERVAL_S, raw->files_interval_s,
                         &config->files_interval_s));
    GIRO_TRY(take_path(loading, KEY_EVENT_LOG, raw->event_log, config->event_log_path));
    GIRO_TRY(take_number(loading, KEY_EVENT_LOG_MB, raw->event_log_mb, &config->event_log_mb));
    GIRO_TRY(take_log_level(loading, raw->log_level, &config->log_level));
    GIRO_TRY(take_verifier(loading, raw->verifier, config->verifier));
    GIRO_TRY(take_port(loading));
    GIRO_TRY(take_peers(loading));
    GIRO_TRY(take_address(loading, KEY_HTTPS, raw->https, &config->https));
    take_cpus(loading);
    return take_limits(loading);
}

static enum giro_err load_text(const char *path, const char *text, size_t size_bytes,
                               struct giro_config *config, struct giro_diagnosis *diagnosis)
{
    struct report report = {.line = 0};
    const cyaml_config_t cyaml = {
        .log_fn = on_cyaml_log,
        .log_ctx = &report,
        .log_level = CYAML_LOG_ERROR,
        .mem_fn = cyaml_mem,
        .flags = CYAML_CFG_NO_ALIAS,
    };
    struct raw *raw = NULL;
    const cyaml_err_t result = cyaml_load_data((const uint8_t *)text, size_bytes, &cyaml,
                                               &top_value, (cyaml_data_t **)&raw, NULL);
    if (result != CYAML_OK)
        return explain(path, text, result, &report, diagnosis);
    if (raw == NULL) {
        char detail[256];
        list_keys("", detail);
        giro_diagnosis_set(diagnosis, detail, giro_err_advice(GIRO_ERR_CONFIG),
                           "'%s': the file is empty", path);
        return GIRO_ERR_CONFIG;
    }
    const struct loading loading = {
        .path = path, .text = text, .raw = raw, .config = config, .diagnosis = diagnosis};
    const enum giro_err err = take_all(&loading);
    cyaml_free(&cyaml, &top_value, raw, 0);
    return err;
}

enum giro_err giro_config_load(const char *path, struct giro_config *config,
                               struct giro_diagnosis *diagnosis)
{
    memset(config, 0, sizeof *config);
    char *text;
    size_t size_bytes;
    enum giro_err err = giro_file_read(path, FILE_BYTES_MAX, &text, &size_bytes);
    if (err != GIRO_ERR_OK) {
        giro_diagnosis_set(diagnosis, giro_err_sentence(err), giro_err_advice(err),
                           "cannot read the configuration '%s'", path);
        return err;
    }
    err = load_text(path, text, size_bytes, config, diagnosis);
    free(text);
    return err;
}

/* ---- Lists of addresses ------------------------------------------------------------------------------ */

uint32_t giro_addresses_parse(const char *text, struct giro_config_address *addresses, uint32_t max)
{
    uint32_t count = 0;
    while (*text != '\0') {
        size_t length = strcspn(text, ",");
        const char *colon = memchr(text, ':', length);
        char *end = NULL;
        unsigned long port = colon == NULL ? 0 : strtoul(colon + 1, &end, 10);
        size_t host = colon == NULL ? 0 : (size_t)(colon - text);
        if (count == max || host == 0 || host >= sizeof(addresses[0].host) ||
            end != text + length || port == 0 || port > 65535)
            return 0;
        memcpy(addresses[count].host, text, host);
        addresses[count].host[host] = '\0';
        addresses[count++].port = (uint16_t)port;
        text += length;
        if (*text == ',')
            text++;
    }
    return count;
}
