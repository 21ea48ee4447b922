"""What is installed, at hand and in the way: looked at, and said as plain data. Nothing is changed."""
