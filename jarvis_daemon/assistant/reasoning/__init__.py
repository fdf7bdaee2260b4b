"""The model's side of a turn: what it is shown, the calls it proposes, whose words they are, what it may claim."""
