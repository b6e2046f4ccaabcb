/* Writes the safetensors file of a small torch.nn.RNN, GRU or LSTM language model and says its loss on a text, by loops
 * in double of its own: nothing here is shared with perplex.
 *
 *     foreign_model OUT TEXT SETTING...      prints the loss; TEXT's bytes are looked up in the model's list of tokens
 * settings: vocab=N embed=N hidden=N layers=N relu lstm gru tied alias dtype=F32|F16|BF16|F64 prefix=P nobias
 * nodecoderbias
 *           reverse extra missing=NAME wrong=NAME integer
 * Token i of the list is the character 'a' + i, but 0 is ' ' and 1 is <unk> (a byte that no text here has). */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_TENSORS = 128, MAX_LAYERS = 24 };

typedef struct tensor {
    char name[96];
    const char *dtype;
    int dims, rows, cols;
    double *value; /* as a reader of the file sees it: rounded to dtype */
    int left_out;
} tensor;

static tensor tensors[MAX_TENSORS];
static int tensor_count;
static uint32_t random_state = 12345;
static const char *dtype = "F32", *prefix = "";

static double uniform(void)
{
    random_state = random_state * 1664525u + 1013904223u;
    return (random_state >> 8) / 16777216.0 * 2 - 1;
}

/* What an element becomes in the file: bits of fp16 and bf16 cut off, not rounded, which is as good here. */
static double narrowed(double value)
{
    if (strcmp(dtype, "F64") == 0) return value;
    float single = (float)value;
    uint32_t bits;
    memcpy(&bits, &single, 4);
    if (strcmp(dtype, "BF16") == 0) bits &= 0xFFFF0000u;
    if (strcmp(dtype, "F16") == 0) bits = fabsf(single) < 0x1p-14f ? 0 : bits & 0xFFFFE000u;
    memcpy(&single, &bits, 4);
    return single;
}

static tensor *add(const char *name, int dims, int rows, int cols, double scale)
{
    tensor *t = &tensors[tensor_count++];
    *t = (tensor){.dtype = dtype,
                  .dims = dims,
                  .rows = rows,
                  .cols = cols,
                  .value = malloc(sizeof(double) * (size_t)rows * (size_t)cols)};
    snprintf(t->name, sizeof t->name, "%s%s", prefix, name);
    for (int i = 0; i < rows * cols; i++) t->value[i] = narrowed(uniform() * scale);
    return t;
}

static size_t element_bytes(const tensor *t)
{
    return strcmp(t->dtype, "F64") == 0 || strcmp(t->dtype, "I64") == 0 ? 8 : strcmp(t->dtype, "F32") == 0 ? 4 : 2;
}

static void write_element(FILE *file, const tensor *t, double value)
{
    float single = (float)value;
    uint32_t bits;
    memcpy(&bits, &single, 4);
    uint16_t half = (uint16_t)(bits >> 16);
    if (strcmp(t->dtype, "F16") == 0) {
        int exponent = (int)(bits >> 23 & 255) - 127 + 15;
        half = (uint16_t)((bits >> 16 & 0x8000) | (single == 0 ? 0 : (uint32_t)exponent << 10 | (bits >> 13 & 1023)));
    }
    if (element_bytes(t) == 8)
        fwrite(&value, 8, 1, file);
    else if (element_bytes(t) == 4)
        fwrite(&single, 4, 1, file);
    else
        fwrite(&half, 2, 1, file);
}

static void write_file(const char *path)
{
    FILE *file = fopen(path, "wb");
    char *header = malloc(1 << 16);
    size_t used = (size_t)sprintf(header, "{\"__metadata__\":{\"format\":\"pt\"}"), at = 0;
    if (!file) exit(3);
    for (int i = 0; i < tensor_count; i++) {
        tensor *t = &tensors[i];
        if (t->left_out) continue;
        size_t bytes = element_bytes(t) * (size_t)t->rows * (size_t)t->cols;
        used += (size_t)sprintf(header + used, ",\"%s\":{\"dtype\":\"%s\",\"shape\":[%d", t->name, t->dtype, t->rows);
        if (t->dims == 2) used += (size_t)sprintf(header + used, ",%d", t->cols);
        used += (size_t)sprintf(header + used, "],\"data_offsets\":[%zu,%zu]}", at, at + bytes);
        at += bytes;
    }
    used += (size_t)sprintf(header + used, "}");
    for (uint64_t i = 0; i < 8; i++) fputc((int)((uint64_t)used >> (8 * i) & 255), file);
    fwrite(header, 1, used, file);
    for (int i = 0; i < tensor_count; i++)
        for (int k = 0; !tensors[i].left_out && k < tensors[i].rows * tensors[i].cols; k++)
            write_element(file, &tensors[i], tensors[i].value[k]);
    if (fclose(file) != 0) exit(3);
    free(header);
}

