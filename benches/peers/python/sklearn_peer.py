"""scikit-learn's MLPClassifier, W2 and W5. Manner `fit`: the time of fit() over a few epochs, divided by their number."""

import warnings

import sklearn
from sklearn.neural_network import MLPClassifier

from peer import TRAINING, arguments, emit, load, seconds

warnings.filterwarnings("ignore")  # it did not converge, which is what is asked for here
args = arguments()
SETTINGS = {
    "W2": (3, 4, {"solver": "sgd", "momentum": 0.0, "nesterovs_momentum": False}),
    "W5": (2, 2, {"solver": "adam"}),
}
if args.work not in SETTINGS:
    raise args.unknown()
repetitions, epochs, options = SETTINGS[args.work]
work = TRAINING[args.work]
x, classes = load(args.folder, "mnist_train")
times = []
for seed in range(repetitions):
    model = MLPClassifier(work.sizes[1:-1], activation="relu", learning_rate_init=work.rate, batch_size=work.batch, alpha=0.0,
                          tol=0.0, n_iter_no_change=1000, max_iter=epochs, random_state=seed, **options)
    times.append(seconds(lambda: model.fit(x, classes)) / epochs)
test_x, test_classes = load(args.folder, "mnist_test")
emit(args, "scikit-learn", sklearn.__version__, "f32", "s/epoch", times, (model.predict(test_x) == test_classes).mean())
