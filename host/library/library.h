/* What the files of libperplex share: the inside of the public handles. The promises are in include/perplex/. */
#ifndef PX_LIBRARY_H
#define PX_LIBRARY_H

#include "model_file.h"
#include "plain_locale.h"

#include <perplex/perplex.h>

struct px_model {
    px_model_file file;
};

#endif
