"""From a sentence to an order or a question, without a model."""
