"""From pictures to numbers: frozen networks, the store of their embeddings, and the balance of classes."""
