"""What pyproject.toml cannot say: tasks/ and specs/ travel in the wheel, for `circuitlang new --example`."""

from setuptools import find_namespace_packages, setup

EXAMPLES = {f"circuitlang.examples.{folder}": folder for folder in ("tasks", "specs")}

setup(packages=[*find_namespace_packages(include=["circuitlang*"]), *EXAMPLES], package_dir=EXAMPLES)
