"""Consilium's core: what is known, how it is found, how it is said, how it is checked. Importing it loads no model."""
