"""Questions drafted from documents, one way of drafting a file; `eval.make_dataset` chooses among them."""
