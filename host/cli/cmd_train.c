/* perplex train: starts a run, or goes on with one. */
#include "check.h"
#include "commands.h"
#include "events.h"
#include "idle.h"
#include "init_from.h"
#include "join.h"
#include "live.h"
#include "inputs.h"
#include "options.h"
#include "output.h"
#include "outputs.h"
#include "printable.h"
#include "note.h"
#include "progress.h"
#include "quantity.h"
#include "rate_scaling.h"
#include "registry.h"
#include "report.h"
#include "screen.h"
#include "signals.h"
#include "time_limit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char USAGE[] =
    "perplex train --data FILE --run DIR [flags]     start a run in the new folder DIR\n"
    "       perplex train --resume DIR [flags]              continue a run that was stopped\n"
    "       perplex train ... --run DIR --resume auto       start it or continue it: for batch jobs\n"
    "       perplex train --resume DIR --extend-steps k     continue a run that has ended\n"
    "Trains a recurrent language model. DIR gets config, metrics.jsonl, best.safetensors and\n"
    "last.safetensors. The defaults suit a first run on a book. [..] shows the default where it is not 0.\n";
static const char HELP_END[] =
    "A resumed run may change --max-steps, --epochs, --threads, --device, the number of ranks and the\n"
    "flags that are listed after --leaves; its texts may have moved (--data, --valid, --test). Without\n"
    "--time-limit the end of the Slurm job counts, if there is one; the margin is a tenth of the time,\n"
    "at most 2 min.\n"
    "Exit status: 0 done, 75 stopped by a signal or the time limit, with a checkpoint: resume.\n";

typedef struct train_flags {
    const char *resume, *time_limit, *time_margin;
    int automatic; /* --resume auto */
    int64_t extend_steps;
    int dry_run, json, live;
} train_flags;

/* A configuration that a run of 0.1.0 wrote, with all settings that it knew, repeats that run: it calls the cell by its
 * old name, or names one of the old ways to initialise and no scaling of rates. */
static void settle_old_file(px_config *config, const px_command_line *line)
{
    const int named_so = px_command_line_in_file(line, "nonlinearity");
    if (!named_so && !(px_command_line_in_file(line, "init") && config->model.init != PX_INIT_FAN_IN)) return;
    if (!px_command_line_gave(line, "lr-scaling")) config->optimizer.lr_scaling = PX_LR_SCALING_NONE;
    if (!px_command_line_gave(line, "init")) config->model.init = PX_INIT_UNIFORM;
}

/* What a person means by leaving flags out: --max-steps alone bounds the run. */
static void settle_defaults(px_config *config, const px_command_line *line)
{
    settle_old_file(config, line);
    if (px_command_line_gave(line, "max-steps") && config->max_steps > 0 && !px_command_line_gave(line, "epochs"))
        config->epochs = 0;
}

/* A learning rate fits its optimiser, and the cell, which may be that of the model that --init-from names. */
static void settle_rate(px_config *config, const px_command_line *line)
{
    if (!px_command_line_gave(line, "lr")) config->lr = px_rate_default(config->model.cell, &config->optimizer);
}

/* Words and pieces have an embedding unless --embed says otherwise, of the power of two at or below h, at most 512:
 * rows of G h weights for each of many words would be most of the model. Bytes and characters are few, and read
 * one-hot. */
static void settle_embedding(px_config *config, const px_command_line *line)
{
    enum { WIDEST = 512 };
    const px_level level = config->corpus.text.level;
    if (level != PX_LEVEL_WORD && !px_level_is_pieces(level)) return;
    if (px_command_line_gave(line, "embed") || config->init_from) return;
    for (config->model.embed = 1; config->model.embed < WIDEST && 2 * config->model.embed <= config->model.hidden;)
        config->model.embed *= 2;
}

