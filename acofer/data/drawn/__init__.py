"""A person, an expression and a scene make a small grey picture of a face, drawn by numpy and Pillow alone."""
