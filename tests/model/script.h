#pragma once

/* Script: what goes on at both ends of the relay, as a list of steps that a seed gives. A step chooses among
 * what there is when its turn comes, so that any part of a script is a script. */

#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"

#define SCRIPT_MAX_STEPS 120

typedef struct Step {
    uint8_t kind; /* of the table in script.c */
    bool settles; /* the daemon goes on before the next one */
    uint16_t numbers[3];
} Step;

typedef struct Script {
    Step steps[SCRIPT_MAX_STEPS];
    unsigned n_steps;
} Script;

void script_make(Script *script, uint64_t seed);
/* From the first step to the end of all calls; model.violation says how it went. */
void script_run(const Script *script);
/* Without `n` steps from `first` on. */
void script_drop(Script *script, unsigned first, unsigned n);
/* A line for each step. */
void script_print(const Script *script);