/* A text or a configuration that lies where the run's own files go would be lost. */
static px_status check_run_files(const px_command_line *line, const char *run)
{
    static const char *const names[] = {"config", "metrics.jsonl",    "report.html",
                                        "lock",   "best.safetensors", "last.safetensors"};
    char path[4200];
    if (strcmp(run, "-") == 0)
        return px_fail(PX_ERR_ARGUMENT, "--run -: a run needs a folder (./- for one that is called -)");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", run, names[i]);
        PX_TRY(px_output_check_inputs(line, "run", path));
    }
    return PX_OK;
}

static px_status check_start(const px_command_line *line, px_config *config, const train_flags *flags)
{
    if (!config->corpus.data)
        return px_fail(PX_ERR_ARGUMENT,
                       "train: nothing to train on; give --data FILE (or --resume DIR to continue a run)");
    if (!config->run && !flags->dry_run)
        return px_fail(PX_ERR_ARGUMENT, "train: no place for the results; give --run DIR, a new folder");
    int goes_on = 0;
    if (flags->automatic) PX_TRY(px_train_can_resume(config->run, &goes_on));
    if (config->run && !goes_on) PX_TRY(check_run_files(line, config->run));
    if (!goes_on && config->schedule_from > 0)
        return px_fail(
            PX_ERR_ARGUMENT,
            "schedule-from %lld: the configuration is of a run that was extended there, which a new run cannot "
            "repeat in one; give --schedule-from 0 --schedule-steps 0 for one schedule over all its steps",
            (long long)config->schedule_from);
    if (!goes_on) PX_TRY(px_init_from_settle(line, config)); /* a run that has begun needs the model no more */
    settle_rate(config, line);
    return px_config_check(config);
}

/* The learning rates of tensors, those of one rate together. */
static void print_rates(FILE *out, const px_train_plan *plan, double lr)
{
    for (int32_t k = 0; k < plan->rate_count; k++) {
        int32_t first = 0;
        while (plan->rates[first].factor != plan->rates[k].factor) first++;
        if (first < k) continue;
        fprintf(out, "%-12s%.3g:", k == 0 ? "rates" : "", lr * plan->rates[k].factor);
        for (int32_t i = k; i < plan->rate_count; i++)
            if (plan->rates[i].factor == plan->rates[k].factor) fprintf(out, " %s", plan->rates[i].tensor);
        fprintf(out, "\n");
    }
}

static void print_plan(FILE *out, const px_train_plan *plan, const px_config *config)
{
    char a[32], b[32], c[32], d[32], e[32], f[32];
    fprintf(out, "corpus      %s tokens to train on, %s to validate, %s to test; vocabulary %s\n",
            px_text_count(a, plan->train_tokens), px_text_count(b, plan->valid_tokens),
            px_text_count(c, plan->test_tokens), px_text_count(d, plan->vocabulary));
    fprintf(out, "model       %s parameters\n", px_text_count(a, plan->parameters));
    fprintf(out,
            "memory      %s: parameters %s, gradients %s, moments %s, averages %s,\n            activations %s, "
            "workspace %s\n",
            px_text_bytes(a, (double)plan->memory.total), px_text_bytes(b, (double)plan->memory.parameters),
            px_text_bytes(c, (double)plan->memory.gradients), px_text_bytes(d, (double)plan->memory.moments),
            px_text_bytes(e, (double)plan->memory.averages), px_text_bytes(f, (double)plan->memory.activations),
            px_text_bytes((char[32]){0}, (double)plan->memory.workspace));
    px_print(out, "device      %s\n", plan->device);
    if (config->optimizer.lr_scaling != PX_LR_SCALING_NONE) print_rates(out, plan, config->lr);
    fprintf(out, "epoch       %s steps, %s at %s tokens/s\n", px_text_count(a, plan->steps_per_epoch),
            px_text_seconds(b, plan->seconds_per_epoch), px_text_count(c, (long long)(plan->tokens_per_s + 0.5)));
    if (config->epochs > 0 && config->max_steps == 0)
        fprintf(out, "whole run   %s for %lld epochs\n",
                px_text_seconds(a, plan->seconds_per_epoch * (double)config->epochs), (long long)config->epochs);
    else if (config->max_steps > 0 && plan->steps_per_epoch > 0)
        fprintf(out, "whole run   %s for %s steps\n",
                px_text_seconds(a, plan->seconds_per_epoch / (double)plan->steps_per_epoch * (double)config->max_steps),
                px_text_count(b, config->max_steps));
    fprintf(out, "nothing was trained (--dry-run)\n");
}

