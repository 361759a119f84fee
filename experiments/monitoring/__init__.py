"""What the plan's monitoring checklist asks for: pure decisions over a run's figures."""
