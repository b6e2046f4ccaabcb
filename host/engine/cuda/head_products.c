/* Which library makes the products of the output layer: see head.h. */
#include "head.h"

/* What no measurement has shown to pay on a GPU, auto leaves out. */
px_status px_cuda_choose_products(const px_cuda_plan *plan, px_products *library)
{
    *library = plan->shape.products == PX_PRODUCTS_AUTO ? PX_PRODUCTS_CUBLAS : plan->shape.products;
    /* rows of a cluster differ from window to window: a question for each would cost more than it gains */
    if (*library == PX_PRODUCTS_CUBLASLT && plan->adaptive)
        return px_fail(PX_ERR_DEVICE, "--products cublaslt: not for --output adaptive; use --products cublas");
    return PX_OK;
}

px_status px_cuda_head_products_create(px_cuda *engine)
{
    px_blas_lt *lt = &engine->lt;
    engine->head_blas = engine->blas;
    if (engine->plan.products != PX_PRODUCTS_CUBLASLT) return PX_OK;
    *lt = (px_blas_lt){.compute = engine->blas.compute,
                       .operand = engine->blas.operand,
                       .stream = engine->compute,
                       .workspace = engine->b.blas_workspace[0],
                       .workspace_bytes = PX_BLAS_WORKSPACE_BYTES};
    PX_TRY(px_blas_lt_create(lt));
    engine->head_blas.lt = lt;
    lt->asking = 1;
    const px_status status = px_cuda_head_softmax_products(engine);
    lt->asking = 0;
    return status;
}

/* The window's own products have been the first questions. */
void px_cuda_head_products_taken(const px_engine *base, px_product_choice *choice)
{
    const px_cuda *engine = (const px_cuda *)base;
    const int32_t count = engine->plan.shape.training ? PX_HEAD_PRODUCTS : 1;
    *choice = (px_product_choice){.library = engine->plan.products};
    for (int32_t i = 0; engine->head_blas.lt && i < count; i++)
        if (px_blas_lt_describe(&engine->lt.answer[i], &choice->algorithm[i]) == PX_OK) choice->count = i + 1;
}
