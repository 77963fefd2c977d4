"""Model providers: one noun, `Provider.stream(prompt) -> chunks`, and small wrappers around it."""
