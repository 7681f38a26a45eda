/* Names and sentences for the numbers on the wire, and the head that starts every format. */
#include "giro/wire.h"

const char *giro_kind_text(uint16_t kind)
{
    switch (kind) {
#define KIND_CASE(number, name, text)                                                              \
    case (number):                                                                                 \
        return text;
        GIRO_KIND_MAP(KIND_CASE)
#undef KIND_CASE
    default:
        return "unknown kind";
    }
}

struct giro_head giro_head_make(enum giro_kind kind)
{
    return (struct giro_head){.magic = GIRO_MAGIC, .kind = (uint16_t)kind, .version = GIRO_VERSION};
}

bool giro_head_is(const struct giro_head *head, enum giro_kind kind)
{
    return head->magic == GIRO_MAGIC && head->kind == kind && head->version == GIRO_VERSION;
}

static const char *const reject_names[] = {
#define REJECT_NAME(name, text) #name,
    GIRO_REJECT_MAP(REJECT_NAME)
#undef REJECT_NAME
};
static const char *const reject_texts[] = {
#define REJECT_TEXT(name, text) text,
    GIRO_REJECT_MAP(REJECT_TEXT)
#undef REJECT_TEXT
};

const char *giro_reject_name(enum giro_reject reject)
{
    return (unsigned)reject < GIRO_REJECT_COUNT_OF_REASONS ? reject_names[reject] : "UNKNOWN";
}

const char *giro_reject_text(enum giro_reject reject)
{
    return (unsigned)reject < GIRO_REJECT_COUNT_OF_REASONS ? reject_texts[reject]
                                                           : "unknown reason";
}

const char *giro_outcome_name(uint8_t outcome)
{
    switch (outcome) {
#define OUTCOME_CASE(number, name)                                                                 \
    case (number):                                                                                 \
        return #name;
        GIRO_OUTCOME_MAP(OUTCOME_CASE)
#undef OUTCOME_CASE
    default:
        return "UNKNOWN";
    }
}

const char *giro_status_name(uint8_t status)
{
    switch (status) {
#define STATUS_CASE(number, name)                                                                  \
    case (number):                                                                                 \
        return #name;
        GIRO_STATUS_MAP(STATUS_CASE)
#undef STATUS_CASE
    default:
        return "UNKNOWN";
    }
}

const char *giro_reason_name(uint16_t reason)
{
    switch (reason) {
#define REASON_NAME(number, name, sentence)                                                        \
    case (number):                                                                                 \
        return #name;
        GIRO_REASON_MAP(REASON_NAME)
#undef REASON_NAME
    default:
        return "UNKNOWN";
    }
}

const char *giro_reason_sentence(uint16_t reason)
{
    switch (reason) {
#define REASON_SENTENCE(number, name, sentence)                                                    \
    case (number):                                                                                 \
        return sentence;
        GIRO_REASON_MAP(REASON_SENTENCE)
#undef REASON_SENTENCE
    default:
        return "unknown reason";
    }
}
