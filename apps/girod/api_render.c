#include "apps/girod/api_render.h"

#include <event2/buffer.h>
#include <stdlib.h>

/* Every number the status and the metrics show, once. X(name, help, type, value) */
#define NUMBERS(X)                                                                                 \
    X("round", "current consensus round", "gauge", status.consensus.round)                         \
    X("committed_height", "highest committed block", "gauge", status.consensus.committed_height)   \
    X("executed_height", "highest executed block", "gauge", status.consensus.executed_height)      \
    X("certified_height", "highest certified block", "gauge", status.consensus.certified_height)   \
    X("incarnation", "starts of this replica", "gauge", status.consensus.incarnation)              \
    X("no_quorum_height", "height of which no root can reach a quorum, 0 = none", "gauge",         \
      status.consensus.no_quorum_height)                                                           \
    X("disk_silent_ns", "time since the disk completed anything that is awaited", "gauge",         \
      alarms.disk_silent_ns)                                                                       \
    X("safety_repaired", "bad copies of safety records written again at the start", "gauge",       \
      alarms.safety_repaired)                                                                      \
    X("round_base_ns", "round timer before its back-off", "gauge", status.consensus.round_base_ns) \
    X("timeouts_total", "timeouts signed", "counter", status.consensus.timeouts_sent)              \
    X("proposals_total", "blocks proposed", "counter", status.consensus.blocks_proposed)           \
    X("votes_total", "votes sent", "counter", status.consensus.votes_sent)                         \
    X("frames_total", "frames executed", "counter", status.frames)                                 \
    X("payments_total", "payments executed", "counter", status.records)                            \
    X("windows_total", "window records sealed", "counter", status.windows)                         \
    X("log_bytes_total", "bytes written to the block log", "counter", status.log_bytes)            \
    X("pending_frames", "frames waiting for their certificate here", "gauge", status.pending)      \
    X("received_total", "datagrams received", "counter", port.received)                            \
    X("sent_total", "datagrams sent", "counter", port.sent)                                        \
    X("port_other_total", "packets that are no IPv4 UDP datagram for this port", "counter",        \
      port_other)                                                                                  \
    X("port_not_allowed_total", "packets from addresses that are not on the allow-list",           \
      "counter", port.not_allowed)                                                                 \
    X("port_fragment_total", "IPv4 fragments dropped", "counter", port.fragment)                   \
    X("port_bad_checksum_total", "packets with a wrong checksum", "counter", port.bad_checksum)    \
    X("port_truncated_total", "packets cut short or too large", "counter", port.truncated)         \
    X("port_lost_total", "packets the kernel dropped because the port did not keep up", "counter", \
      port.lost)                                                                                   \
    X("port_send_failed_total", "datagrams that could not be sent", "counter", port.send_failed)   \
    X("ingress_taken_total", "frames taken for verification", "counter", taken)                    \
    X("verify_calls_total", "calls of the verifier for own members' frames", "counter",            \
      lanes.calls)                                                                                 \
    X("verify_signatures_total", "signatures in these calls", "counter", lanes.signatures)         \
    X("verify_full_total", "signatures in calls of the most frames one takes", "counter",          \
      lanes.signatures_in_full_calls)                                                              \
    X("verify_threads", "threads that check signatures, 0 = the hub's own", "gauge",               \
      verifiers.threads)                                                                           \
    X("verify_busy_ns_total", "time these threads have worked, all together", "counter",           \
      verifiers.busy_ns)                                                                           \
    X("verify_queue_chunks", "calls of the verifier for members' frames handed to threads",        \
      "gauge", verifiers.chunks_waiting)                                                           \
    X("verify_queue_batches", "replicas' batches handed to threads", "gauge",                      \
      verifiers.batches_waiting)                                                                   \
    X("verify_batches_total", "replicas' batches that threads have checked", "counter",            \
      verifiers.batches)                                                                           \
    X("verify_batches_inline_total", "replicas' batches that found no room there", "counter",      \
      verifiers.batches_refused)                                                                   \
    X("sessions_live", "members' sessions", "gauge", sessions.live)                                \
    X("sessions_half_open", "handshakes answered, not confirmed yet", "gauge", sessions.half_open) \
    X("sessions_replaced", "sessions followed by a newer one and still received", "gauge",         \
      sessions.replaced)                                                                           \
    X("session_cookies_total", "cookies sent", "counter", sessions.cookies)                        \
    X("session_handshakes_total", "handshakes answered", "counter", sessions.handshakes)           \
    X("session_repeated_total", "answers to handshakes sent again", "counter", sessions.repeated)  \
    X("session_opened_total", "sessions that became live", "counter", sessions.opened)             \
    X("session_displaced_total", "sessions ended by a newer one of the same member", "counter",    \
      sessions.displaced)                                                                          \
    X("session_expired_total", "sessions that ended by age", "counter", sessions.expired)          \
    X("session_moved_total", "changes of address", "counter", sessions.moved)                      \
    X("session_received_total", "session datagrams opened", "counter", sessions.received)          \
    X("session_sent_total", "session datagrams sent", "counter", sessions.sent)                    \
    X("session_lost_total", "members' datagrams that never came", "counter", sessions.lost)        \
    X("session_withheld_total", "datagrams not sent to unproved addresses", "counter",             \
      sessions.withheld)                                                                           \
    X("session_unsent_total", "answers to members without a session", "counter", sessions.unsent)  \
    X("links_up", "replicas connected", "gauge", links_up)                                         \
    X("link_sent_bytes_total", "bytes sent to replicas", "counter", links.sent_bytes)              \
    X("link_dropped_total", "messages dropped on full links", "counter", links.dropped)            \
    X("link_second_sessions_total", "refused: another session under that key lives", "counter",    \
      links.second_sessions)                                                                       \
    X("images_total", "images taken for checkpoints", "counter", status.images.taken)              \
    X("image_pause_longest_ns", "longest time nothing was executed while one was encoded",         \
      "gauge", image_pause_ns)                                                                     \
    X("image_height", "height of the newest image kept", "gauge", status.images.kept_height)       \
    X("image_base_height", "height of the image the last start was made from", "gauge",            \
      status.images.base_height)                                                                   \
    X("image_fetching_height", "height of the image being fetched from replicas, 0 = none",        \
      "gauge", status.images.fetching_height)                                                      \
    X("image_bytes_total", "bytes of images written", "counter", status.images.bytes_written)      \
    X("image_chunks_written_total", "chunks of images written", "counter",                         \
      status.images.chunks_written)                                                                \
    X("image_chunks_kept_total", "chunks that were on disk already", "counter",                    \
      status.images.chunks_kept)                                                                   \
    X("image_chunks_fetched_total", "chunks fetched from replicas", "counter",                     \
      status.images.chunks_fetched)                                                                \
    X("image_chunks_served_total", "chunks sent to replicas", "counter",                           \
      status.images.chunks_served)                                                                 \
    X("journal_bytes", "bytes in the members' journals", "gauge", journal_bytes)                   \
    X("ledger_bytes", "bytes of leaves and certificates", "gauge", ledger_bytes)

