// oneDNN's own vanilla RNN primitive as a peer: a whole training step around it, as a careful user would write it.
//
// The recurrence of each layer, forward and backward, is dnnl::vanilla_rnn; the output layer is dnnl_sgemm with a
// threaded softmax; clipping and SGD are plain loops. A one-hot input is given to the primitive as what it is to it, a
// dense matrix, so only small vocabularies take part that way; larger ones come with learned embeddings (d > 0).
// Conversation as in worker.py: onednn_peer CASE.safetensors THREADS. Builds with oneDNN 2.x and 3.x.
#include <cjson/cJSON.h>
#include <dnnl.hpp>
#include <omp.h>

#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>
#include <iostream>
#include <map>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

using dnnl::memory;
typedef memory::format_tag tag;

static const float RATE = 0.1f, CLIP = 1.0f;
static const int64_t LARGEST_ONE_HOT = 1024;

// Of a case; the next one may be another.
[[noreturn]] static void refuse(const std::string &reason) { throw std::runtime_error(reason); }

// ---- the case that perplex exported ---------------------------------------------------------------------------------
struct Tensor {
    std::vector<int64_t> shape;
    std::vector<char> bytes;
    const float *f32() const { return reinterpret_cast<const float *>(bytes.data()); }
    const int32_t *i32() const { return reinterpret_cast<const int32_t *>(bytes.data()); }
};

static std::map<std::string, Tensor> read_case(const char *path)
{
    std::ifstream file(path, std::ios::binary);
    uint64_t length = 0;
    if (!file.read(reinterpret_cast<char *>(&length), 8)) refuse("the case cannot be read");
    std::string text(length, ' ');
    file.read(&text[0], static_cast<std::streamsize>(length));
    cJSON *header = cJSON_Parse(text.c_str());
    std::map<std::string, Tensor> tensors;
    const cJSON *entry, *size;
    cJSON_ArrayForEach(entry, header)
    {
        if (!std::strcmp(entry->string, "__metadata__")) continue;
        const cJSON *range = cJSON_GetObjectItem(entry, "data_offsets");
        int64_t begin = static_cast<int64_t>(cJSON_GetArrayItem(range, 0)->valuedouble);
        int64_t end = static_cast<int64_t>(cJSON_GetArrayItem(range, 1)->valuedouble);
        Tensor tensor;
        cJSON_ArrayForEach(size, cJSON_GetObjectItem(entry, "shape"))
            tensor.shape.push_back(static_cast<int64_t>(size->valuedouble));
        tensor.bytes.resize(static_cast<size_t>(end - begin));
        file.seekg(static_cast<std::streamoff>(8 + length + static_cast<uint64_t>(begin)));
        file.read(tensor.bytes.data(), end - begin);
        tensors[entry->string] = tensor;
    }
    cJSON_Delete(header);
    return tensors;
}

// PyTorch lays weights as [out, in]; the primitive's plain layout, ldigo, is [in, out].
static std::vector<float> transposed(const Tensor &t)
{
    size_t rows = static_cast<size_t>(t.shape[0]), cols = static_cast<size_t>(t.shape[1]);
    std::vector<float> out(rows * cols);
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < cols; j++) out[j * rows + i] = t.f32()[i * cols + j];
    return out;
}

// ---- one recurrent layer --------------------------------------------------------------------------------------------
struct Layer {
    int64_t T, n, in, h;
    std::vector<float> w_layer, w_iter, bias, dw_layer, dw_iter, dbias; // plain layouts
    dnnl::vanilla_rnn_forward::primitive_desc forward_desc;
    dnnl::vanilla_rnn_backward::primitive_desc backward_desc;
    dnnl::vanilla_rnn_forward forward;
    dnnl::vanilla_rnn_backward backward;
    memory src, src_iter, dst, dst_iter, workspace, dsrc, dsrc_iter, ddst, ddst_iter;
    memory plain_layer, plain_iter, plain_bias, plain_dlayer, plain_diter, plain_dbias; // views of the vectors
    memory fwd_layer, fwd_iter, bwd_layer, bwd_iter, dlayer, diter;

