/* model: the shared decoder-only transformer: its options, parameters, initial values and FLOPs.
 *
 *     x = sqrt(C) E[token], embed hook, dropout
 *     layers times:  x += dropout(O(attention(LN1(x))))     x += dropout(W2(act(W1(LN2(x)))))
 *     loss = mean cross-entropy in nats of final_norm(x) E^T
 *
 * A linear layer computes y = x W^T + b with W [out,in] row-major. E is [V,C], and input and output share it;
 * `adaptive` replaces it with matrices of bands of tokens. model/README.md has all formulas and initial
 * values. Each tensor draws its initial values from the random stream with its name, so tensors that methods
 * share start with the same bits under every method.
 *
 * Letters: B sequences, T length, N = B T rows, L layers, H heads, D head size, C = H D, F ffn, V vocabulary.
 */
#ifndef POSLAB_MODEL_MODEL_H
#define POSLAB_MODEL_MODEL_H

#include "position/encoding.h"
#include "attention/attention.h"
#include "model/adaptive_softmax.h"

typedef enum ModelActivation { MODEL_RELU, MODEL_GELU, MODEL_SWIGLU } ModelActivation;
typedef enum ModelStart { MODEL_START_POSLAB, MODEL_START_FAIRSEQ } ModelStart;

typedef struct ModelOptions {
    int64_t layers, heads, width, ffn;
    int64_t vocabulary; /* 0 in a config: the tokenizer's (bytes: 256); always set before model_new */
    int activation;     /* ModelActivation */
    int init;           /* ModelStart */
    bool final_norm;
    double dropout, attention_dropout, activation_dropout;
    int64_t max_tokens_in_flight; /* rows of one micro-batch; bounds the memory of activations */
    AttentionOptions attention;
    AdaptiveSoftmax adaptive;
} ModelOptions;

extern const OptionField model_fields[];
extern const int model_field_count;
extern const OptionSection model_section; /* `model` */

void model_default(ModelOptions *options); /* sets all defaults, including those of attention */

/* The section `model` as JSON with all defaults. */
Json *model_json(const ModelOptions *options, Arena *arena);

/* Checks the rules between options (EXIT_USAGE): the heads divide the width, and the method and its partner
   can be used at `train_length`. Errors begin with `source`. */
bool model_check(const ModelOptions *options, const Encoding *position, int train_length, const char *source,
                 Error *err);

/* Whether the method of a model trained at `train_length` can be used at `length`. */
bool model_usable(const ModelOptions *options, const Encoding *position, int train_length, int64_t length);

/* The parameter tensors, one row each. Initialisation, optimizer, saved states and gradient checks iterate
   over these rows. */
typedef enum ModelInit {
    MODEL_INIT_ZERO,
    MODEL_INIT_ONE,
    MODEL_INIT_NORMAL,
    MODEL_INIT_UNIFORM,
    MODEL_INIT_METHOD,
} ModelInit;

typedef struct ModelParam {
    const char *name; /* "layers.0.norm1.weight": the name in safetensors */
    int rank, dims[2];
    size_t offset, size; /* in floats, in values, gradients and optimizer state */
    ModelInit init;
    double mean,
        deviation; /* of MODEL_INIT_NORMAL; of MODEL_INIT_UNIFORM the largest distance from the mean */
    bool padding;  /* row 1 is initially 0 */
    int index;     /* of MODEL_INIT_METHOD: the method's tensor */
    int layer;     /* -1: of all layers */
    bool decay;    /* weight decay applies */
    bool frozen;   /* the optimizer leaves it as it is */
} ModelParam;

/* Offsets of the tensors in values and gradients, in floats. */
typedef struct ModelLayerIndex {
    size_t attention[ATTENTION_TENSORS]; /* what attention learns; MODEL_NO_TENSOR where it does not */
    size_t norm1_w, norm1_b, qkv_w, qkv_b, out_w, out_b, norm2_w, norm2_b, in_w, in_b, ffn_w, ffn_b;
    size_t gate_w, gate_b;            /* of the output gate; MODEL_NO_TENSOR without */
    size_t position[POS_MAX_TENSORS]; /* the method's tensors in this layer */
} ModelLayerIndex;

#define MODEL_NO_TENSOR SIZE_MAX /* offset of a tensor that does not exist */

