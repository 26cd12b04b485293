#include "relay/resume.h"

#include <string.h>

void resume_reset(Resume *resume)
{
    resume->state = RESUME_OFF;
    resume->has_delivered = resume->runs_on = false;
    resume->last_response_id[0] = '\0';
    passed_reset(&resume->partial);
    passed_reset(&resume->expected);
}

void resume_begin(Resume *resume, const char *last_response_id)
{
    resume_reset(resume);
    if (last_response_id && strlen(last_response_id) >= RESUME_ID_SIZE)
        return;
    resume->state = RESUME_PASSING;
    strcpy(resume->last_response_id, last_response_id ? last_response_id : "");
}

/* A response has gone to the client in full. One without an id could not be told from the one before it. */
static void message_passed(Resume *resume, WatchEvent event, const Envelope *envelope)
{
    const char *id = event == WATCH_MESSAGE ? envelope_text(envelope, ENVELOPE_RESPONSE_ID) : NULL;
    resume->has_delivered = true;
    resume->runs_on |= event == WATCH_MESSAGE && envelope->flags[ENVELOPE_RUNS_ON];
    if (!id || strlen(id) >= RESUME_ID_SIZE) {
        resume->state = RESUME_OFF;
        return;
    }
    strcpy(resume->last_response_id, id);
    if (envelope->flags[ENVELOPE_RESULT_COMPLETE])
        resume->state = RESUME_COMPLETE;
}

/* Follows the messages through the bytes; `partial` is afterwards what there is of the one that has not
 * ended. Returns how many have. */
static size_t follow(Resume *resume, MessageWatch *watch, const MessageShape *shape, const uint8_t *bytes,
                     size_t length)
{
    const uint8_t *next = bytes;
    size_t left = length, n_messages = 0;
    for (WatchEvent event; (event = message_watch_next(watch, shape, &next, &left)) != WATCH_NEED_MORE;) {
        if (resume->state == RESUME_PASSING)
            message_passed(resume, event, &watch->envelope);
        n_messages++;
    }
    uint64_t partial = framing_partial(&watch->framing);
    if (n_messages > 0 || partial == 0)
        passed_reset(&resume->partial);
    size_t part = partial < length ? (size_t)partial : length;
    passed_add(&resume->partial, bytes + length - part, part);
    return n_messages;
}

/* Compares what is sent again; true as long as it can be the same. */
static bool check(Resume *resume, MessageWatch *watch, const MessageShape *shape, const uint8_t *bytes,
                  size_t length, size_t *ret_known)
{
    uint64_t left = resume->expected.length - resume->partial.length;
    *ret_known = left < length ? (size_t)left : length;
    if (follow(resume, watch, shape, bytes, *ret_known) > 0)
        return false; /* the message was longer than it is now */
    if (resume->partial.length < resume->expected.length)
        return true;
    resume->state = RESUME_PASSING;
    return passed_equal(&resume->partial, &resume->expected);
}

ResumeVerdict resume_pass(Resume *resume, MessageWatch *watch, const MessageShape *shape,
                          const uint8_t *bytes, size_t length, size_t *ret_known, bool *ret_message)
{
    *ret_known = 0;
    *ret_message = false;
    if (resume->state == RESUME_CHECKING && !check(resume, watch, shape, bytes, length, ret_known)) {
        resume->state = RESUME_OFF;
        return RESUME_DIFFERS;
    }
    if (*ret_known == length)
        return RESUME_GO_ON;
    resume->has_delivered = true;
    *ret_message = follow(resume, watch, shape, bytes + *ret_known, length - *ret_known) > 0;
    return RESUME_GO_ON;
}

void resume_again(Resume *resume)
{
    if (!resume_is_possible(resume))
        return;
    if (resume->state == RESUME_PASSING)
        resume->expected = resume->partial; /* else the client still has what was expected before */
    resume->state = resume->expected.length > 0 ? RESUME_CHECKING : RESUME_PASSING;
    passed_reset(&resume->partial);
}
