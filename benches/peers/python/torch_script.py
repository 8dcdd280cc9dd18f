"""An ordinary PyTorch script: reads MNIST, trains 784-256-10 (ReLU, Adam, batches of 128) and stops after the first epoch whose test
accuracy is PERCENT or more. Its whole process is timed from outside.

    python torch_script.py PERCENT MNIST_FOLDER
"""

import gzip
import json
import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn

percent, folder = float(sys.argv[1]), Path(sys.argv[2])


def read(name, header):
    with gzip.open(folder / name) as file:
        return torch.from_numpy(np.frombuffer(file.read(), np.uint8, offset=header).copy())


x = read("train-images-idx3-ubyte.gz", 16).reshape(-1, 784) / 255
y = read("train-labels-idx1-ubyte.gz", 8).long()
test_x = read("t10k-images-idx3-ubyte.gz", 16).reshape(-1, 784) / 255
test_y = read("t10k-labels-idx1-ubyte.gz", 8).long()

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 10))
optimizer = torch.optim.Adam(model.parameters())
loss = nn.CrossEntropyLoss()
for epoch in range(1, 21):
    for batch in torch.randperm(len(x)).split(128):
        optimizer.zero_grad()
        loss(model(x[batch]), y[batch]).backward()
        optimizer.step()
    with torch.no_grad():
        accuracy = (model(test_x).argmax(1) == test_y).float().mean().item()
    if 100 * accuracy >= percent:
        break
print(json.dumps({"version": torch.__version__, "epochs": epoch, "accuracy": round(accuracy, 4)}))
