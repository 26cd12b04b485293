#include "conf/problems.h"

#include <stdarg.h>

#include "base/text.h"

void problems_deinit(Problems *problems)
{
    for (size_t i = 0; i < problems->n_entries; i++)
        free(problems->entries[i].sentence);
    free(problems->entries);
    *problems = (Problems)PROBLEMS_NULL;
}

static void add(Problems *problems, bool is_error, char *sentence)
{
    size_t n = problems->n_entries;
    if ((n & (n + 1)) == 0) /* grows to 1, 3, 7, 15, ... */
        problems->entries = mem_resize(problems->entries, (2 * n + 1) * sizeof problems->entries[0]);
    problems->entries[problems->n_entries++] = (Problem){is_error, sentence};
    if (is_error)
        problems->n_errors++;
}

void problems_add_error(Problems *problems, const char *format, ...)
{
    Text sentence = TEXT_NULL;
    va_list arguments;
    va_start(arguments, format);
    text_vprintf(&sentence, format, arguments);
    va_end(arguments);
    add(problems, true, text_take(&sentence));
}

void problems_add_warning(Problems *problems, const char *format, ...)
{
    Text sentence = TEXT_NULL;
    va_list arguments;
    va_start(arguments, format);
    text_vprintf(&sentence, format, arguments);
    va_end(arguments);
    add(problems, false, text_take(&sentence));
}
