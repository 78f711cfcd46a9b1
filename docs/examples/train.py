"""Train a model; this one is so small that it learns nothing, in a second."""

import tempfile
from pathlib import Path

import circuitlang as cl

FILE = """
corpus sums {
  rule n = 0..99
  rule line = n " + " n " = " n "\\n"
  rule page = line{8..12}
  document page
}

model tiny {
  architecture { layers = 1  width = 16  heads = 2  context = 32  vocabulary = 280 }
  sparsity { weights = 1/4  floor = 1 }
  train { corpus = sums  tokens = 4K  batch = 4  validation = 256 }
}
"""
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder, "tiny.cir")
    path.write_text(FILE)
    model = cl.train(path)
print(model)
print(model.record("12 + 7", "0.neuron")["0.neuron"].shape)
