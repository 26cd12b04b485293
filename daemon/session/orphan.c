#include "session/orphan.h"

bool orphan_operation(const OrphanOperationFacts *facts)
{
    return facts->is_running && !facts->is_connected && !facts->is_streaming && !facts->session_used;
}

bool orphan_session(const OrphanSessionFacts *facts)
{
    return !facts->session_used && !facts->is_connected && !facts->is_shared && !facts->is_named &&
           facts->process == PROCESS_GONE;
}