    Layer(dnnl::engine &engine, int64_t T_, int64_t n_, const Tensor &w_ih, const Tensor &w_hh, const Tensor &b)
        : T(T_), n(n_), in(w_ih.shape[1]), h(w_hh.shape[0]), w_layer(transposed(w_ih)), w_iter(transposed(w_hh)),
          bias(b.f32(), b.f32() + b.shape[0]), dw_layer(w_layer.size()), dw_iter(w_iter.size()), dbias(bias.size())
    {
        const auto f32 = memory::data_type::f32;
        memory::desc src_d({T, n, in}, f32, tag::tnc), dst_d({T, n, h}, f32, tag::tnc),
            iter_d({1, 1, n, h}, f32, tag::ldnc);
        memory::desc wl({1, 1, in, 1, h}, f32, tag::any), wi({1, 1, h, 1, h}, f32, tag::any),
            bd({1, 1, 1, h}, f32, tag::ldgo);
        const auto tanh = dnnl::algorithm::eltwise_tanh;
        const auto way = dnnl::rnn_direction::unidirectional_left2right;
#if DNNL_VERSION_MAJOR >= 3
        forward_desc = {engine, dnnl::prop_kind::forward_training, tanh, way, src_d, iter_d, wl, wi, bd, dst_d, iter_d};
        // one row of arguments for each of the two passes
        // clang-format off
        backward_desc = {engine, dnnl::prop_kind::backward, tanh, way, src_d, iter_d, wl, wi, bd, dst_d, iter_d,
                         src_d, iter_d, wl, wi, bd, dst_d, iter_d, forward_desc};
        // clang-format on
#else
        forward_desc = {{dnnl::prop_kind::forward_training, tanh, way, src_d, iter_d, wl, wi, bd, dst_d, iter_d},
                        engine};
        backward_desc = {{dnnl::prop_kind::backward, tanh, way, src_d, iter_d, wl, wi, bd, dst_d, iter_d, src_d, iter_d,
                          wl, wi, bd, dst_d, iter_d},
                         engine,
                         forward_desc};
#endif
        forward = dnnl::vanilla_rnn_forward(forward_desc);
        backward = dnnl::vanilla_rnn_backward(backward_desc);
        src = memory(src_d, engine), dsrc = memory(src_d, engine), dst = memory(dst_d, engine),
        ddst = memory(dst_d, engine);
        src_iter = memory(iter_d, engine), dst_iter = memory(iter_d, engine), dsrc_iter = memory(iter_d, engine),
        ddst_iter = memory(iter_d, engine);
        workspace = memory(forward_desc.workspace_desc(), engine);
        memory::desc pl({1, 1, in, 1, h}, f32, tag::ldigo), pi({1, 1, h, 1, h}, f32, tag::ldigo);
        plain_layer = memory(pl, engine, w_layer.data()), plain_iter = memory(pi, engine, w_iter.data()),
        plain_bias = memory(bd, engine, bias.data());
        plain_dlayer = memory(pl, engine, dw_layer.data()), plain_diter = memory(pi, engine, dw_iter.data());
        plain_dbias = memory(bd, engine, dbias.data());
        fwd_layer = like(forward_desc.weights_layer_desc(), plain_layer, engine),
        fwd_iter = like(forward_desc.weights_iter_desc(), plain_iter, engine);
        bwd_layer = like(backward_desc.weights_layer_desc(), plain_layer, engine),
        bwd_iter = like(backward_desc.weights_iter_desc(), plain_iter, engine);
        dlayer = like(backward_desc.diff_weights_layer_desc(), plain_dlayer, engine),
        diter = like(backward_desc.diff_weights_iter_desc(), plain_diter, engine);
    }

    // The plain memory itself where the primitive wants that layout, a new one where it must be reordered.
    static memory like(const memory::desc &wanted, const memory &plain, dnnl::engine &engine)
    {
        return wanted == plain.get_desc() ? plain : memory(wanted, engine);
    }

    static void bring(dnnl::stream &stream, memory &from, memory &to)
    {
        if (from.get_data_handle() != to.get_data_handle()) dnnl::reorder(from, to).execute(stream, from, to);
    }

