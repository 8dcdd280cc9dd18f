/* Plain C without a library: what code with no overhead does. W1, W3 and W4 on one thread.
 *
 *     plain_c WORK dense|skip0 1 FOLDER
 *
 * W is kept by input, (inputs, outputs padded to 16): every inner loop runs over outputs, in vectors of 16.
 * skip0 leaves out the zero inputs of the first layer, in the forward pass and in the gradient: the same sums. */
#include "peer.h"

#define LAYERS 3
#define WIDEST 64 /* units of a layer but the input, padded */
typedef float v16 __attribute__((vector_size(64), aligned(4)));
typedef struct {
    int layers, size[LAYERS + 1], padded[LAYERS + 1];
    float *W[LAYERS], *b[LAYERS];              /* W (size[l], padded[l+1]) */
    float a[LAYERS + 1][WIDEST], delta[LAYERS + 1][WIDEST];
} __attribute__((aligned(64))) network;

static network *new_network(int layers, const int *size) {
    network *net = aligned_alloc(64, sizeof *net);
    memset(net, 0, sizeof *net);
    net->layers = layers;
    for (int l = 0; l <= layers; l++) net->size[l] = size[l], net->padded[l] = (size[l] + 15) / 16 * 16;
    for (int l = 0; l < layers; l++) {
        int units = net->padded[l + 1];
        size_t bytes = sizeof(float) * size[l] * units;
        net->W[l] = memset(aligned_alloc(64, bytes), 0, bytes);
        net->b[l] = memset(aligned_alloc(64, units * sizeof(float)), 0, units * sizeof(float));
        for (int j = 0; j < size[l + 1]; j++) {
            net->b[l][j] = gaussian();
            for (int i = 0; i < size[l]; i++) net->W[l][i * units + j] = gaussian();
        }
    }
    return net;
}

/* A function of its own, or gcc unrolls the loop into calls of the scalar expf; n is a multiple of 16. */
static __attribute__((noinline)) void sigmoid(const float *restrict z, float *restrict a, int n) {
    for (int j = 0; j < n / 16 * 16; j++) a[j] = 1 / (1 + expf(-fmaxf(z[j], -80)));
}

/* a = sigmoid(x W + b); `units`, 16 or 32, and `skip` are constants where this is inlined */
static inline __attribute__((always_inline)) void layer(const float *x, int inputs, int units, const float *W,
                                                        const float *b, float *a, int skip) {
    v16 z[2][4] = {0}; /* four sums per vector hide the latency of the multiply-add */
    int vectors = units / 16, i = 0;
    for (int v = 0; v < vectors; v++) z[v][0] = *(const v16 *)(b + 16 * v);
    if (skip) {
        for (; i < inputs; i++) {
            if (x[i] == 0) continue;
            for (int v = 0; v < vectors; v++) z[v][0] += x[i] * *(const v16 *)(W + i * units + 16 * v);
        }
    } else {
        for (; i + 4 <= inputs; i += 4)
            for (int u = 0; u < 4; u++)
                for (int v = 0; v < vectors; v++) z[v][u] += x[i + u] * *(const v16 *)(W + (i + u) * units + 16 * v);
        for (; i < inputs; i++)
            for (int v = 0; v < vectors; v++) z[v][0] += x[i] * *(const v16 *)(W + i * units + 16 * v);
    }
    float sum[32];
    for (int v = 0; v < vectors; v++) *(v16 *)(sum + 16 * v) = z[v][0] + z[v][1] + z[v][2] + z[v][3];
    sigmoid(sum, a, units);
}

/* W -= rate x delta^T, b -= rate delta */
static inline __attribute__((always_inline)) void descend(const float *x, int inputs, int units, const float *delta,
                                                          float rate, float *W, float *b, int skip) {
    v16 change[2];
    int vectors = units / 16;
    for (int v = 0; v < vectors; v++) {
        change[v] = -rate * *(const v16 *)(delta + 16 * v);
        *(v16 *)(b + 16 * v) += change[v];
    }
    for (int i = 0; i < inputs; i++) {
        if (skip && x[i] == 0) continue;
        for (int v = 0; v < vectors; v++) *(v16 *)(W + i * units + 16 * v) += x[i] * change[v];
    }
}

#define SPECIALISED(function, ...)                                     \
    if (units == 32 && skip) function(x, inputs, 32, __VA_ARGS__, 1);  \
    else if (units == 32) function(x, inputs, 32, __VA_ARGS__, 0);     \
    else if (skip) function(x, inputs, 16, __VA_ARGS__, 1);            \
    else function(x, inputs, 16, __VA_ARGS__, 0)

static void forward(network *net, const float *x0, int skip0) {
    for (int l = 0; l < net->layers; l++) {
        const float *x = l ? net->a[l] : x0;
        int inputs = net->size[l], units = net->padded[l + 1], skip = skip0 && l == 0;
        SPECIALISED(layer, net->W[l], net->b[l], net->a[l + 1]);
    }
}

