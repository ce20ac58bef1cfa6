/* sink_logit: one more term in the softmax of each query (model.attention.sink_logit); its value is zero. */
#include <math.h>

#include "attention/internal.h"

bool sink_logit_of(const Attention *a, int h, float *logit) {
    const float *learnt = a->learnt[ATTENTION_SINK_LOGITS];
    *logit = learnt ? learnt[h] : 0;
    return a->options->sink_logit != ATTENTION_SINK_OFF;
}

float sink_logit_close_row(float logit, float *top, float *total) {
    float highest = fmaxf(*top, logit), shrink = expf(*top - highest);
    *total = *total * shrink + expf(logit - highest);
    *top = highest;
    return shrink / *total;
}

/* The gradient is that of a score, P (dP - delta), where dP is 0. */
void sink_logit_backward(Attention *a, const float *lse, int h) {
    float logit, *gradient = a->dlearnt[ATTENTION_SINK_LOGITS];
    double sum = 0;
    if (!gradient || !sink_logit_of(a, h, &logit)) return;
    for (int t = a->cached; t < a->length; t++)
        sum -= exp((double)logit - (double)lse[t]) * (double)a->current.delta[t];
    gradient[h] += (float)sum;
}
