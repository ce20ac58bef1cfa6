/* attention: causal multi-head attention in tiles, forward and backward.
 *
 * In a pass, only this folder calls the score hooks of a method. Per head, with q and k after the method's
 * transform:
 *
 *     S[i,j] = q_i . k_j / sqrt(D) + bias[i-j]  for j <= i
 *     P = softmax of S over j;  out_i = sum_j P[i,j] v_j
 *
 * Neither pass stores more of S than one tile of queries by keys. The forward pass keeps a running maximum
 * and sum per row (Milakov and Gimelshein 2018, arXiv 1805.02867) and stores lse[i] = log sum_j exp S[i,j];
 * the backward pass recomputes P = exp(S - lse) tile by tile (Dao et al. 2022, arXiv 2205.14135), with
 *
 *     dV = P^T dO;  dP = dO V^T;  dS = P (dP - delta), delta_i = dO_i . O_i
 *     dQ = dS K / sqrt(D);  dK = dS^T Q / sqrt(D)
 *
 * and sums dS along diagonals, so that a method computes its distance bias and its gradient O(T) times per
 * head.
 *
 * The first rows of a sequence can be cached rows of earlier segments (model/cache.h): they are keys, not
 * queries, and have no output. Positions count from the first key.
 *
 * Letters: B sequences, K keys, of which the last T are queries, H heads, D head size, C = H D. Without
 * cached rows K = T. qkv[B,K,3C] holds q, k, v, each head by head; q of cached rows is not used.
 */
#ifndef POSLAB_ATTENTION_ATTENTION_H
#define POSLAB_ATTENTION_ATTENTION_H

#include "position/encoding.h"

/* Changes of attention that combine with every method; the section `model.attention` of a config.
 *
 * window: query i sees the keys j > i - window only; tiles outside are not computed. sinks: the first `sinks`
 * keys are seen as well, as in StreamingLLM (Xiao et al. 2024, arXiv 2309.17453, section 3.2: positions are
 * those inside the cache). For them the query has position min(i, window + sinks - 1) in transforms, distance
 * biases and relative vectors; pair biases, gates and changed scores use i. top_k: only the k highest scores
 * of a row are used (Gupta et al. 2021, arXiv 2106.06899), of equal scores the first; complete rows are
 * computed. scale: q_i, before any transform, is multiplied by max(1, ln(i+1) / ln L), L the training length
 * (Chiang and Cholak 2022, arXiv 2202.12172; the maximum and the base as in kexue.fm/archives/8823), or as in
 * Llama 4 by 1 + coefficient ln(floor((i+1) / floor) + 1), or by 1 + a ln(i+1) with a number a that each head
 * of each layer learns, from 0 (our reading of the length-dependent parameters of Awasthi and Gupta 2023,
 * arXiv 2310.00726, whose form is not published). Further scales that each head of each layer learns: a, from
 * 1 (HeadScale, Wang et al. 2024, arXiv 2404.12224); ssmax: a l, from scale_start (SSMax, Nakanishi 2025,
 * arXiv 2501.19399); asentmax: 1 + a l^b, a from U(0.1, 1), b from N(0, 0.1) (Vasylenko et al. 2025, arXiv
 * 2506.16640, with learnt numbers where that paper has projections of the input). Here l is ln(i+1), the
 * logarithm of the number of keys up to the query, or with scale_log ln(i+2); the source of ssmax has the
 * first, that of asentmax the second, with which a power is finite in all rows. Windows do not change l. All
 * scales act on q: biases of the method are not scaled (BAM, arXiv 2505.22842, scales them too).
 * temperature: all scores, biases included, are multiplied by it. sink_logit: the softmax of each query has
 * one more term exp(s), whose value is zero, so that a head can attend to nothing; s is 0 (softmax plus one,
 * Miller 2023, evanmiller.org/attention-is-off-by-one.html) or a number that each head of each layer learns,
 * from 0 (gpt-oss, OpenAI 2025, arXiv 2508.10925). It is a score as the softmax sees it: temperature, query
 * scales and top_k do not apply to it. Methods with the claim POS_NORMALISED are refused with it.
 * output_gate: the result of attention is multiplied by a sigmoid of a linear layer of the input of q, k and
 * v, one number for each head or for each element (G1 of Qiu et al. 2025, arXiv 2505.06708;
 * model/output_gate.c). adaptive_temperature, in evaluation only: the scores of a query, as the softmax sees
 * them, are multiplied by a factor that grows with the entropy h of their softmax (in nats, over the keys
 * that the query uses, without a sink logit): max(1, -0.037 h^4 + 0.481 h^3 - 2.3 h^2
 * + 4.917 h - 1.791) where h > 0.5, else 1 (Velickovic et al. 2024, arXiv 2410.01104, appendix); complete
 * rows are computed. A struct of zeros is plain attention.
 */
