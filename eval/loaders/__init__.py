"""One file a format: a record of it becomes examples, its faults are noted in its row."""