static px_status print_plan_json(const px_train_plan *plan)
{
    cJSON *object = cJSON_CreateObject(), *memory = cJSON_CreateObject(), *rates = cJSON_CreateObject();
    cJSON_AddStringToObject(object, "status", "dry-run");
    px_json_count(object, "train_tokens", plan->train_tokens);
    px_json_count(object, "valid_tokens", plan->valid_tokens);
    px_json_count(object, "test_tokens", plan->test_tokens);
    px_json_count(object, "vocabulary", plan->vocabulary);
    px_json_count(object, "parameters", plan->parameters);
    px_json_count(object, "steps_per_epoch", plan->steps_per_epoch);
    px_json_number(object, "seconds_per_epoch", plan->seconds_per_epoch);
    px_json_number(object, "tokens_per_s", plan->tokens_per_s);
    px_json_count(memory, "parameters", (long long)plan->memory.parameters);
    px_json_count(memory, "gradients", (long long)plan->memory.gradients);
    px_json_count(memory, "moments", (long long)plan->memory.moments);
    px_json_count(memory, "averages", (long long)plan->memory.averages);
    px_json_count(memory, "activations", (long long)plan->memory.activations);
    px_json_count(memory, "workspace", (long long)plan->memory.workspace);
    px_json_count(memory, "total", (long long)plan->memory.total);
    cJSON_AddItemToObject(object, "memory_bytes", memory);
    cJSON_AddStringToObject(object, "device", plan->device);
    for (int32_t k = 0; k < plan->rate_count; k++) px_json_number(rates, plan->rates[k].tensor, plan->rates[k].factor);
    cJSON_AddItemToObject(object, "lr_factors", rates);
    return px_json_print(object);
}

static void print_result(FILE *out, const px_train_result *result, px_status status, int stop, const char *run)
{
    char a[32], b[32], c[32], word[4 * 4096 + 16];
    if (status == PX_STOPPED) {
        px_print(out, "stopped at step %s with a checkpoint%s; continue it: perplex train --resume %s\n",
                 px_text_count(a, result->steps), stop == PX_STOP_TIME ? ", because its time was over" : "",
                 px_text_shell(word, sizeof word, run));
        return;
    }
    if (result->finished == 2) px_print(out, "%s: this run had already ended; its result:\n", run);
    fprintf(out, "done: %s steps, %s tokens in %s; training perplexity %s\n", px_text_count(a, result->steps),
            px_text_count(b, result->tokens), px_text_seconds(c, result->seconds),
            px_text_perplexity((char[32]){0}, exp(result->train_loss)));
    if (!isnan(result->best_valid_loss)) {
        fprintf(out, "best: step %s, validation perplexity %s", px_text_count(a, result->best_step),
                px_text_perplexity(b, exp(result->best_valid_loss)));
        if (result->of_last) fprintf(out, ", but best.safetensors is missing\nlast weights: validation perplexity");
        if (!isnan(result->valid_loss_zero))
            fprintf(out, "%s one stream from a zero state %s", result->of_last ? "," : ";",
                    px_text_perplexity(a, exp(result->valid_loss_zero)));
        if (!isnan(result->valid_loss_carried))
            fprintf(out, ", from the state of training %s", px_text_perplexity(a, exp(result->valid_loss_carried)));
        fprintf(out, "\n");
    }
    if (!isnan(result->test_loss_zero))
        fprintf(out, "test: perplexity %s\n", px_text_perplexity(a, exp(result->test_loss_zero)));
    const char *model = result->best_path[0] ? result->best_path : result->last_path;
    if (model[0])
        px_print(out, "model: %s\ntry:   perplex sample --model %s --length 500\n", model,
                 px_text_shell(word, sizeof word, model));
}

