"""The parts of a run's page: words, drawings, plots, tables, examples."""
