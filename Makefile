.PHONY: setup check test lint clean