/* delta(l) of the quadratic loss, from the last layer back */
static void backward(network *net, const float *y) {
    int last = net->layers;
    for (int j = 0; j < net->size[last]; j++) {
        float a = net->a[last][j];
        net->delta[last][j] = (a - y[j]) * a * (1 - a);
    }
    for (int l = last - 1; l > 0; l--)
        for (int i = 0; i < net->size[l]; i++) {
            const float *w = net->W[l] + i * net->padded[l + 1];
            float sum = 0, a = net->a[l][i];
            for (int j = 0; j < net->size[l + 1]; j++) sum += w[j] * net->delta[l + 1][j];
            net->delta[l][i] = sum * a * (1 - a);
        }
}

static void update_layer(network *net, int l, const float *x, const float *delta, float rate, int skip0) {
    int inputs = net->size[l], units = net->padded[l + 1], skip = skip0 && l == 0;
    SPECIALISED(descend, delta, rate, net->W[l], net->b[l]);
}

static void step_of_one(network *net, const float *x, const float *y, float rate, int skip0) {
    forward(net, x, skip0);
    backward(net, y);
    for (int l = 0; l < net->layers; l++) update_layer(net, l, l ? net->a[l] : x, net->delta[l + 1], rate, skip0);
}

/* A batch: every sample forward and backward with the old weights, then the updates. */
static void step(network *net, const set *data, const int *batch, int n, float rate, int skip0) {
    static float a[16][LAYERS][WIDEST], delta[16][LAYERS][WIDEST];
    if (n == 1) {
        step_of_one(net, data->x + (size_t)batch[0] * data->d, data->y + batch[0] * 10, rate, skip0);
        return;
    }
    for (int s = 0; s < n; s++) {
        forward(net, data->x + (size_t)batch[s] * data->d, skip0);
        backward(net, data->y + batch[s] * 10);
        for (int l = 0; l < net->layers; l++) {
            memcpy(a[s][l], net->a[l], sizeof a[s][l]);
            memcpy(delta[s][l], net->delta[l + 1], sizeof delta[s][l]);
        }
    }
    for (int s = 0; s < n; s++)
        for (int l = 0; l < net->layers; l++)
            update_layer(net, l, l ? a[s][l] : data->x + (size_t)batch[s] * data->d, delta[s][l], rate / n, skip0);
}

static double accuracy(network *net, const set *test, int skip0) {
    int right = 0;
    for (int i = 0; i < test->n; i++) {
        forward(net, test->x + (size_t)i * test->d, skip0);
        int best = 0;
        for (int j = 1; j < 10; j++)
            if (net->a[net->layers][j] > net->a[net->layers][best]) best = j;
        right += best == test->c[i];
    }
    return (double)right / test->n;
}

int main(int count, char **argument) {
    if (count != 5) return fprintf(stderr, "usage: plain_c W1|W3|W4 dense|skip0 1 FOLDER\n"), 2;
    const char *work = argument[1], *manner = argument[2], *folder = argument[4];
    int skip0 = !strcmp(manner, "skip0");
    double times[256];
    if (!strcmp(work, "W4")) {
        network *net = new_network(2, (int[]){2, 2, 2});
        float x[2] = {0.05f, 0.1f}, y[2] = {0.01f, 0.99f};
        for (int r = 0; r < 31; r++) {
            double start = now();
            for (int i = 0; i < 10000; i++) step_of_one(net, x, y, 0.5f, 0);
            times[r] = now() - start;
        }
        emit("plain C", "gcc " __VERSION__, work, manner, "s/10k steps", times, 31, -1);
        return 0;
    }
    int w1 = !strcmp(work, "W1"), batch = w1 ? 10 : 1, epochs = w1 ? 6 : 31;
    if (!w1 && strcmp(work, "W3")) return fprintf(stderr, "plain_c: no work '%s'; it has W1, W3, W4\n", work), 2;
    set train = load(folder, w1 ? "mnist_train" : "digits_train"), test = load(folder, w1 ? "mnist_test" : "digits_test");
    network *net = w1 ? new_network(2, (int[]){784, 30, 10}) : new_network(3, (int[]){1024, 16, 16, 10});
    int *order = malloc(train.n * sizeof *order);
    for (int i = 0; i < train.n; i++) order[i] = i;
    for (int e = 0; e < epochs; e++) {
        double start = now();
        shuffle(order, train.n);
        for (int k = 0; k + batch <= train.n; k += batch)
            step(net, &train, order + k, batch, w1 ? 3.0f : 0.01f, skip0);
        times[e] = now() - start;
    }
    emit("plain C", "gcc " __VERSION__, work, manner, "s/epoch", times, epochs, accuracy(net, &test, skip0));
    return 0;
}
