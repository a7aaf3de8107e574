"""Trains the network of a plan with PyTorch, as one would write it, and prints images per second as JSON.

stdin: {"plan": nodes of layers, "recipe": ..., "images": n, "threads": n}, see throughput.rs.
"""
import json
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F

job = json.load(sys.stdin)
torch.set_num_threads(job["threads"])
torch.manual_seed(1)
plan, recipe, images = job["plan"], job["recipe"], job["images"]


def module(layer):
    kind, p = next(iter(layer.items())) if isinstance(layer, dict) else (layer, {})
    match kind:
        case "conv":
            return nn.Conv2d(p["in_channels"], p["out_channels"], p["kernel"], p["stride"], p["padding"], bias=p["bias"])
        case "batch_norm":
            return nn.BatchNorm2d(p["channels"])
        case "relu":
            return nn.ReLU()
        case "max_pool":
            return nn.MaxPool2d(p["kernel"], p["stride"], p["padding"], ceil_mode=p["ceil"])
        case "avg_pool":
            return nn.AvgPool2d(p["kernel"], p["stride"])
        case "global_avg_pool":
            return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        case "dropout":
            return nn.Dropout(p["rate"])
        case "flatten":
            return nn.Flatten()
        case "linear":
            return nn.Linear(p["in_features"], p["out_features"])
    sys.exit(f"no chain of layers: {kind}")


network = nn.Sequential(*(module(node["layer"]) for node in plan["nodes"][1:]))
optimiser = torch.optim.SGD(
    network.parameters(), recipe["learning_rate"], recipe["momentum"], weight_decay=recipe["weight_decay"]
)
shape = plan["input"]
pixels = torch.randint(0, 256, (images, shape["channels"], shape["height"], shape["width"]), dtype=torch.uint8)
labels = torch.arange(images) % shape["classes"]


def batch(places):
    return (pixels[places].float() - 127.5) / 74.0, labels[places]


def epoch():
    network.train()
    loss_sum, hits = 0.0, 0
    for places in torch.randperm(images).split(recipe["batch_size"]):
        x, y = batch(places)
        logits = network(x)
        loss = F.cross_entropy(logits, y)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        loss_sum += loss.item() * len(y)
        hits += (logits.argmax(1) == y).sum().item()
    network.eval()
    with torch.no_grad():
        for places in torch.arange(images).split(256):
            x, y = batch(places)
            logits = network(x)
            loss_sum += F.cross_entropy(logits, y).item() * len(y)
            hits += (logits.argmax(1) == y).sum().item()


epoch()
clock, processors = time.perf_counter(), time.process_time()
epoch()
clock, processors = time.perf_counter() - clock, time.process_time() - processors
print(json.dumps({"clock": 2 * images / clock, "processors": 2 * images / processors}))