typedef struct model {
    int V, d, h, L, relu, gates;
    tensor *encoder, *ih[MAX_LAYERS], *hh[MAX_LAYERS], *b_ih[MAX_LAYERS], *b_hh[MAX_LAYERS], *proj, *decoder, *bias;
} model;

static int token_of(const model *m, int byte)
{
    if (m->V == 256) return byte;
    return byte == ' ' ? 0 : byte >= 'a' + 2 && byte < 'a' + m->V ? byte - 'a' : 1;
}

/* Row i of weight_ih x + bias_ih, and of weight_hh H + bias_hh. */
static double input_part(const model *m, int l, int i, const double *x, int inputs)
{
    double z = m->b_ih[l] ? m->b_ih[l]->value[i] : 0;
    for (int k = 0; k < inputs; k++) z += m->ih[l]->value[i * inputs + k] * x[k];
    return z;
}

static double hidden_part(const model *m, int l, int i, const double *H)
{
    double z = m->b_hh[l] ? m->b_hh[l]->value[i] : 0;
    for (int k = 0; k < m->h; k++) z += m->hh[l]->value[i * m->h + k] * H[k];
    return z;
}

static double sigmoid(double x) { return 1 / (1 + exp(-x)); }

/* Unit i of layer l after a step, as PyTorch's documentation writes nn.RNN, nn.GRU and nn.LSTM; C: the LSTM's cell
 * state, updated. */
static double unit(const model *m, int l, int i, const double *x, int inputs, const double *H, double *C)
{
    double a[4], b[4];
    for (int g = 0; g < m->gates; g++) {
        a[g] = input_part(m, l, g * m->h + i, x, inputs);
        b[g] = hidden_part(m, l, g * m->h + i, H);
    }
    if (m->gates == 3) {
        double r = sigmoid(a[0] + b[0]), z = sigmoid(a[1] + b[1]), n = tanh(a[2] + r * b[2]);
        return (1 - z) * n + z * H[i];
    }
    if (m->gates == 4) {
        C[i] = sigmoid(a[1] + b[1]) * C[i] + sigmoid(a[0] + b[0]) * tanh(a[2] + b[2]);
        return sigmoid(a[3] + b[3]) * tanh(C[i]);
    }
    double z = a[0] + b[0];
    return m->relu ? (z > 0 ? z : 0) : tanh(z);
}

static double loss(const model *m, const char *path)
{
    FILE *file = fopen(path, "rb");
    double *state = calloc((size_t)(m->L * m->h), sizeof *state), *cell = calloc((size_t)(m->L * m->h), sizeof *cell),
           *next = malloc(sizeof *next * (size_t)m->h), *logit = malloc(sizeof *logit * (size_t)m->V), sum = 0;
    int width = m->d ? m->d : m->V, previous = -1, byte;
    size_t count = 0;
    double *input = malloc(sizeof *input * (size_t)(width > m->h ? width : m->h));
    if (!file) exit(3);
    while ((byte = fgetc(file)) != EOF) {
        if (byte == '\n' && m->V != 256) continue;
        int target = token_of(m, byte);
        if (previous >= 0) {
            int inputs = width;
            for (int i = 0; i < width; i++) input[i] = m->d ? m->encoder->value[previous * width + i] : i == previous;
            for (int l = 0; l < m->L; l++) {
                double *H = state + l * m->h;
                for (int i = 0; i < m->h; i++) next[i] = unit(m, l, i, input, inputs, H, cell + l * m->h);
                memcpy(H, next, sizeof *next * (size_t)m->h);
                memcpy(input, next, sizeof *next * (size_t)m->h);
                inputs = m->h;
            }
            if (m->proj) {
                for (int i = 0; i < m->d; i++) {
                    next[i] = 0;
                    for (int k = 0; k < m->h; k++) next[i] += m->proj->value[i * m->h + k] * input[k];
                }
                memcpy(input, next, sizeof *next * (size_t)m->d);
                inputs = m->d;
            }
            double largest = -INFINITY, total = 0;
            for (int v = 0; v < m->V; v++) {
                logit[v] = m->bias ? m->bias->value[v] : 0;
                for (int k = 0; k < inputs; k++) logit[v] += m->decoder->value[v * inputs + k] * input[k];
                if (logit[v] > largest) largest = logit[v];
            }
            for (int v = 0; v < m->V; v++) total += exp(logit[v] - largest);
            sum -= logit[target] - largest - log(total);
            count++;
        }
        previous = target;
    }
    fclose(file);
    free(state);
    free(cell);
    free(next);
    free(logit);
    free(input);
    return sum / (double)count;
}

