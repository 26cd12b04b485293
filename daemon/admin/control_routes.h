#pragma once

/* The routes of the control socket and what they answer, apart from how HTTP gets there. Loop thread only. */

#include <stdbool.h>

#include "admin/control.h"

typedef struct ControlRequest {
    const char *method, *path;
    const char *body; /* NULL: none; wiped by whoever owns it */
    size_t body_length;
} ControlRequest;

typedef struct ControlAnswer {
    unsigned status;           /* of HTTP */
    char *body;                /* JSON; free(). NULL with a question */
    const char *allowed;       /* for 405: the method that there is */
    bool stops;                /* ControlHost.stop is to be called when the answer has left */
    ControlQuestion *question; /* it answers later: set its `asker` and `deliver`. NULL: this is the answer */
} ControlAnswer;

void control_answer(const ControlHost *host, const ControlRequest *request, ControlAnswer *ret_answer);
/* The text of an answer that has come later; takes the document over. free(). */
char *control_body(json_t *document);
