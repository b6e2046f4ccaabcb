/* From a command's line to its exit status: see run_command.h. */
#include "run_command.h"
#include "check.h"
#include "output.h"

static px_status read_and_work(px_command_line *line, int argc, char **argv, px_command_work *work, void *flags)
{
    PX_TRY(px_command_line_read(line, argc, argv));
    if (!line->help) return work(line, flags);
    px_help_print(line);
    return PX_OK;
}

int px_command_run(px_command_line *line, int argc, char **argv, px_command_work *work, void *flags)
{
    int code = px_output_end(read_and_work(line, argc, argv, work, flags));
    px_command_line_free(line);
    if (line->config) px_config_free(line->config);
    return code;
}
