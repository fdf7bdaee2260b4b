"""Sessions and turns: kept, told as events, interruptible, resumable."""
