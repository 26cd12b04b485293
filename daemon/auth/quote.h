#pragma once

/* Quote: what a server or a helper program said, made fit for one of our sentences: one line, of bounded
 * length, printable, and without what looks like a token. Pure. Any thread. */

#include "base/text.h"

/* Line ends become blanks, runs of blanks one; words that look like a token become "***"; a dot at the end is
 * left out. Appends at most `max_length` bytes. */
void quote_append(Text *text, const char *said, size_t max_length);