/* A band of model.adaptive. */
typedef struct ModelBandIndex {
    AdaptiveBand band;
    size_t embedding, projection; /* [size, d], [C, d] */
} ModelBandIndex;

typedef struct ModelIndex {
    size_t embedding, norm_w, norm_b;                       /* no embedding if there are bands */
    ModelBandIndex bands[ADAPTIVE_SOFTMAX_MAX_CUTOFFS + 1]; /* the classes of the other bands, [bands - 1, C],
                                                               directly follow the embedding of band 0 */
    size_t position[POS_MAX_TENSORS]; /* the method's tensors for all layers; MODEL_NO_TENSOR if per layer */
    int positions;                    /* number of the method's tensors */
    ModelLayerIndex *layers;          /* [layers] */
} ModelIndex;

typedef struct Model {
    ModelOptions options;
    PositionShape shape;
    Encoding position;      /* the method of the config */
    const Encoding *acting; /* the method or partner that provides the hooks */
    uint64_t seed;          /* of model_init; in evaluation, of random positions */
    int precision;          /* Precision of its passes; PRECISION_FP32 unless set */
    bool given_positions;   /* sequences of its passes can have positions of their own */
    int threads;            /* number of lanes (sys/threads.h) of its passes; 1 unless set */
    ModelParam *params;
    int param_count;
    size_t size;        /* floats of all tensors and the padding between them, which is always zero */
    int64_t parameters; /* without padding */
    int64_t position_parameters;
    float *values; /* [size]; NULL until model_allocate */
    ModelIndex *index;
} Model;

/* Computes the layout of a model without values, which is enough to count parameters and bytes. Owned by the
   arena. */
Model *model_new(const ModelOptions *options, const Encoding *position, int train_length, Arena *arena);

/* Allocates the values of a model, set to zero. */
void model_allocate(Model *model, Arena *arena);

/* Sets all values to the initial values of `seed`. */
void model_init(Model *model, uint64_t seed);

/* Sets the tensors of a layer to new initial values, which differ for each `time`; 0: those of model_init. */
void model_init_layer(Model *model, uint64_t seed, int layer, int time);

/* The first `layers` layers of a model, as a model. It shares the tensors of `model`, which must outlive it;
   optimizer and hooks do not change the tensors of the other layers. */
Model model_part(const Model *model, int layers);

/* Whether updates change the tensor: it is not frozen, and its layer, if any, is one of the model's. */
bool model_trains(const Model *model, const ModelParam *param);

/* The same weights with another method or other options of attention. The values are shared with `model`,
   which must outlive the result. Returns NULL with EXIT_USAGE if the tensors differ. */
Model *model_with_changes(const Model *model, const Encoding *position, const AttentionOptions *attention,
                          const char *source, Arena *arena, Error *err);

/* The name of the first tensor that only one of the models has, or whose shapes differ; NULL if all are
 * equal. */
const char *model_first_difference(const Model *a, const Model *b);

/* Freezes the tensors whose names match an item of `names` (NULL-terminated, or NULL), in which * matches any
   characters. Fails with EXIT_USAGE if an item matches no tensor, or if no tensor is left to train. */
bool model_freeze(Model *model, const char *const *names, const char *source, Error *err);

/* Projects the method's trained tensors onto their allowed values, with the hook `project`. */
void model_project(Model *model);

/* The number of rows of the first feed-forward matrix: F, or 2 F for SwiGLU (gate, then value). */
int model_ffn_rows(const ModelOptions *options);

/* The FLOPs per token of a pass: 2 per weight of a matrix (E counts once, as output projection; with bands,
   it counts adaptive_softmax_compute_rows rows; an output gate's matrix counts, too), and 2 T C per layer for
   scores and values, half of the square, because attention is causal. Training counts three times as much. */
double model_flops(const ModelOptions *options, int length, bool training);

/* The FLOPs per token that `cached` cached rows (model/cache.h) of each sequence add to a pass of `length`
   tokens: 6 C^2 per layer and cached row for its projection, and 4 C per layer, token and cached row for
   scores and values. Training counts three times as much, except for the gradient of cached rows, which is
   not computed. */
double model_cache_flops(const ModelOptions *options, double length, double cached, bool training);

#endif
