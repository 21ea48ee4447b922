"""End-to-end networks: published architectures, one a file, and the one loop that trains them."""
