"""Which runs to train: factors, arms, designs, studies."""
