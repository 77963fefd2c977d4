"""What outlives the process: what was learned of providers, what stands open, what the day cost."""
