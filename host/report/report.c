/* Making report.html: see report.h. */
#include "report.h"

#include "check.h"
#include "file.h"
#include "page.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { PAGE_LIMIT = 1 << 28 };

/* A page of ours may be replaced, one of somebody's own not. Every page of every version has this foot. */
static px_status check_page(const char *path)
{
    static const char foot[] = "<footer>Made by perplex";
    struct stat info;
    char *text;
    size_t bytes;
    if (stat(path, &info) != 0 || !S_ISREG(info.st_mode)) return PX_OK; /* px_atomic_open judges the others */
    PX_TRY(px_file_read(path, PAGE_LIMIT, &text, &bytes));
    int is_ours = memmem(text, bytes, foot, sizeof foot - 1) != NULL;
    free(text);
    return is_ours ? PX_OK
                   : px_fail(PX_ERR_ARGUMENT,
                             "%s: not a page of perplex, so it is left as it is; give it another name, or --out FILE",
                             path);
}

static px_status write_stream(FILE *stream, const px_text *page)
{
    errno = 0;
    return fwrite(page->data, 1, page->bytes, stream) == page->bytes
               ? PX_OK
               : px_fail(PX_ERR_IO, "the page: %s", strerror(errno ? errno : EIO));
}

static px_status make(px_run_data *const *runs, const px_report_request *request, const char *path)
{
    px_text page = {0};
    px_examine_options options = {request->device, request->threads, request->progress, request->progress_context};
    px_status status;
    if (request->count == 1)
        PX_TRY_GOTO(status, px_page_write_run(&page, runs[0], &options), done);
    else
        px_page_write_comparison(&page, runs, request->count);
    PX_TRY_GOTO(status, px_text_check(&page, path), done);
    status = request->stream ? write_stream(request->stream, &page) : px_file_put(path, page.data, page.bytes);
done:
    px_text_free(&page);
    return status;
}

static px_status check_request(const px_report_request *request)
{
    if (request->count < 1 || request->count > PX_REPORT_RUNS_MAX)
        return px_fail(PX_ERR_ARGUMENT, "report: %zu runs; 1 to %d can be shown on one page", request->count,
                       (int)PX_REPORT_RUNS_MAX);
    if (request->count > 1 && !request->out)
        return px_fail(PX_ERR_ARGUMENT, "report: several runs need a place for their page; give --out FILE");
    return PX_OK;
}

static px_status make_at(px_run_data *const *runs, const px_report_request *request, char path[4200])
{
    char own[4200];
    snprintf(own, sizeof own, "%s/report.html", runs[0]->folder);
    if (snprintf(path, 4200, "%s", request->out ? request->out : own) >= 4200)
        return px_fail(PX_ERR_ARGUMENT, "--out %.60s...: the name is too long", path);
    if (!request->out || px_file_is_same(path, own)) PX_TRY(check_page(path));
    return make(runs, request, path);
}

px_status px_report_write(const px_report_request *request, char path[4200])
{
    px_run_data *runs[PX_REPORT_RUNS_MAX], *data;
    size_t read = 0;
    px_status status;
    PX_TRY(check_request(request));
    data = calloc(request->count, sizeof *data);
    if (!data) return px_fail(PX_ERR_MEMORY, "no memory for %zu runs", request->count);
    for (; read < request->count; read++) {
        PX_TRY_GOTO(status, px_run_data_read(request->folders[read], &data[read]), done);
        runs[read] = &data[read];
    }
    status = make_at(runs, request, path);
done:
    while (read > 0) px_run_data_free(&data[--read]);
    free(data);
    return status;
}

px_status px_report_at_end(const char *folder, int *written)
{
    px_run_data data;
    char path[4200];
    px_report_request request = {.folders = &folder, .count = 1};
    *written = 0;
    PX_TRY(px_run_data_read(folder, &data));
    int wanted = data.config.report;
    px_run_data_free(&data);
    if (!wanted) return PX_OK;
    PX_TRY(px_report_write(&request, path));
    *written = 1;
    return PX_OK;
}
