/* perplex report: makes a run's report.html again, or one page of several runs. */
#include "check.h"
#include "commands.h"
#include "outputs.h"
#include "printable.h"
#include "progress.h"
#include "report.h"
#include "run_command.h"

#include <stdio.h>

static const char USAGE[] =
    "perplex report RUN [--out FILE]            the page of one run, RUN/report.html\n"
    "       perplex report RUN RUN... --out FILE       several runs, ranked and overlaid\n"
    "Writes one HTML file that opens offline: curves, samples, what the best model foresaw, settings and\n"
    "results. It can be made while a run trains.\n";
static const char *const SETTINGS[] = {"device", "threads", NULL};

/* context: const char **, the value of --out. */
static px_status report(px_command_line *line, void *context)
{
    const char *out = *(const char **)context;
    const px_config *config = line->config;
    px_progress progress;
    char path[4200];
    if (line->positional_count == 0)
        return px_fail(PX_ERR_ARGUMENT, "report: of which run? give its folder: perplex report RUN");
    px_text_output output = {0};
    if (out) PX_TRY(px_text_output_open("out", out, &output));
    px_progress_start(&progress, stderr);
    px_report_request request = {.folders = line->positional,
                                 .count = (size_t)line->positional_count,
                                 .stream = output.stream,
                                 .out = out,
                                 .device = config->device,
                                 .threads = config->threads,
                                 .progress = progress.live ? px_progress_hook_what : NULL,
                                 .progress_context = &progress};
    px_status status = px_report_write(&request, path);
    px_progress_clear(&progress);
    status = px_text_output_close(&output, status);
    if (status == PX_OK && !output.standard) px_print(stdout, "%s\n", path);
    return status;
}

int px_cmd_report(int argc, char **argv)
{
    const char *out = NULL;
    const px_flag own[] = {
        {"out", "FILE", PX_FLAG_OUT_TEXT, &out, 0, 0, "where the page goes; - is standard output"},
        {0},
    };
    px_config config;
    px_config_default(&config);
    px_command_line line = {.command = "report",
                            .usage = USAGE,
                            .flags = own,
                            .settings = SETTINGS,
                            .config = &config,
                            .max_positional = PX_REPORT_RUNS_MAX};
    return px_command_run(&line, argc, argv, report, &out);
}