static void add_loss(cJSON *object, const char *loss_name, const char *perplexity_name, double loss)
{
    px_json_number(object, loss_name, loss);
    px_json_number(object, perplexity_name, exp(loss));
}

static px_status print_result_json(const px_train_result *result, px_status status, const char *run)
{
    cJSON *object = cJSON_CreateObject();
    cJSON_AddStringToObject(object, "status", status == PX_STOPPED ? "stopped" : "finished");
    px_json_text(object, "run", run, strlen(run));
    px_json_count(object, "steps", result->steps);
    px_json_count(object, "epochs", result->epochs);
    px_json_count(object, "tokens", result->tokens);
    px_json_number(object, "seconds", result->seconds);
    add_loss(object, "train_loss", "train_perplexity", result->train_loss);
    add_loss(object, "best_valid_loss", "best_valid_perplexity", result->best_valid_loss);
    px_json_count(object, "best_step", result->best_step);
    add_loss(object, "valid_loss_zero", "valid_perplexity_zero", result->valid_loss_zero);
    add_loss(object, "valid_loss_carried", "valid_perplexity_carried", result->valid_loss_carried);
    add_loss(object, "test_loss", "test_perplexity", result->test_loss_zero);
    cJSON_AddStringToObject(object, "scored", result->of_last ? "last" : "best");
    px_json_text(object, "best", result->best_path, strlen(result->best_path));
    px_json_text(object, "last", result->last_path, strlen(result->last_path));
    return px_json_print(object);
}

static px_status dry_run(const px_config *config, const px_train_hooks *hooks, px_progress *progress, int json)
{
    px_train_plan plan = {0};
    px_status status = px_train_dry_run(config, hooks, &plan);
    px_progress_clear(progress);
    if (status != PX_OK) return status;
    if (json) return print_plan_json(&plan);
    print_plan(stdout, &plan, config);
    return PX_OK;
}

/* Rank 0 asks the batch system, for all of them, and says so. */
static px_status limit_time(const train_flags *flags, const px_train_hooks *hooks)
{
    px_time_limit limit;
    char text[32], line[256];
    PX_TRY(px_time_limit_find(flags->time_limit, flags->time_margin, hooks->comm->rank == 0, &limit));
    if (limit.seconds <= 0) {
        /* no error: on clusters the same command has a limit in one partition and none in another */
        if (flags->time_margin && hooks->comm->rank == 0)
            px_note("--time-margin %.60s has no effect: there is no time limit (--time-limit, or a Slurm job's)",
                    flags->time_margin);
        return PX_OK;
    }
    px_signals_stop_after(limit.seconds);
    snprintf(line, sizeof line, "time: stops with a checkpoint after %s (%s)", px_text_seconds(text, limit.seconds),
             limit.source);
    if (hooks->comm->rank == 0) hooks->line(hooks->context, line);
    return PX_OK;
}

/* Event files are the default where they are built in; asking for them where they are not is an error. */
static px_status check_tensorboard(const px_config *config, const px_command_line *line)
{
    if (!px_command_line_gave(line, "tensorboard") || !config->tensorboard || px_events_built_in()) return PX_OK;
    return px_fail(
        PX_ERR_ARGUMENT,
        "--tensorboard: this perplex was built without event files; install protobuf-c-compiler, libprotobuf-c-dev and "
        "libisal-dev and build it again, or leave the flag out");
}

/* A training that is done stays done, whatever happens to the page about it. */
static void write_report(const char *run)
{
    int written;
    px_note_to(NULL); /* what is to be known of the texts was told when they were first read */
    if (px_report_at_end(run, &written) != PX_OK)
        fprintf(stderr, "warning: no report was written: %s\n", px_error_message());
}

