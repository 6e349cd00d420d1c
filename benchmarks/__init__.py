"""Side-by-side measurements. Run each from the root of the checkout: `python -m benchmarks.NAME --help`."""
