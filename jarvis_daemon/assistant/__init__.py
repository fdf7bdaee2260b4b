"""The mind: understands sentences, asks models, remembers, and can only propose; the gate of ``tools`` decides."""
