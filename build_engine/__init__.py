"""Networks, synthetic training data, training, evaluation and export."""
