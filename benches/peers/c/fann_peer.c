/* FANN, incremental training on one thread: W1, W3, W4.
 *
 *     fann_peer WORK online 1 FOLDER
 *
 * FANN has no mini-batch: W1 is trained one sample a step here, at a tenth of the rate, which is its nearest equal. */
#include <floatfann.h>

#include "peer.h"

#define FANN_VERSION "2.2.0" /* Debian 12's; the library does not tell its own */

static struct fann *sigmoid_network(struct fann *net, float rate, float range) {
    fann_randomize_weights(net, -range, range);
    fann_set_training_algorithm(net, FANN_TRAIN_INCREMENTAL);
    fann_set_train_error_function(net, FANN_ERRORFUNC_LINEAR);
    fann_set_activation_function_hidden(net, FANN_SIGMOID);
    fann_set_activation_function_output(net, FANN_SIGMOID);
    fann_set_learning_rate(net, rate);
    fann_set_learning_momentum(net, 0);
    return net;
}

int main(int count, char **argument) {
    if (count != 5) return fprintf(stderr, "usage: fann_peer W1|W3|W4 online 1 FOLDER\n"), 2;
    const char *work = argument[1], *manner = argument[2], *folder = argument[4];
    double times[256];
    if (!strcmp(work, "W4")) {
        struct fann *net = sigmoid_network(fann_create_standard(3, 2, 2, 2), 0.5f, 1);
        float x[2] = {0.05f, 0.1f}, y[2] = {0.01f, 0.99f};
        for (int r = 0; r < 31; r++) {
            double start = now();
            for (int i = 0; i < 10000; i++) fann_train(net, x, y);
            times[r] = now() - start;
        }
        emit("FANN", FANN_VERSION, work, manner, "s/10k steps", times, 31, -1);
        return 0;
    }
    int w1 = !strcmp(work, "W1"), epochs = w1 ? 6 : 31;
    if (!w1 && strcmp(work, "W3")) return fprintf(stderr, "fann_peer: no work '%s'; it has W1, W3, W4\n", work), 2;
    set train = load(folder, w1 ? "mnist_train" : "digits_train"), test = load(folder, w1 ? "mnist_test" : "digits_test");
    struct fann *net = w1 ? sigmoid_network(fann_create_standard(3, 784, 30, 10), 0.3f, 1)
                          : sigmoid_network(fann_create_standard(4, 1024, 16, 16, 10), 0.01f, 1);
    int *order = malloc(train.n * sizeof *order);
    for (int i = 0; i < train.n; i++) order[i] = i;
    for (int e = 0; e < epochs; e++) {
        double start = now();
        shuffle(order, train.n);
        for (int i = 0; i < train.n; i++)
            fann_train(net, train.x + (size_t)order[i] * train.d, train.y + order[i] * 10);
        times[e] = now() - start;
    }
    int right = 0;
    for (int i = 0; i < test.n; i++) {
        float *out = fann_run(net, test.x + (size_t)i * test.d);
        int best = 0;
        for (int j = 1; j < 10; j++)
            if (out[j] > out[best]) best = j;
        right += best == test.c[i];
    }
    emit("FANN", FANN_VERSION, work, manner, "s/epoch", times, epochs, (double)right / test.n);
    return 0;
}
