/* What the parser refuses, where it says the fault is, and that no damaged text makes it crash. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "genesis_support.h"

TestSuite(genesis_parse, .init = genesis_suite_open, .fini = genesis_suite_close);

static char *good_text(void)
{
    static struct giro_genesis made;
    genesis_make(&made, 4, 3, 2);
    char *text = giro_genesis_text(&made);
    cr_assert(text != NULL);
    giro_genesis_free(&made);
    return text;
}

/* Each row changes the good text once: the first `from` after `after` becomes `to`. */
static const struct {
    const char *after;
    const char *from;
    const char *to;
    const char *fact; /* part of the message */
} faults[] = {
    {"", "giro-genesis-1", "giro-genesis-2", "format is not known"},
    {"", "\"format\"", "\"fromat\"", "fromat is not known here"},
    {"", "\"name\": \"demo\",", "", "name is missing"},
    {"", "\"name\": \"demo\"", "\"name\": \"\"", "name has the wrong length"},
    {"", "\"name\": \"demo\"", "\"name\": 7", "name is not a string"},
    {"", "\"name\": \"demo\"", "\"name\": \"de\\nmo\"", "name is not a name"},
    {"", "5a5a", "5a", "nonce has the wrong length"},
    {"", "5a5a", "5ag0", "nonce is not hex"},
    {"", "2026-11-24", "2026-02-30", "business_date is not a date"},
    {"", "\"clock_bound_ms\": 250", "\"clock_bound_ms\": -1",
     "parameters.clock_bound_ms is out of range"},
    {"", "\"clock_bound_ms\": 250", "\"clock_bound_ms\": 2.5",
     "parameters.clock_bound_ms is not an integer"},
    {"", "\"clock_bound_ms\": 250", "\"clock_bound_ms\": \"250\"",
     "parameters.clock_bound_ms is not an integer"},
    {"", "\"cycle_seconds\": 3600", "\"cycle_seconds\": 3600, \"extra\": 1",
     "parameters.extra is not known here"},
    {"", "\"cycle_seconds\": 3600", "\"cycle_seconds\": 3600, \"checkpoint_heights\": 0",
     "parameters.checkpoint_heights is out of range"},
    {"", "\"cycle_seconds\": 3600", "\"cycle_seconds\": 3600, \"checkpoint_mb\": \"64\"",
     "parameters.checkpoint_mb is not an integer"},
    {"", "\"uetr_retained_entries\": 4194304", "\"uetr_retained_entries\": 0",
     "parameters.uetr_retained_entries is out of range"},
    {"", "\"CZK\"", "\"czk\"", "currencies[0].code is not a currency code"},
    {"", "\"JPY\"", "\"CZK\"", "currencies[1].code is repeated"},
    {"", "392", "203", "currencies[1].number is repeated"},
    {"", "\"digits\": 3", "\"digits\": 5", "currencies[2].digits is out of range"},
    {"", "\"replica-1\"", "\"replica-0\"", "replicas[1].name is repeated"},
    {"", "\"replica-1\"", "\"../replica\"", "replicas[1].name cannot own keys"},
    {"", "\"replica-1\"", "\"a-name-of-17-char\"", "replicas[1].name cannot own keys"},
    {"\"replica-2\"", "\"batch\"", "\"botch\"", "replicas[2].keys.botch is not known here"},
    {"\"replica-2\"", "\"possession\"", "\"public\"", "not valid JSON"},
    {"", "\"checker\"", "\"maker\"", "operators[1].name is repeated"},
    {"", "\"checker\"", "\"replica-3\"", "operators[1].name is repeated"},
    {"\"checker\"", "\"key_id\": 2", "\"key_id\": 1", "operators[1].key_id is repeated"},
    {"\"checker\"", "\"key_id\": 2", "\"key_id\": 65536", "operators[1].key_id is out of range"},
    {"\"supervisor\": {", "\"name\": \"supervisor\"", "\"name\": \"checker\"",
     "supervisor.name is repeated"},
    {"\"supervisor\": {", "\"name\": \"supervisor\"", "\"name\": \"super visor\"",
     "supervisor.name cannot own keys"},
    {"\"supervisor\": {", "\"key_id\": 1", "\"key_id\": 0", "supervisor.key_id is out of range"},
    {"\"supervisor\": {", "\"public\"", "\"possession\"",
     "supervisor.key.possession is not known here"},
    {"\"supervisor\": {", "5b5b", "5b", "supervisor.key.public has the wrong length"},
    {"", "\"B001CZPP001\"", "\"B000CZPP\"", "members[1].bic is repeated"},
    {"", "\"B001CZPP001\"", "\"B000CZPPXXX\"", "members[1].bic is repeated"},
    {"", "\"B001CZPP001\"", "\"B001C1PP001\"", "members[1].bic is not a BIC"},
    {"", "\"B001CZPP001\"", "\"b001CZPP001\"", "members[1].bic is not a BIC"},
    {"", "\"B001CZPP001\"", "\"B001CZPP0\"", "members[1].bic is not a BIC"},
    {"\"B001CZPP001\"", "\"key_id\": 2", "\"key_id\": 1", "members[1].keys[1].key_id is repeated"},
    {"\"B001CZPP001\"", "\"key_id\": 2", "\"key_id\": 0",
     "members[1].keys[1].key_id is out of range"},
    {"\"B001CZPP001\"", "\"session\"", "\"sassion\"",
     "members[1].keys[2].role is not a role of a member's key"},
    {"\"B001CZPP001\"", "\"session\"", "\"frame\"", "members[1].keys[2].key_id is repeated"},
    {"\"B001CZPP001\"", "\"frame\"", "\"session\"", "members[1].keys[2] repeats a role"},
    {"\"B001CZPP001\"", "\"cap\": \"500000.00\"", "\"cap\": \"500000.06\"",
     "members[1].accounts[1].cap is above hold"},
    {"\"B002CZPP\"", "\"hold\": \"50000.005\"", "\"hold\": \"999999999999999.9990\"",
     "members[2].accounts[0].hold has too many decimals"},
    {"\"B001CZPP001\"", "\"prefunded\": \"1000000.00\"", "\"prefunded\": \"500000.04\"",
     "members[1].accounts[1].hold is above prefunded"},
    {"\"B001CZPP001\"", "\"cap\": \"500000.00\"", "\"cap\": \"-1\"",
     "members[1].accounts[1].cap is negative"},
    {"\"B001CZPP001\"", "\"cap\": \"500000.00\"", "\"cap\": \"1 0\"",
     "members[1].accounts[1].cap is not an amount"},
    {"\"B001CZPP001\"", "\"cap\": \"500000.00\"", "\"cap\": 5",
     "members[1].accounts[1].cap is not a string"},
    {"\"B001CZPP001\"", "\"prefunded\": \"1000000.00\"", "\"prefunded\": \"10000000000000000.00\"",
     "members[1].accounts[1].prefunded is too large"},
    {"\"B001CZPP001\"", "\"currency\": \"CZK\"", "\"currency\": \"JPY\"",
     "members[1].accounts[1].currency is repeated"},
    {"\"B001CZPP001\"", "\"currency\": \"CZK\"", "\"currency\": \"EUR\"",
     "members[1].accounts[1].currency is unknown"},
    {"\"B001CZPP001\"", "\"status\": \"blocked\"", "\"status\": \"broken\"",
     "members[1].accounts[0].status is not an account's status"},
    {"", "{", "[", "not valid JSON"},
};

