#!/usr/bin/env python3
"""Converts a language model of fairseq to a file that `poslab import` reads.

    tests/torch/fairseq_convert.py checkpoint_best.pt L512.safetensors

Parameters become float32. Buffers are left out, and the tensors of the output that are those of the input. A checkpoint
in which these differ is refused. A checkpoint can run any code when it is loaded: convert only those that you trust.
"""
import json
import struct
import sys

import torch

BUFFERS = ["version", "embed_tokens._float_tensor", "embed_positions._float_tensor", "adaptive_softmax.buf"]
TIED = {"adaptive_softmax.head.word_proj.weight": "embed_tokens.embeddings.0.0.weight",
        "output_projection.weight": "embed_tokens.weight"}
for b in range(1, 17):
    TIED[f"adaptive_softmax.tail.{b - 1}.0.weight"] = f"embed_tokens.embeddings.{b}.1.weight"
    TIED[f"adaptive_softmax.tail.{b - 1}.2.weight"] = f"embed_tokens.embeddings.{b}.0.weight"


def write(path, tensors):
    """A safetensors file: the length of the header, the header as JSON, the numbers."""
    header, end = {}, 0
    for name, tensor in tensors.items():
        begin, end = end, end + 4 * tensor.numel()
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for tensor in tensors.values():
            file.write(tensor.numpy().tobytes())


def convert(checkpoint, path):
    model = torch.load(checkpoint, map_location="cpu", weights_only=False)["model"]
    tensors = {}
    for name, tensor in model.items():
        short = name[len("decoder."):]
        if short in TIED and not torch.equal(tensor, model["decoder." + TIED[short]]):
            sys.exit(f"{checkpoint}: '{name}' is not 'decoder.{TIED[short]}': the output is not tied to the input")
        if short not in TIED and short not in BUFFERS:
            tensors[name] = tensor.float().contiguous()
    write(path, tensors)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    convert(*sys.argv[1:])
