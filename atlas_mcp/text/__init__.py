"""Text without a model of the world: sentences, embeddings, ranking, support, readers of file formats."""
