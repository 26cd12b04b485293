#include "spark/session_change.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* ---- fields of a message, of which the end may be missing */

typedef struct Span {
    const uint8_t *bytes, *end;
    bool is_cut;
} Span;

static bool take_varint(Span *span, uint64_t *ret_value)
{
    *ret_value = 0;
    for (unsigned shift = 0; shift < 64 && span->bytes < span->end; shift += 7) {
        uint8_t byte = *span->bytes++;
        *ret_value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return true;
    }
    return false;
}

/* The next field, its contents in `ret_value` if it is length-delimited; 0: there is none, or it is cut
 * before its contents. */
static uint32_t take_field(Span *span, Span *ret_value)
{
    uint64_t tag, length = 0;
    *ret_value = (Span){span->end, span->end, false};
    if (!take_varint(span, &tag) || tag > UINT32_MAX)
        return 0;
    switch (tag & 7) {
    case 0: return take_varint(span, &length) ? (uint32_t)(tag >> 3) : 0;
    case 1: length = 8; break;
    case 2:
        if (!take_varint(span, &length))
            return 0;
        break;
    case 5: length = 4; break;
    default: return 0;
    }
    size_t there = (size_t)(span->end - span->bytes);
    bool is_cut = length > there;
    *ret_value = (Span){span->bytes, span->bytes + (is_cut ? there : length), is_cut};
    span->bytes = ret_value->end;
    return (uint32_t)(tag >> 3);
}

static bool find_field(Span span, uint32_t number, Span *ret_value)
{
    for (uint32_t found; (found = take_field(&span, ret_value)) != 0;)
        if (found == number)
            return true;
    return false;
}

/* The member of a oneof: the first field that is none of its `common` neighbour. */
static uint32_t find_member(Span span, uint32_t common, Span *ret_value)
{
    uint32_t found;
    while ((found = take_field(&span, ret_value)) != 0 && found == common)
        ;
    return found;
}

static SessionChange change(SessionChangeKind kind, const char *label, const Span *name)
{
    SessionChange result = {kind, ""};
    int length = name ? (int)(name->end - name->bytes < 120 ? name->end - name->bytes : 120) : 0;
    (void)snprintf(result.what, sizeof result.what, "%s%.*s", label, length,
                   name ? (const char *)name->bytes : "");
    return result;
}

static SessionChange repeatable(const char *label, const Span *name, bool is_whole)
{
    return change(is_whole ? CHANGE_REPEATABLE : CHANGE_OTHER, label, name);
}

/* ---- SQL */

static const uint8_t *skip_blanks_and_comments(const uint8_t *at, const uint8_t *end)
{
    while (at < end) {
        if (isspace(*at) || *at == '(') {
            at++;
        } else if (end - at >= 2 && at[0] == '-' && at[1] == '-') {
            const uint8_t *line_end = memchr(at, '\n', (size_t)(end - at));
            at = line_end ? line_end : end;
        } else if (end - at >= 2 && at[0] == '/' && at[1] == '*') {
            const uint8_t *close = memmem(at + 2, (size_t)(end - at) - 2, "*/", 2);
            at = close ? close + 2 : end;
        } else {
            break;
        }
    }
    return at;
}

static const uint8_t *take_word(const uint8_t *at, const uint8_t *end, char *word, size_t size)
{
    size_t length = 0;
    at = skip_blanks_and_comments(at, end);
    for (; at < end && (isalnum(*at) || *at == '_'); at++)
        if (length < size - 1)
            word[length++] = (char)toupper(*at);
    word[length] = '\0';
    return at;
}

static bool is_one_of(const char *word, const char *const *words)
{
    for (; *words; words++)
        if (strcmp(word, *words) == 0)
            return true;
    return false;
}