struct numbers {
    struct giro_node_alarms alarms;
    struct giro_replica_status status;
    struct giro_port_counters port;
    struct giro_links_counters links;
    struct giro_ingress_lanes lanes;
    struct giro_sessions_counters sessions;
    struct giro_verifiers_counters verifiers;
    uint64_t taken, port_other, links_up, journal_bytes, ledger_bytes, image_pause_ns;
    uint64_t rejects[GIRO_REJECT_COUNT_OF_REASONS]; /* over all members and none */
};

static void numbers_read(const struct giro_api_options *api, struct numbers *numbers)
{
    memset(numbers, 0, sizeof(*numbers));
    giro_replica_status(api->replica, &numbers->status);
    giro_replica_alarms(api->replica, &numbers->alarms);
    if (api->port != NULL)
        giro_port_counters(api->port, &numbers->port);
    numbers->port_other =
        numbers->port.not_ipv4 + numbers->port.not_udp + numbers->port.other_address;
    giro_links_counters(api->links, &numbers->links);
    numbers->taken = giro_ingress_taken(api->ingress);
    giro_ingress_lanes(api->ingress, &numbers->lanes);
    if (api->members != NULL)
        giro_members_counters(api->members, &numbers->sessions);
    if (api->verify != NULL)
        giro_verify_stage_counters(api->verify, &numbers->verifiers);
    numbers->links_up = giro_links_up(api->links);
    numbers->image_pause_ns = api->stages->longest_ns[GIRO_STAGE_image_encode];
    numbers->journal_bytes = giro_journal_files_bytes(api->journals);
    numbers->ledger_bytes = giro_ledger_file_bytes(api->ledger);
    for (uint32_t member = 0; member <= api->genesis->member_count; member++) {
        uint64_t rejects[GIRO_REJECT_COUNT_OF_REASONS];
        giro_ingress_rejects(api->ingress,
                             member == api->genesis->member_count ? GIRO_NONE : member, rejects);
        for (uint32_t i = 0; i < GIRO_REJECT_COUNT_OF_REASONS; i++)
            numbers->rejects[i] += rejects[i];
    }
}