/* The training itself: started, or gone on with. */
static px_status train(const px_config *config, const char *const *changes, const train_flags *flags,
                       const px_train_hooks *hooks, px_train_result *result)
{
    if (flags->extend_steps) return px_train_extend(flags->resume, flags->extend_steps, changes, hooks, result);
    if (flags->resume) return px_train_resume(flags->resume, changes, hooks, result);
    if (flags->automatic) return px_train_start_or_resume(config, changes, hooks, result);
    return px_train_start(config, hooks, result);
}

/* The same, drawn in place; in lines where there is nothing to draw on. */
static px_status train_live(const px_config *config, const char *const *changes, const train_flags *flags,
                            const px_train_hooks *hooks, px_train_result *result)
{
    char title[256];
    px_train_hooks drawn = *hooks;
    const char *run = flags->resume ? flags->resume : config->run;
    if (!px_screen_built_in()) px_note("--live: this perplex was built without ncurses; it goes on in lines");
    snprintf(title, sizeof title, "perplex train  %s", run);
    px_live *live = px_live_start(hooks->context, title);
    if (!live) return train(config, changes, flags, hooks, result);
    const px_run_observer *observer = px_live_observer_create(live, hooks->observer);
    drawn.context = live;
    drawn.line = px_live_hook_line;
    drawn.progress = px_live_hook_training;
    drawn.evaluation = px_live_hook_evaluation;
    if (observer) drawn.observer = observer;
    const px_status status = train(config, changes, flags, &drawn, result);
    px_live_observer_destroy(observer);
    px_live_end(live);
    return status;
}

static px_status start_or_resume(px_config *config, px_command_line *line, const train_flags *flags,
                                 const px_run_observer *observer, const atomic_int *stop, px_comm *comm)
{
    PX_TRY(px_comm_agree(comm, check_tensorboard(config, line)));
    px_progress progress;
    px_progress_start(&progress, flags->json ? stderr : stdout);
    px_train_hooks hooks = {.context = &progress,
                            .line = px_progress_hook_line,
                            .progress = px_progress_hook_training,
                            .evaluation = px_progress_hook_evaluation,
                            .observer = observer,
                            .comm = comm,
                            .stop = stop};
    px_train_result result = {.train_loss = NAN,
                              .best_valid_loss = NAN,
                              .valid_loss_zero = NAN,
                              .valid_loss_carried = NAN,
                              .test_loss_zero = NAN};
    px_status status;
    const char *run = flags->resume ? flags->resume : config->run;
    static const char *const none[] = {NULL};
    const char *const *changes = line->given_count ? line->given : none;
    if (!flags->resume) {
        settle_defaults(config, line);
        PX_TRY(px_comm_agree(comm, px_input_settle_level(line, config)));
        settle_embedding(config, line);
        PX_TRY(px_comm_agree(comm, check_start(line, config, flags)));
        if (comm->rank == 0) px_idle_flags(line, config, hooks.line, hooks.context);
        if (flags->dry_run) return dry_run(config, &hooks, &progress, flags->json);
    }
    PX_TRY(px_comm_agree(comm, limit_time(flags, &hooks)));
    status = flags->live && comm->rank == 0 ? train_live(config, changes, flags, &hooks, &result)
                                            : train(config, changes, flags, &hooks, &result);
    px_progress_clear(&progress);
    if ((status != PX_OK && status != PX_STOPPED) || comm->rank > 0) return status;
    if (status == PX_OK && result.finished != 2) write_report(run);
    if (flags->json) {
        px_status printed = print_result_json(&result, status, run);
        return status == PX_OK ? printed : status;
    }
    print_result(stdout, &result, status, *stop, run);
    return status;
}

