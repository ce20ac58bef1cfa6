/* bf16: a oneDNN primitive is created when a thread first needs a product of a new shape.
 *
 * Each thread has its own primitives, because oneDNN's working memory belongs to the thread that made a
 * primitive; oneDNN shares the compiled code among threads. A full table replaces its oldest entry.
 */
#include "math/bf16.h"

#include <string.h>

void bf16_round(uint16_t *restrict to, const float *restrict from, size_t count) {
    for (size_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, from + i, sizeof bits);
        uint32_t nearest = bits + 0x7fff + (bits >> 16 & 1);
        bool nan = (bits & 0x7fffffff) > 0x7f800000;
        to[i] = (uint16_t)((nan ? bits | 0x400000 : nearest) >> 16);
    }
}

#if POSLAB_ONEDNN

#include <dnnl.h>

enum { PRODUCTS = 64 };

typedef struct Bf16Shape {
    int m, n, k;
    bool transpose_a, transpose_b, add;
} Bf16Shape;

typedef struct Product {
    Bf16Shape shape;
    dnnl_primitive_t primitive; /* NULL: no entry */
    dnnl_memory_t a, b, c;
} Product;

static _Thread_local struct {
    dnnl_engine_t engine; /* NULL: not created for this thread yet */
    dnnl_stream_t stream;
    Product product[PRODUCTS];
    int oldest;
} mine;

const char *bf16_library_version(void) {
    static char text[32]; /* every thread writes the same text */
    const dnnl_version_t *version = dnnl_version();
    snprintf(text, sizeof text, "%d.%d.%d", version->major, version->minor, version->patch);
    return text;
}

const char *bf16_unavailable_reason(void) {
#if defined(__x86_64__)
    if ((dnnl_get_effective_cpu_isa() & dnnl_cpu_isa_avx512_core_bf16) == dnnl_cpu_isa_avx512_core_bf16)
        return NULL;
#endif
    return "this CPU has neither AVX-512 BF16 nor AMX";
}

static void must(dnnl_status_t status, const char *what) {
    if (status == dnnl_out_of_memory) error_fatal("oneDNN has no memory for %s", what);
    if (status != dnnl_success) BUG("oneDNN: %s fails with status %d", what, (int)status);
}

/* oneDNN 2 and 3 differ: descriptors are values in 2 and handles in 3. */
#if DNNL_VERSION_MAJOR >= 3
#define MATRIX_DESCRIBE     dnnl_memory_desc_create_with_strides
#define MATRIX_FREE(matrix) dnnl_memory_desc_destroy(matrix)
#define MATRIX_AT(matrix)   (matrix)
#define APPEND_SUM(list)    dnnl_post_ops_append_sum(list, 1, 0, dnnl_f32)
#define MATMUL_DESCRIBE(to, a, b, c, attributes)                                                             \
    must(dnnl_matmul_primitive_desc_create(to, mine.engine, a, b, NULL, c, attributes), "a product")
#else
#define MATRIX_DESCRIBE     dnnl_memory_desc_init_by_strides
#define MATRIX_FREE(matrix) ((void)0)
#define MATRIX_AT(matrix)   (&(matrix))
#define APPEND_SUM(list)    dnnl_post_ops_append_sum(list, 1)
#define MATMUL_DESCRIBE(to, a, b, c, attributes)                                                             \
    do {                                                                                                     \
        dnnl_matmul_desc_t matmul;                                                                           \
        must(dnnl_matmul_desc_init(&matmul, &(a), &(b), NULL, &(c)), "a product");                           \
        must(dnnl_primitive_desc_create(to, &matmul, attributes, mine.engine, NULL), "a product");           \
    } while (0)
#endif

static dnnl_memory_desc_t matrix(int rows, int columns, bool transposed, dnnl_data_type_t type) {
    dnnl_dims_t dims = {rows, columns}, strides = {transposed ? 1 : columns, transposed ? rows : 1};
    dnnl_memory_desc_t made;
    must(MATRIX_DESCRIBE(&made, 2, dims, type, strides), "a matrix");
    return made;
}

static dnnl_primitive_attr_t attributes_new(bool add) {
    dnnl_primitive_attr_t attributes;
    dnnl_post_ops_t after;
    must(dnnl_primitive_attr_create(&attributes), "attributes");
    must(dnnl_post_ops_create(&after), "attributes");
    if (add) must(APPEND_SUM(after), "a sum");
    must(dnnl_primitive_attr_set_post_ops(attributes, after), "attributes");
    dnnl_post_ops_destroy(after);
    return attributes;
}

