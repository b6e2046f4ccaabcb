/* Sources of known entropy: rates that can be worked out by hand, stationary distributions, frequencies, errors. */
#include "corpus_support.h"
#include "philox.h"
#include "state_machine.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static px_machine *machine_of(const char *text)
{
    px_machine *m;
    assert_done(px_machine_read(text, strlen(text), "test", &m));
    return m;
}

static double h(double p) /* entropy of a coin */ { return -p * log2(p) - (1 - p) * log2(1 - p); }

static void assert_near(double got, double want, double tolerance)
{
    if (!(fabs(got - want) <= tolerance)) fail_msg("%.17g, want %.17g within %g", got, want, tolerance);
}

static void assert_rate(const char *text, double bits)
{
    px_machine *m = machine_of(text);
    assert_near(m->entropy_bits, bits, 1e-12);
    px_machine_destroy(m);
}

static void entropy_rates_are_those_worked_out_by_hand(void **state)
{
    assert_rate(px_machine_builtin_text("coin"), 1);
    assert_rate(px_machine_builtin_text("biased"), h(0.1));
    assert_rate(px_machine_builtin_text("golden-mean"), 2.0 / 3);
    assert_rate(px_machine_builtin_text("even"), 2.0 / 3);
    /* golden mean with b at 0.3: pi_a = 1 / 1.3 */
    assert_rate("a a 0.7 a\na b 0.3 b\nb a 1 a\n", h(0.3) / 1.3);
    /* two-state Markov chain: pi = (q, p) / (p + q) */
    assert_rate("A x 0.9 A\nA y 0.1 B\nB x 0.4 A\nB y 0.6 B # noise\n", (0.4 * h(0.1) + 0.1 * h(0.4)) / 0.5);
    /* a die; fractions */
    assert_rate("s 1 1/6 s\ns 2 1/6 s\ns 3 1/6 s\ns 4 1/6 s\ns 5 1/6 s\ns 6 1/6 s\n", log2(6));
    /* a period of two: a free letter, then a fixed one */
    assert_rate("A x 1/2 B\nA y 1/2 B\nB z 1 A\n", 0.5);
    /* a start that is left for ever does not count */
    assert_rate("start a 1/4 start\nstart b 3/4 A\nA x 1/2 A\nA y 1/2 A\n", 1);
    /* one symbol for ever */
    assert_rate("s a 1 s\n", 0);
    /* brackets: up-down walk with stationary weights from detailed balance: 4/9, 1, 1, 1, 2/3 */
    double all = 4.0 / 9 + 3 + 2.0 / 3;
    assert_rate(px_machine_builtin_text("brackets"), (4.0 / 9 * h(0.25) + 3 * log2(3) + 2.0 / 3) / all);
}

/* pi P = pi, and the entropy again by averaging over a long walk of the distribution itself. */
static void random_machines_have_a_stationary_distribution_and_its_entropy(void **state)
{
    for (uint64_t seed = 0; seed < 20; seed++) {
        int32_t states = 1 + (int32_t)(seed * 7 % 40), symbols = 1 + (int32_t)(seed % 26);
        px_machine *m;
        assert_done(px_machine_random(states, symbols, seed, &m));
        double *now = calloc((size_t)states, sizeof *now), *next = calloc((size_t)states, sizeof *next), sum = 0;
        for (int32_t s = 0; s < states; s++) {
            sum += m->stationary[s];
            for (size_t e = m->first[s]; e < m->first[s + 1]; e++)
                next[m->edges[e].next] += m->stationary[s] * m->edges[e].probability;
        }
        assert_near(sum, 1, 1e-12);
        for (int32_t s = 0; s < states; s++) assert_near(next[s], m->stationary[s], 1e-12);
        enum { ROUNDS = 20000 };
        now[0] = 1;
        double bits = 0;
        for (int round = 0; round < ROUNDS; round++) {
            memset(next, 0, (size_t)states * sizeof *next);
            for (int32_t s = 0; s < states; s++)
                for (size_t e = m->first[s]; e < m->first[s + 1]; e++) {
                    bits -= now[s] * m->edges[e].probability * log2(m->edges[e].probability);
                    next[m->edges[e].next] += now[s] * m->edges[e].probability;
                }
            double *swapped = now;
            now = next;
            next = swapped;
        }
        assert_near(bits / ROUNDS, m->entropy_bits, 0.02); /* the start's memory, over the rounds */
        if (symbols == 1) assert_true(m->entropy_bits == 0);
        free(now);
        free(next);
        px_machine_destroy(m);
    }
}

static void symbols_come_as_often_as_their_probabilities_say(void **state)
{
    static const char *const names[] = {"coin", "biased", "golden-mean", "even", "brackets"};
    enum { DRAWS = 200000 };
    for (int k = 0; k < 5; k++) {
        px_machine *m = machine_of(px_machine_builtin_text(names[k]));
        double *times = calloc(m->first[m->states], sizeof *times), *visits = calloc((size_t)m->states, sizeof *visits),
               bits = 0;
        int32_t s = 0;
        for (uint64_t i = 0; i < DRAWS; i++) {
            visits[s]++;
            const px_machine_edge *edge = px_machine_step(m, &s, 99, i);
            times[edge - m->edges]++;
            bits -= log2(edge->probability);
        }
        for (int32_t from = 0; from < m->states; from++) {
            assert_near(visits[from] / DRAWS, m->stationary[from], 0.02);
            for (size_t e = m->first[from]; e < m->first[from + 1]; e++) {
                double p = m->edges[e].probability;
                assert_near(times[e] / visits[from], p, 5 * sqrt(p * (1 - p) / visits[from]));
            }
        }
        assert_near(bits / DRAWS, m->entropy_bits, 0.02);
        free(times);
        free(visits);
        px_machine_destroy(m);
    }
}

