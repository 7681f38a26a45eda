/* The naive model of settlement: see settlement_model.h. */
#include "settlement_model.h"

#include <criterion/criterion.h>

static const struct consumed *model_find(const struct model *model, uint16_t owner,
                                         uint16_t channel, uint64_t sequence)
{
    for (uint32_t i = 0; i < model->consumed_count; i++) {
        const struct consumed *known = &model->consumed[i];
        if (known->owner == owner && known->channel == channel && known->sequence == sequence)
            return known;
    }
    return NULL;
}

/* Nothing is ever given back, so the search goes on from the last answer. */
uint64_t model_next(struct model *model, uint16_t owner, uint16_t channel)
{
    while (model_find(model, owner, channel, model->next[owner][channel]) != NULL)
        model->next[owner][channel]++;
    return model->next[owner][channel];
}

static enum giro_outcome model_outcome(struct model *model, uint16_t owner, uint16_t channel,
                                       uint64_t from, uint64_t to, const uint8_t *hash)
{
    uint64_t next = model_next(model, owner, channel);
    uint64_t base = next < 512 ? 0 : next - 512;
    if (from < base)
        return GIRO_OUTCOME_OLD;
    const struct consumed *known = model_find(model, owner, channel, from);
    if (known != NULL)
        return memcmp(known->hash, hash, 32) == 0 ? GIRO_OUTCOME_DUPLICATE
                                                  : GIRO_OUTCOME_EQUIVOCATION;
    if (model->stopped[owner][channel])
        return GIRO_OUTCOME_CHANNEL_STOPPED;
    return to >= base + 1024 ? GIRO_OUTCOME_NOT_CONSUMED : GIRO_OUTCOME_EXECUTED;
}

static bool model_seen(const struct model *model, uint16_t sender, const uint8_t *uetr)
{
    for (uint32_t i = model->accepted_first; i < model->accepted_count; i++) {
        if (model->accepted[i].sender == sender && memcmp(model->accepted[i].uetr, uetr, 16) == 0)
            return true;
    }
    return false;
}

/* Segments begin where the last one got 1,024 entries, or where an age eviction emptied it. */
static void model_remember(struct model *model, uint16_t sender, const uint8_t *uetr)
{
    if (model->accepted_count - model->accepted_segment_start == 1024) {
        model->accepted_segment_start = model->accepted_count;
        if ((model->accepted_count - model->accepted_first) / 1024 == model->segments_max) {
            model->accepted_first += 1024;
            model->evictions++;
        }
    }
    cr_assert(model->accepted_count < KNOWN_MAX);
    struct accepted *accepted = &model->accepted[model->accepted_count++];
    accepted->sender = sender;
    accepted->day = model->day;
    memcpy(accepted->uetr, uetr, 16);
}

static void model_new_day(struct model *model)
{
    model->day++;
    while (model->accepted_first < model->accepted_count) {
        uint32_t end = model->accepted_first == model->accepted_segment_start
                           ? model->accepted_count
                           : model->accepted_first + 1024;
        if (model->accepted[end - 1].day + model->days_max >= model->day)
            break;
        model->accepted_first = end;
        if (end == model->accepted_count)
            model->accepted_segment_start = end;
    }
}

static uint32_t currency_of(uint16_t number)
{
    return number == 203 ? 0 : number == 978 ? 1 : number == 840 ? 2 : CURRENCIES;
}

