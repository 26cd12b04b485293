#include "conf/suggestion.h"

#include <ctype.h>
#include <string.h>

#define NAME_LIMIT 64 /* longer names get no suggestion */

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Characters to insert, remove or replace to get from `a` to `b`, letters of either case being equal. */
static size_t edit_distance(const char *a, const char *b)
{
    size_t row[NAME_LIMIT + 1];
    size_t length = strlen(b);
    for (size_t j = 0; j <= length; j++)
        row[j] = j;
    for (size_t i = 1; a[i - 1]; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= length; j++) {
            bool is_equal = tolower((unsigned char)a[i - 1]) == tolower((unsigned char)b[j - 1]);
            size_t replaced = diagonal + (is_equal ? 0 : 1);
            diagonal = row[j];
            row[j] = smaller(replaced, smaller(row[j], row[j - 1]) + 1);
        }
    }
    return row[length];
}

void suggestion_offer(Suggestion *suggestion, const char *name)
{
    size_t longest = strlen(suggestion->typed);
    if (longest > NAME_LIMIT || strlen(name) > NAME_LIMIT)
        return;
    size_t distance = edit_distance(suggestion->typed, name);
    if (distance * 3 > longest + 1 || (suggestion->name && distance >= suggestion->distance))
        return;
    suggestion->name = name;
    suggestion->distance = distance;
}