static uint32_t line_of(const char *text, const char *at)
{
    uint32_t line = 1;
    for (const char *c = text; c < at; c++)
        line += *c == '\n';
    return line;
}

/* Checks the message of one row, and that it names the line of the change. */
static void check_row(const char *text, size_t row)
{
    const char *start = strstr(text, faults[row].after);
    cr_assert(start != NULL, "row %zu", row);
    const char *at = strstr(start, faults[row].from);
    cr_assert(at != NULL, "row %zu", row);
    char *tail = genesis_replaced(at, faults[row].from, faults[row].to);
    size_t size_bytes = (size_t)(at - text) + strlen(tail);
    char *bad = malloc(size_bytes + 1);
    snprintf(bad, size_bytes + 1, "%.*s%s", (int)(at - text), text, tail);
    static struct giro_genesis parsed;
    struct giro_diagnosis diagnosis = {{0}, {0}, {0}};
    enum giro_err err = giro_genesis_parse("hub.json", bad, size_bytes, &parsed, &diagnosis);
    cr_assert(err == GIRO_ERR_CONFIG, "row %zu: %s", row, giro_err_name(err));
    cr_assert(strstr(diagnosis.fact, faults[row].fact) != NULL, "row %zu: %s", row, diagnosis.fact);
    cr_assert(diagnosis.detail[0] != '\0' && diagnosis.hint[0] != '\0', "row %zu", row);
    cr_assert(parsed.members == NULL, "row %zu", row);
    uint32_t line = 0;
    cr_assert(sscanf(diagnosis.fact, "\"hub.json\" line %u:", &line) == 1, "row %zu: %s", row,
              diagnosis.fact);
    bool elsewhere = strstr(faults[row].fact, "missing") != NULL ||
                     strstr(faults[row].fact, "is above prefunded") != NULL ||
                     strstr(faults[row].fact, "JSON") != NULL ||
                     strstr(faults[row].fact, "keys[2]") != NULL;
    cr_assert(elsewhere || line == line_of(text, at), "row %zu: %s, changed line %u", row,
              diagnosis.fact, line_of(text, at));
    free(bad);
    free(tail);
}