static enum giro_reason model_reason(const struct model *model, uint16_t sender,
                                     const struct giro_record *record)
{
    uint64_t now_s = model->time_ns / 1000000000;
    uint32_t c = currency_of(record->currency);
    uint16_t to = record->creditor;
    bool linked = false;
    for (uint32_t i = 0; i < 16; i++)
        linked = linked || record->link[i] != 0;
    if (record->kind != 1 || (record->service != 1 && record->service != 2) ||
        record->priority > 2 || record->flags || record->reason || linked ||
        record->earliest_s > now_s)
        return GIRO_REASON_AG03;
    if (record->latest_s && record->latest_s < now_s)
        return GIRO_REASON_AB03;
    if (record->amount_minor == 0)
        return GIRO_REASON_AM01;
    if (record->amount_minor < 0 || record->amount_minor >= INT64_C(1000000000000000000))
        return GIRO_REASON_AM12;
    if (c == CURRENCIES)
        return GIRO_REASON_AM03;
    if (to >= MEMBERS || to == sender)
        return GIRO_REASON_RC04;
    if (model->suspended[sender])
        return GIRO_REASON_AG10;
    if (model->suspended[to])
        return GIRO_REASON_AG11;
    if (record->debtor_account || record->creditor_account)
        return GIRO_REASON_AC01;
    static const enum giro_reason by_status[4] = {GIRO_REASON_AC01, GIRO_REASON_NONE,
                                                  GIRO_REASON_AC06, GIRO_REASON_AC04};
    if (by_status[model->account[sender][c]] != GIRO_REASON_NONE)
        return by_status[model->account[sender][c]];
    if (by_status[model->account[to][c]] != GIRO_REASON_NONE)
        return by_status[model->account[to][c]];
    if (record->value_date && record->value_date != model->date)
        return GIRO_REASON_DT01;
    if (model_seen(model, sender, record->uetr))
        return GIRO_REASON_AM05;
    int64_t held = model->held[sender][c];
    int64_t cap = model->cap[sender][c] < held ? model->cap[sender][c] : held;
    if (record->service == GIRO_SERVICE_GROSS)
        return record->amount_minor > model->balance[sender][c] - held ? GIRO_REASON_AM04
                                                                       : GIRO_REASON_NONE;
    return record->amount_minor > model->position[sender][c] + cap ? GIRO_REASON_AM13
                                                                   : GIRO_REASON_NONE;
}

static struct giro_result model_pay(struct model *model, uint16_t sender,
                                    const struct giro_record *record)
{
    enum giro_reason reason = model_reason(model, sender, record);
    if (reason != GIRO_REASON_NONE)
        return (struct giro_result){.status = GIRO_STATUS_RJCT, .reason = (uint16_t)reason};
    uint32_t c = currency_of(record->currency);
    uint16_t to = record->creditor;
    model_remember(model, sender, record->uetr);
    if (record->service == GIRO_SERVICE_GROSS) {
        model->balance[sender][c] -= record->amount_minor;
        model->balance[to][c] += record->amount_minor;
        model->entries[sender][c]++;
        model->entries[to][c]++;
        return (struct giro_result){.status = GIRO_STATUS_ACSC};
    }
    model->position[sender][c] -= record->amount_minor;
    model->position[to][c] += record->amount_minor;
    model->position_entries[sender][c]++;
    model->position_entries[to][c]++;
    model->sent[c][sender][to].count++;
    model->sent[c][sender][to].amount += record->amount_minor;
    if (model->payments[c]++ == 0)
        model->first_payment_ns[c] = model->time_ns;
    return (struct giro_result){.status = GIRO_STATUS_ACSP, .cycle = model->cycle[c]};
}

static void model_close(struct model *model, uint32_t c)
{
    for (uint32_t m = 0; m < MEMBERS; m++) {
        model->balance[m][c] += model->position[m][c];
        model->entries[m][c] += model->position[m][c] != 0;
        model->position[m][c] = 0;
        model->position_entries[m][c] = 0;
        model->held[m][c] =
            model->hold[m][c] < model->balance[m][c] ? model->hold[m][c] : model->balance[m][c];
        for (uint32_t k = 0; k < MEMBERS; k++) {
            model->settled[c][m][k] = model->sent[c][m][k];
            model->sent[c][m][k].count = 0;
            model->sent[c][m][k].amount = 0;
        }
    }
    model->payments[c] = 0;
    model->cycle[c] = model->cycle_next++;
    model->cycle_settled_s[c] = model->time_ns / 1000000000;
    model->leaf_count++;
}

