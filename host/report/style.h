/* What every page of a report begins and ends with: head, style and the few lines of script for pointing at curves. */
#ifndef PX_STYLE_H
#define PX_STYLE_H

#include "text_buffer.h"

void px_page_begin(px_text *out, const char *title); /* title is escaped here */
void px_page_end(px_text *out, const char *script);  /* more script, behind that of every page */

#endif