/* What flags mean beside each other, before anything is read or joined. */
static px_status settle_flags(train_flags *flags, px_command_line *line)
{
    px_config *config = line->config;
    if (!config->device) PX_TRY(px_config_set(config, "device", px_device_or_default(NULL)));
    if (flags->resume && strcmp(flags->resume, "auto") == 0) {
        flags->resume = NULL;
        flags->automatic = 1;
        if (!config->run)
            return px_fail(PX_ERR_ARGUMENT, "--resume auto: starts a run or goes on with it; say which by --run DIR "
                                            "(a folder of the name auto is ./auto)");
    }
    if (flags->resume && px_command_line_gave(line, "run"))
        return px_fail(
            PX_ERR_ARGUMENT,
            "--resume goes on in its own folder; leave --run out (--resume auto starts or goes on in --run)");
    if (flags->extend_steps && !flags->resume)
        return px_fail(PX_ERR_ARGUMENT, "--extend-steps: is for a run that has ended; name it by --resume DIR");
    if ((flags->resume || flags->automatic) && flags->dry_run)
        return px_fail(PX_ERR_ARGUMENT,
                       "--dry-run is for a new run; leave --resume out (perplex info DIR shows an old one)");
    return PX_OK;
}

int px_cmd_train(int argc, char **argv)
{
    train_flags flags = {0};
    px_join_flags join = PX_JOIN_FLAGS_START;
    px_comm *comm = NULL;
    const px_flag own[] = {
        {"resume", "DIR|auto", PX_FLAG_STRING, &flags.resume, 0, 0,
         "continue the run in DIR; auto: the run in --run, or start it"},
        {"extend-steps", "k", PX_FLAG_INT64, &flags.extend_steps, 1, 1e15,
         "with --resume: k more for a run that has ended, by a new cosine"},
        {"time-limit", "TIME", PX_FLAG_STRING, &flags.time_limit, 0, 0,
         "stop with a checkpoint before 30m, 1:30:00, ... are over; or none"},
        {"time-margin", "TIME", PX_FLAG_STRING, &flags.time_margin, 0, 0, "how long before that limit"},
        {"dry-run", NULL, PX_FLAG_SWITCH, &flags.dry_run, 0, 0,
         "print sizes, bytes and the predicted time per epoch; train nothing"},
        {"live", NULL, PX_FLAG_SWITCH, &flags.live, 0, 0, "draw curves, speed and the last sample in the terminal"},
        {"json", NULL, PX_FLAG_SWITCH, &flags.json, 0, 0, "the result as one JSON object on standard output"},
        PX_JOIN_FLAG_ROWS(join),
        {0},
    };
    px_config config;
    px_config_default(&config);
    px_command_line line = {.command = "train", .usage = USAGE, .flags = own, .config = &config, .help_end = HELP_END};
    const px_run_observer *observer = px_events_observer_create();
    const atomic_int *stop;
    px_status status;
    PX_TRY_GOTO(status, px_command_line_read(&line, argc, argv), done);
    if (line.help) {
        px_help_print(&line);
        goto done;
    }
    PX_TRY_GOTO(status, settle_flags(&flags, &line), done);
    PX_TRY_GOTO(status, px_signals_stop_flag(&stop), done);
    PX_TRY_GOTO(status, px_join(&join, &config, stop, &comm), done);
    if (comm) status = start_or_resume(&config, &line, &flags, observer, stop, comm);
done:
    if (status != PX_OK && status != PX_STOPPED) px_comm_tell(comm);
    px_events_observer_destroy(observer);
    /* A run that stopped with a checkpoint wants to go on, whatever became of standard output: that is what a batch
     * system must see. */
    if (status == PX_STOPPED && px_output_flush() != PX_OK) px_output_fail(PX_ERR_IO);
    int code = status == PX_STOPPED ? px_status_exit_code(status) : px_output_end(status);
    px_comm_close(comm, status);
    px_command_line_free(&line);
    px_config_free(&config);
    return code;
}
