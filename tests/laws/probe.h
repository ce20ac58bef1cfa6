/* probe: calls a method's hooks directly, with all memory between canaries. Used by the laws. */
#ifndef POSLAB_TESTS_PROBE_H
#define POSLAB_TESTS_PROBE_H

#include "laws.h"

/* The arrays that hooks change, one after the other with guards between them: x[T,C], p[T,C] (zero when the
   forward hook is called), q and k [T,D], or
   [T,m D] with widening, with gaps between rows, bias[H,T]. The part of a missing hook is
   empty. */
enum { EMBED, INPUT, QUERY, KEY, BIAS, PARTS };
extern const char *const probe_hooks[PARTS]; /* names of the parts' hooks, for messages */

typedef struct Probe {
    const PositionMethod
        *method; /* the method whose hooks are called: the partner of a method that draws positions */
    const void *options;
    const double *positions; /* [T] if such a method has drawn them, else NULL */
    PositionShape shape;
    PositionContext context;
    PositionTensor tensors[POS_MAX_TENSORS];
    int count; /* of tensors */
    size_t sizes[POS_MAX_TENSORS];
    float *value[POS_MAX_TENSORS], *grad[POS_MAX_TENSORS]; /* grad: where probe_backward adds */
    const float *input; /* [total]: what the forward hooks got, for transform_backward; canaries outside */
    const unsigned char *tables; /* [table_bytes]: all memory that prepare() allocated */
    size_t table_bytes;
    size_t start[PARTS], size[PARTS], total; /* of the parts, in floats */
    int stride, row; /* of q and k: from row to row; numbers of a row, D, or m D with widening */
} Probe;

/* Parameters as law_model has them, the same at every length. */
Probe probe_new(const LawCase *c, int length, Arena *arena);

/* The same with given positions, which must outlive the probe. */
Probe probe_new_at(const LawCase *c, int length, const double *positions, Arena *arena);

/* data[total]: normal numbers in every part, canaries in guards and gaps. */
float *probe_data(const Probe *p, uint64_t seed, const char *name, Arena *arena);
float *probe_copy(const Probe *p, const float *data, Arena *arena);
const char *
probe_spoilt(const Probe *p,
             const float *data); /* name of a part next to which a canary was overwritten; NULL: none */
bool probe_inside(const Probe *p, int part, size_t i); /* element i of the part is not in a gap */

/* Calls every forward hook, in place: inputs become outputs. */
void probe_forward(const Probe *p, float *data);

/* Calls every backward hook, in place: gradients at outputs become gradients at inputs; those of tensors are
 * added.
 */
void probe_backward(const Probe *p, float *data);

/* A separate array between canaries. */
float *guarded_new(Arena *arena, size_t count);
bool guarded_intact(const float *at, size_t count);

#endif