static void the_same_seed_gives_the_same_symbols_and_another_one_others(void **state)
{
    px_machine *m = machine_of(px_machine_builtin_text("coin"));
    int same = 0, s = 0, t = 0, u = 0;
    for (uint64_t i = 0; i < 1000; i++) {
        int32_t a = px_machine_step(m, &s, 1, i)->symbol, b = px_machine_step(m, &t, 1, i)->symbol,
                c = px_machine_step(m, &u, 2, i)->symbol;
        assert_int_equal(a, b);
        same += a == c;
    }
    assert_in_range(same, 420, 580);
    px_machine_destroy(m);
}

static void even_runs_and_golden_means_keep_their_rule(void **state)
{
    px_machine *m = machine_of(px_machine_builtin_text("even"));
    int32_t s = 0;
    int run = 0;
    for (uint64_t i = 0; i < 5000; i++) {
        const char *symbol = m->symbols[px_machine_step(m, &s, 4, i)->symbol];
        if (*symbol == 'b')
            run++;
        else {
            assert_int_equal(run % 2, 0);
            run = 0;
        }
    }
    px_machine_destroy(m);
}

static void a_cycle_of_words_goes_round_and_has_no_entropy(void **state)
{
    static const char *const words[] = {"the", "cat", "the", "#1", "back\\slash"};
    px_machine *m;
    assert_done(px_machine_cycle("  the cat\tthe #1 back\\slash ", &m));
    assert_int_equal(m->states, 5);
    assert_int_equal(m->symbol_count, 4);
    assert_true(m->entropy_bits == 0 && !signbit(m->entropy_bits));
    int32_t s = 0;
    for (uint64_t i = 0; i < 17; i++)
        assert_string_equal(m->symbols[px_machine_step(m, &s, 0, i)->symbol], words[i % 5]);
    px_machine_destroy(m);
    assert_fails(px_machine_cycle("  ", &m), PX_ERR_ARGUMENT, "needs a word", NULL);
}

static void symbols_may_be_blanks_by_escapes(void **state)
{
    px_machine *m = machine_of("s \\s 1/2 s\ns \\n 1/4 s\ns \\\\ 1/4 s\n");
    assert_string_equal(m->symbols[0], " ");
    assert_string_equal(m->symbols[1], "\n");
    assert_string_equal(m->symbols[2], "\\");
    px_machine_destroy(m);
}

static void descriptions_that_make_no_sense_are_errors_that_say_where(void **state)
{
    static const struct {
        const char *text, *message;
    } cases[] = {{"", "no line describes"},
                 {"# only a comment\n\n", "no line describes"},
                 {"s a 1\n", "test:1: a line is STATE SYMBOL PROBABILITY NEXT"},
                 {"s a 1 s s\n", "test:1: a line is"},
                 {"\ns a x s\n", "test:2: x is not a probability"},
                 {"s a 0 s\n", "test:1: 0 is not a probability"},
                 {"s a 1/0 s\n", "test:1: 1/0 is not a probability"},
                 {"s a nan s\n", "test:1: nan is not a probability"},
                 {"s a -1 s\n", "test:1: -1 is not a probability"},
                 {"s a 0.5 s\ns b 0.4 s\n", "the probabilities of state s add up to 0.9"},
                 {"s a 1 t\n", "state t leads to nowhere"},
                 {"s a 0.5 s\ns a 0.5 t\nt b 1 s\n", "test:2: state s emits this symbol on line 1 already"},
                 {"s a 0.5 A\ns b 0.5 B\nA a 1 A\nB b 1 B\n", "may end around state A or around state B"},
                 {"s \\q 1 s\n", "test:1: in a symbol a backslash"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        px_machine *m = NULL;
        assert_fails(px_machine_read(cases[i].text, strlen(cases[i].text), "test", &m), PX_ERR_INPUT, cases[i].message,
                     NULL);
        assert_null(m);
    }
    px_machine *m = NULL;
    assert_fails(px_machine_read("s a 1 \0s\n", 10, "test", &m), PX_ERR_INPUT, "not a text", NULL);
    assert_fails(px_machine_random(0, 3, 1, &m), PX_ERR_ARGUMENT, "0 states", NULL);
    assert_fails(px_machine_random(3, 27, 1, &m), PX_ERR_ARGUMENT, "27 symbols", NULL);
    assert_null(px_machine_builtin_text("nosuch"));
    px_machine_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entropy_rates_are_those_worked_out_by_hand),
        cmocka_unit_test(random_machines_have_a_stationary_distribution_and_its_entropy),
        cmocka_unit_test(symbols_come_as_often_as_their_probabilities_say),
        cmocka_unit_test(the_same_seed_gives_the_same_symbols_and_another_one_others),
        cmocka_unit_test(even_runs_and_golden_means_keep_their_rule),
        cmocka_unit_test(a_cycle_of_words_goes_round_and_has_no_entropy),
        cmocka_unit_test(symbols_may_be_blanks_by_escapes),
        cmocka_unit_test(descriptions_that_make_no_sense_are_errors_that_say_where),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
