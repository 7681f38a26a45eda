#include "port_telemetry.h"

#include <pthread.h>
#include <stdio.h>

#include <rte_config.h>
#include <rte_telemetry.h>

#define COMMANDS_MAX 8u

struct command {
    char name[GIRO_PORT_NAME_BYTES];
    uint32_t count;
    struct {
        char name[GIRO_PORT_NAME_BYTES];
        uint64_t value;
    } numbers[GIRO_PORT_NUMBERS_MAX];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct command commands[COMMANDS_MAX]; /* under lock */
static uint32_t command_count;

static struct command *command_find(const char *name)
{
    for (uint32_t i = 0; i < command_count; i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

/* In EAL's thread. */
static int answer(const char *name, const char *parameters, struct rte_tel_data *data)
{
    (void)parameters;
    rte_tel_data_start_dict(data);
    pthread_mutex_lock(&lock);
    const struct command *command = command_find(name);
    for (uint32_t i = 0; command != NULL && i < command->count; i++)
        (void)rte_tel_data_add_dict_u64(data, command->numbers[i].name, command->numbers[i].value);
    pthread_mutex_unlock(&lock);
    return 0;
}

void telemetry_publish(const char *name, const char *help, const struct giro_port_number *numbers,
                       uint32_t count)
{
    GIRO_ASSERT(count <= GIRO_PORT_NUMBERS_MAX);
    GIRO_ASSERT(strlen(name) < GIRO_PORT_NAME_BYTES);
    pthread_mutex_lock(&lock);
    struct command *command = command_find(name);
    bool first = command == NULL;
    if (first) {
        GIRO_ASSERT(command_count < COMMANDS_MAX);
        command = &commands[command_count++];
        snprintf(command->name, sizeof(command->name), "%s", name);
    }
    command->count = count;
    for (uint32_t i = 0; i < count; i++) {
        snprintf(command->numbers[i].name, sizeof(command->numbers[i].name), "%s", numbers[i].name);
        command->numbers[i].value = numbers[i].value;
    }
    pthread_mutex_unlock(&lock);
    if (first && rte_telemetry_register_cmd(name, answer, help) != 0)
        GIRO_LOG(WARN, "port", "DPDK's telemetry does not take the command \"%s\"", name);
}
