"""A convolutional network on the UCI digits with PyTorch; the two lines that join a search are `peng.epochs` and
`job.report`.

    peng-exec-worker -- python torch_digits.py        for each job of a search
    python torch_digits.py                            by hand
"""

import sys

import peng

try:
    import torch
    from sklearn.datasets import load_digits
except ImportError as missing:
    sys.exit(f"this example needs PyTorch and scikit-learn: {missing}")

job = peng.job(epochs=8)
torch.manual_seed(job.seed)
device = "cuda" if torch.cuda.is_available() else "cpu"
images, labels = load_digits(return_X_y=True)
images = torch.tensor(images / 16.0, dtype=torch.float32, device=device).reshape(-1, 1, 8, 8)
labels = torch.tensor(labels, device=device)
width = job.genome.get("description", {}).get("width", 16)
network = torch.nn.Sequential(
    torch.nn.Conv2d(1, width, 3, padding=1),
    torch.nn.ReLU(),
    torch.nn.MaxPool2d(2),
    torch.nn.Flatten(),
    torch.nn.Linear(width * 16, 10),
).to(device)
optimiser = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
order = torch.Generator().manual_seed(job.seed)

if job.resume_from:
    state = torch.load(job.resume_from)
    network.load_state_dict(state["network"])
    optimiser.load_state_dict(state["optimiser"])
    order.set_state(state["order"])

for epoch in peng.epochs(job):
    losses = []
    for batch in torch.randperm(1397, generator=order).to(device).split(64):
        optimiser.zero_grad()
        loss = torch.nn.functional.cross_entropy(network(images[batch]), labels[batch])
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    with torch.no_grad():
        right = (network(images).argmax(1) == labels).double() * 100
    path = f"{job.checkpoint_directory}/state.pt"
    state = {"network": network.state_dict(), "optimiser": optimiser.state_dict(), "order": order.get_state()}
    torch.save(state, path)
    job.report(
        val_acc=right[1397:].mean(),
        train_acc=right[:1397].mean(),
        train_loss=sum(losses) / len(losses),
        checkpoint=path,
    )
