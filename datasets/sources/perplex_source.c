/* perplex-source: writes text of a source whose entropy rate is known, and says that rate.
 *
 * What a model of the text can reach at best is the source's entropy rate; what it can reach on this very text, beyond
 * chance, is the text's own code length under the source, given as well (sample_bits). */
#include "check.h"
#include "file.h"
#include "printable.h"
#include "state_machine.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "Usage: perplex-source NAME|FILE [--symbols N] [--seed S] [--out FILE] [--words] [--score-from K] [--json]\n"
    "       perplex-source --cycle 'WORDS ...' [--symbols N] [--out FILE] [--json]\n"
    "       perplex-source --random STATES,SYMBOLS,SEED ...\n"
    "       perplex-source --list\n"
    "\n"
    "Writes N symbols of a finite-state source and its exact entropy rate.\n"
    "  NAME           a built-in source (--list), or a FILE of lines STATE SYMBOL PROBABILITY NEXT, # for comments\n"
    "  --symbols N    how many to write; 0 (the default) writes none and only tells the rate\n"
    "  --seed S       the same seed gives the same text (0)\n"
    "  --out FILE     where the text goes; without it, or with -, to standard output, and the rate to standard error\n"
    "  --words        a space after every symbol, for --level word (--cycle does so too)\n"
    "  --score-from K sample_bits counts the symbols from number K on (0), for the part that is held out\n"
    "  --json         one object: source, states, alphabet, symbols, bits_per_symbol, perplexity, sample_bits\n";

typedef struct request {
    const char *name, *cycle, *random, *out;
    uint64_t symbols, seed, score_from;
    int words, json;
} request;

static px_status read_count(const char *flag, const char *text, uint64_t *value)
{
    char *end;
    errno = 0;
    *value = strtoull(text, &end, 10);
    if (errno || end == text || *end || strchr(text, '-'))
        return px_fail(PX_ERR_ARGUMENT, "--%s %s: a whole number is needed", flag, text);
    return PX_OK;
}

static px_status read_flags(int argc, char **argv, request *r, int *done)
{
    static const struct option flags[] = {
        {"symbols", 1, NULL, 'n'}, {"seed", 1, NULL, 's'},  {"out", 1, NULL, 'o'},    {"words", 0, NULL, 'w'},
        {"json", 0, NULL, 'j'},    {"cycle", 1, NULL, 'c'}, {"random", 1, NULL, 'r'}, {"score-from", 1, NULL, 'k'},
        {"list", 0, NULL, 'l'},    {"help", 0, NULL, 'h'},  {NULL, 0, NULL, 0}};
    int flag;
    opterr = 0;
    while ((flag = getopt_long(argc, argv, "", flags, NULL)) != -1) switch (flag) {
        case 'n': PX_TRY(read_count("symbols", optarg, &r->symbols)); break;
        case 's': PX_TRY(read_count("seed", optarg, &r->seed)); break;
        case 'k': PX_TRY(read_count("score-from", optarg, &r->score_from)); break;
        case 'o': r->out = strcmp(optarg, "-") == 0 ? NULL : optarg; break;
        case 'w': r->words = 1; break;
        case 'j': r->json = 1; break;
        case 'c':
            r->cycle = optarg;
            r->words = 1;
            break;
        case 'r': r->random = optarg; break;
        case 'h':
            fputs(help, stdout);
            *done = 1;
            return PX_OK;
        case 'l':
            for (const px_machine_builtin *b = px_machine_builtins; b->name; b++)
                printf("%-12s %s\n", b->name, b->about);
            *done = 1;
            return PX_OK;
        default:
            return px_fail(PX_ERR_ARGUMENT, "%s: unknown flag, or a value is missing; see --help", argv[optind - 1]);
        }
    if (optind < argc) r->name = argv[optind++];
    if (optind < argc || (r->name != NULL) + (r->cycle != NULL) + (r->random != NULL) != 1)
        return px_fail(PX_ERR_ARGUMENT, "one source is needed: a name, a file, --cycle or --random; see --help");
    return PX_OK;
}

