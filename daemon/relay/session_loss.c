#include "relay/session_loss.h"

#include <string.h>

#include "relay/mapped_call.h"
#include "relay/revival.h"
#include "rpc/status_amend.h"

#define CLIENT_HEADER_LIMIT 8192 /* what clients of gRPC C-core take */

#define WHAT_IS_LOST "temporary views, SQL settings, cached tables and artifacts are gone; make a new session"

static const char *cause(const Header *message)
{
    if (header_says(message, "INVALID_HANDLE.SESSION_CHANGED"))
        return "the server has lost this session (cluster restarted?)";
    if (header_says(message, "INVALID_HANDLE.SESSION_CLOSED"))
        return "the server has closed this session (idle for too long, or released?)";
    return NULL;
}

static void replace(HeaderList *list, const char *name, const char *value)
{
    for (size_t i = 0; i < list->n_entries; i++) {
        Header *header = &list->entries[i];
        if (!header_name_is(header, name))
            continue;
        list->size += strlen(value) - header->value_length;
        header->value = value; /* the list goes on keeping the buffer of the one before */
        header->value_length = (uint32_t)strlen(value);
        return;
    }
}

/* The strings stay with the call. */
static void amend(Call *call, HeaderList *trailers, const char *sentence)
{
    const Header *message = header_list_find(trailers, "grpc-message");
    const Header *details = header_list_find(trailers, "grpc-status-details-bin");
    StatusWords words = {message->value, message->value_length, details ? details->value : NULL,
                         details ? details->value_length : 0};
    _cleanup_(text_deinit) Text new_message = TEXT_NULL;
    _cleanup_(text_deinit) Text new_details = TEXT_NULL;
    if (call->answer_text || !status_amend(&words, sentence, &new_message, &new_details))
        return;
    size_t more = new_message.length - words.message_length;
    if (details)
        more += new_details.length - words.details_length;
    if (trailers->size + more > CLIENT_HEADER_LIMIT)
        return;
    size_t details_at = new_message.length + 1;
    text_append_bytes(&new_message, "", 1);
    text_append(&new_message, text_string(&new_details));
    call->answer_text = text_take(&new_message);
    replace(trailers, "grpc-message", call->answer_text);
    if (details)
        replace(trailers, "grpc-status-details-bin", call->answer_text + details_at);
}

/* Whether the server has lost the session that this one was before it was made again, or is being. */
static bool is_past(const Call *call)
{
    const Session *session = call->session;
    const char *lost = mapped_call_session_id(call);
    return session->journal && (session->revival || strcmp(lost, session_id_at_server(session)) != 0);
}

static void forget(Call *call)
{
    Session *session = call->session;
    if (!session || is_past(call))
        return;
    if (session->kind == SESSION_CLONE) /* its id must not come to mean the named session */
        session->server_side_session_id[0] = '\0';
    else
        registry_forget(&call->relay->registry, session);
}

void session_loss_tell(Call *call, HeaderList *trailers)
{
    const Header *message = header_list_find(trailers, "grpc-message");
    if (call->status == STATUS_OK || !message)
        return;
    const char *what = cause(message);
    _cleanup_(text_deinit) Text sentence = TEXT_NULL;
    if (what)
        text_printf(&sentence, " sparkbouncer: %s: " WHAT_IS_LOST, what);
    revival_explain(call, message->value, message->value_length, &sentence);
    if (sentence.length == 0)
        return;
    relay_log_failure(call->relay, "profile %s, session %s:%s", call->upstream->profile->name,
                      call->session ? call->session->session_id : "-", text_string(&sentence));
    amend(call, trailers, text_string(&sentence));
    if (what)
        forget(call);
}