static int setting(int argc, char **argv, const char *name, const char **value)
{
    size_t bytes = strlen(name);
    for (int i = 3; i < argc; i++)
        if (strncmp(argv[i], name, bytes) == 0 && (argv[i][bytes] == 0 || argv[i][bytes] == '=')) {
            if (value) *value = argv[i] + bytes + (argv[i][bytes] == '=');
            return 1;
        }
    return 0;
}

static int number(int argc, char **argv, const char *name, int fallback)
{
    const char *value;
    return setting(argc, argv, name, &value) ? atoi(value) : fallback;
}

int main(int argc, char **argv)
{
    if (argc < 3) return 2;
    model m = {.V = number(argc, argv, "vocab", 26),
               .d = number(argc, argv, "embed", 0),
               .h = number(argc, argv, "hidden", 7),
               .L = number(argc, argv, "layers", 1),
               .relu = setting(argc, argv, "relu", NULL)};
    int tied = setting(argc, argv, "tied", NULL), gates = setting(argc, argv, "lstm", NULL)  ? 4
                                                          : setting(argc, argv, "gru", NULL) ? 3
                                                                                             : 1;
    const char *name;
    m.gates = gates;
    setting(argc, argv, "dtype", &dtype);
    setting(argc, argv, "prefix", &prefix);
    if (m.d) m.encoder = add("encoder.weight", 2, m.V, m.d, 1);
    for (int l = 0; l < m.L; l++) {
        char text[40];
        int inputs = l > 0 ? m.h : m.d ? m.d : m.V;
        sprintf(text, "rnn.weight_ih_l%d", l);
        m.ih[l] = add(text, 2, gates * m.h, inputs, 0.8);
        sprintf(text, "rnn.weight_hh_l%d", l);
        m.hh[l] = add(text, 2, gates * m.h, m.h, 0.5);
        if (setting(argc, argv, "nobias", NULL)) continue;
        sprintf(text, "rnn.bias_ih_l%d", l);
        m.b_ih[l] = add(text, 1, gates * m.h, 1, 0.5);
        sprintf(text, "rnn.bias_hh_l%d", l);
        m.b_hh[l] = add(text, 1, gates * m.h, 1, 0.5);
    }
    if (setting(argc, argv, "reverse", NULL)) add("rnn.weight_hh_l0_reverse", 2, m.h, m.h, 1);
    if (tied && m.d != m.h) m.proj = add("proj.weight", 2, m.d, m.h, 0.6);
    if (!tied)
        m.decoder = add("decoder.weight", 2, m.V, m.h, 1);
    else {
        m.decoder = m.encoder;
        if (setting(argc, argv, "alias", NULL))
            snprintf(m.encoder->name, sizeof m.encoder->name, "%sdecoder.weight", prefix);
    }
    if (!setting(argc, argv, "nodecoderbias", NULL)) m.bias = add("decoder.bias", 1, m.V, 1, 1);
    if (setting(argc, argv, "extra", NULL)) add("attention.weight", 2, 3, 3, 1);
    for (int i = 0; i < tensor_count; i++) {
        if (setting(argc, argv, "missing", &name) && strcmp(tensors[i].name, name) == 0) tensors[i].left_out = 1;
        if (setting(argc, argv, "wrong", &name) && strcmp(tensors[i].name, name) == 0) tensors[i].rows--;
        if (setting(argc, argv, "integer", NULL) && i == 0) tensors[i].dtype = "I64";
    }
    double result = !setting(argc, argv, "wrong", NULL) ? loss(&m, argv[2]) : 0;
    write_file(argv[1]);
    printf("%.12f\n", result);
    for (int i = 0; i < tensor_count; i++) free(tensors[i].value);
    return 0;
}
