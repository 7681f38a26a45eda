/* The allow-list: prefixes of different lengths painted over each other, shorter ones first, into ranges that follow each
 * other without a gap. A look-up is a binary search over at most 2,049 range starts (8 KiB, in the first cache).
 *
 * Why not rte_lpm: it takes 64 MiB a table and memory of EAL, which the kernel-UDP port does not start. */
#include "giro/dataplane.h"

#include <arpa/inet.h>
#include <stdlib.h>

#define PREFIX_TEXT_BYTES 20u /* 255.255.255.255/32 */
#define MEMBER_WORDS      (GIRO_MEMBERS_MAX / 64u)

struct rule {
    uint32_t first, last; /* addresses, host order */
    uint32_t prefix_bits;
    bool all; /* any member */
    uint64_t members[MEMBER_WORDS];
};
struct giro_allow {
    uint32_t rule_count, range_count;
    struct rule rules[GIRO_ALLOW_MAX];
    uint32_t starts[2 * GIRO_ALLOW_MAX + 1]; /* ascending; the first is 0 */
    uint32_t owners[2 * GIRO_ALLOW_MAX + 1]; /* a rule, or GIRO_NONE */
};

/* ---- Reading ------------------------------------------------------------------------------------- */

static bool prefix_read(const char *text, size_t length, struct rule *rule)
{
    char address[PREFIX_TEXT_BYTES];
    if (length >= sizeof(address))
        return false;
    memcpy(address, text, length);
    address[length] = '\0';
    rule->prefix_bits = 32;
    char *slash = strchr(address, '/');
    if (slash != NULL) {
        size_t digits = strlen(slash + 1);
        if (digits == 0 || digits > 2 || strspn(slash + 1, "0123456789") != digits)
            return false;
        rule->prefix_bits = (uint32_t)strtoul(slash + 1, NULL, 10);
        *slash = '\0';
    }
    struct in_addr parsed;
    if (rule->prefix_bits > 32 || inet_pton(AF_INET, address, &parsed) != 1)
        return false;
    uint32_t host_mask = rule->prefix_bits == 0
                             ? UINT32_MAX
                             : (uint32_t)((UINT64_C(1) << (32 - rule->prefix_bits)) - 1);
    rule->first = ntohl(parsed.s_addr);
    rule->last = rule->first | host_mask;
    return (rule->first & host_mask) == 0; /* 10.0.0.1/8 is a slip of the pen */
}

/* BICs parted by commas; the rest of the line. */
static bool members_read(const char *text, const struct giro_genesis *genesis, struct rule *rule)
{
    while (*text != '\0') {
        size_t length = strcspn(text, ",");
        char bic[GIRO_BIC_BYTES];
        if (length == 0 || length >= sizeof(bic))
            return false;
        memcpy(bic, text, length);
        bic[length] = '\0';
        uint32_t member = giro_genesis_member_by_bic(genesis, bic);
        if (member == GIRO_NONE)
            return false;
        rule->members[member / 64] |= UINT64_C(1) << member % 64;
        text += length;
        if (*text == ',' && *++text == '\0')
            return false;
    }
    return true;
}

static bool rule_read(const char *entry, const struct giro_genesis *genesis, struct rule *rule)
{
    *rule = (struct rule){.first = 0};
    size_t length = strcspn(entry, " ");
    if (!prefix_read(entry, length, rule))
        return false;
    const char *members = entry + length + strspn(entry + length, " ");
    rule->all = *members == '\0';
    return members_read(members, genesis, rule);
}

/* The same prefix twice: both lists of members hold. */
static void rule_add(struct giro_allow *allow, const struct rule *rule)
{
    for (uint32_t i = 0; i < allow->rule_count; i++) {
        struct rule *other = &allow->rules[i];
        if (other->first != rule->first || other->prefix_bits != rule->prefix_bits)
            continue;
        other->all = other->all || rule->all;
        for (uint32_t j = 0; j < MEMBER_WORDS; j++)
            other->members[j] |= rule->members[j];
        return;
    }
    GIRO_ASSERT(allow->rule_count < GIRO_ALLOW_MAX);
    allow->rules[allow->rule_count++] = *rule;
}