Test(genesis_parse, refuses_each_fault_and_names_its_path_and_line)
{
    char *text = good_text();
    for (size_t row = 0; row < sizeof(faults) / sizeof(faults[0]); row++)
        check_row(text, row);
    free(text);
}

Test(genesis_parse, a_repeated_json_name_is_refused_with_its_line)
{
    static struct giro_genesis parsed;
    struct giro_diagnosis diagnosis = {{0}, {0}, {0}};
    static const char text[] = "{\n \"format\": \"giro-genesis-1\",\n \"format\": \"x\"\n}";
    cr_assert(giro_genesis_parse("g", text, sizeof(text) - 1, &parsed, &diagnosis) ==
              GIRO_ERR_CONFIG);
    cr_assert_str_eq(diagnosis.fact, "\"g\" line 3: not valid JSON");
    cr_assert(strstr(diagnosis.detail, "duplicate") != NULL, "%s", diagnosis.detail);
}

Test(genesis_parse, counts_of_replicas_and_operators_are_checked)
{
    static const uint32_t rows[][3] = {{1, 2, 1}, {2, 2, 0}, {3, 2, 0}, {4, 2, 1},
                                       {4, 0, 1}, {4, 1, 0}, {0, 2, 0}, {5, 2, 1}};
    static struct giro_genesis made, parsed;
    genesis_make(&made, 5, 1, 1);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        made.replica_count = rows[i][0];
        made.operator_count = rows[i][1];
        char *text = giro_genesis_text(&made);
        enum giro_err err = giro_genesis_parse("g", text, strlen(text), &parsed, NULL);
        cr_assert((err == GIRO_ERR_OK) == (rows[i][2] == 1), "row %zu: %s", i, giro_err_name(err));
        if (err == GIRO_ERR_OK)
            giro_genesis_free(&parsed);
        free(text);
    }
    giro_genesis_free(&made);
}

