/* What the C peers share: the prepared data, a clock, a generator, the JSON line. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static inline double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + 1e-9 * t.tv_nsec;
}

/* xorshift64 */
static unsigned long long state = 88172645463325252ULL;
static inline unsigned long long next_random(void) {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return state;
}
static inline float uniform(void) { return (next_random() >> 40) / (float)(1 << 24); }
static inline float gaussian(void) {
    float u = fmaxf(uniform(), 1e-7f);
    return sqrtf(-2 * logf(u)) * cosf(6.2831853f * uniform());
}
static inline void shuffle(int *order, int n) {
    for (int i = n - 1; i > 0; i--) {
        int j = next_random() % (i + 1), kept = order[i];
        order[i] = order[j], order[j] = kept;
    }
}

typedef struct {
    int n, d;
    float *x;         /* (n, d) */
    float *y;         /* (n, 10), one-hot */
    unsigned char *c; /* (n), the classes */
} set;

static inline unsigned char *read_bytes(const char *folder, const char *name, long *size) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    if (!file) perror(path), exit(1);
    fseek(file, 0, SEEK_END), *size = ftell(file), rewind(file);
    unsigned char *bytes = malloc(*size);
    if (fread(bytes, 1, *size, file) != (size_t)*size) fprintf(stderr, "%s: cannot be read whole\n", path), exit(1);
    fclose(file);
    return bytes;
}

/* part: "mnist_train", "mnist_test", "digits_train", "digits_test" */
static inline set load(const char *folder, const char *part) {
    char name[256];
    long bytes, n;
    set s;
    snprintf(name, sizeof name, "%s_y.u8", part);
    s.c = read_bytes(folder, name, &n);
    snprintf(name, sizeof name, "%s_x.u8", part);
    unsigned char *x = read_bytes(folder, name, &bytes);
    s.n = n, s.d = bytes / n;
    s.x = malloc(bytes * sizeof(float)), s.y = calloc(n * 10, sizeof(float));
    float scale = strncmp(part, "mnist", 5) ? 1 : 255;
    for (long i = 0; i < bytes; i++) s.x[i] = x[i] / scale;
    for (long i = 0; i < n; i++) s.y[i * 10 + s.c[i]] = 1;
    free(x);
    return s;
}

static inline int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* Prints one JSON line; the first of the `n` times is dropped. accuracy < 0: none. */
static inline void emit(const char *peer, const char *version, const char *work, const char *manner, const char *unit,
                 const double *times, int n, double accuracy) {
    double sorted[256];
    times++, n--;
    memcpy(sorted, times, n * sizeof *times);
    qsort(sorted, n, sizeof *sorted, by_value);
    printf("{\"peer\": \"%s\", \"version\": \"%s\", \"work\": \"%s\", \"manner\": \"%s\", \"variant\": \"f32\", "
           "\"threads\": 1, \"unit\": \"%s\", \"value\": %.9g, \"reps\": [", peer, version, work, manner, unit,
           0.5 * (sorted[(n - 1) / 2] + sorted[n / 2]));
    for (int i = 0; i < n; i++) printf("%s%.9g", i ? ", " : "", times[i]);
    if (accuracy < 0) puts("], \"accuracy\": null}");
    else printf("], \"accuracy\": %.4f}\n", accuracy);
}
