"""From a trigger to a result on disk: the workers, what stands between them, and who looks after them."""