    void run_forward(dnnl::stream &stream)
    {
        bring(stream, plain_layer, fwd_layer);
        bring(stream, plain_iter, fwd_iter);
        forward.execute(stream, {{DNNL_ARG_SRC_LAYER, src},
                                 {DNNL_ARG_SRC_ITER, src_iter},
                                 {DNNL_ARG_WEIGHTS_LAYER, fwd_layer},
                                 {DNNL_ARG_WEIGHTS_ITER, fwd_iter},
                                 {DNNL_ARG_BIAS, plain_bias},
                                 {DNNL_ARG_DST_LAYER, dst},
                                 {DNNL_ARG_DST_ITER, dst_iter},
                                 {DNNL_ARG_WORKSPACE, workspace}});
    }

    void run_backward(dnnl::stream &stream)
    {
        bring(stream, plain_layer, bwd_layer);
        bring(stream, plain_iter, bwd_iter);
        clear(dlayer), clear(diter), clear(plain_dbias), clear(ddst_iter); // the primitive adds to its weight gradients
        backward.execute(stream, {{DNNL_ARG_SRC_LAYER, src},
                                  {DNNL_ARG_SRC_ITER, src_iter},
                                  {DNNL_ARG_WEIGHTS_LAYER, bwd_layer},
                                  {DNNL_ARG_WEIGHTS_ITER, bwd_iter},
                                  {DNNL_ARG_BIAS, plain_bias},
                                  {DNNL_ARG_DST_LAYER, dst},
                                  {DNNL_ARG_DST_ITER, dst_iter},
                                  {DNNL_ARG_WORKSPACE, workspace},
                                  {DNNL_ARG_DIFF_SRC_LAYER, dsrc},
                                  {DNNL_ARG_DIFF_SRC_ITER, dsrc_iter},
                                  {DNNL_ARG_DIFF_WEIGHTS_LAYER, dlayer},
                                  {DNNL_ARG_DIFF_WEIGHTS_ITER, diter},
                                  {DNNL_ARG_DIFF_BIAS, plain_dbias},
                                  {DNNL_ARG_DIFF_DST_LAYER, ddst},
                                  {DNNL_ARG_DIFF_DST_ITER, ddst_iter}});
        bring(stream, dlayer, plain_dlayer);
        bring(stream, diter, plain_diter);
    }

    static void clear(memory &m) { std::memset(m.get_data_handle(), 0, m.get_desc().get_size()); }
};

static float *data_of(memory &m) { return static_cast<float *>(m.get_data_handle()); }

// ---- the model ------------------------------------------------------------------------------------------------------
struct Model {
    dnnl::engine engine{dnnl::engine::kind::cpu, 0};
    dnnl::stream stream{engine};
    std::map<std::string, Tensor> tensors;
    std::vector<Layer> layers;
    std::vector<float> table, dtable, w_hq, dw_hq, b_q, db_q, logits;
    int64_t W, T, n, V, h, d;
    int64_t window = 0;

    explicit Model(const char *path) : tensors(read_case(path))
    {
        if (!tensors.count("decoder.weight")) refuse("tied embeddings are not part of this comparison");
        const Tensor &tokens = tensors["bench.tokens"];
        W = tokens.shape[0], T = tokens.shape[1], n = tokens.shape[2];
        V = tensors["decoder.weight"].shape[0], h = tensors["decoder.weight"].shape[1];
        d = tensors.count("encoder.weight") ? tensors["encoder.weight"].shape[1] : 0;
        if (d == 0 && V > LARGEST_ONE_HOT)
            refuse("the primitive would multiply a dense one-hot matrix of this vocabulary");
        logits.resize(static_cast<size_t>(T * n * V));
        reset();
    }

