/* What a new run takes from the model that --init-from names: see init_from.h. */
#include "init_from.h"

#include "check.h"
#include "model_origin.h"

static int gave(const px_command_line *line, const char *name)
{
    /* the older name of the same setting */
    return px_command_line_gave(line, name) ||
           (px_config_find("nonlinearity") == px_config_find(name) && px_command_line_gave(line, "nonlinearity"));
}

static px_status take_settings(const px_command_line *line, const px_config *from, px_config *config)
{
    for (size_t i = 0; i < px_option_count; i++) {
        const px_option *option = &px_options[i];
        char value[160];
        if (!px_origin_decides(config, option) || gave(line, option->name)) continue;
        px_config_get(from, option, value, sizeof value);
        PX_TRY(px_config_set(config, option->name, value));
    }
    return PX_OK;
}

px_status px_init_from_settle(const px_command_line *line, px_config *config)
{
    px_model_origin origin;
    if (!config->init_from) return PX_OK;
    PX_TRY(px_model_origin_open(config, &origin));
    px_status status = take_settings(line, &origin.checkpoint.config, config);
    if (status == PX_OK)
        status = px_model_origin_check(&origin, config); /* before the settings are compared with each other */
    px_model_origin_close(&origin);
    return status;
}
