#pragma once

/* The routes of the control socket and what they answer, apart from how HTTP gets there. Loop thread only. */

#include <stdbool.h>

#include "admin/control.h"

typedef struct ControlAnswer {
    unsigned status;     /* of HTTP */
    char *body;          /* JSON; free() */
    const char *allowed; /* for 405: the method that there is */
    bool stops;          /* ControlHost.stop is to be called when the answer has left */
} ControlAnswer;

void control_answer(const ControlHost *host, const char *method, const char *path, ControlAnswer *ret_answer);
