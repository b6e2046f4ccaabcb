/* The page of one run, and the page that compares several. */
#ifndef PX_PAGE_H
#define PX_PAGE_H

#include "examine.h"
#include "run_data.h"

/* Both append a whole HTML document; its memory is checked by the caller (px_text_check). */
px_status px_page_write_run(px_text *out, const px_run_data *run, const px_examine_options *options);
void px_page_write_comparison(px_text *out, px_run_data *const *runs, size_t count);

#endif