/* CREATE [OR REPLACE] [GLOBAL] TEMPORARY …; others make what outlives the session. */
static bool makes_temporary(const uint8_t *at, const uint8_t *end)
{
    static const char *const BEFORE[] = {"OR", "REPLACE", "GLOBAL", NULL};
    char word[16];
    do
        at = take_word(at, end, word, sizeof word);
    while (is_one_of(word, BEFORE));
    return strcmp(word, "TEMPORARY") == 0 || strcmp(word, "TEMP") == 0;
}

static SessionChange read_sql(const Span *query, bool is_whole)
{
    static const char *const QUERIES[] = {"SELECT",   "WITH",     "FROM",    "VALUES",  "TABLE", "SHOW",
                                          "DESCRIBE", "DESC",     "EXPLAIN", "INSERT",  "MERGE", "UPDATE",
                                          "DELETE",   "LOAD",     "ANALYZE", "REFRESH", "MSCK",  "UNCACHE",
                                          "TRUNCATE", "OPTIMIZE", "VACUUM",  NULL};
    static const char *const STATE[] = {"SET", "RESET", "USE", NULL};
    char first[16], second[16], label[40];
    const uint8_t *at = take_word(query->bytes, query->end, first, sizeof first);
    (void)take_word(at, query->end, second, sizeof second);
    (void)snprintf(label, sizeof label, "SQL %s", first);
    if (is_one_of(first, QUERIES))
        return change(CHANGE_NONE, label, NULL);
    bool is_variable = strcmp(second, "VAR") == 0 || strcmp(second, "VARIABLE") == 0;
    if (is_one_of(first, STATE) && !is_variable)
        return repeatable(label, NULL, is_whole);
    if (strcmp(first, "CREATE") == 0)
        return makes_temporary(at, query->end) ? repeatable("SQL CREATE TEMPORARY", NULL, is_whole)
                                               : change(CHANGE_NONE, label, NULL);
    return change(CHANGE_OTHER, label, NULL);
}

/* ---- relations */

enum { RELATION_COMMON = 1, RELATION_SQL = 10, RELATION_WITH_RELATIONS = 41, RELATION_CATALOG = 200 };

static SessionChange read_catalog(const Span *catalog, bool is_whole)
{
    static const uint64_t STATE =
        1ull << 2 | 1ull << 15 | 1ull << 16 | 1ull << 25;   /* database, views, catalog */
    static const uint64_t UNSURE = 1ull << 27 | 1ull << 28; /* drop_table, drop_view */
    Span value;
    uint32_t member = find_member(*catalog, 0, &value);
    if (member == 0 || member > 36 || UNSURE >> member & 1)
        return change(CHANGE_OTHER, "a change of the catalog", NULL);
    return STATE >> member & 1 ? repeatable("current database, catalog or dropped view", NULL, is_whole)
                               : change(CHANGE_NONE, "", NULL);
}

static SessionChange read_relation(const Span *relation, bool is_whole)
{
    Span value, query;
    uint32_t member = find_member(*relation, RELATION_COMMON, &value);
    if (member == RELATION_WITH_RELATIONS && find_field(value, 1, &query))
        member = find_member(query, RELATION_COMMON, &value);
    if (member == RELATION_SQL && find_field(value, 1, &query))
        return read_sql(&query, is_whole);
    if (member == RELATION_CATALOG)
        return read_catalog(&value, is_whole);
    return change(member == 0 || member == RELATION_SQL ? CHANGE_OTHER : CHANGE_NONE, "a plan", NULL);
}

/* ---- commands */

/* A view's plan is analysed when it is made, which would run SQL in it that is no query. */
static bool may_run_something(const Span *plan)
{
    static const char *const VERBS[] = {"insert", "merge",    "update", "delete",  "create", "drop", "load",
                                        "alter",  "truncate", "set",    "execute", "call",   "copy"};
    for (const uint8_t *at = plan->bytes; at < plan->end; at++)
        for (size_t i = 0; i < sizeof VERBS / sizeof VERBS[0]; i++) {
            size_t length = strlen(VERBS[i]);
            if ((size_t)(plan->end - at) > length && isspace(at[length]) &&
                (at == plan->bytes || !(isalnum(at[-1]) || at[-1] == '_')) &&
                strncasecmp((const char *)at, VERBS[i], length) == 0)
                return true;
        }
    return false;
}