    void reset()
    {
        layers.clear();
        layers.reserve(16); // memories point into the layers' vectors
        for (int l = 0; tensors.count("rnn.weight_hh_l" + std::to_string(l)); l++) {
            const std::string index = std::to_string(l);
            layers.emplace_back(engine, T, n, tensors["rnn.weight_ih_l" + index], tensors["rnn.weight_hh_l" + index],
                                tensors["rnn.bias_ih_l" + index]);
        }
        auto copy = [this](const char *name) {
            const Tensor &t = tensors[name];
            return std::vector<float>(t.f32(), t.f32() + t.bytes.size() / sizeof(float));
        };
        if (d > 0) table = copy("encoder.weight");
        dtable.resize(table.size());
        w_hq = copy("decoder.weight"), b_q = copy("decoder.bias");
        dw_hq.resize(w_hq.size()), db_q.resize(b_q.size());
        window = 0;
    }

    void embed(const int32_t *ids)
    {
        float *x = data_of(layers[0].src);
        const int64_t rows = T * n, width = layers[0].in;
#pragma omp parallel for
        for (int64_t r = 0; r < rows; r++) {
            if (d > 0)
                std::memcpy(x + r * d, &table[static_cast<size_t>(ids[r] * d)], static_cast<size_t>(d) * sizeof(float));
            else {
                std::memset(x + r * width, 0, static_cast<size_t>(width) * sizeof(float));
                x[r * width + ids[r]] = 1;
            }
        }
    }

    // Loss and its gradient in the logits; dW_hq, db_q and the top layer's diff_dst follow.
    double head(const int32_t *targets)
    {
        Layer &top = layers.back();
        const int64_t rows = T * n;
        dnnl_sgemm('N', 'T', rows, V, h, 1.0f, data_of(top.dst), h, w_hq.data(), h, 0.0f, logits.data(), V);
        double loss = 0;
        const float inv = 1.0f / static_cast<float>(rows);
#pragma omp parallel for reduction(+ : loss)
        for (int64_t r = 0; r < rows; r++) {
            float *o = &logits[static_cast<size_t>(r * V)], largest = -1e30f, sum = 0;
            for (int64_t v = 0; v < V; v++) {
                o[v] += b_q[static_cast<size_t>(v)];
                largest = o[v] > largest ? o[v] : largest;
            }
            const float wanted = o[targets[r]] - largest;
            for (int64_t v = 0; v < V; v++) {
                o[v] = std::exp(o[v] - largest);
                sum += o[v];
            }
            loss += std::log(static_cast<double>(sum)) - static_cast<double>(wanted);
            const float scale = inv / sum;
            for (int64_t v = 0; v < V; v++) o[v] *= scale;
            o[targets[r]] -= inv;
        }
        dnnl_sgemm('T', 'N', V, h, rows, 1.0f, logits.data(), V, data_of(top.dst), h, 0.0f, dw_hq.data(), h);
        dnnl_sgemm('N', 'N', rows, h, V, 1.0f, logits.data(), V, w_hq.data(), h, 0.0f, data_of(top.ddst), h);
        // db_q: each thread its own columns, rows in order
#pragma omp parallel
        {
            const int64_t threads = omp_get_num_threads(), me = omp_get_thread_num(), begin = V * me / threads,
                          end = V * (me + 1) / threads;
            for (int64_t v = begin; v < end; v++) db_q[static_cast<size_t>(v)] = 0;
            for (int64_t r = 0; r < rows; r++)
                for (int64_t v = begin; v < end; v++)
                    db_q[static_cast<size_t>(v)] += logits[static_cast<size_t>(r * V + v)];
        }
        return loss / static_cast<double>(rows);
    }

    void embed_backward(const int32_t *ids)
    {
        if (d == 0) return; // the primitive's diff_weights_layer has it
        std::fill(dtable.begin(), dtable.end(), 0.0f);
        const float *dx = data_of(layers[0].dsrc);
        for (int64_t r = 0; r < T * n; r++)
            for (int64_t j = 0; j < d; j++) dtable[static_cast<size_t>(ids[r] * d + j)] += dx[r * d + j];
    }

