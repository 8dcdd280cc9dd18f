/* The most f32 multiply-adds the cores do: 12 independent chains in registers, in the widest vectors of the CPU.
 *
 *     peak W6 registers THREADS
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>

#include "peer.h"

#ifdef __AVX512F__
#define LANES 16
#elif defined(__AVX__)
#define LANES 8
#else
#define LANES 4
#endif
#ifdef __aarch64__
#define REGISTER "+w"
#else
#define REGISTER "+v"
#endif
#define CHAINS 12
#define EACH(f) f(0) f(1) f(2) f(3) f(4) f(5) f(6) f(7) f(8) f(9) f(10) f(11)
#define DECLARE(i) vector s##i = {0};
#define STEP(i) s##i = s##i * x + y; __asm__ volatile("" : REGISTER(s##i)); /* the chain stays in its register */
#define ADD(i) sum += s##i;
#define STEPS 20000000L
typedef float vector __attribute__((vector_size(4 * LANES)));

static pthread_barrier_t together;
static volatile float sink;

static void *run(void *core) {
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET((long)core, &one);
    pthread_setaffinity_np(pthread_self(), sizeof one, &one);
    EACH(DECLARE)
    vector x, y;
    for (int i = 0; i < LANES; i++) x[i] = 0.999f, y[i] = 1e-6f;
    pthread_barrier_wait(&together);
    for (long k = 0; k < STEPS; k++) {
        EACH(STEP)
    }
    vector sum = {0};
    EACH(ADD)
    sink = sum[0];
    return 0;
}

int main(int count, char **argument) {
    if (count < 4) return fprintf(stderr, "usage: peak W6 registers THREADS\n"), 2;
    int threads = atoi(argument[3]);
    pthread_t thread[64];
    if (threads < 1 || threads > 64) return fprintf(stderr, "peak: 1 to 64 threads, found %s\n", argument[3]), 2;
    printf("{\"peer\": \"FMA peak\", \"version\": \"gcc %s\", \"work\": \"W6\", \"manner\": \"registers\", \"variant\": \"peak\", "
           "\"threads\": %d, \"unit\": \"GF/s\", \"reps\": [", __VERSION__, threads);
    double best = 0;
    for (int r = 0; r < 4; r++) {
        pthread_barrier_init(&together, 0, threads + 1);
        for (long i = 0; i < threads; i++) pthread_create(&thread[i], 0, run, (void *)i);
        pthread_barrier_wait(&together);
        double start = now();
        for (int i = 0; i < threads; i++) pthread_join(thread[i], 0);
        double rate = threads * STEPS * (2.0 * LANES * CHAINS) / (now() - start) / 1e9;
        best = fmax(best, rate);
        if (r) printf("%s%.1f", r > 1 ? ", " : "", rate);
    }
    printf("], \"value\": %.1f, \"accuracy\": null}\n", best);
    return 0;
}
