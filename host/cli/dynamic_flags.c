/* --dynamic and its companions: see dynamic_flags.h. */
#include "dynamic_flags.h"

#include "check.h"
#include "quantity.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Where a search begins, and what is taken where nothing was asked for. */
static const double FIRST_RATE[] = {0.05, 0.0005};
enum { STEPS = 20 };
static const double DECAY = 0.001;
static const char *const METHODS[] = {"sgd", "rms"};

int px_dynamic_is_auto(const px_dynamic_flags *flags) { return flags->rate && strcmp(flags->rate, "auto") == 0; }

int px_dynamic_is_rms(const px_dynamic_flags *flags) { return flags->method && strcmp(flags->method, "rms") == 0; }

static int read_rate(const char *text, double *rate)
{
    char *end;
    errno = 0;
    *rate = strtod(text, &end);
    return *text && strspn(text, "0123456789.eE+-") == strlen(text) && !*end && isfinite(*rate) && *rate >= 0;
}

px_status px_dynamic_flags_check(const px_dynamic_flags *flags)
{
    double rate;
    const char *idle = flags->method ? "method" : flags->steps ? "steps" : flags->decay >= 0 ? "decay" : NULL;
    if (!flags->rate && idle)
        return px_fail(PX_ERR_ARGUMENT, "--dynamic-%s: is for dynamic evaluation; add --dynamic auto, or a rate", idle);
    if (!flags->rate) return PX_OK;
    if (!px_dynamic_is_auto(flags) && !read_rate(flags->rate, &rate))
        return px_fail(PX_ERR_ARGUMENT, "--dynamic %.60s: not accepted; it takes a rate such as 0.1, or auto",
                       *flags->rate ? flags->rate : "''");
    if (flags->method && strcmp(flags->method, "sgd") != 0 && !px_dynamic_is_rms(flags))
        return px_fail(PX_ERR_ARGUMENT, "--dynamic-method %.60s: not accepted; it takes sgd or rms", flags->method);
    if (flags->decay >= 0 && !px_dynamic_is_rms(flags))
        return px_fail(PX_ERR_ARGUMENT, "--dynamic-decay: is for --dynamic-method rms; leave it out, or give that");
    return PX_OK;
}

static int has(px_range range) { return range.end - range.begin >= 2; }

static px_status check_texts(const px_dynamic_flags *flags, const px_dynamic_texts *texts)
{
    if (px_dynamic_is_rms(flags) && !has(texts->train))
        return px_fail(PX_ERR_ARGUMENT, "--dynamic-method rms: needs the text that the model was trained on; %s",
                       texts->no_train);
    if (px_dynamic_is_auto(flags) && !has(texts->valid))
        return px_fail(PX_ERR_ARGUMENT, "--dynamic auto: chooses on a validation text; %s", texts->no_valid);
    return PX_OK;
}

static px_dynamic_settings settings_of(const px_dynamic_flags *flags, const px_model_file *model)
{
    px_dynamic_settings settings = {.method = px_dynamic_is_rms(flags) ? PX_DYNAMIC_RMS : PX_DYNAMIC_SGD,
                                    .decay = flags->decay >= 0 ? flags->decay : DECAY,
                                    .clip = model->config.optimizer.clip,
                                    .steps = flags->steps ? flags->steps : STEPS};
    if (px_dynamic_is_auto(flags))
        settings.rate = FIRST_RATE[settings.method];
    else
        read_rate(flags->rate, &settings.rate);
    return settings;
}

static void show_measuring(void *context, double share)
{
    px_progress_hook_what(context, "measuring gradients", share);
}

static void show_choosing(void *context, double share) { px_progress_hook_what(context, "choosing a rate", share); }

static px_status make_ready(const px_dynamic_flags *flags, const px_model_file *model, const px_dynamic_texts *texts,
                            px_progress *progress, px_dynamic *dynamic, px_dynamic_used *used)
{
    const px_evaluate_options options = {
        .reset_id = model->reset_id, .progress = show_choosing, .progress_context = progress};
    if (px_dynamic_is_rms(flags)) PX_TRY(px_dynamic_measure(dynamic, texts->train, show_measuring, progress));
    if (px_dynamic_is_auto(flags)) {
        const int choose_decay = px_dynamic_is_rms(flags) && flags->decay < 0;
        PX_TRY(px_dynamic_choose(dynamic, texts->valid, &options, choose_decay, &used->loss, &used->static_loss));
        used->chosen = 1;
    }
    used->is = 1;
    used->settings = *px_dynamic_settings_of(dynamic);
    return PX_OK;
}

px_status px_dynamic_open(const px_dynamic_flags *flags, const px_model_file *model, const char *device,
                          int32_t threads, const px_dynamic_texts *texts, px_progress *progress, px_dynamic **dynamic,
                          px_dynamic_used *used)
{
    const px_dynamic_settings settings = settings_of(flags, model);
    *used = (px_dynamic_used){0};
    PX_TRY(check_texts(flags, texts));
    PX_TRY(px_dynamic_create(model, device, threads, &settings, dynamic));
    px_status status = make_ready(flags, model, texts, progress, *dynamic, used);
    if (status == PX_OK) return PX_OK;
    px_dynamic_destroy(*dynamic);
    *dynamic = NULL;
    return status;
}

/* ---- what was used ----------------------------------------------------------------------------------------------- */

void px_dynamic_print(FILE *out, const px_dynamic_used *used)
{
    char a[32], b[32];
    if (!used->is) return;
    fprintf(out, "dynamic       %s, rate %.6g", METHODS[used->settings.method], used->settings.rate);
    if (used->settings.method == PX_DYNAMIC_RMS)
        fprintf(out, ", decay %.6g", used->settings.decay);
    else
        fprintf(out, ", clip %.6g", used->settings.clip);
    fprintf(out, ", every %d tokens", used->settings.steps);
    if (used->chosen)
        fprintf(out, "; chosen on the validation text: %s there, %s without", px_text_perplexity(a, exp(used->loss)),
                px_text_perplexity(b, exp(used->static_loss)));
    fprintf(out, "\n");
}

void px_dynamic_json(cJSON *object, const px_dynamic_used *used)
{
    if (!used->is) return;
    cJSON *member = cJSON_CreateObject();
    cJSON_AddStringToObject(member, "method", METHODS[used->settings.method]);
    px_json_number(member, "rate", used->settings.rate);
    if (used->settings.method == PX_DYNAMIC_RMS)
        px_json_number(member, "decay", used->settings.decay);
    else
        px_json_number(member, "clip", used->settings.clip);
    px_json_count(member, "steps", used->settings.steps);
    if (used->chosen) {
        px_json_number(member, "chosen_perplexity", exp(used->loss));
        px_json_number(member, "static_perplexity", exp(used->static_loss));
    }
    cJSON_AddItemToObject(object, "dynamic", member);
}