Test(genesis_parse, bic_syntax)
{
    static const struct {
        const char *text;
        bool valid;
    } rows[] = {{"XYXXCZPP", true},
                {"1234CZ12", true},
                {"XYXXCZPP123", true},
                {"XYXXCZPPABC", true},
                {"", false},
                {"XYXXCZP", false},
                {"XYXXCZPPA", false},
                {"XYXXCZPPAB", false},
                {"XYXXCZPPABCD", false},
                {"xyxxczpp", false},
                {"XYXX1ZPP", false},
                {"XYXXC1PP", false},
                {"XYX CZPP", false},
                {"XYXXCZP-", false},
                {"XYXXCZPP\xc5\xa1"
                 "A",
                 false}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        cr_assert(giro_bic_valid(rows[i].text, strlen(rows[i].text)) == rows[i].valid, "%s",
                  rows[i].text);
}

/* Parses and forgets; the answer does not matter, only that it comes. */
static void try_text(const char *text, size_t size_bytes)
{
    static struct giro_genesis parsed;
    struct giro_diagnosis diagnosis = {{0}, {0}, {0}};
    char *exact = malloc(size_bytes + 1); /* so that a read beyond the end is seen by ASan */
    memcpy(exact, text, size_bytes);
    exact = realloc(exact, size_bytes > 0 ? size_bytes : 1);
    enum giro_err err = giro_genesis_parse("g", exact, size_bytes, &parsed, &diagnosis);
    if (err == GIRO_ERR_OK) {
        char *again = giro_genesis_text(&parsed);
        cr_assert(again != NULL);
        free(again);
        giro_genesis_free(&parsed);
    } else {
        cr_assert(err == GIRO_ERR_CONFIG && diagnosis.fact[0] != '\0');
    }
    free(exact);
}

static uint64_t effort(void)
{
    const char *text = getenv("GIRO_EFFORT");
    uint64_t value = text != NULL ? strtoull(text, NULL, 0) : 1;
    return value > 0 ? value : 1;
}

Test(genesis_parse, damaged_text_never_crashes_it)
{
    static struct giro_genesis made;
    const char *seed_text = getenv("GIRO_SEED");
    uint64_t seed = seed_text != NULL ? strtoull(seed_text, NULL, 0) : 20261124;
    fprintf(stderr, "GIRO_SEED=%lu\n", seed);
    genesis_make(&made, 1, 2, 1);
    char *text = giro_genesis_text(&made);
    size_t length = strlen(text);
    for (size_t cut = 0; cut < length; cut += 7)
        try_text(text, cut);
    struct giro_prng prng;
    giro_prng_init(&prng, seed);
    static const char bytes[] = "{}[],:\"\\0-9.eEnulltrue\x01\x80\xff \n";
    for (uint64_t round = 0; round < 1500 * effort(); round++) {
        char *bad = strdup(text);
        uint64_t changes = 1 + giro_prng_below(&prng, 3);
        for (uint64_t i = 0; i < changes; i++)
            bad[giro_prng_below(&prng, length)] = bytes[giro_prng_below(&prng, sizeof(bytes))];
        try_text(bad, length);
        free(bad);
    }
    for (uint64_t round = 0; round < 1000 * effort(); round++) { /* move a piece elsewhere */
        char *bad = strdup(text);
        size_t size_bytes = 1 + giro_prng_below(&prng, 200);
        size_t from = giro_prng_below(&prng, length - size_bytes);
        size_t to = giro_prng_below(&prng, length - size_bytes);
        memmove(bad + to, text + from, size_bytes);
        try_text(bad, length);
        free(bad);
    }
    free(text);
    giro_genesis_free(&made);
}

/* Damage that jansson accepts, so that the readers behind it are reached: any scalar becomes
 * another. */
Test(genesis_parse, any_value_replaced_by_another_type_is_refused_or_read)
{
    static struct giro_genesis made;
    static const char *const values[] = {
        "null", "{}", "[]", "-1", "\"\"", "true", "[[]]", "1e400", "9999999999999999999"};
    genesis_make(&made, 1, 1, 1);
    char *text = giro_genesis_text(&made);
    size_t length = strlen(text), count = 0;
    for (char *at = strstr(text, "\": "); at != NULL; at = strstr(at + 1, "\": ")) {
        char *value = at + 3;
        if (*value == '{' || *value == '[')
            continue;
        size_t end = strcspn(value, ",\n");
        for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
            char *bad = malloc(length + 64);
            int size_bytes = snprintf(bad, length + 64, "%.*s%s%s", (int)(value - text), text,
                                      values[i], value + end);
            try_text(bad, (size_t)size_bytes);
            free(bad);
            count++;
        }
    }
    cr_assert(count > 300, "%zu", count);
    free(text);
    giro_genesis_free(&made);
}

Test(genesis_parse, load_reads_a_file_and_names_one_that_is_absent)
{
    static struct giro_genesis made, loaded;
    struct giro_diagnosis diagnosis = {{0}, {0}, {0}};
    char path[] = "/tmp/giro-genesis-XXXXXX";
    int fd = mkstemp(path);
    cr_assert(fd >= 0);
    genesis_make(&made, 4, 2, 1);
    char *text = giro_genesis_text(&made);
    cr_assert(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
    cr_assert(giro_genesis_load(path, &loaded, &diagnosis) == GIRO_ERR_OK, "%s", diagnosis.fact);
    struct giro_hash chain_id = giro_sha256(text, strlen(text));
    cr_assert(giro_hash_equal(&chain_id, &loaded.chain_id));
    giro_genesis_free(&loaded);
    unlink(path);
    cr_assert(giro_genesis_load(path, &loaded, &diagnosis) == GIRO_ERR_NOENT);
    cr_assert(strstr(diagnosis.fact, path) != NULL);
    giro_genesis_free(&loaded);
    giro_genesis_free(&made);
    free(text);
}
