#include "relay/header_kind.h"

#define IS(literal) (memcmp(name, literal, sizeof(literal) - 1) == 0)

HeaderKind header_kind(const char *name, size_t length)
{
    switch (length) {
    case 4: return IS("host") ? HEADER_KIND_CONSUMED : HEADER_KIND_OTHER;
    case 5: return IS(":path") ? HEADER_KIND_PATH : HEADER_KIND_OTHER;
    case 7:
        return IS(":scheme") ? HEADER_KIND_SCHEME : IS("profile") ? HEADER_KIND_PROFILE : HEADER_KIND_OTHER;
    case 9:
        return IS("x-profile")   ? HEADER_KIND_PROFILE
               : IS("x-session") ? HEADER_KIND_SESSION
                                 : HEADER_KIND_OTHER;
    case 10: return IS(":authority") ? HEADER_KIND_AUTHORITY : HEADER_KIND_OTHER;
    case 12: return IS("grpc-timeout") ? HEADER_KIND_TIMEOUT : HEADER_KIND_OTHER;
    case 13:
        if (IS("authorization"))
            return HEADER_KIND_CONSUMED;
        break;
    case 14:
        /* The JVM client of some versions (SPARK-57336); what is sent may be longer, or a request of ours. */
        if (IS("authentication") || IS("content-length"))
            return HEADER_KIND_CONSUMED;
        break;
    case 20:
        if (IS("grpc-accept-encoding"))
            return HEADER_KIND_ACCEPT_ENCODING;
        break;
    case 23:
        if (IS("x-databricks-cluster-id"))
            return HEADER_KIND_CLUSTER_ID;
        break;
    default: break;
    }
    return length >= 13 && IS("x-databricks-") ? HEADER_KIND_CONSUMED : HEADER_KIND_OTHER;
}
