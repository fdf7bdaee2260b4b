"""One panel a file: what it draws from the model."""
