"""How often the judge is wrong: `python -m benchmarks.judge`."""
