"""Times training steps of a Qwen3 shape in PyTorch; bench/train.ts runs it.

    python3 bench/peers/train_torch.py '{"config": {…}, "batch": 24, "sequence": 128, "steps": 3, "threads": 2}'

`config` is config.json's; with "lora": {"rank": 8, "alpha": 16} the weights are frozen and every linear layer of the blocks
gets an adapter. Weights and ids are random. A step is forward, backward, clipping and AdamW, all in float32; the first is
not counted. Prints one line of JSON: seconds of each step, the loss, and the most memory that was resident, in bytes.
"""

import json
import math
import resource
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F


class Adapted(nn.Module):
    """A frozen linear layer and what its adapter adds."""

    def __init__(self, base, rank, alpha):
        super().__init__()
        self.base = base
        self.a = nn.Parameter(torch.randn(rank, base.in_features) / math.sqrt(base.in_features))
        self.b = nn.Parameter(torch.zeros(base.out_features, rank))
        self.scale = alpha / rank

    def forward(self, x):
        return self.base(x) + F.linear(F.linear(x, self.a), self.b) * self.scale


class Norm(nn.Module):
    def __init__(self, size, eps):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps) * self.weight


def rotate(x, cos, sin):
    first, second = x.chunk(2, -1)
    return torch.cat((first * cos - second * sin, second * cos + first * sin), -1)


class Block(nn.Module):
    def __init__(self, c, linear):
        super().__init__()
        hidden, width, eps = c["hidden_size"], c["intermediate_size"], c["rms_norm_eps"]
        self.heads, self.kv, self.dim = c["num_attention_heads"], c["num_key_value_heads"], c["head_dim"]
        self.q = linear(hidden, self.heads * self.dim)
        self.k = linear(hidden, self.kv * self.dim)
        self.v = linear(hidden, self.kv * self.dim)
        self.o = linear(self.heads * self.dim, hidden)
        self.gate = linear(hidden, width)
        self.up = linear(hidden, width)
        self.down = linear(width, hidden)
        self.q_norm, self.k_norm = Norm(self.dim, eps), Norm(self.dim, eps)
        self.before, self.between = Norm(hidden, eps), Norm(hidden, eps)

    def forward(self, x, cos, sin, mask):
        batch, rows, _ = x.shape
        h = self.before(x)
        split = lambda y, heads: y.view(batch, rows, heads, self.dim).transpose(1, 2)
        q = rotate(self.q_norm(split(self.q(h), self.heads)), cos, sin)
        k = rotate(self.k_norm(split(self.k(h), self.kv)), cos, sin)
        v = split(self.v(h), self.kv)
        k = k.repeat_interleave(self.heads // self.kv, 1)
        v = v.repeat_interleave(self.heads // self.kv, 1)
        weights = (q @ k.transpose(2, 3) / math.sqrt(self.dim) + mask).softmax(-1)
        x = x + self.o((weights @ v).transpose(1, 2).reshape(batch, rows, -1))
        h = self.between(x)
        return x + self.down(F.silu(self.gate(h)) * self.up(h))


class Model(nn.Module):
    """Its head is the embedding's matrix."""

    def __init__(self, c, lora):
        super().__init__()

        def linear(inputs, outputs):
            layer = nn.Linear(inputs, outputs, bias=False)
            nn.init.normal_(layer.weight, std=0.02)
            layer.weight.requires_grad_(lora is None)
            return Adapted(layer, **lora) if lora else layer

        self.embed = nn.Embedding(c["vocab_size"], c["hidden_size"])
        nn.init.normal_(self.embed.weight, std=0.02)
        self.blocks = nn.ModuleList(Block(c, linear) for _ in range(c["num_hidden_layers"]))
        self.norm = Norm(c["hidden_size"], c["rms_norm_eps"])
        if lora:
            for name, parameter in self.named_parameters():
                parameter.requires_grad_(name.endswith((".a", ".b")))

    def forward(self, ids, cos, sin, mask):
        x = self.embed(ids)
        for block in self.blocks:
            x = block(x, cos, sin, mask)
        return F.linear(self.norm(x), self.embed.weight)


def main(task):
    torch.set_num_threads(task["threads"])
    torch.manual_seed(1)
    c = task["config"]
    batch, rows = task["batch"], task["sequence"]
    model = Model(c, task.get("lora"))
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-4, betas=(0.9, 0.95), weight_decay=0.1)
    rates = c["rope_theta"] ** (-torch.arange(0, c["head_dim"], 2) / c["head_dim"])
    angles = torch.arange(rows)[:, None] * rates
    cos, sin = angles.cos(), angles.sin()
    mask = torch.full((rows, rows), -math.inf).triu(1)
    seconds = []
    for _ in range(task["steps"] + 1):
        ids = torch.randint(c["vocab_size"], (batch, rows + 1))
        start = time.perf_counter()
        logits = model(ids[:, :-1], cos, sin, mask)
        loss = F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten())
        loss.backward()
        del logits
        nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        seconds.append(time.perf_counter() - start)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    count = sum(p.numel() for p in model.parameters())
    print(json.dumps({"seconds": seconds[1:], "loss": loss.item(), "memory": memory, "parameters": count}))


main(json.loads(sys.argv[1]))
