/* Every variant of every kernel on one list of cases: checked against the same arithmetic in double, and on a GPU
 * timed.
 *
 * A case is one launch (or the few that belong together) on one shape. The files beside this one add theirs to the
 * list; adding a variant is adding a row to the table of its kernel. A case knows how to make its arrays, launch,
 * compare, and what the launch must move and multiply at least, so that a time can be held against the device. */
#ifndef PX_KERNEL_CASES_H
#define PX_KERNEL_CASES_H

#include "kernel_test.h"

#include <memory>

namespace cases
{

/* How far results are from the reference, as shares of what is allowed: more than 1 is wrong. */
class verdict
{
  public:
    /* got against want, each within tolerance * size[i] (size empty: |want|). NaN is wrong. */
    void compare(const std::string &what, const std::vector<float> &got, const std::vector<double> &want,
                 double tolerance, const std::vector<double> &size = {});
    double worst = 0;
    std::string words; /* of the first value that is wrong; empty: none */
};

/* A case that is ready: its arrays are on the device. */
struct ready {
    std::function<cudaError_t()> launch; /* again and again, for timing */
    std::function<verdict()> check;      /* after the first launch */
    double bytes, flops;                 /* that a launch must move and do at least */
};

struct kernel_case {
    const char *kernel;  /* "recurrence_forward" */
    const char *variant; /* "step": the way that is taken */
    std::string shape;   /* "n=32 h=512 bf16" */
    bool large;          /* for a GPU alone */
    std::function<ready()> make;
};

typedef std::vector<kernel_case> list;

/* The files of the list, one for each kernel file. */
void add_embed(list &to);
void add_recurrence(list &to);
void add_windows(list &to);
void add_gates(list &to);
void add_gates_windows(list &to);
void add_head(list &to);
void add_update(list &to);

std::string text(const char *format, ...) __attribute__((format(printf, 1, 2)));
inline const char *name_of(px_element type) { return type == PX_ELEMENT_BF16 ? "bf16" : "fp32"; }
inline size_t bytes_of(px_element type) { return type == PX_ELEMENT_BF16 ? sizeof(px_bf16) : sizeof(float); }

/* Values as an operand of that type holds them. */
inline std::vector<float> rounded(const std::vector<float> &v, px_element type)
{
    return type == PX_ELEMENT_BF16 ? floats_of(bf16s_of(v)) : v;
}

/* An array of either type, with the same values. shift: elements off the allocation's alignment. */
class operand
{
  public:
    operand(const std::vector<float> &values, px_element t, size_t shift = 0)
        : type(t), wide(t == PX_ELEMENT_BF16 ? std::vector<float>() : values, shift),
          low(t == PX_ELEMENT_BF16 ? bf16s_of(values) : std::vector<px_bf16>(), shift)
    {
    }
    void *data() const { return type == PX_ELEMENT_BF16 ? static_cast<void *>(low.data()) : wide.data(); }
    std::vector<float> read() const { return type == PX_ELEMENT_BF16 ? floats_of(low.read()) : wide.read(); }

  private:
    px_element type;
    array<float> wide;
    array<px_bf16> low;
};

} // namespace cases

#endif