static json_t *render_stages(const struct giro_stages *stages)
{
    json_t *json = json_object();
#define STAGE_JSON(name, what)                                                                     \
    json_object_set_new(json, #name, json_integer((json_int_t)stages->spent_ns[GIRO_STAGE_##name]));
    GIRO_STAGES(STAGE_JSON)
#undef STAGE_JSON
    return json;
}

static json_t *render_legs(const struct giro_legs *legs)
{
    json_t *json = json_object();
    json_object_set_new(json, "frames", json_integer((json_int_t)legs->frames));
#define LEG_JSON(name, what)                                                                       \
    json_object_set_new(json, #name, json_integer((json_int_t)legs->name##_ns));
    GIRO_LEGS(LEG_JSON)
#undef LEG_JSON
    return json;
}

/* {replica: {reason: count}}, of those that sent something refused. */
static json_t *render_peer_rejects(const struct giro_api_options *api)
{
    json_t *json = json_object();
    for (uint32_t peer = 0; peer < api->genesis->replica_count; peer++) {
        uint64_t rejects[GIRO_REJECT_COUNT_OF_REASONS];
        json_t *reasons = json_object();
        giro_replica_peer_rejects(api->replica, peer, rejects);
        for (uint32_t i = 1; i < GIRO_REJECT_COUNT_OF_REASONS; i++) {
            if (rejects[i] > 0)
                json_object_set_new(reasons, giro_reject_name((enum giro_reject)i),
                                    json_integer((json_int_t)rejects[i]));
        }
        if (json_object_size(reasons) > 0)
            json_object_set_new(json, api->genesis->replicas[peer].name, reasons);
        else
            json_decref(reasons);
    }
    return json;
}

/* {replica: height} of those that said they stop themselves. */
static json_t *render_halted(const struct giro_api_options *api)
{
    json_t *json = json_object();
    for (uint32_t peer = 0; peer < api->genesis->replica_count; peer++) {
        uint64_t height = giro_replica_peer_halted(api->replica, peer);
        if (height > 0)
            json_object_set_new(json, api->genesis->replicas[peer].name,
                                json_integer((json_int_t)height));
    }
    return json;
}

/* One line per piece of evidence: against whom, over what, in which round, and the record itself in hex. */
static json_t *render_evidence(const struct giro_api_options *api)
{
    json_t *list = json_array();
    for (uint32_t peer = 0; peer < api->genesis->replica_count; peer++) {
        struct giro_part records[GIRO_EVIDENCE_PER_REPLICA];
        uint32_t count = giro_replica_evidence(api->replica, peer, records);
        for (uint32_t i = 0; i < count; i++) {
            struct giro_evidence_header header;
            memcpy(&header, records[i].bytes, sizeof(header));
            char *hex = malloc(2 * records[i].size_bytes + 1);
            if (hex == NULL)
                return list;
            giro_hex_format(records[i].bytes, records[i].size_bytes, hex);
            json_array_append_new(list, json_pack("{s:s, s:s, s:I, s:s}", "against",
                                                  api->genesis->replicas[peer].name, "what",
                                                  giro_kind_text(header.what), "round",
                                                  (json_int_t)header.round, "record", hex));
            free(hex);
        }
    }
    return list;
}

json_t *giro_api_render_status(const struct giro_api_options *api)
{
    struct numbers numbers;
    numbers_read(api, &numbers);
    json_t *json = json_object();
    char date[11];
    giro_date_format(numbers.status.business_date, date);
    json_object_set_new(json, "hub", json_string(api->genesis->name));
    json_object_set_new(json, "business_date", json_string(date));
    json_object_set_new(json, "starting", json_boolean(numbers.status.consensus.starting));
    json_object_set_new(json, "observer", json_boolean(numbers.status.consensus.observer));
#define NUMBER_JSON(name, help, type, value)                                                       \
    json_object_set_new(json, name, json_integer((json_int_t)numbers.value));
    NUMBERS(NUMBER_JSON)
#undef NUMBER_JSON
    json_t *rejects = json_object();
    json_t *peer_rejects = render_peer_rejects(api);
    for (uint32_t i = 1; i < GIRO_REJECT_COUNT_OF_REASONS; i++) {
        const char *name = giro_reject_name((enum giro_reject)i);
        if (numbers.rejects[i] > 0)
            json_object_set_new(rejects, name, json_integer((json_int_t)numbers.rejects[i]));
    }
    json_object_set_new(json, "stages_ns", render_stages(api->stages));
    json_object_set_new(json, "legs_ns", render_legs(&numbers.status.legs));
    json_object_set_new(json, "rejects", rejects);
    json_object_set_new(json, "peer_rejects", peer_rejects);
    json_object_set_new(json, "evidence", render_evidence(api));
    json_object_set_new(json, "halted_replicas", render_halted(api));
    return json;
}

json_t *giro_api_render_payment(const struct giro_genesis *genesis, const struct giro_found *found)
{
    const char *creditor =
        found->creditor < genesis->member_count ? genesis->members[found->creditor].bic : "";
    return json_pack("{s:I, s:i, s:i, s:s, s:s}", "height", (json_int_t)found->height, "leaf",
                     (int)found->leaf_index, "record", (int)found->record, "debtor",
                     genesis->members[found->debtor].bic, "creditor", creditor);
}

/* {currency: offset} of the blocks that are the newest of their currency and in this journal. */
static json_t *render_last(const struct giro_genesis *genesis, struct giro_journal_files *journals,
                           uint16_t member, uint16_t date)
{
    json_t *json = json_object();
    uint64_t offset;
    for (uint32_t i = 0; i < genesis->currency_count; i++)
        if (giro_journal_files_last(journals, member, i, date, &offset))
            json_object_set_new(json, genesis->currencies[i].code,
                                json_integer((json_int_t)offset));
    return json;
}

json_t *giro_api_render_journals(const struct giro_genesis *genesis,
                                 struct giro_journal_files *journals, uint16_t today,
                                 uint16_t member)
{
    json_t *list = json_array();
    const char *bic = genesis->members[member].bic;
    for (uint32_t date = genesis->business_date; date <= today; date++) {
        char path[700], text[11];
        /* before the size, so that what is named is in it */
        json_t *last = render_last(genesis, journals, member, (uint16_t)date);
        const uint64_t size_bytes =
            giro_journal_files_path(journals, member, (uint16_t)date, path, sizeof(path));
        giro_date_format((uint16_t)date, text);
        if (size_bytes > 0)
            json_array_append_new(list, json_pack("{s:s, s:s, s:I, s:O}", "bic", bic, "date", text,
                                                  "bytes", (json_int_t)size_bytes, "last", last));
        else if (giro_journal_files_gap(journals, member, (uint16_t)date))
            json_array_append_new(list, json_pack("{s:s, s:s, s:i, s:b}", "bic", bic, "date", text,
                                                  "bytes", 0, "gap", 1));
        json_decref(last);
    }
    return list;
}

/* Only what happened: members x reasons lines would be too many. */
static void metrics_member_rejects(const struct giro_api_options *api, struct evbuffer *out)
{
    evbuffer_add_printf(out, "# HELP giro_member_rejects_total datagrams refused, by member and "
                             "reason\n# TYPE giro_member_rejects_total counter\n");
    for (uint32_t member = 0; member <= api->genesis->member_count; member++) {
        bool known = member < api->genesis->member_count;
        uint64_t rejects[GIRO_REJECT_COUNT_OF_REASONS];
        giro_ingress_rejects(api->ingress, known ? member : GIRO_NONE, rejects);
        for (uint32_t i = 1; i < GIRO_REJECT_COUNT_OF_REASONS; i++)
            if (rejects[i] > 0)
                evbuffer_add_printf(
                    out, "giro_member_rejects_total{member=\"%s\",reason=\"%s\"} %lu\n",
                    known ? api->genesis->members[member].bic : "",
                    giro_reject_name((enum giro_reject)i), (unsigned long)rejects[i]);
    }
}

static void metrics_peer_rejects(const struct giro_api_options *api, struct evbuffer *out)
{
    evbuffer_add_printf(out, "# HELP giro_peer_rejects_total peer messages refused, by replica and "
                             "reason\n# TYPE giro_peer_rejects_total counter\n");
    for (uint32_t peer = 0; peer < api->genesis->replica_count; peer++) {
        uint64_t rejects[GIRO_REJECT_COUNT_OF_REASONS];
        giro_replica_peer_rejects(api->replica, peer, rejects);
        for (uint32_t i = 1; i < GIRO_REJECT_COUNT_OF_REASONS; i++) {
            if (rejects[i] > 0)
                evbuffer_add_printf(
                    out, "giro_peer_rejects_total{replica=\"%u\",reason=\"%s\"} %lu\n", peer,
                    giro_reject_name((enum giro_reject)i), (unsigned long)rejects[i]);
        }
    }
}

void giro_api_render_metrics(const struct giro_api_options *api, struct evbuffer *out)
{
    struct numbers numbers;
    numbers_read(api, &numbers);
#define NUMBER_METRIC(name, help, type, value)                                                     \
    evbuffer_add_printf(                                                                           \
        out, "# HELP giro_" name " " help "\n# TYPE giro_" name " " type "\ngiro_" name " %lu\n",  \
        (unsigned long)numbers.value);
    NUMBERS(NUMBER_METRIC)
#undef NUMBER_METRIC
    evbuffer_add_printf(out, "# HELP giro_stage_ns_total time of the replica's thread, by stage\n"
                             "# TYPE giro_stage_ns_total counter\n");
#define STAGE_METRIC(name, what)                                                                   \
    evbuffer_add_printf(out, "giro_stage_ns_total{stage=\"" #name "\"} %lu\n",                     \
                        (unsigned long)api->stages->spent_ns[GIRO_STAGE_##name]);
    GIRO_STAGES(STAGE_METRIC)
#undef STAGE_METRIC
    evbuffer_add_printf(out,
                        "# HELP giro_leg_ns_total time of certified frames, by leg of their way\n"
                        "# TYPE giro_leg_ns_total counter\n");
#define LEG_METRIC(name, what)                                                                     \
    evbuffer_add_printf(out, "giro_leg_ns_total{leg=\"" #name "\"} %lu\n",                         \
                        (unsigned long)numbers.status.legs.name##_ns);
    GIRO_LEGS(LEG_METRIC)
#undef LEG_METRIC
    evbuffer_add_printf(out,
                        "# HELP giro_leg_frames_total frames those times are of\n"
                        "# TYPE giro_leg_frames_total counter\ngiro_leg_frames_total %lu\n",
                        (unsigned long)numbers.status.legs.frames);
    evbuffer_add_printf(out, "# HELP giro_rejects_total datagrams refused, by reason\n"
                             "# TYPE giro_rejects_total counter\n");
    for (uint32_t i = 1; i < GIRO_REJECT_COUNT_OF_REASONS; i++)
        evbuffer_add_printf(out, "giro_rejects_total{reason=\"%s\"} %lu\n",
                            giro_reject_name((enum giro_reject)i),
                            (unsigned long)numbers.rejects[i]);
    metrics_member_rejects(api, out);
    metrics_peer_rejects(api, out);
}