/* ---- Ranges -------------------------------------------------------------------------------------- */

static int starts_compare(const void *a, const void *b)
{
    uint32_t x, y;
    memcpy(&x, a, sizeof(x));
    memcpy(&y, b, sizeof(y));
    return (x > y) - (x < y);
}

/* The rule with the longest prefix over this address. */
static uint32_t owner_find(const struct giro_allow *allow, uint32_t ipv4)
{
    uint32_t best = GIRO_NONE;
    for (uint32_t i = 0; i < allow->rule_count; i++) {
        const struct rule *rule = &allow->rules[i];
        if (ipv4 >= rule->first && ipv4 <= rule->last &&
            (best == GIRO_NONE || rule->prefix_bits > allow->rules[best].prefix_bits))
            best = i;
    }
    return best;
}

/* Ranges change only where a rule begins or ends. */
static void ranges_make(struct giro_allow *allow)
{
    uint32_t count = 0;
    allow->starts[count++] = 0;
    for (uint32_t i = 0; i < allow->rule_count; i++) {
        allow->starts[count++] = allow->rules[i].first;
        if (allow->rules[i].last != UINT32_MAX)
            allow->starts[count++] = allow->rules[i].last + 1;
    }
    qsort(allow->starts, count, sizeof(allow->starts[0]), starts_compare);
    for (uint32_t i = 0; i < count; i++) {
        if (i > 0 && allow->starts[i] == allow->starts[allow->range_count - 1])
            continue;
        allow->starts[allow->range_count] = allow->starts[i];
        allow->owners[allow->range_count] = owner_find(allow, allow->starts[i]);
        allow->range_count++;
    }
}

/* ---- Public -------------------------------------------------------------------------------------- */

enum giro_err giro_allow_open(const char *const *entries, uint32_t count,
                              const struct giro_genesis *genesis, struct giro_allow **allow_out,
                              struct giro_diagnosis *diagnosis)
{
    GIRO_ASSERT(count <= GIRO_ALLOW_MAX);
    *allow_out = NULL;
    if (count == 0)
        return GIRO_ERR_OK;
    struct giro_allow *allow = calloc(1, sizeof(*allow));
    if (allow == NULL)
        return GIRO_ERR_NOMEM;
    for (uint32_t i = 0; i < count; i++) {
        struct rule rule;
        if (rule_read(entries[i], genesis, &rule)) {
            rule_add(allow, &rule);
            continue;
        }
        giro_diagnosis_set(
            diagnosis,
            "expected a prefix such as 10.1.0.0/16, alone or followed by BICs of members",
            "bits behind the prefix are 0; BICs are parted by commas without spaces",
            "the allow-list's entry \"%s\" is not understood", entries[i]);
        free(allow);
        return GIRO_ERR_CONFIG;
    }
    ranges_make(allow);
    *allow_out = allow;
    return GIRO_ERR_OK;
}

void giro_allow_close(struct giro_allow *allow)
{
    free(allow);
}

static uint32_t rule_of(const struct giro_allow *allow, uint32_t ipv4)
{
    uint32_t low = 0, count = allow->range_count;
    while (count > 1) { /* starts[low] <= ipv4; without a branch to mispredict */
        uint32_t half = count / 2;
        low += allow->starts[low + half] <= ipv4 ? half : 0;
        count -= half;
    }
    return allow->owners[low];
}

bool giro_allow_address(const struct giro_allow *allow, uint32_t ipv4)
{
    return allow == NULL || rule_of(allow, ipv4) != GIRO_NONE;
}

bool giro_allow_member(const struct giro_allow *allow, uint32_t ipv4, uint32_t member)
{
    if (allow == NULL)
        return true;
    uint32_t index = rule_of(allow, ipv4);
    if (index == GIRO_NONE)
        return false;
    const struct rule *rule = &allow->rules[index];
    return rule->all ||
           (member < GIRO_MEMBERS_MAX && (rule->members[member / 64] >> member % 64 & 1) != 0);
}