static px_status make_machine(const request *r, px_machine **machine)
{
    if (r->cycle) return px_machine_cycle(r->cycle, machine);
    if (r->random) {
        int states, symbols, used = 0;
        unsigned long long seed;
        if (sscanf(r->random, "%d,%d,%llu%n", &states, &symbols, &seed, &used) != 3 || r->random[used])
            return px_fail(PX_ERR_ARGUMENT, "--random %s: STATES,SYMBOLS,SEED are needed", r->random);
        return px_machine_random(states, symbols, seed, machine);
    }
    return px_machine_open(r->name, machine);
}

/* Writes the symbols; *bits gets the mean code length, under the source, of those from score_from on (NaN if none). */
static px_status write_symbols(const request *r, const px_machine *m, FILE *stream, double *bits)
{
    int32_t state = 0;
    double sum = 0;
    for (uint64_t i = 0; i < r->symbols; i++) {
        const px_machine_edge *edge = px_machine_step(m, &state, r->seed, i);
        if (i >= r->score_from) sum -= log2(edge->probability);
        fputs(m->symbols[edge->symbol], stream);
        if (r->words) fputc(' ', stream);
        if ((i & 0xffff) == 0 && ferror(stream)) break;
    }
    *bits = r->symbols > r->score_from ? fabs(sum) / (double)(r->symbols - r->score_from) : NAN;
    return ferror(stream) ? px_fail(PX_ERR_IO, "the text cannot be written: %s", strerror(errno)) : PX_OK;
}

static void tell(const request *r, const px_machine *m, double sample_bits, FILE *stream)
{
    const char *kind = r->cycle ? "cycle" : r->random ? "random" : r->name;
    if (!r->json) {
        px_print(stream, "%s: %d states, %d symbols, %.12g bits per symbol, perplexity %.12g", kind, m->states,
                 m->symbol_count, m->entropy_bits, exp2(m->entropy_bits));
        if (!isnan(sample_bits)) fprintf(stream, "; this text: %.12g bits per symbol", sample_bits);
        fputc('\n', stream);
        return;
    }
    fputs("{\"source\": \"", stream);
    for (const char *c = kind; *c; c++) {
        if ((unsigned char)*c < 0x20 || *c == '"' || *c == '\\')
            fprintf(stream, "\\u%04x", (unsigned char)*c);
        else
            fputc(*c, stream);
    }
    fprintf(stream,
            "\", \"states\": %d, \"alphabet\": %d, \"symbols\": %llu, \"bits_per_symbol\": %.17g, \"perplexity\": "
            "%.17g, \"sample_bits\": ",
            m->states, m->symbol_count, (unsigned long long)r->symbols, m->entropy_bits, exp2(m->entropy_bits));
    if (isnan(sample_bits))
        fputs("null}\n", stream);
    else
        fprintf(stream, "%.17g}\n", sample_bits);
}

static px_status run(const request *r)
{
    px_machine *machine;
    double sample_bits = NAN;
    if (r->out && r->name && px_file_is_same(r->out, r->name))
        return px_fail(PX_ERR_ARGUMENT, "--out %s: that is the source, which is read; give another name", r->out);
    PX_TRY(make_machine(r, &machine));
    px_status status = PX_OK;
    if (r->out) {
        px_atomic_file file;
        status = px_atomic_open(r->out, &file);
        if (status == PX_OK) {
            status = write_symbols(r, machine, file.stream, &sample_bits);
            if (status == PX_OK)
                status = px_atomic_commit(&file);
            else
                px_atomic_abandon(&file);
        }
    } else if (r->symbols)
        status = write_symbols(r, machine, stdout, &sample_bits);
    if (status == PX_OK) tell(r, machine, sample_bits, r->symbols && !r->out ? stderr : stdout);
    if (status == PX_OK && fflush(stdout) != 0)
        status = px_fail(PX_ERR_IO, "the text cannot be written: %s", strerror(errno));
    px_machine_destroy(machine);
    return status;
}

int main(int argc, char **argv)
{
    request r = {0};
    int done = 0;
    px_status status = read_flags(argc, argv, &r, &done);
    if (status == PX_OK && !done) status = run(&r);
    if (status != PX_OK) fprintf(stderr, "perplex-source: %s\n", px_error_message());
    return px_status_exit_code(status);
}