static SessionChange read_view(const Span *view, bool is_whole)
{
    Span name, input;
    if (!is_whole || !find_field(*view, 2, &name))
        return change(CHANGE_OTHER, "a view with a plan too large to keep", NULL);
    if (!find_field(*view, 1, &input) || may_run_something(&input))
        return change(CHANGE_OTHER, SESSION_CHANGE_VIEW, &name);
    return change(CHANGE_REPEATABLE, SESSION_CHANGE_VIEW, &name);
}

static SessionChange read_function(const Span *function, bool is_whole)
{
    Span name;
    bool has_name = find_field(*function, 1, &name);
    return repeatable("function ", has_name ? &name : NULL, is_whole);
}

static SessionChange read_sql_command(const Span *command, bool is_whole)
{
    Span value;
    if (find_field(*command, 6, &value))
        return read_relation(&value, is_whole);
    if (find_field(*command, 1, &value))
        return read_sql(&value, is_whole);
    return change(CHANGE_OTHER, "SQL", NULL);
}

static SessionChange read_command(const Span *command, bool is_whole)
{
    Span value;
    uint32_t member = find_member(*command, 0, &value);
    switch (member) {
    case 1:  /* register_function */
    case 10: /* register_table_function */
    case 12: /* register_data_source */ return read_function(&value, is_whole);
    case 3: return read_view(&value, is_whole);
    case 5: return read_sql_command(&value, is_whole);
    case 2: /* write_operation */
    case 4: /* write_operation_v2 */
    case 8: /* get_resources_command */
    case 16: /* merge_into_table_command */ return change(CHANGE_NONE, "", NULL);
    case 6: /* streams */
    case 7:
    case 9:
    case 11: return change(CHANGE_LOSABLE, "streaming queries", NULL);
    case 13: return change(CHANGE_LOSABLE, "resource profiles", NULL);
    case 14:
    case 15: return change(CHANGE_LOSABLE, "checkpoints", NULL);
    case 17: return change(CHANGE_LOSABLE, "machine learning models", NULL);
    default: return change(CHANGE_OTHER, "a command of an unknown kind", NULL);
    }
}

/* ---- requests */

static SessionChange read_plan(const Span *request, bool is_whole)
{
    Span plan, value;
    uint32_t member = find_field(*request, 3, &plan) ? find_member(plan, 0, &value) : 0;
    switch (member) {
    case 1: return read_relation(&value, is_whole);
    case 2: return read_command(&value, is_whole);
    case 3: return change(CHANGE_OTHER, "a compressed plan", NULL);
    default: return change(CHANGE_OTHER, "a plan that cannot be read", NULL);
    }
}

static SessionChange read_config(const Span *request, bool is_whole)
{
    Span operation, value, pair, key;
    if (!find_field(*request, 3, &operation))
        return change(CHANGE_NONE, "", NULL);
    uint32_t member = find_member(operation, 0, &value);
    if (member == 1 && find_field(value, 1, &pair) && find_field(pair, 1, &key))
        return repeatable("setting ", &key, is_whole);
    if (member == 6 && find_field(value, 1, &key))
        return repeatable("setting ", &key, is_whole);
    return change(member == 0 || member > 7 ? CHANGE_OTHER : CHANGE_NONE, "settings", NULL);
}

SessionChange session_change_read(MethodId method, const uint8_t *bytes, size_t length, bool is_whole)
{
    Span request = {bytes, bytes + length, !is_whole};
    switch (method) {
    case METHOD_CONFIG: return read_config(&request, is_whole);
    case METHOD_EXECUTE_PLAN: return read_plan(&request, is_whole);
    case METHOD_ADD_ARTIFACTS:
        return change(is_whole ? CHANGE_REPEATABLE : CHANGE_LOSABLE, "artifacts", NULL);
    default: return change(CHANGE_NONE, "", NULL);
    }
}
