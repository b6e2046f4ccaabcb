/* One parameter's step under each optimiser, in whatever precision an engine computes: the reference in double, the CPU
 * and CUDA engines in float. An engine defines, and includes this file inside its own namespace of names:
 *
 *   PX_STEP(name)         the head of a function of (s, g, w, *m, *v) that returns the new weight: s the numbers of the step (below), g the
 *                         gradient, clipped and with coupled weight decay, w the weight, after decoupled decay, m and v the moments
 *   PX_STEP_ROOT(x)       square root
 *   PX_STEP_MEAN(s, m)    lr times Adam's first moment without its bias: lr m / (1 - beta1^t)
 *   PX_STEP_DEVIATION(s, v)   the root of Adam's second moment without its bias: sqrt(v / (1 - beta2^t))
 *
 * s->lr, momentum, beta1, beta2, alpha, epsilon, and rest1, rest2, rest_alpha: 1 - beta1, 1 - beta2, 1 - alpha, each
 * from double. Formulas as in torch.optim: momentum without dampening, epsilon outside the root, RMSProp not centred.
 * */

PX_STEP(sgd)
{
    (void)m, (void)v;
    return w - s->lr * g;
}

PX_STEP(momentum)
{
    (void)v;
    *m = s->momentum * *m + g;
    return w - s->lr * *m;
}

PX_STEP(adam)
{
    *m = s->beta1 * *m + s->rest1 * g;
    *v = s->beta2 * *v + s->rest2 * g * g;
    return w - PX_STEP_MEAN(s, *m) / (PX_STEP_DEVIATION(s, *v) + s->epsilon);
}

PX_STEP(rmsprop)
{
    (void)m;
    *v = s->alpha * *v + s->rest_alpha * g * g;
    return w - s->lr * g / (PX_STEP_ROOT(*v) + s->epsilon);
}