    void update()
    {
        std::vector<std::pair<std::vector<float> *, std::vector<float> *>> all = {
            {&table, &dtable}, {&w_hq, &dw_hq}, {&b_q, &db_q}};
        for (Layer &l : layers) {
            all.push_back({&l.w_layer, &l.dw_layer});
            all.push_back({&l.w_iter, &l.dw_iter});
            all.push_back({&l.bias, &l.dbias});
        }
        double square = 0;
        for (auto &pair : all) {
            const float *g = pair.second->data();
            const int64_t count = static_cast<int64_t>(pair.second->size());
#pragma omp parallel for reduction(+ : square)
            for (int64_t i = 0; i < count; i++) square += static_cast<double>(g[i]) * static_cast<double>(g[i]);
        }
        const float norm = static_cast<float>(std::sqrt(square)), scale = RATE * (norm > CLIP ? CLIP / norm : 1.0f);
        for (auto &pair : all) {
            float *w = pair.first->data();
            const float *g = pair.second->data();
            const int64_t count = static_cast<int64_t>(pair.first->size());
#pragma omp parallel for
            for (int64_t i = 0; i < count; i++) w[i] -= scale * g[i];
        }
    }

    double step()
    {
        const int64_t at = window % W, rows = T * n;
        const int32_t *ids = tensors["bench.tokens"].i32() + at * rows,
                      *targets = tensors["bench.targets"].i32() + at * rows;
        window++;
        embed(ids);
        for (size_t l = 0; l < layers.size(); l++) {
            Layer &layer = layers[l];
            if (l > 0) layer.src.set_data_handle(layers[l - 1].dst.get_data_handle());
            if (at == 0) Layer::clear(layer.src_iter);
            layer.run_forward(stream);
        }
        stream.wait();
        const double loss = head(targets);
        for (size_t l = layers.size(); l-- > 0;) {
            layers[l].run_backward(stream);
            if (l > 0) layers[l - 1].ddst.set_data_handle(layers[l].dsrc.get_data_handle());
        }
        stream.wait();
        for (Layer &layer : layers) std::swap(layer.src_iter, layer.dst_iter); // the state is carried
        embed_backward(ids);
        update();
        return loss;
    }
};

static void measure(Model &model, double seconds)
{
    model.step();
    int64_t steps = 0;
    const auto begin = std::chrono::steady_clock::now();
    const std::clock_t cpu = std::clock();
    double spent;
    do {
        model.step();
        steps++;
        spent = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    } while (spent < seconds);
    const double use = static_cast<double>(std::clock() - cpu) / CLOCKS_PER_SEC / spent;
    std::printf("{\"tokens_per_s\": %.9g, \"seconds\": %.9g, \"steps\": %lld, \"use\": %.6g}\n",
                static_cast<double>(steps * model.T * model.n) / spent, spent, static_cast<long long>(steps), use);
    std::fflush(stdout);
}

static void load(const std::string &path, std::unique_ptr<Model> &model)
{
    model.reset();
    try {
        model.reset(new Model(path.c_str()));
        std::cout << "{\"case\": true}" << std::endl;
    } catch (const std::runtime_error &reason) {
        std::cout << "{\"case\": false, \"reason\": \"" << reason.what() << "\"}" << std::endl;
    }
}

static void check(Model &model, int steps)
{
    model.reset();
    std::cout << "{\"losses\": [";
    for (int i = 0; i < steps; i++) {
        char text[40];
        std::snprintf(text, sizeof text, "%s%.9g", i ? ", " : "", model.step());
        std::cout << text;
    }
    std::cout << "]}" << std::endl;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        std::cerr << "usage: onednn_peer THREADS" << std::endl;
        return 2;
    }
    omp_set_num_threads(std::atoi(argv[1]));
    std::unique_ptr<Model> model;
    const dnnl_version_t *version = dnnl_version();
    std::cout << "{\"ready\": true, \"versions\": {\"onednn\": \"" << version->major << "." << version->minor << "."
              << version->patch << "\", \"threads\": " << argv[1] << "}}" << std::endl;
    std::string line;
    while (std::getline(std::cin, line)) {
        std::istringstream words(line);
        std::string command;
        double value = 0;
        words >> command;
        if (command == "quit") break;
        if (command == "case")
            load(line.substr(5), model);
        else if (words >> value && command == "time")
            measure(*model, value);
        else if (command == "check")
            check(*model, static_cast<int>(value));
    }
    return 0;
}