typedef enum AttentionLayers {
    ATTENTION_LAYERS_ALL,
    ATTENTION_LAYERS_POSITION,
    ATTENTION_LAYERS_NOPE
} AttentionLayers;
typedef enum AttentionScale {
    ATTENTION_SCALE_NONE,
    ATTENTION_SCALE_LOG_N,
    ATTENTION_SCALE_LLAMA4,
    ATTENTION_SCALE_LOG_LEARNED,
    ATTENTION_SCALE_LEARNED,
    ATTENTION_SCALE_SSMAX,
    ATTENTION_SCALE_ASENTMAX
} AttentionScale;
typedef enum AttentionGate { ATTENTION_GATE_OFF, ATTENTION_GATE_HEAD, ATTENTION_GATE_ELEMENT } AttentionGate;
typedef enum AttentionLog { ATTENTION_LOG_N, ATTENTION_LOG_NEXT } AttentionLog;
typedef enum AttentionSinkLogit {
    ATTENTION_SINK_OFF,
    ATTENTION_SINK_ZERO,
    ATTENTION_SINK_LEARNED
} AttentionSinkLogit;

typedef struct AttentionOptions {
    int64_t nope_every; /* every n-th layer works without the position method's layer hooks; 0: none */
    int64_t window, sinks, top_k;           /* 0: off */
    int window_layers, scale, scale_layers; /* AttentionLayers, AttentionScale, AttentionLayers */
    int sink_logit, output_gate;            /* AttentionSinkLogit, AttentionGate */
    int64_t scale_floor;
    double scale_coefficient, temperature;
    bool adaptive_temperature;
    int scale_log;      /* AttentionLog */
    double scale_start; /* of ssmax */
} AttentionOptions;

extern const OptionField attention_fields[];
extern const int attention_field_count;
extern const OptionSection attention_section; /* `model.attention` */

/* Rules across options. `source` as in options_read. */
bool attention_check(const AttentionOptions *options, const char *source, Error *err);

/* Refuses options that are for evaluation only. */
bool attention_check_training(const AttentionOptions *options, const char *source, Error *err);

/* Whether the position method acts in layer `layer` (from 0). */
bool attention_has_position(const AttentionOptions *options, int layer);

/* The workspace for one length, owned by the arena. Its size grows with K (D + H), not with K squared. */
typedef struct Attention Attention;

/* `context` has the method's tables and parameters for this length, K; the first `cached` rows are not
   queries. context and options must outlive the Attention. */
Attention *attention_new(const Encoding *position, const PositionContext *context,
                         const AttentionOptions *options, int cached, bool training, Arena *arena);

/* Called once per pass, before the layers: computes the biases that all layers share from the current
   parameters. */
void attention_begin(Attention *attention);

/* Called before the forward or the backward pass of a layer, with the layer's parameters in the context:
   computes the biases of this layer. */
void attention_layer(Attention *attention, int layer);

/* What each head of a layer can learn. Weight decay does not apply. */
typedef enum AttentionTensor {
    ATTENTION_SCALES,
    ATTENTION_SCALE_POWERS,
    ATTENTION_SINK_LOGITS,
    ATTENTION_TENSORS
} AttentionTensor;

/* The names of the tensors of a layer, as in "layers.N.attention.NAME"; each is [H]. */
extern const char *const attention_tensor_names[ATTENTION_TENSORS];

/* Whether layer `layer` has the tensor. */
bool attention_has_tensor(const AttentionOptions *options, int layer, AttentionTensor tensor);

/* How many numbers the output gate has for each row; 0: there is none. */
int attention_gate_size(const AttentionOptions *options, const PositionShape *shape);

/* Initial values of a tensor: normal, or uniform from mean - spread to mean + spread. */
typedef struct AttentionStart {
    double mean, spread;
    bool normal;
} AttentionStart;
AttentionStart attention_start(const AttentionOptions *options, AttentionTensor tensor);

/* The tensors of the next layer, and where their gradients are added up (all NULL: nowhere); NULL where the
   layer has none. Called before attention_layer. */
void attention_set_tensors(Attention *attention, const float *const values[ATTENTION_TENSORS],
                           float *const gradients[ATTENTION_TENSORS]);

/* Dropout of probabilities, decided by the number at index (sequence, head, i, j) of the random stream `key`.
   p = 0: none. */
typedef struct AttentionDropout {
    double p;
    uint64_t key;
    int64_t first_sequence;
} AttentionDropout;

/* Whether the method reads x[B,K,C], the input of the projections to q, k and v. */
bool attention_reads_input(const PositionMethod *method);

/* Fills out[B,T,C] and lse[B,H,K] (NULL if no backward pass follows). */
void attention_forward(Attention *attention, float *out, float *lse, const float *qkv, const float *x,
                       int sequences, AttentionDropout dropout);

/* dqkv[B,K,3C] is overwritten; dout[B,T,C] is the gradient of out; dx[B,K,C] += the gradient that reaches x
   by the method's hooks instead of q, k and v; out and lse are those of the forward pass. Passes the gradient
   of the layer's biases to the method. */
void attention_backward(Attention *attention, float *dqkv, float *dx, const float *dout, const float *out,
                        const float *lse, const float *qkv, const float *x, int sequences,
                        AttentionDropout dropout);

/* Called once per pass, after the backward passes of all layers: passes the gradient of the biases that all
   layers share to the method. */
void attention_end(Attention *attention);

#endif
