"""The threshold and size limit for a wished rate of false rejects, from parts whose state is known."""
