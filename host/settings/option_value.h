/* The value of one setting of the table, from text and to text; place is where the configuration keeps it. */
#ifndef PX_OPTION_VALUE_H
#define PX_OPTION_VALUE_H

#include "config.h"

/* PX_ERR_ARGUMENT names the setting, the value and what is accepted. A text is copied, and the one before freed. */
px_status px_option_read(const px_option *option, const char *value, void *place);
/* As px_option_read reads it back, exactly; always terminated. */
void px_option_write(const px_option *option, const void *place, char *buffer, size_t buffer_bytes);

#endif
