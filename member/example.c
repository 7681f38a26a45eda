/* Sends one payment and prints its outcome when that is proved. docs/member.md explains it. Usage: giro-member-example
 * GENESIS KEYS BIC OUTBOX REPLICAS CREDITOR CURRENCY AMOUNT_MINOR PROOF_FILE */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "giro/member.h"

static struct giro_member_ticket ticket = {0, UINT16_MAX, {0}};
static const char *proof_path;
static int answer; /* 1: proved, and the proof is on disk; -1: no such luck */

static void on_event(void *context, const struct giro_member_event *event)
{
    (void)context;
    if (event->channel != ticket.channel || event->sequence != ticket.sequence)
        return; /* of an earlier run, or a change of state */
    if (event->kind == GIRO_MEMBER_EVENT_CERTIFIED && event->outcome > 2) {
        printf("%s: without effect\n", giro_member_outcome_name(event->outcome));
        answer = -1;
    } else if (event->kind == GIRO_MEMBER_EVENT_PROVEN) {
        for (int i = 0; i < 16; i++)
            printf("%02x", event->results->uetr[i]);
        printf(" %s, proved at height %llu\n", giro_member_status_name(event->results->status),
               (unsigned long long)event->height);
        FILE *file = fopen(proof_path, "wb");
        size_t done = file == NULL ? 0 : fwrite(event->proof, 1, event->proof_bytes, file);
        answer = file != NULL && fclose(file) == 0 && done == event->proof_bytes ? 1 : -1;
    }
}

int main(int argc, char **argv)
{
    static struct giro_member_options options; /* zeros: what is not set has its ordinary value */
    static struct giro_member_payment payment;
    struct giro_member *member;
    char message[600];
    if (argc != 10)
        return 2;
    options.size_bytes = sizeof(options);
    options.flags = GIRO_MEMBER_PROVE;
    options.genesis_path = argv[1], options.keys_dir = argv[2], options.bic = argv[3];
    options.outbox_dir = argv[4], options.replicas = argv[5], proof_path = argv[9];
    options.event = on_event;
    strncpy(payment.creditor, argv[6], sizeof(payment.creditor) - 1);
    strncpy(payment.currency, argv[7], sizeof(payment.currency) - 1);
    payment.amount_minor = strtoll(argv[8], NULL, 10), payment.service = 1;
    int error = giro_member_open(&options, &member, message, sizeof(message));
    if (error != 0)
        return fprintf(stderr, "%s\n", message), 1;
    error = giro_member_submit(member, &payment, 1, &ticket);
    while (error == 0 && answer == 0)
        error = giro_member_poll(member, -1);
    int closed = giro_member_close(member, 5000);
    if (error != 0 || closed != 0)
        fprintf(stderr, "%s\n", giro_member_error_text(error != 0 ? error : closed));
    return error == 0 && closed == 0 && answer == 1 ? 0 : 1;
}
