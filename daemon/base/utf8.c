#include "base/utf8.h"

#include <stdint.h>

/* The range of a UTF-8 lead byte, how many bytes follow it and what the first of these may be. */
typedef struct Utf8Lead {
    uint8_t first, last, n_more, least, most;
} Utf8Lead;

static const Utf8Lead utf8_leads[] = {
    {0x00, 0x7f, 0, 0x00, 0x00}, {0xc2, 0xdf, 1, 0x80, 0xbf}, {0xe0, 0xe0, 2, 0xa0, 0xbf},
    {0xe1, 0xec, 2, 0x80, 0xbf}, {0xed, 0xed, 2, 0x80, 0x9f}, {0xee, 0xef, 2, 0x80, 0xbf},
    {0xf0, 0xf0, 3, 0x90, 0xbf}, {0xf1, 0xf3, 3, 0x80, 0xbf}, {0xf4, 0xf4, 3, 0x80, 0x8f},
};

size_t utf8_character_length(const char *string)
{
    const uint8_t *bytes = (const uint8_t *)string;
    for (size_t i = 0; i < sizeof(utf8_leads) / sizeof(utf8_leads[0]); i++) {
        const Utf8Lead *lead = &utf8_leads[i];
        if (bytes[0] < lead->first || bytes[0] > lead->last)
            continue;
        if (lead->n_more > 0 && (bytes[1] < lead->least || bytes[1] > lead->most))
            return 0;
        for (size_t k = 2; k <= lead->n_more; k++)
            if ((bytes[k] & 0xc0) != 0x80)
                return 0;
        return lead->n_more + 1u;
    }
    return 0;
}