static dnnl_memory_t memory_new(dnnl_memory_desc_t of) {
    dnnl_memory_t memory;
    must(dnnl_memory_create(&memory, MATRIX_AT(of), mine.engine, DNNL_MEMORY_NONE), "a matrix");
    return memory;
}

static void product_free(Product *product) {
    if (!product->primitive) return;
    dnnl_memory_destroy(product->a);
    dnnl_memory_destroy(product->b);
    dnnl_memory_destroy(product->c);
    dnnl_primitive_destroy(product->primitive);
    *product = (Product){0};
}

static void product_make(Product *product, const Bf16Shape *shape) {
    dnnl_memory_desc_t a = matrix(shape->m, shape->k, shape->transpose_a, dnnl_bf16);
    dnnl_memory_desc_t b = matrix(shape->k, shape->n, shape->transpose_b, dnnl_bf16);
    dnnl_memory_desc_t c = matrix(shape->m, shape->n, false, dnnl_f32);
    dnnl_primitive_attr_t attributes = attributes_new(shape->add);
    dnnl_primitive_desc_t description;
    MATMUL_DESCRIBE(&description, a, b, c, attributes);
    must(dnnl_primitive_create(&product->primitive, description), "a product");
    product->shape = *shape;
    product->a = memory_new(a), product->b = memory_new(b), product->c = memory_new(c);
    dnnl_primitive_desc_destroy(description);
    dnnl_primitive_attr_destroy(attributes);
    MATRIX_FREE(a);
    MATRIX_FREE(b);
    MATRIX_FREE(c);
}

/* oneDNN takes its number of threads from OpenMP, where it is a setting of the calling thread. Declared here
   because clang does not find gcc's omp.h. */
void omp_set_num_threads(int threads);

static void thread_begin(void) {
    omp_set_num_threads(1);
    must(dnnl_engine_create(&mine.engine, dnnl_cpu, 0), "an engine");
    must(dnnl_stream_create(&mine.stream, mine.engine, dnnl_stream_default_flags), "a stream");
}

static bool same(const Bf16Shape *a, const Bf16Shape *b) {
    return a->m == b->m && a->n == b->n && a->k == b->k && a->transpose_a == b->transpose_a &&
           a->transpose_b == b->transpose_b && a->add == b->add;
}

static Product *product_of(const Bf16Shape *shape) {
    for (int p = 0; p < PRODUCTS && mine.product[p].primitive; p++)
        if (same(&mine.product[p].shape, shape)) return &mine.product[p];
    if (!mine.engine) thread_begin();
    Product *product = &mine.product[mine.oldest];
    mine.oldest = (mine.oldest + 1) % PRODUCTS;
    product_free(product);
    product_make(product, shape);
    return product;
}

void bf16_product(float *c, const uint16_t *a, bool transpose_a, const uint16_t *b, bool transpose_b,
                  bool add, int m, int n, int k) {
    Product *product = product_of(&(Bf16Shape){m, n, k, transpose_a, transpose_b, add});
    must(dnnl_memory_set_data_handle(product->a, (void *)(uintptr_t)a), "a product");
    must(dnnl_memory_set_data_handle(product->b, (void *)(uintptr_t)b), "a product");
    must(dnnl_memory_set_data_handle(product->c, c), "a product");
    const dnnl_exec_arg_t arguments[] = {
        {DNNL_ARG_SRC, product->a}, {DNNL_ARG_WEIGHTS, product->b}, {DNNL_ARG_DST, product->c}};
    must(dnnl_primitive_execute(product->primitive, mine.stream, COUNT_OF(arguments), arguments),
         "a product");
    must(dnnl_stream_wait(mine.stream), "a product");
}

#else

const char *bf16_library_version(void) {
    return NULL;
}

const char *bf16_unavailable_reason(void) {
    return "this program was built without oneDNN; install libdnnl-dev and rebuild with `make`";
}

void bf16_product(float *c, const uint16_t *a, bool transpose_a, const uint16_t *b, bool transpose_b,
                  bool add, int m, int n, int k) {
    (void)c, (void)a, (void)transpose_a, (void)b, (void)transpose_b, (void)add;
    BUG("a bf16 product of %d x %d x %d without oneDNN", m, n, k);
}

#endif