static enum giro_reason model_control(struct model *model, const struct giro_control *control,
                                      uint32_t *cycle)
{
    uint32_t c = currency_of(control->currency);
    uint64_t now_s = model->time_ns / 1000000000;
    uint16_t m = control->member;
    if (control->op == GIRO_CONTROL_CLOSE_CYCLE) {
        if (c == CURRENCIES)
            return GIRO_REASON_AM03;
        if (model->cycle_settled_s[c] == now_s)
            return GIRO_REASON_NARR;
        *cycle = model->cycle[c];
        model_close(model, c);
    } else if (control->op == GIRO_CONTROL_DAY_SWITCH) {
        if (control->value <= model->date || control->value > 65535)
            return GIRO_REASON_DT01;
        for (c = 0; c < CURRENCIES; c++)
            if (model->cycle_settled_s[c] == now_s && model->payments[c])
                return GIRO_REASON_NARR;
        for (c = 0; c < CURRENCIES; c++)
            if (model->cycle_settled_s[c] != now_s)
                model_close(model, c);
        model->date = (uint16_t)control->value;
        model_new_day(model);
    } else if (control->op == GIRO_CONTROL_SET_MEMBER) {
        if (m >= MEMBERS)
            return GIRO_REASON_NARR;
        model->suspended[m] = control->value == 2;
    } else if (control->op == GIRO_CONTROL_LIFT_CHANNEL) {
        uint32_t owner = m == GIRO_MEMBER_OPERATOR ? OPERATOR : m;
        if (owner > OPERATOR || (m == OPERATOR) || !model->stopped[owner][control->value])
            return GIRO_REASON_NARR;
        model->stopped[owner][control->value] = false;
    } else {
        if (m >= MEMBERS)
            return GIRO_REASON_NARR;
        if (c == CURRENCIES)
            return GIRO_REASON_AM03;
        if (!model->account[m][c])
            return GIRO_REASON_AC01;
        if (control->op == GIRO_CONTROL_SET_ACCOUNT) {
            model->account[m][c] = (uint8_t)control->value;
            return GIRO_REASON_NONE;
        }
        if (control->amount_minor < 0)
            return GIRO_REASON_AM12;
        if (control->amount_minor > model->held[m][c] ||
            control->amount_minor < -model->position[m][c])
            return GIRO_REASON_AM13;
        model->cap[m][c] = control->amount_minor;
    }
    return GIRO_REASON_NONE;
}

void model_block(struct model *model, uint64_t height, uint64_t time_ns)
{
    model->height = height;
    model->time_ns = time_ns;
    model->leaf_count = 0;
    uint64_t step = model->cycle_seconds;
    for (uint32_t c = 0; c < CURRENCIES && step != 0; c++) {
        uint64_t first_s = model->first_payment_ns[c] / 1000000000;
        if (model->payments[c] && time_ns / 1000000000 >= first_s - first_s % step + step)
            model_close(model, c);
    }
}

void model_frame(struct model *model, const struct giro_frame *frame, const struct giro_hash *hash,
                 struct giro_frame_outcome *expected)
{
    const struct giro_frame_header *header = &frame->header;
    *expected = (struct giro_frame_outcome){.outcome = GIRO_OUTCOME_REFUSED};
    if (header->key_id != 1 || header->member == MEMBERS)
        return;
    uint16_t owner = header->member == GIRO_MEMBER_OPERATOR ? OPERATOR : header->member;
    uint64_t from = header->sequence;
    uint64_t to = header->head.kind == GIRO_KIND_SKIP ? frame->skip_to : from;
    expected->outcome =
        (uint8_t)model_outcome(model, owner, header->channel, from, to, hash->bytes);
    const struct consumed *known = model_find(model, owner, header->channel, from);
    if (expected->outcome == GIRO_OUTCOME_EQUIVOCATION)
        model->stopped[owner][header->channel] = true;
    if (expected->outcome == GIRO_OUTCOME_DUPLICATE) {
        expected->first_height = known->height;
        expected->leaf_index = known->leaf_index;
    }
    if (expected->outcome != GIRO_OUTCOME_EXECUTED)
        return;
    expected->record_count = header->record_count;
    for (uint32_t i = 0; i < header->record_count; i++) {
        struct giro_record record;
        struct giro_control control;
        memcpy(&record, frame->records + 64 * i, 64);
        memcpy(&control, frame->records + 64 * i, 64);
        struct giro_result *result = &expected->results[i];
        if (header->head.kind == GIRO_KIND_FRAME) {
            *result = model_pay(model, owner, &record);
        } else {
            *result = (struct giro_result){.status = GIRO_STATUS_ACSC};
            result->reason = (uint16_t)model_control(model, &control, &result->cycle);
            if (result->reason != 0)
                result->status = GIRO_STATUS_RJCT;
        }
    }
    expected->first_height = model->height;
    expected->leaf_index = model->leaf_count++;
    for (uint64_t sequence = from; sequence <= to; sequence++) {
        if (model_find(model, owner, header->channel, sequence) != NULL)
            continue;
        cr_assert(model->consumed_count < KNOWN_MAX);
        struct consumed *consumed = &model->consumed[model->consumed_count++];
        *consumed = (struct consumed){.owner = owner,
                                      .channel = header->channel,
                                      .sequence = sequence,
                                      .height = model->height,
                                      .leaf_index = expected->leaf_index};
        memcpy(consumed->hash, hash->bytes, 32);
    }
}
