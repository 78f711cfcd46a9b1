"""Find a circuit and hand it on: to networkx, to an edge list, to Neuronpedia."""

import tempfile
from pathlib import Path

import circuitlang as cl

(circuit,) = cl.prune("specs/bracket_depth.cir")
print(circuit)
graph = circuit.graph()
dearest = max(circuit.nodes, key=lambda name: graph.nodes[name]["cost"])
print(f"{dearest} costs {graph.nodes[dearest]['cost']:.2f} nats and acts on {sorted(graph[dearest])}")

with tempfile.TemporaryDirectory() as folder:
    edges = circuit.write(Path(folder, "circuit.tsv"))
    print(edges.read_text().splitlines()[0].split("\t"))

model = cl.load_model("zoo:python-small")
seen = model.see(circuit, "def scan():\n    grid = 0\n    rows = [[1, 2], [3", answer="]]\n")
data = circuit.to_neuronpedia(seen)
print(len(data["nodes"]), "nodes and", len(data["links"]), "links on", data["metadata"]["prompt_tokens"][-3:])
